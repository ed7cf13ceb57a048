/*
 * What it takes to hand something from a thread of the helper to the main thread: from when the thread has it until the
 * main thread does. The thread, on CPU 0, has something each 100 µs; the main thread, on CPU 1, sleeps in epoll on an
 * eventfd as libuv would, or looks at the ring all the time. The next 100 µs begin when it has taken the last one, so
 * that nothing queues while another process has its CPU. Each item is checked to come once and in its order.
 *
 *   hand_over eventfd|spin COUNT
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common.h"

#define INTERVAL_NS 100000
#define ITEMS 1024

struct item {
  uint64_t number;
  uint64_t put_ns;
};

static struct item items[ITEMS];
static atomic_ullong put;
static atomic_ullong taken;
static atomic_bool is_main_asleep;
static uint64_t count;
static int wake;
static uint32_t *put_costs;

static void *produce(void *context) {
  (void)context;
  pin(0);
  for (uint64_t number = 0; number < count; number++) {
    while (atomic_load(&taken) < number) continue;
    for (const uint64_t due = now_ns() + INTERVAL_NS; now_ns() < due;) continue;
    const uint64_t before = now_ns();
    items[number % ITEMS] = (struct item){.number = number, .put_ns = before};
    atomic_store(&put, number + 1);
    if (atomic_exchange(&is_main_asleep, false)) event_ring(wake);
    put_costs[number] = (uint32_t)(now_ns() - before);
  }
  return NULL;
}

static void consume(bool spins, uint32_t *samples) {
  const int epoll = epoll_of(wake);
  for (uint64_t number = 0; number < count; number++) {
    while (atomic_load(&put) == number) {
      if (spins) continue;
      atomic_store(&is_main_asleep, true);
      if (atomic_load(&put) == number) {
        epoll_wait_one(epoll, -1);
        event_wait(wake);
      }
      atomic_store(&is_main_asleep, false);
    }
    const struct item *item = &items[number % ITEMS];
    samples[number] = (uint32_t)(now_ns() - item->put_ns);
    if (item->number != number) exit(1);
    atomic_store(&taken, number + 1);
  }
}

int main(int words_count, char **words) {
  if (words_count != 3) return 2;
  const bool spins = strcmp(words[1], "spin") == 0;
  pthread_t thread;
  count = strtoull(words[2], NULL, 10);
  uint32_t *samples = share(count * sizeof *samples);
  put_costs = share(count * sizeof *put_costs);
  wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  alarm(20);
  if (pthread_create(&thread, NULL, produce, NULL) != 0) return 1;
  pin(1);
  consume(spins, samples);
  (void)pthread_join(thread, NULL);
  printf("{\"items\":%llu", (unsigned long long)count);
  percentiles_print("handed", samples, count);
  percentiles_print("put", put_costs, count);
  printf("}\n");
  return 0;
}
