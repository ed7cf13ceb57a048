#include "failure.h"

#include <errno.h>
#include <stddef.h>

bool failed(struct failure *failure, const char *syscall) {
  failure->syscall = syscall;
  failure->number = errno;
  return false;
}

/*
 * Our own table: strerrorname_np exists only in glibc, and uv_err_name isn't part of Node-API, so Bun and Deno may lack
 * it.
 */
static const struct {
  int number;
  const char *name;
} NAMES[] = {
#define NAME(e) {e, #e}
    NAME(EACCES),       NAME(EADDRINUSE),   NAME(EADDRNOTAVAIL), NAME(EAFNOSUPPORT), NAME(EAGAIN),     NAME(EBADF),
    NAME(ECONNREFUSED), NAME(EDESTADDRREQ), NAME(EDOM),          NAME(EFAULT),       NAME(EHOSTDOWN),  NAME(EHOSTUNREACH),
    NAME(EINTR),        NAME(EINVAL),       NAME(EIO),           NAME(EISCONN),      NAME(EMFILE),     NAME(EMSGSIZE),
    NAME(ENETDOWN),     NAME(ENETUNREACH),  NAME(ENFILE),        NAME(ENOBUFS),      NAME(ENODEV),     NAME(ENOMEM),
    NAME(ENOPROTOOPT),  NAME(ENOTCONN),     NAME(ENOTSOCK),      NAME(ENXIO),        NAME(EOPNOTSUPP), NAME(EPERM),
    NAME(EPROTONOSUPPORT), NAME(EPROTOTYPE), NAME(ECONNABORTED), NAME(ECONNRESET),  NAME(EEXIST),     NAME(ENOSPC),
    NAME(EPIPE),
#undef NAME
};

const char *errno_name(int number) {
  for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
    if (NAMES[i].number == number) return NAMES[i].name;
  return NULL;
}
