#ifndef X_NATIVE_ADDRESS_H
#define X_NATIVE_ADDRESS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* "address%interface" and its end. */
#define HOST_BYTES_MAX (INET6_ADDRSTRLEN + IF_NAMESIZE)

struct address {
  struct sockaddr_storage storage;
  socklen_t length;
};

/*
 * Reads a numeric address; never asks a name server. False if it is none of that family, or names an interface that
 * this machine doesn't have. `family` is AF_INET or AF_INET6.
 */
bool address_parse(struct address *address, int family, const char *host, uint16_t port);

/* The numeric address, for a link-local one with its interface ("fe80::1%eth0"); at least HOST_BYTES_MAX bytes. */
void address_print(const struct address *address, char *host);

/* The port in host byte order. */
uint16_t address_port(const struct address *address);

#endif
