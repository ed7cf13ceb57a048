#ifdef __APPLE__
/* Without this the SDK hides IPV6_DONTFRAG. */
#define __APPLE_USE_RFC_3542
#endif

#include "dont_fragment.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

struct df_option {
  int level;
  int name;
  int value;
};

/*
 * Linux: PROBE, not DO. Both set the DF bit, and both refuse a datagram longer than the interface's MTU with EMSGSIZE.
 * But DO also obeys the path MTU that the kernel learnt from ICMP. Anyone on the path can forge that, and it would
 * block the longer datagrams that a search for the path's real MTU has to send. The library does that search itself
 * (RFC 8899), so the kernel's path MTU is ignored.
 */
#if defined(__linux__)
static const struct df_option V4 = {IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE};
static const struct df_option V6 = {IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE};
#elif defined(IP_DONTFRAG) && defined(IPV6_DONTFRAG)
static const struct df_option V4 = {IPPROTO_IP, IP_DONTFRAG, 1};
static const struct df_option V6 = {IPPROTO_IPV6, IPV6_DONTFRAG, 1};
#else
#error "this platform has no option against fragmentation that is known here"
#endif

/* A kernel or sandbox without the option, or without this value of it, lacks a capability; that is no failure. */
static bool is_unsupported(int number) { return number == ENOPROTOOPT || number == EOPNOTSUPP || number == EINVAL; }

static bool option_set(int fd, const struct df_option *option, struct failure *failure) {
  if (setsockopt(fd, option->level, option->name, &option->value, sizeof option->value) == 0) return true;
  return is_unsupported(errno) ? true : failed(failure, "setsockopt");
}

static bool option_holds(int fd, const struct df_option *option) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, option->level, option->name, &value, &length) == 0 && value == option->value;
}

bool dont_fragment_set(int fd, int family, bool dual, struct failure *failure) {
  if (family == AF_INET) return option_set(fd, &V4, failure);
  return option_set(fd, &V6, failure) && (!dual || option_set(fd, &V4, failure));
}

bool dont_fragment_get(int fd, int family, bool dual) {
  if (family == AF_INET) return option_holds(fd, &V4);
  return option_holds(fd, &V6) && (!dual || option_holds(fd, &V4));
}
