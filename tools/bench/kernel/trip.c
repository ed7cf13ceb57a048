/*
 * 64 B there and back, one outstanding: how long it takes and what it costs in each of several ways. The client checks
 * each answer's number and a byte, the server each question's.
 *
 *   trip CLIENT SERVER COUNT GAP_US CLIENT_CPU SERVER_CPU THREAD_CPU
 *     [CLIENT_NAMESPACE CLIENT_HOST SERVER_NAMESPACE SERVER_HOST]
 *
 * CLIENT and SERVER: helper (epoll, then the code of packages/native), spin (the same, without epoll), spin-a-while
 * (epoll after 50 µs without a datagram), busy-poll and prefer-busy-poll, each also with -no-gro (UDP_GRO off for the
 * socket), uring-wait, uring-epoll, thread, spin-thread, spin-both (the thread spins, and so does the main thread,
 * which lets others run in between). GAP_US is the pause behind each answer. It ends after COUNT, or after seconds.
 */

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../../packages/native/src/c/udp_batch.h"
#include "common.h"
#include "thread_ring.h"
#include "uring.h"

/* Of kernel 6.9, newer than some headers. */
struct epoll_busy_poll {
  uint32_t usecs;
  uint16_t budget;
  uint8_t prefer;
  uint8_t padding;
};
#define SET_EPOLL_BUSY_POLL _IOW(0x8A, 0x01, struct epoll_busy_poll)

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BYTES 64
#define WARM_UP 500
#define URING_BUFFERS 32
#define BUSY_POLL_US 200
#define BUSY_POLL_BUDGET 64
#define COUNT_MAX 1000000
#define RUN_NS_MAX 4000000000u
#define SPIN_NS 50000
#define UNKNOWN UINT64_MAX

enum way {
  HELPER,
  SPIN,
  SPIN_A_WHILE,
  BUSY_POLL,
  BUSY_POLL_ALONE,
  PREFER,
  PREFER_ALONE,
  URING_WAIT,
  URING_EPOLL,
  THREAD,
  SPIN_THREAD,
  SPIN_BOTH,
  WAYS
};
static const char *const NAMES[WAYS] = {
    [HELPER] = "helper",
    [SPIN] = "spin",
    [SPIN_A_WHILE] = "spin-a-while",
    [BUSY_POLL] = "busy-poll",
    [BUSY_POLL_ALONE] = "busy-poll-no-gro",
    [PREFER] = "prefer-busy-poll",
    [PREFER_ALONE] = "prefer-busy-poll-no-gro",
    [URING_WAIT] = "uring-wait",
    [URING_EPOLL] = "uring-epoll",
    [THREAD] = "thread",
    [SPIN_THREAD] = "spin-thread",
    [SPIN_BOTH] = "spin-both",
};

struct shared {
  /* How many there are, once that is known. */
  _Atomic uint64_t end;
  struct cpu client_cpu, server_cpu;
  int napi_id;
  long long polled;
  uint32_t samples[COUNT_MAX];
};

struct job {
  enum way client_way, server_way;
  size_t count;
  unsigned gap_us;
  struct place client, server;
  int thread_cpu;
  struct shared *shared;
  int ready;
};

struct end {
  enum way way;
  struct batch_socket socket;
  int epoll;
  uint8_t *slab;
  struct incoming_run runs[RECEIVE_SLOTS];
  struct thread_ring thread;
  struct uring ring;
  struct uring_receiver series;
  /* What is sent by io_uring has to stay until it is. */
  struct msghdr header;
  struct iovec piece;
  struct address to;
  uint8_t bytes[BYTES];
};

static bool is_busy_polling(enum way way) { return way >= BUSY_POLL && way <= PREFER_ALONE; }

static bool is_uring(enum way way) { return way == URING_WAIT || way == URING_EPOLL; }

static void set_busy_poll(struct end *end) {
  const bool prefer = end->way == PREFER || end->way == PREFER_ALONE;
  const struct epoll_busy_poll how = {.usecs = BUSY_POLL_US, .budget = BUSY_POLL_BUDGET, .prefer = prefer};
  set_option(end->socket.fd, SOL_SOCKET, SO_BUSY_POLL, BUSY_POLL_US, "SO_BUSY_POLL");
  if (prefer) set_option(end->socket.fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, 1, "SO_PREFER_BUSY_POLL");
  if (prefer) set_option(end->socket.fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, BUSY_POLL_BUDGET, "SO_BUSY_POLL_BUDGET");
  const bool is_alone = end->way == BUSY_POLL_ALONE || end->way == PREFER_ALONE;
  if (is_alone) set_option(end->socket.fd, SOL_UDP, UDP_GRO, 0, "UDP_GRO");
  if (ioctl(end->epoll, SET_EPOLL_BUSY_POLL, &how) != 0) not_available("EPIOCSPARAMS", errno);
}

static void open_end(struct end *end, enum way way, const struct place *place, uint16_t port, int thread_cpu) {
  end->way = way;
  enter(place);
  end->socket.fd = open_socket(place, port);
  udp_batch_prepare(&end->socket, AF_INET);
  end->slab = share(RECEIVE_SLOTS * RECEIVE_SLOT_BYTES);
  if (way >= THREAD) {
    thread_ring_start(&end->thread, &end->socket, way != THREAD, thread_cpu);
    return;
  }
  if (is_uring(way)) {
    socket_block(end->socket.fd);
    uring_open(&end->ring, way == URING_WAIT ? URING_WAITED : URING_WATCHED, 8, 256);
    uring_receiver_open(&end->series, &end->ring, end->socket.fd, URING_BUFFERS, RECEIVE_SLOT_BYTES);
    uring_enter(&end->ring, 0);
  }
  end->epoll = epoll_of(is_uring(way) ? end->ring.fd : end->socket.fd);
  if (is_busy_polling(way)) set_busy_poll(end);
}

static void refused(void *context, size_t row, int number) {
  (void)context;
  (void)row;
  fail("a datagram was refused", number);
}

/* Sends end->bytes to end->to. By io_uring that happens with the wait that follows, if it can. */
static void send_one(struct end *end) {
  if (!is_uring(end->way)) {
    const struct outgoing_datagram row = {.bytes = end->bytes, .length = BYTES, .to = &end->to};
    if (udp_batch_send(&end->socket, &row, 1, refused, NULL) != 1) fail("the socket is full", 0);
    return;
  }
  struct io_uring_sqe *entry = uring_entry(&end->ring);
  end->piece = (struct iovec){.iov_base = end->bytes, .iov_len = BYTES};
  end->header = (struct msghdr){
      .msg_name = &end->to.storage, .msg_namelen = end->to.length, .msg_iov = &end->piece, .msg_iovlen = 1};
  entry->opcode = IORING_OP_SENDMSG;
  entry->fd = end->socket.fd;
  entry->addr = (uint64_t)(uintptr_t)&end->header;
  entry->len = 1;
  entry->flags = IOSQE_CQE_SKIP_SUCCESS;
  if (end->way == URING_EPOLL) uring_enter(&end->ring, 0);
}

static void check_run(struct end *end, const struct incoming_run *run, const uint8_t *bytes, uint64_t number) {
  content_check(bytes, run->length, BYTES, number);
  end->to = run->from;
}

static void receive_thread(struct end *end, uint64_t number) {
  struct ring_read *read;
  while ((read = thread_ring_next(&end->thread)) == NULL) {
    if (end->way == SPIN_BOTH) (void)sched_yield();
    else thread_ring_sleep(&end->thread);
  }
  if (read->count != 1) fail("more came than was sent", 0);
  check_run(end, &read->runs[0], read->slab, number);
  thread_ring_release(&end->thread);
}

static void receive_uring(struct end *end, uint64_t number) {
  for (bool has_come = false; !has_come;) {
    struct io_uring_cqe *result;
    struct uring_run run;
    if (end->way == URING_WAIT) uring_enter(&end->ring, 1);
    else epoll_wait_one(end->epoll, -1);
    while ((result = uring_result(&end->ring)) != NULL) {
      if (result->user_data != RECEIVER_DATA) fail("sending by io_uring", -result->res);
      if (uring_receiver_take(&end->series, result, &run)) {
        if (has_come) fail("more came than was sent", 0);
        content_check(run.bytes, run.length, BYTES, number);
        memcpy(&end->to.storage, run.from, sizeof(struct sockaddr_in));
        end->to.length = sizeof(struct sockaddr_in);
        uring_receiver_give_back(&end->series, run.buffer);
        has_come = true;
      }
      uring_seen(&end->ring);
    }
    uring_receiver_publish(&end->series);
    if (end->way == URING_EPOLL && end->ring.to_submit > 0) uring_enter(&end->ring, 0);
  }
}

static void receive_one(struct end *end, uint64_t number) {
  struct failure failure;
  int slots = 0;
  if (end->way >= THREAD) {
    receive_thread(end, number);
    return;
  }
  if (is_uring(end->way)) {
    receive_uring(end, number);
    return;
  }
  const uint64_t start = end->way == SPIN_A_WHILE ? now_ns() : 0;
  while (slots == 0) {
    const bool spins = end->way == SPIN || (end->way == SPIN_A_WHILE && now_ns() < start + SPIN_NS);
    if (!spins) epoll_wait_one(end->epoll, -1);
    slots = udp_batch_receive(&end->socket, end->slab, end->runs, &failure);
  }
  if (slots < 0) fail("recvmmsg", failure.number);
  if (slots != 1) fail("more came than was sent", 0);
  check_run(end, &end->runs[0], end->slab, number);
}

static void serve(void *context) {
  static struct end end;
  struct job *job = context;
  struct cpu start = {0};
  open_end(&end, job->server_way, &job->server, PORT_BASE, job->thread_cpu);
  event_ring(job->ready);
  for (uint64_t number = 0; number < atomic_load(&job->shared->end); number++) {
    if (number == WARM_UP) start = cpu_now();
    receive_one(&end, number);
    content_write(end.bytes, BYTES, number);
    send_one(&end);
  }
  if (is_uring(end.way)) uring_enter(&end.ring, 0);
  job->shared->server_cpu = cpu_since(start);
}

/* Datagrams of this network namespace that a busy poll took from the device, -1 if the kernel doesn't count them. */
static long long busy_polled(void) {
  char names[8192], values[8192];
  long long found = -1;
  FILE *file = fopen("/proc/thread-self/net/netstat", "r");
  if (file == NULL) return -1;
  while (found < 0 && fgets(names, sizeof names, file) != NULL && fgets(values, sizeof values, file) != NULL) {
    char *at_name = NULL, *at_value = NULL;
    char *name = strtok_r(names, " \n", &at_name), *value = strtok_r(values, " \n", &at_value);
    while (name != NULL && value != NULL) {
      if (strcmp(name, "BusyPollRxPackets") == 0) found = atoll(value);
      name = strtok_r(NULL, " \n", &at_name);
      value = strtok_r(NULL, " \n", &at_value);
    }
  }
  fclose(file);
  return found;
}

static void ask(void *context) {
  static struct end end;
  struct job *job = context;
  struct cpu start = {0};
  long long polled = 0;
  open_end(&end, job->client_way, &job->client, PORT_BASE + 1, job->thread_cpu);
  end.to = address_of(job->server.host, PORT_BASE);
  event_wait(job->ready);
  const uint64_t until = now_ns() + RUN_NS_MAX;
  for (uint64_t number = 0; number < atomic_load(&job->shared->end); number++) {
    if (number == WARM_UP) {
      socklen_t length = sizeof job->shared->napi_id;
      (void)getsockopt(end.socket.fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, &job->shared->napi_id, &length);
      if (is_busy_polling(end.way) && job->shared->napi_id == 0)
        not_available("datagrams of this device have no NAPI id (SO_INCOMING_NAPI_ID is 0)", 0);
      polled = busy_polled();
      start = cpu_now();
    }
    const uint64_t asked = now_ns();
    const bool is_last = number == WARM_UP + job->count - 1 || asked >= until;
    if (is_last && number > WARM_UP) atomic_store(&job->shared->end, number + 1);
    content_write(end.bytes, BYTES, number);
    send_one(&end);
    receive_one(&end, number);
    if (number >= WARM_UP) job->shared->samples[number - WARM_UP] = (uint32_t)(now_ns() - asked);
    if (job->gap_us > 0 && number >= WARM_UP) (void)usleep(job->gap_us);
  }
  job->shared->client_cpu = cpu_since(start);
  job->shared->polled = busy_polled() - polled;
}

static enum way way_of(const char *name) {
  enum way way = HELPER;
  while (way < WAYS && strcmp(NAMES[way], name) != 0) way++;
  return way;
}

int main(int count, char **words) {
  if (count != 8 && count != 12) return 2;
  struct job job = {.client = {.host = "127.0.0.1"}, .server = {.host = "127.0.0.1"}};
  job.client_way = way_of(words[1]);
  job.server_way = way_of(words[2]);
  job.count = strtoul(words[3], NULL, 10);
  job.gap_us = (unsigned)atoi(words[4]);
  job.client.cpu = atoi(words[5]);
  job.server.cpu = atoi(words[6]);
  job.thread_cpu = atoi(words[7]);
  if (job.client_way == WAYS || job.server_way == WAYS || job.count < 2 || job.count > COUNT_MAX) return 2;
  if (count == 12) {
    job.client.name_space = words[8];
    job.client.host = words[9];
    job.server.name_space = words[10];
    job.server.host = words[11];
  }
  job.shared = share(sizeof *job.shared);
  atomic_store(&job.shared->end, UNKNOWN);
  job.ready = eventfd(0, EFD_CLOEXEC);
  run_both(ask, serve, &job);
  job.count = atomic_load(&job.shared->end) - WARM_UP;
  printf("{\"trips\":%zu,\"napiId\":%d,\"polled\":%lld", job.count, job.shared->napi_id, job.shared->polled);
  percentiles_print("trip", job.shared->samples, job.count);
  cpu_print("client", job.shared->client_cpu);
  cpu_print("server", job.shared->server_cpu);
  printf("}\n");
  return 0;
}
