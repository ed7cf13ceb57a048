#ifndef X_KERNEL_COMMON_H
#define X_KERNEL_COMMON_H

/*
 * What the measurements of ways through the kernel share: two processes with memory in common, their clocks and
 * sockets, and content that shows whether a datagram came whole and in its place.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "../../../packages/native/src/c/address.h"

#define PORT_BASE 47100
#define NO_CPU (-1)

/* User and system time of all threads of a process, in ns. */
struct cpu {
  uint64_t user;
  uint64_t system;
};

/* Where a process of a run works. `name_space` is a path in /var/run/netns, or NULL. */
struct place {
  const char *name_space;
  const char *host;
  int cpu;
};

uint64_t now_ns(void);
struct cpu cpu_now(void);
struct cpu cpu_since(struct cpu start);
void cpu_print(const char *name, struct cpu used);

/* Ends the process: the run failed, and its numbers count for nothing. errno's text is added if `number` isn't 0. */
_Noreturn void fail(const char *what, int number);
/* Ends the process: the kernel or the device refuses this way. */
_Noreturn void not_available(const char *what, int number);

void *share(size_t bytes);
void enter(const struct place *place);
void pin(int cpu);

/* Bound to place's host and that port; non-blocking. Buffers are as large as the window needs, whatever the limits. */
int open_socket(const struct place *place, uint16_t port);
/* A ring waits for room in a blocking socket; on others it gives up. */
void socket_block(int fd);
struct address address_of(const char *host, uint16_t port);
void set_option(int fd, int level, int name, int value, const char *what);

/* Waits on one descriptor as libuv does: level-triggered, through epoll. */
int epoll_of(int fd);
void epoll_wait_one(int epoll, int timeout_ms);
void event_wait(int fd);
void event_ring(int fd);

/*
 * Runs both in processes of their own, ends both if one fails, and returns when both have returned. A way that isn't
 * available is printed, and ends the program with 0.
 */
void run_both(void (*first)(void *context), void (*second)(void *context), void *context);

/* Datagrams carry their number and a byte at a place that differs from one to the next. */
void content_write(uint8_t *datagram, size_t length, uint64_t number);
/* Fails unless this is datagram `number`, of `length` bytes. */
void content_check(const uint8_t *datagram, size_t got, size_t length, uint64_t number);

/* Reads every byte, as a checksum does: what wasn't read may be in another CPU's cache, and cost nothing. */
uint64_t content_read(const uint8_t *bytes, size_t length);

/* Prints p50, p99 and the mean of samples in ns, as µs. Sorts them. */
void percentiles_print(const char *name, uint32_t *samples, size_t count);

#endif
