/* A thread that receives, and the ring between it and the main thread; see thread_ring.h. */

#include "thread_ring.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static unsigned waiting(const struct thread_ring *ring) { return atomic_load(&ring->put) - atomic_load(&ring->taken); }

static void wait_for_room(struct thread_ring *ring) {
  while (waiting(ring) == RING_READS) {
    if (ring->spins) continue;
    atomic_store(&ring->is_thread_asleep, true);
    if (waiting(ring) == RING_READS) event_wait(ring->wake_thread);
    atomic_store(&ring->is_thread_asleep, false);
  }
}

static void *run(void *context) {
  struct thread_ring *ring = context;
  struct pollfd look = {.fd = ring->socket->fd, .events = POLLIN};
  struct failure failure;
  if (ring->cpu == NO_CPU) {
    cpu_set_t all;
    CPU_ZERO(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) CPU_SET(cpu, &all);
    (void)sched_setaffinity(0, sizeof all, &all);
  } else {
    pin(ring->cpu);
  }
  for (;;) {
    wait_for_room(ring);
    struct ring_read *to = &ring->reads[atomic_load(&ring->put) % RING_READS];
    if (!ring->spins) (void)poll(&look, 1, -1);
    to->count = udp_batch_receive(ring->socket, to->slab, to->runs, &failure);
    if (to->count < 0) fail("recvmmsg in a thread", failure.number);
    if (to->count == 0) continue;
    atomic_fetch_add(&ring->put, 1);
    if (atomic_exchange(&ring->is_main_asleep, false)) event_ring(ring->wake_main);
  }
  return NULL;
}

void thread_ring_start(struct thread_ring *ring, struct batch_socket *socket, bool spins, int cpu) {
  pthread_t thread;
  ring->socket = socket;
  ring->spins = spins;
  ring->cpu = cpu;
  for (size_t i = 0; i < RING_READS; i++) ring->reads[i].slab = share(RECEIVE_SLOTS * RECEIVE_SLOT_BYTES);
  ring->wake_main = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ring->wake_thread = eventfd(0, EFD_CLOEXEC);
  ring->epoll = epoll_of(ring->wake_main);
  const int number = pthread_create(&thread, NULL, run, ring);
  if (number != 0) fail("pthread_create", number);
}

struct ring_read *thread_ring_next(struct thread_ring *ring) {
  return waiting(ring) == 0 ? NULL : &ring->reads[atomic_load(&ring->taken) % RING_READS];
}

void thread_ring_release(struct thread_ring *ring) {
  atomic_fetch_add(&ring->taken, 1);
  if (atomic_exchange(&ring->is_thread_asleep, false)) event_ring(ring->wake_thread);
}

void thread_ring_sleep(struct thread_ring *ring) {
  atomic_store(&ring->is_main_asleep, true);
  if (waiting(ring) == 0) {
    epoll_wait_one(ring->epoll, -1);
    event_wait(ring->wake_main);
  }
  atomic_store(&ring->is_main_asleep, false);
}
