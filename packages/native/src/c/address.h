#ifndef X_NATIVE_ADDRESS_H
#define X_NATIVE_ADDRESS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* "address%interface" with its terminating zero. */
#define HOST_BYTES_MAX (INET6_ADDRSTRLEN + IF_NAMESIZE)

struct address {
  struct sockaddr_storage storage;
  socklen_t length;
};

/*
 * Parses a numeric address; never asks a name server. False if it is no address of that family, or names an interface
 * that this machine doesn't have. `family` is AF_INET or AF_INET6.
 */
bool address_parse(struct address *address, int family, const char *host, uint16_t port);

/*
 * Writes the numeric address, a link-local one with its interface ("fe80::1%eth0"). `host` has at least HOST_BYTES_MAX
 * bytes.
 */
void address_print(const struct address *address, char *host);

/* The port in host byte order. */
uint16_t address_port(const struct address *address);

#endif
