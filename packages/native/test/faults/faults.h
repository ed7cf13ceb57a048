#ifndef X_FAULTS_H
#define X_FAULTS_H

/*
 * Included before each unit of a helper for tests: each call of the system, of libuv and for memory asks first whether
 * it is to fail. The headers come before the macros, so that these meet calls alone.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loop.h"

#define FAULTS(do) \
  do(socket) do(setsockopt) do(getsockopt) do(bind) do(getsockname) do(close) do(fstat) do(poll) do(sendmsg) do(sendmmsg) do(recvmmsg) \
  do(timerfd_create) do(timerfd_settime) do(timerfd_gettime) do(read) do(uv_poll_init) do(uv_poll_start) do(malloc) do(calloc) do(realloc)

#define FAULT_KIND(name) FAULT_##name,
enum fault { FAULTS(FAULT_KIND) FAULT_COUNT };
#undef FAULT_KIND

/* Whether this call is to fail; if so, errno is set. */
bool fault_due(enum fault kind);

#ifndef X_FAULTS_OWN
#define socket(...) (fault_due(FAULT_socket) ? -1 : socket(__VA_ARGS__))
#define setsockopt(...) (fault_due(FAULT_setsockopt) ? -1 : setsockopt(__VA_ARGS__))
#define getsockopt(...) (fault_due(FAULT_getsockopt) ? -1 : getsockopt(__VA_ARGS__))
#define bind(...) (fault_due(FAULT_bind) ? -1 : bind(__VA_ARGS__))
#define getsockname(...) (fault_due(FAULT_getsockname) ? -1 : getsockname(__VA_ARGS__))
/* As the system's: the descriptor is closed all the same. */
#define close(fd) (fault_due(FAULT_close) ? ((void)close(fd), errno = EIO, -1) : close(fd))
#define fstat(...) (fault_due(FAULT_fstat) ? -1 : fstat(__VA_ARGS__))
#define poll(...) (fault_due(FAULT_poll) ? -1 : poll(__VA_ARGS__))
#define sendmsg(...) (fault_due(FAULT_sendmsg) ? -1 : sendmsg(__VA_ARGS__))
#define sendmmsg(...) (fault_due(FAULT_sendmmsg) ? -1 : sendmmsg(__VA_ARGS__))
#define recvmmsg(...) (fault_due(FAULT_recvmmsg) ? -1 : recvmmsg(__VA_ARGS__))
#define timerfd_create(...) (fault_due(FAULT_timerfd_create) ? -1 : timerfd_create(__VA_ARGS__))
#define timerfd_settime(...) (fault_due(FAULT_timerfd_settime) ? -1 : timerfd_settime(__VA_ARGS__))
#define timerfd_gettime(...) (fault_due(FAULT_timerfd_gettime) ? -1 : timerfd_gettime(__VA_ARGS__))
#define read(...) (fault_due(FAULT_read) ? -1 : read(__VA_ARGS__))
#define uv_poll_init(...) (fault_due(FAULT_uv_poll_init) ? -errno : uv_poll_init(__VA_ARGS__))
#define uv_poll_start(...) (fault_due(FAULT_uv_poll_start) ? -errno : uv_poll_start(__VA_ARGS__))
#define malloc(...) (fault_due(FAULT_malloc) ? NULL : malloc(__VA_ARGS__))
#define calloc(...) (fault_due(FAULT_calloc) ? NULL : calloc(__VA_ARGS__))
#define realloc(...) (fault_due(FAULT_realloc) ? NULL : realloc(__VA_ARGS__))
#endif

#endif
