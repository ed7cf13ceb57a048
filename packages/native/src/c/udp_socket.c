#include "udp_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "dont_fragment.h"

/* A buffer size that the system refuses as too large is halved and tried again, down to this. */
#define BUFFER_BYTES_MIN 65536

static bool create(int family, int *fd, struct failure *failure) {
#ifdef SOCK_CLOEXEC
  *fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return *fd >= 0 ? true : failed(failure, "socket");
#else
  *fd = socket(family, SOCK_DGRAM, 0);
  if (*fd < 0) return failed(failure, "socket");
  if (fcntl(*fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(*fd, F_SETFL, O_NONBLOCK) != 0) return failed(failure, "fcntl");
  return true;
#endif
}

static bool set_v6_only(int fd, const struct socket_request *request, struct failure *failure) {
  if (request->family != AF_INET6) return true;
  /* Set either way: the default is a setting of the machine. */
  const int value = request->v6_only ? 1 : 0;
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof value) == 0) return true;
  return failed(failure, "setsockopt");
}

static bool set_buffer(int fd, int name, int bytes, struct failure *failure) {
  if (bytes == 0) return true;
  while (setsockopt(fd, SOL_SOCKET, name, &bytes, sizeof bytes) != 0) {
    /*
     * Linux grants as much as it can. macOS refuses sizes over its limit. The caller wants as much as possible, and
     * reads back what it got.
     */
    if (errno != ENOBUFS || bytes / 2 < BUFFER_BYTES_MIN) return failed(failure, "setsockopt");
    bytes /= 2;
  }
  return true;
}

static bool get_buffer(int fd, int name, int *bytes, struct failure *failure) {
  socklen_t length = sizeof *bytes;
  *bytes = 0;
  if (getsockopt(fd, SOL_SOCKET, name, bytes, &length) != 0) return failed(failure, "getsockopt");
#ifdef __linux__
  /* Linux keeps and reports twice the requested size, for its own bookkeeping (socket(7)). */
  *bytes /= 2;
#endif
  return true;
}

static bool is_dual(const struct socket_request *request) { return request->family == AF_INET6 && !request->v6_only; }

/*
 * All options are set before bind: after it datagrams may arrive, and even the first one sent must not be fragmented.
 */
static bool configure(int fd, const struct socket_request *request, struct failure *failure) {
  if (!set_v6_only(fd, request, failure)) return false;
  if (request->dont_fragment && !dont_fragment_set(fd, request->family, is_dual(request), failure)) return false;
  return set_buffer(fd, SO_RCVBUF, request->receive_buffer_bytes, failure) &&
         set_buffer(fd, SO_SNDBUF, request->send_buffer_bytes, failure);
}

static bool bind_address(int fd, const struct address *address, struct failure *failure) {
  return bind(fd, (const struct sockaddr *)&address->storage, address->length) == 0 ? true : failed(failure, "bind");
}

static bool read_back(int fd, const struct socket_request *request, struct socket_opened *opened, struct failure *failure) {
  struct address bound = {.length = sizeof bound.storage};
  if (getsockname(fd, (struct sockaddr *)&bound.storage, &bound.length) != 0) return failed(failure, "getsockname");
  opened->fd = fd;
  opened->port = address_port(&bound);
  opened->dont_fragment = dont_fragment_get(fd, request->family, is_dual(request));
  return get_buffer(fd, SO_RCVBUF, &opened->receive_buffer_bytes, failure) &&
         get_buffer(fd, SO_SNDBUF, &opened->send_buffer_bytes, failure);
}

bool udp_socket_open(const struct socket_request *request, struct socket_opened *opened, struct failure *failure) {
  int fd = -1;
  if (create(request->family, &fd, failure) && configure(fd, request, failure) && bind_address(fd, &request->address, failure) &&
      read_back(fd, request, opened, failure))
    return true;
  /* The failure to report is the one above; a failure to close the new socket would add nothing. */
  if (fd >= 0) (void)close(fd);
  return false;
}

/*
 * A wrong number is most likely another part's file or pipe, and a pipe may be a socket too: only a UDP socket, which
 * can be ours, is closed.
 */
bool udp_socket_check(int fd, int *family, const char *syscall, struct failure *failure) {
  int type = 0;
  socklen_t length = sizeof type;
  struct address bound = {.length = sizeof bound.storage};
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) return failed(failure, syscall);
  if (getsockname(fd, (struct sockaddr *)&bound.storage, &bound.length) != 0) return failed(failure, syscall);
  *family = bound.storage.ss_family;
  if (type == SOCK_DGRAM && (*family == AF_INET || *family == AF_INET6)) return true;
  errno = EPROTOTYPE;
  return failed(failure, syscall);
}

bool udp_socket_close(int fd, struct failure *failure) {
  int family = 0;
  if (!udp_socket_check(fd, &family, "close", failure)) return false;
  /* After EINTR the descriptor is closed all the same on Linux, and a second try could close another one. */
  return close(fd) == 0 || errno == EINTR ? true : failed(failure, "close");
}
