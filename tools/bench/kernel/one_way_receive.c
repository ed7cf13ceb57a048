/* The receiver of one_way.c: every way checks all datagrams, and tells the sender how far it is. */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../../../packages/native/src/c/udp_batch.h"
#include "one_way.h"
#include "thread_ring.h"
#include "uring.h"

/* As in the helper. */
#define READS_PER_EVENT 4

struct receiver {
  struct job *job;
  struct batch_socket socket;
  uint64_t expected;
  uint64_t counted_from;
  uint64_t counted_from_ns;
  uint64_t counted_from_reads;
  struct cpu start;
  uint64_t reads;
  /* Of all bytes, so that they are read. */
  uint64_t all;
};

static bool is_done(const struct receiver *receiver) {
  return receiver->expected == atomic_load_explicit(&receiver->job->shared->end, memory_order_relaxed);
}

/* Checks what one read gave. */
static void take_run(struct receiver *receiver, const uint8_t *bytes, size_t length, size_t segment) {
  const size_t each = receiver->job->bytes;
  receiver->reads++;
  if (segment != each && segment != length) fail("segments have another length", 0);
  receiver->all ^= content_read(bytes, length);
  for (size_t done = 0; done < length; done += each) {
    const size_t left = length - done;
    content_check(bytes + done, left < each ? left : each, each, receiver->expected++);
  }
}

/* Tells the sender how far it is. */
static void tell(struct receiver *receiver) {
  struct shared *shared = receiver->job->shared;
  atomic_store(&shared->received, receiver->expected);
  if (atomic_load(&shared->is_sender_asleep) && receiver->expected >= atomic_load(&shared->wake_at) &&
      atomic_exchange(&shared->is_sender_asleep, false))
    event_ring(receiver->job->room);
  if (receiver->counted_from != UNKNOWN || receiver->expected < atomic_load(&shared->measured_from)) return;
  receiver->counted_from = receiver->expected;
  receiver->counted_from_ns = now_ns();
  receiver->counted_from_reads = receiver->reads;
  receiver->start = cpu_now();
}

static void receive_helper(struct receiver *receiver) {
  struct incoming_run runs[RECEIVE_SLOTS];
  struct failure failure;
  uint8_t *slab = share(RECEIVE_SLOTS * RECEIVE_SLOT_BYTES);
  const int epoll = epoll_of(receiver->socket.fd);
  event_ring(receiver->job->ready);
  while (!is_done(receiver)) {
    epoll_wait_one(epoll, -1);
    for (int reads = 0; reads < READS_PER_EVENT; reads++) {
      const int slots = udp_batch_receive(&receiver->socket, slab, runs, &failure);
      if (slots < 0) fail("recvmmsg", failure.number);
      for (int i = 0; i < slots; i++)
        take_run(receiver, slab + (size_t)i * RECEIVE_SLOT_BYTES, runs[i].length, runs[i].segment);
      tell(receiver);
      if (slots < RECEIVE_SLOTS) break;
    }
  }
}

static void receive_thread(struct receiver *receiver) {
  static struct thread_ring ring;
  thread_ring_start(&ring, &receiver->socket, false, receiver->job->receiver.cpu);
  event_ring(receiver->job->ready);
  while (!is_done(receiver)) {
    struct ring_read *read = thread_ring_next(&ring);
    if (read == NULL) {
      thread_ring_sleep(&ring);
      continue;
    }
    for (int i = 0; i < read->count; i++)
      take_run(receiver, read->slab + (size_t)i * RECEIVE_SLOT_BYTES, read->runs[i].length, read->runs[i].segment);
    thread_ring_release(&ring);
    tell(receiver);
  }
}

/* As the helper, with other slots. Without GRO there is no use for a control message. */
static void receive_mmsg(struct receiver *receiver) {
  static struct mmsghdr messages[SLOTS_MAX];
  static struct iovec pieces[SLOTS_MAX];
  static struct sockaddr_storage sources[SLOTS_MAX];
  static struct {
    _Alignas(struct cmsghdr) char bytes[3 * CMSG_SPACE(sizeof(int))];
  } controls[SLOTS_MAX];
  const struct job *job = receiver->job;
  uint8_t *slab = share((size_t)job->slots * job->slot_bytes);
  const int epoll = epoll_of(receiver->socket.fd);
  set_option(receiver->socket.fd, SOL_UDP, UDP_GRO, (int)job->gro, "UDP_GRO");
  event_ring(job->ready);
  while (!is_done(receiver)) {
    epoll_wait_one(epoll, -1);
    for (int reads = 0; reads < READS_PER_EVENT; reads++) {
      for (unsigned i = 0; i < job->slots; i++) {
        pieces[i] = (struct iovec){.iov_base = slab + (size_t)i * job->slot_bytes, .iov_len = job->slot_bytes};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &sources[i],
            .msg_namelen = sizeof sources[i],
            .msg_iov = &pieces[i],
            .msg_iovlen = 1,
            .msg_control = controls[i].bytes,
            .msg_controllen = sizeof controls[i].bytes,
        };
      }
      const int count = recvmmsg(receiver->socket.fd, messages, job->slots, MSG_DONTWAIT, NULL);
      if (count < 0 && errno != EAGAIN) fail("recvmmsg", errno);
      for (int i = 0; i < count; i++) {
        int segment = (int)messages[i].msg_len;
        struct msghdr *header = &messages[i].msg_hdr;
        for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item != NULL; item = CMSG_NXTHDR(header, item))
          if (item->cmsg_level == SOL_UDP && item->cmsg_type == UDP_GRO)
            memcpy(&segment, CMSG_DATA(item), sizeof segment);
        take_run(receiver, pieces[i].iov_base, messages[i].msg_len, (size_t)segment);
      }
      tell(receiver);
      if (count < (int)job->slots) break;
    }
  }
}

static void receive_uring(struct receiver *receiver, bool by_epoll) {
  struct uring ring;
  struct uring_receiver series;
  struct uring_run run;
  const struct job *job = receiver->job;
  set_option(receiver->socket.fd, SOL_UDP, UDP_GRO, (int)job->gro, "UDP_GRO");
  uring_open(&ring, by_epoll ? URING_WATCHED : URING_WAITED, 8, 4 * SLOTS_MAX);
  uring_receiver_open(&series, &ring, receiver->socket.fd, job->slots, job->slot_bytes);
  uring_enter(&ring, 0);
  const int epoll = epoll_of(ring.fd);
  event_ring(job->ready);
  while (!is_done(receiver)) {
    struct io_uring_cqe *result;
    if (by_epoll) epoll_wait_one(epoll, -1);
    else uring_enter(&ring, 1);
    while ((result = uring_result(&ring)) != NULL) {
      if (uring_receiver_take(&series, result, &run)) {
        take_run(receiver, run.bytes, run.length, run.segment);
        uring_receiver_give_back(&series, run.buffer);
      }
      uring_seen(&ring);
    }
    uring_receiver_publish(&series);
    /* A series that ended for want of buffers is started anew at once: epoll wouldn't wake up for it. */
    if (by_epoll && ring.to_submit > 0) uring_enter(&ring, 0);
    tell(receiver);
  }
  job->shared->rearmed = series.rearmed;
}

void receive_all(void *context) {
  struct job *job = context;
  struct receiver receiver = {.job = job, .counted_from = UNKNOWN};
  enter(&job->receiver);
  receiver.socket.fd = open_socket(&job->receiver, PORT_BASE);
  udp_batch_prepare(&receiver.socket, AF_INET);
  if (strcmp(job->receive, "helper") == 0) receive_helper(&receiver);
  else if (strcmp(job->receive, "thread") == 0) receive_thread(&receiver);
  else if (strcmp(job->receive, "mmsg") == 0) receive_mmsg(&receiver);
  else receive_uring(&receiver, strcmp(job->receive, "uring-epoll") == 0);
  job->shared->content = receiver.all;
  job->shared->receive_cpu = cpu_since(receiver.start);
  job->shared->counted = receiver.expected - receiver.counted_from;
  job->shared->ns = now_ns() - receiver.counted_from_ns;
  job->shared->reads = receiver.reads - receiver.counted_from_reads;
}
