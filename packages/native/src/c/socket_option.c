#ifdef __APPLE__
#define __APPLE_USE_RFC_3542
#endif

#include "socket_option.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* Mirrors SocketOptionNames in src/index.ts. Callers pass names, not numbers: the numbers differ between platforms. */
static const struct socket_option OPTIONS[] = {
#define PRESENT(level, name) {#level, #name, level, name}
#define ABSENT(level, name) {#level, #name, level, OPTION_ABSENT}
    PRESENT(SOL_SOCKET, SO_RCVBUF),
    PRESENT(SOL_SOCKET, SO_SNDBUF),
    PRESENT(IPPROTO_IPV6, IPV6_V6ONLY),
#ifdef SO_RCVBUFFORCE
    PRESENT(SOL_SOCKET, SO_RCVBUFFORCE),
    PRESENT(SOL_SOCKET, SO_SNDBUFFORCE),
#else
    ABSENT(SOL_SOCKET, SO_RCVBUFFORCE),
    ABSENT(SOL_SOCKET, SO_SNDBUFFORCE),
#endif
#ifdef SO_NO_CHECK
    PRESENT(SOL_SOCKET, SO_NO_CHECK),
#else
    ABSENT(SOL_SOCKET, SO_NO_CHECK),
#endif
#ifdef IP_MTU_DISCOVER
    PRESENT(IPPROTO_IP, IP_MTU_DISCOVER),
    PRESENT(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
#else
    ABSENT(IPPROTO_IP, IP_MTU_DISCOVER),
    ABSENT(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
#endif
#ifdef IP_DONTFRAG
    PRESENT(IPPROTO_IP, IP_DONTFRAG),
#else
    ABSENT(IPPROTO_IP, IP_DONTFRAG),
#endif
#ifdef IPV6_DONTFRAG
    PRESENT(IPPROTO_IPV6, IPV6_DONTFRAG),
#else
    ABSENT(IPPROTO_IPV6, IPV6_DONTFRAG),
#endif
#undef PRESENT
#undef ABSENT
};

const struct socket_option *socket_option_find(const char *level_name, const char *name) {
  for (size_t i = 0; i < sizeof OPTIONS / sizeof OPTIONS[0]; i++)
    if (strcmp(OPTIONS[i].level_name, level_name) == 0 && strcmp(OPTIONS[i].name, name) == 0) return &OPTIONS[i];
  return NULL;
}

static bool absent(struct failure *failure, const char *syscall) {
  errno = ENOPROTOOPT;
  return failed(failure, syscall);
}

bool socket_option_get(int fd, const struct socket_option *option, int *value, struct failure *failure) {
  if (option->number == OPTION_ABSENT) return absent(failure, "getsockopt");
  socklen_t length = sizeof *value;
  *value = 0;
  return getsockopt(fd, option->level, option->number, value, &length) == 0 ? true : failed(failure, "getsockopt");
}

bool socket_option_set(int fd, const struct socket_option *option, int value, struct failure *failure) {
  if (option->number == OPTION_ABSENT) return absent(failure, "setsockopt");
  return setsockopt(fd, option->level, option->number, &value, sizeof value) == 0 ? true : failed(failure, "setsockopt");
}
