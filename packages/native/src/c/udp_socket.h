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

/* The socket as the kernel granted it, read back. */
struct socket_opened {
  int fd;
  uint16_t port;
  bool dont_fragment;
  int receive_buffer_bytes; /* in the unit of the request, so the two can be compared */
  int send_buffer_bytes;
};

/* Opens a bound, non-blocking, close-on-exec UDP socket. On failure nothing stays open. */
bool udp_socket_open(const struct socket_request *request, struct socket_opened *opened, struct failure *failure);

/*
 * Checks a UDP socket and gets its family. False for other sockets, with EPROTOTYPE, and for other descriptors, with
 * ENOTSOCK, as if `syscall` had failed.
 */
bool udp_socket_check(int fd, int *family, const char *syscall, struct failure *failure);

/* Closes a UDP socket; refuses other sockets with EPROTOTYPE, other descriptors with ENOTSOCK. */
bool udp_socket_close(int fd, struct failure *failure);

#endif
