/*
 * Datagrams one way, as fast as they go, from one process to another: what sending and receiving costs in each of
 * several ways. A window in memory that both have keeps the sender from filling the receiver's socket, so nothing may
 * be lost; the receiver checks each datagram's number, order, length and one byte.
 *
 *   one_way SEND RECEIVE BYTES BATCH MS [SEND_NAMESPACE SEND_HOST RECEIVE_NAMESPACE RECEIVE_HOST]
 *
 * SEND: helper, uring, uring-zc, uring-zc-fixed. RECEIVE: helper, thread, mmsg:SLOTS:BYTES:GRO,
 * uring:SLOTS:BYTES:GRO, uring-epoll:SLOTS:BYTES:GRO; on CPU 1, or on any if "@any" is behind it. "helper" is the code
 * of packages/native itself.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "../../../packages/native/src/c/udp_batch.h"
#include "one_way.h"

static void number_print(const char *name, uint64_t number) { printf("%s%llu", name, (unsigned long long)number); }

int main(int count, char **words) {
  if (count != 6 && count != 10) return 2;
  struct job job = {.sender = {.host = "127.0.0.1", .cpu = 0}, .receiver = {.host = "127.0.0.1", .cpu = 1}};
  snprintf(job.send, sizeof job.send, "%s", words[1]);
  if (sscanf(words[2], "%31[^:]:%u:%u:%u", job.receive, &job.slots, &job.slot_bytes, &job.gro) < 1) return 2;
  if (job.slots > SLOTS_MAX) return 2;
  char *at = strchr(job.receive, '@');
  if (at != NULL) {
    *at = '\0';
    job.receiver.cpu = NO_CPU;
  }
  job.bytes = strtoul(words[3], NULL, 10);
  job.batch = strtoul(words[4], NULL, 10);
  job.ns = strtoull(words[5], NULL, 10) * 1000000u;
  if (job.batch == 0 || job.batch > SEND_ROWS_MAX || job.bytes < 16 || job.bytes > RUN_BYTES_MAX) return 2;
  if (count == 10) {
    job.sender.name_space = words[6];
    job.sender.host = words[7];
    job.receiver.name_space = words[8];
    job.receiver.host = words[9];
  }
  job.shared = share(sizeof *job.shared);
  atomic_store(&job.shared->measured_from, UNKNOWN);
  atomic_store(&job.shared->end, UNKNOWN);
  job.room = eventfd(0, EFD_CLOEXEC);
  job.ready = eventfd(0, EFD_CLOEXEC);
  run_both(send_all, receive_all, &job);
  const struct shared *of = job.shared;
  number_print("{\"all\":", of->all);
  number_print(",\"sent\":", of->sent);
  number_print(",\"received\":", of->counted);
  number_print(",\"ns\":", of->ns);
  number_print(",\"reads\":", of->reads);
  number_print(",\"copied\":", of->copied);
  number_print(",\"notified\":", of->notified);
  number_print(",\"rearmed\":", of->rearmed);
  cpu_print("send", of->send_cpu);
  cpu_print("receive", of->receive_cpu);
  printf("}\n");
  return 0;
}
