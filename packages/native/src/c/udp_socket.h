#ifndef X_NATIVE_UDP_SOCKET_H
#define X_NATIVE_UDP_SOCKET_H

#include "address.h"
#include "failure.h"

struct socket_request {
  int family; /* AF_INET or AF_INET6 */
  struct address address;
  bool v6_only;
  bool dont_fragment;
  int receive_buffer_bytes; /* 0: the system's default */
  int send_buffer_bytes;
};

/* What the kernel made of the request, read back. */
struct socket_opened {
  int fd;
  uint16_t port;
  bool dont_fragment;
  int receive_buffer_bytes; /* in the unit of the request, so the two can be compared */
  int send_buffer_bytes;
};

/* A bound, non-blocking, close-on-exec UDP socket. On failure nothing stays open. */
bool udp_socket_open(const struct socket_request *request, struct socket_opened *opened, struct failure *failure);

/* Its family. False for other sockets, with EPROTOTYPE, and other descriptors, with ENOTSOCK, as of the call named. */
bool udp_socket_check(int fd, int *family, const char *syscall, struct failure *failure);

/* Closes a UDP socket; refuses other sockets with EPROTOTYPE, other descriptors with ENOTSOCK. */
bool udp_socket_close(int fd, struct failure *failure);

#endif
