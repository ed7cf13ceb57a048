/*
 * The parts of the helper that know nothing of JavaScript, on any bytes: numeric addresses, names of options, names of
 * errors, sockets. The inputs keep to what Node-API checks before these parts are called: text without a zero byte,
 * numbers in their ranges.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "socket_option.h"
#include "udp_socket.h"

#define BUFFER_BYTES_MAX (INT_MAX / 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(holds)                                                         \
  do {                                                                      \
    if (!(holds)) {                                                         \
      (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
      abort();                                                              \
    }                                                                       \
  } while (0)

struct input {
  const uint8_t *data;
  size_t size;
};

static uint8_t take(struct input *input) {
  if (input->size == 0) return 0;
  input->size--;
  return *input->data++;
}

static uint32_t take32(struct input *input) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++) value = value << 8 | take(input);
  return value;
}

/* Text up to a zero byte or the end, in memory of exactly its size: reading one byte more is a finding. */
static char *take_text(struct input *input) {
  size_t length = 0;
  while (length < input->size && input->data[length] != 0) length++;
  char *text = malloc(length + 1);
  MUST(text != NULL);
  if (length > 0) memcpy(text, input->data, length);
  text[length] = '\0';
  const size_t taken = length < input->size ? length + 1 : length;
  input->data += taken;
  input->size -= taken;
  return text;
}

/* A parsed address has its family, and stays the same when printed and parsed again. */
static bool parse(struct input *input, int family, uint16_t port, struct address *address) {
  char *host = take_text(input);
  const bool good = address_parse(address, family, host, port);
  if (good) {
    char again[INET6_ADDRSTRLEN];
    struct address other;
    const struct sockaddr_storage *storage = &address->storage;
    const void *bytes = family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)storage)->sin6_addr
                                           : (const void *)&((const struct sockaddr_in *)storage)->sin_addr;
    MUST(storage->ss_family == family && address_port(address) == port);
    MUST(address->length == (family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)));
    MUST(inet_ntop(family, bytes, again, sizeof again) != NULL);
    MUST(address_parse(&other, family, again, port));
    const char *percent = strchr(host, '%');
    MUST(percent == NULL ? memcmp(&other, address, sizeof other) == 0 : family == AF_INET6);
    /* A scope is an existing interface, or only digits. */
    if (percent != NULL) MUST(if_nametoindex(percent + 1) != 0 || strspn(percent + 1, "0123456789") == strlen(percent + 1));
    if (percent != NULL) MUST(((const struct sockaddr_in6 *)storage)->sin6_scope_id != 0);
  }
  free(host);
  return good;
}

static void parse_address(struct input *input) {
  const int family = (take(input) & 1) != 0 ? AF_INET6 : AF_INET;
  const uint16_t port = (uint16_t)take32(input);
  struct address address;
  (void)parse(input, family, port, &address);
}

/* The number that the next descriptor gets: if it isn't the same before and after, a descriptor leaked. */
static int next_descriptor(void) {
  const int fd = dup(STDERR_FILENO);
  if (fd >= 0) (void)close(fd);
  return fd;
}

static void open_socket(struct input *input) {
  const uint8_t flags = take(input);
  struct socket_request request = {.family = (flags & 1) != 0 ? AF_INET6 : AF_INET};
  struct socket_opened opened = {0};
  struct failure failure = {0};
  request.v6_only = (flags & 2) != 0;
  request.dont_fragment = (flags & 4) != 0;
  request.receive_buffer_bytes = (int)(take32(input) % ((uint32_t)BUFFER_BYTES_MAX + 1));
  request.send_buffer_bytes = (int)(take32(input) % ((uint32_t)BUFFER_BYTES_MAX + 1));
  const uint16_t port = (flags & 8) != 0 ? (uint16_t)take32(input) : 0;
  if (!parse(input, request.family, port, &request.address)) return;
  const int before = next_descriptor();
  if (udp_socket_open(&request, &opened, &failure)) {
    MUST(opened.fd >= 0 && opened.port != 0 && (port == 0 || opened.port == port));
    MUST(opened.receive_buffer_bytes > 0 && opened.send_buffer_bytes > 0);
    MUST(udp_socket_close(opened.fd, &failure));
    MUST(!udp_socket_close(opened.fd, &failure) && failure.number == EBADF);
  } else {
    MUST(failure.syscall != NULL && failure.number != 0);
  }
  MUST(next_descriptor() == before);
}

static void use_option(struct input *input) {
  const int value = (int)take32(input);
  const bool v6 = (take(input) & 1) != 0;
  char *level = take_text(input);
  char *name = take_text(input);
  const struct socket_option *option = socket_option_find(level, name);
  struct failure failure = {0};
  if (option != NULL) {
    MUST(strcmp(option->level_name, level) == 0 && strcmp(option->name, name) == 0);
    const int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    int read_back = 0;
    if (!socket_option_set(fd, option, value, &failure)) MUST(failure.syscall != NULL && failure.number != 0);
    if (!socket_option_get(fd, option, &read_back, &failure)) MUST(failure.syscall != NULL && failure.number != 0);
    if (fd >= 0) (void)close(fd);
  }
  free(level);
  free(name);
}

static void name_errno(struct input *input) {
  const int number = (int)take32(input);
  const char *name = errno_name(number);
  MUST(name == NULL || name[0] == 'E');
}

/* Descriptors that are no UDP socket are refused; the first three belong to this process, and aren't UDP. */
static void close_other(struct input *input) {
  struct failure failure = {0};
  const int32_t fd = (int32_t)take32(input);
  if (fd > 2 && fd < 1024) return;
  MUST(!udp_socket_close(fd, &failure) && failure.number != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  switch (take(&input) % 8) {
    case 0: case 1: case 2: parse_address(&input); break;
    case 3: case 4: use_option(&input); break;
    case 5: name_errno(&input); break;
    case 6: close_other(&input); break;
    default: open_socket(&input); break;
  }
  return 0;
}
