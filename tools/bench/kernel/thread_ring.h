#ifndef X_KERNEL_THREAD_RING_H
#define X_KERNEL_THREAD_RING_H

/*
 * A thread that receives, and a ring from which the main thread takes what came: how a helper with a thread of its own
 * would hand datagrams to JavaScript. The main thread sleeps in epoll on an eventfd, as libuv would.
 */

#include <pthread.h>

#include "../../../packages/native/src/c/udp_batch.h"
#include "common.h"

#define RING_READS 4

/* What one read gave. */
struct ring_read {
  struct incoming_run runs[RECEIVE_SLOTS];
  uint8_t *slab;
  int count;
};

struct thread_ring {
  struct batch_socket *socket;
  /* The thread asks the socket again and again, and never sleeps. */
  bool spins;
  int cpu;
  struct ring_read reads[RING_READS];
  _Alignas(64) atomic_uint put;
  _Alignas(64) atomic_uint taken;
  atomic_bool is_main_asleep;
  atomic_bool is_thread_asleep;
  int wake_main;
  int wake_thread;
  int epoll;
};

/* `cpu` is where the thread runs; NO_CPU: on any. */
void thread_ring_start(struct thread_ring *ring, struct batch_socket *socket, bool spins, int cpu);
/* What was read, or NULL. Valid until thread_ring_release. */
struct ring_read *thread_ring_next(struct thread_ring *ring);
void thread_ring_release(struct thread_ring *ring);
/* Sleeps until there is something; it may return for nothing. */
void thread_ring_sleep(struct thread_ring *ring);

#endif
