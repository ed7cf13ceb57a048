/*
 * Datagrams of 1,200 B at a steady rate: how precisely they leave, and what the sender's CPU pays for that.
 *
 *   pacing WAY COUNT INTERVAL_US [NAMESPACE]
 *
 * WAY: timerfd (epoll wakes up for each datagram, as our alarms do), batch (64 at once, each 64 intervals: no pacing at
 * all, and so the least that any way can cost), txtime (64 at once, each with the time when the kernel is to send it:
 * SO_TXTIME, which needs an fq or etf qdisc; a kernel that ignores the times is told by what arrives early).
 * Lateness is from when a datagram was due until the kernel stamped its arrival. The receiver checks each datagram.
 */

#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define BYTES 1200
#define BATCH 64
#define COUNT_MAX 1000000
#define NS_PER_S 1000000000
/* From the first call until the first datagram is due. */
#define LEAD_NS 20000000

struct shared {
  _Atomic uint64_t first_ns;
  struct cpu send_cpu, receive_cpu;
  uint32_t late_ns[COUNT_MAX];
  uint64_t early;
};

struct job {
  const char *way;
  uint64_t count, interval_ns;
  struct place place;
  struct shared *shared;
  int ready;
};

struct row {
  struct iovec piece;
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint64_t))];
  uint8_t bytes[BYTES];
};

static void wait_until(int timer, int epoll, uint64_t due) {
  const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(due / NS_PER_S), .tv_nsec = (long)(due % NS_PER_S)}};
  if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) != 0) fail("timerfd_settime", errno);
  epoll_wait_one(epoll, -1);
  event_wait(timer);
}

static void send_all(void *context) {
  static struct mmsghdr messages[BATCH];
  static struct row rows[BATCH];
  struct job *job = context;
  const bool is_timed = strcmp(job->way, "txtime") == 0;
  const unsigned batch = strcmp(job->way, "timerfd") == 0 ? 1 : BATCH;
  enter(&job->place);
  pin(0);
  const int fd = open_socket(&job->place, PORT_BASE + 1);
  struct address to = address_of(job->place.host, PORT_BASE);
  if (connect(fd, (struct sockaddr *)&to.storage, to.length) != 0) fail("connect", errno);
  const struct sock_txtime clock = {.clockid = CLOCK_MONOTONIC};
  if (is_timed && setsockopt(fd, SOL_SOCKET, SO_TXTIME, &clock, sizeof clock) != 0) not_available("SO_TXTIME", errno);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const int epoll = epoll_of(timer);
  event_wait(job->ready);
  const uint64_t first = now_ns() + LEAD_NS;
  atomic_store(&job->shared->first_ns, first);
  const struct cpu start = cpu_now();
  for (uint64_t number = 0; number < job->count; number += batch) {
    /* Those with times of their own are handed over a batch early, or they would be late from the start. */
    const uint64_t due = first + number * job->interval_ns;
    wait_until(timer, epoll, is_timed ? due - BATCH * job->interval_ns / 2 : due);
    for (unsigned i = 0; i < batch; i++) {
      struct msghdr *header = &messages[i].msg_hdr;
      rows[i].piece = (struct iovec){.iov_base = rows[i].bytes, .iov_len = BYTES};
      *header = (struct msghdr){.msg_iov = &rows[i].piece, .msg_iovlen = 1};
      content_write(rows[i].bytes, BYTES, number + i);
      if (!is_timed) continue;
      struct cmsghdr *item = (struct cmsghdr *)(void *)rows[i].control;
      const uint64_t at = first + (number + i) * job->interval_ns;
      *item = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_TXTIME, .cmsg_len = CMSG_LEN(sizeof at)};
      memcpy(CMSG_DATA(item), &at, sizeof at);
      header->msg_control = item;
      header->msg_controllen = sizeof rows[i].control;
    }
    if (sendmmsg(fd, messages, batch, 0) != (int)batch) fail("sendmmsg", errno);
  }
  job->shared->send_cpu = cpu_since(start);
}

/* What has to be added to the wall clock, which stamps arrivals, for the clock that deadlines are of. */
static int64_t clock_difference(void) {
  struct timespec wall;
  const uint64_t before = now_ns();
  clock_gettime(CLOCK_REALTIME, &wall);
  const uint64_t after = now_ns();
  return (int64_t)(before + (after - before) / 2) - ((int64_t)wall.tv_sec * NS_PER_S + wall.tv_nsec);
}

static void receive_all(void *context) {
  struct job *job = context;
  uint8_t bytes[BYTES];
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timespec))];
  enter(&job->place);
  pin(1);
  const int fd = open_socket(&job->place, PORT_BASE);
  const int epoll = epoll_of(fd);
  set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
  const int64_t difference = clock_difference();
  const struct cpu start = cpu_now();
  event_ring(job->ready);
  for (uint64_t number = 0; number < job->count;) {
    struct iovec piece = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr header = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    const ssize_t length = recvmsg(fd, &header, MSG_DONTWAIT);
    if (length < 0 && errno != EAGAIN) fail("recvmsg", errno);
    if (length < 0) {
      epoll_wait_one(epoll, -1);
      continue;
    }
    content_check(bytes, (size_t)length, BYTES, number);
    const struct cmsghdr *item = CMSG_FIRSTHDR(&header);
    if (item == NULL || item->cmsg_type != SCM_TIMESTAMPNS) fail("a datagram has no stamp", 0);
    struct timespec stamp;
    memcpy(&stamp, CMSG_DATA(item), sizeof stamp);
    const int64_t came = (int64_t)stamp.tv_sec * NS_PER_S + stamp.tv_nsec + difference;
    const int64_t late = came - (int64_t)(atomic_load(&job->shared->first_ns) + number * job->interval_ns);
    /* Half an interval: the clocks are compared to less than that. */
    if (late < -(int64_t)job->interval_ns / 2) job->shared->early++;
    job->shared->late_ns[number++] = late < 0 ? 0 : (uint32_t)late;
  }
  job->shared->receive_cpu = cpu_since(start);
  if (strcmp(job->way, "txtime") == 0 && job->shared->early > job->count / 4)
    not_available("the device's queue ignores SCM_TXTIME: it has no fq or etf qdisc", 0);
}

int main(int count, char **words) {
  if (count != 4 && count != 5) return 2;
  struct job job = {.way = words[1], .place = {.host = "127.0.0.1", .cpu = NO_CPU}};
  job.count = strtoull(words[2], NULL, 10) / BATCH * BATCH;
  job.interval_ns = strtoull(words[3], NULL, 10) * 1000;
  if (count == 5) job.place.name_space = words[4];
  if (job.count == 0 || job.count > COUNT_MAX || job.interval_ns == 0) return 2;
  job.shared = share(sizeof *job.shared);
  job.ready = eventfd(0, EFD_CLOEXEC);
  run_both(send_all, receive_all, &job);
  printf("{\"datagrams\":%llu,\"early\":%llu", (unsigned long long)job.count, (unsigned long long)job.shared->early);
  percentiles_print("late", job.shared->late_ns, job.count);
  cpu_print("send", job.shared->send_cpu);
  cpu_print("receive", job.shared->receive_cpu);
  printf("}\n");
  return 0;
}
