#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A scope is an interface's name or its number in decimal; 0 stands for "none" and is refused. */
static bool scope_parse(uint32_t *scope, const char *text) {
  *scope = if_nametoindex(text);
  if (*scope != 0) return true;
  char *end = NULL;
  const unsigned long number = strtoul(text, &end, 10);
  /* strtoul would also take a sign, blanks and the empty string. */
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || number == 0 || number > UINT32_MAX) return false;
  *scope = (uint32_t)number;
  return true;
}

static bool parse_v4(struct address *address, const char *host, uint16_t port) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
  address->length = sizeof *v4;
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static bool parse_v6(struct address *address, const char *host, uint16_t port) {
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
  address->length = sizeof *v6;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  const char *percent = strchr(host, '%');
  if (percent == NULL) return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
  char bare[INET6_ADDRSTRLEN] = {0};
  const size_t length = (size_t)(percent - host);
  if (length >= sizeof bare) return false;
  memcpy(bare, host, length);
  if (inet_pton(AF_INET6, bare, &v6->sin6_addr) != 1) return false;
  uint32_t scope = 0;
  if (!scope_parse(&scope, percent + 1)) return false;
  v6->sin6_scope_id = scope;
  return true;
}

bool address_parse(struct address *address, int family, const char *host, uint16_t port) {
  memset(address, 0, sizeof *address);
  return family == AF_INET6 ? parse_v6(address, host, port) : parse_v4(address, host, port);
}

uint16_t address_port(const struct address *address) {
  if (address->storage.ss_family == AF_INET6) return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
  return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
}

void address_print(const struct address *address, char *host) {
  host[0] = '\0';
  if (address->storage.ss_family != AF_INET6) {
    (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)&address->storage)->sin_addr, host, HOST_BYTES_MAX);
    return;
  }
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
  (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, HOST_BYTES_MAX);
  if (v6->sin6_scope_id == 0) return;
  char name[IF_NAMESIZE] = "";
  const size_t length = strlen(host);
  if (if_indextoname(v6->sin6_scope_id, name) != NULL) (void)snprintf(host + length, HOST_BYTES_MAX - length, "%%%s", name);
  else (void)snprintf(host + length, HOST_BYTES_MAX - length, "%%%u", (unsigned)v6->sin6_scope_id);
}
