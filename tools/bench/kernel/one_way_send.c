/* The sender of one_way.c: the same batches by each of several ways. */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "../../../packages/native/src/c/udp_batch.h"
#include "one_way.h"
#include "uring.h"

/* Of kernel 6.2, newer than some headers. */
#define SEND_ZC_REPORT_USAGE (1u << 3)
#define USAGE_COPIED (1u << 31)

#define WINDOW_BYTES (2 << 20)
/* A veth device has room for 256 packets. */
#define LINK_WINDOW 192
#define WARM_UP_NS 200000000u
/* Batches under way: memory that is sent from without a copy is busy for a while. */
#define BATCHES 8
/* As in the helper. */
#define SEGMENTS_MAX 64

struct sender {
  struct job *job;
  struct batch_socket socket;
  struct address to;
  uint8_t *memory;
  struct uring ring;
  uint64_t sent;
  /* How many notices are missing until the memory of a batch is free. */
  unsigned busy[BATCHES];
};

static uint8_t *row_of(const struct sender *sender, size_t slot, size_t row) {
  return sender->memory + (slot * sender->job->batch + row) * sender->job->bytes;
}

static void refused(void *context, size_t row, int number) {
  (void)context;
  (void)row;
  fail("a datagram was refused", number);
}

static void send_helper(struct sender *sender, size_t slot) {
  struct outgoing_datagram rows[SEND_ROWS_MAX];
  const size_t count = sender->job->batch;
  for (size_t i = 0; i < count; i++)
    rows[i] = (struct outgoing_datagram){
        .bytes = row_of(sender, slot, i), .length = sender->job->bytes, .to = &sender->to};
  for (size_t taken = 0; taken < count;) {
    taken += udp_batch_send(&sender->socket, rows + taken, count - taken, refused, NULL);
    struct pollfd look = {.fd = sender->socket.fd, .events = POLLOUT};
    if (taken < count) (void)poll(&look, 1, -1);
  }
}

/* Waits for the notices that a batch's memory is free. */
static void take_results(struct sender *sender, unsigned wait, size_t slot) {
  struct shared *shared = sender->job->shared;
  unsigned results = 0;
  while (results < wait || (wait == 0 && sender->busy[slot] > 0)) {
    struct io_uring_cqe *result = uring_result(&sender->ring);
    if (result == NULL) {
      uring_enter(&sender->ring, wait == 0 ? 1 : wait - results);
      continue;
    }
    if ((result->flags & IORING_CQE_F_NOTIF) != 0) {
      sender->busy[result->user_data]--;
      shared->notified++;
      if (((unsigned)result->res & USAGE_COPIED) != 0) shared->copied++;
    } else {
      if (result->res == -EINVAL || result->res == -EOPNOTSUPP) not_available("sending by io_uring", -result->res);
      if (result->res < 0) fail("sending by io_uring", -result->res);
      if ((result->flags & IORING_CQE_F_MORE) != 0) sender->busy[result->user_data]++;
      results++;
    }
    uring_seen(&sender->ring);
  }
}

static size_t rows_of_message(const struct job *job, size_t left) {
  size_t rows = RUN_BYTES_MAX / job->bytes;
  if (rows > SEGMENTS_MAX) rows = SEGMENTS_MAX;
  if (rows == 0) rows = 1;
  return rows < left ? rows : left;
}

/* The same messages as the helper's, given to io_uring. */
static void send_uring(struct sender *sender, size_t slot, bool zero_copy) {
  struct job *job = sender->job;
  struct msghdr messages[SEND_ROWS_MAX];
  struct iovec pieces[SEND_ROWS_MAX];
  struct {
    _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(uint16_t))];
  } controls[SEND_ROWS_MAX];
  unsigned count = 0;
  take_results(sender, 0, slot);
  for (size_t row = 0, rows; row < job->batch; row += rows, count++) {
    rows = rows_of_message(job, job->batch - row);
    for (size_t i = row; i < row + rows; i++)
      pieces[i] = (struct iovec){.iov_base = row_of(sender, slot, i), .iov_len = job->bytes};
    messages[count] = (struct msghdr){
        .msg_name = &sender->to.storage, .msg_namelen = sender->to.length, .msg_iov = &pieces[row], .msg_iovlen = rows};
    /* An skb has 17 pieces at most, and without a copy each row would be one: EMSGSIZE. They lie side by side here. */
    if (zero_copy) {
      pieces[row].iov_len = rows * job->bytes;
      messages[count].msg_iovlen = 1;
    }
    if (rows > 1) {
      struct cmsghdr *item = (struct cmsghdr *)(void *)controls[count].bytes;
      const uint16_t segment = (uint16_t)job->bytes;
      memset(&controls[count], 0, sizeof controls[count]);
      *item = (struct cmsghdr){.cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof segment)};
      memcpy(CMSG_DATA(item), &segment, sizeof segment);
      messages[count].msg_control = item;
      messages[count].msg_controllen = sizeof controls[count].bytes;
    }
    struct io_uring_sqe *entry = uring_entry(&sender->ring);
    entry->opcode = zero_copy ? IORING_OP_SENDMSG_ZC : IORING_OP_SENDMSG;
    entry->fd = sender->socket.fd;
    entry->addr = (uint64_t)(uintptr_t)&messages[count];
    entry->len = 1;
    entry->ioprio = zero_copy ? SEND_ZC_REPORT_USAGE : 0;
    entry->user_data = slot;
  }
  take_results(sender, count, slot);
}

/* From memory that the kernel has pinned once; the size of segments is an option of the socket. */
static void send_fixed(struct sender *sender, size_t slot) {
  struct job *job = sender->job;
  unsigned count = 0;
  take_results(sender, 0, slot);
  for (size_t row = 0, rows; row < job->batch; row += rows, count++) {
    rows = rows_of_message(job, job->batch - row);
    struct io_uring_sqe *entry = uring_entry(&sender->ring);
    entry->opcode = IORING_OP_SEND_ZC;
    entry->fd = sender->socket.fd;
    entry->addr = (uint64_t)(uintptr_t)row_of(sender, slot, row);
    entry->len = (uint32_t)(rows * job->bytes);
    entry->addr2 = (uint64_t)(uintptr_t)&sender->to.storage;
    entry->addr_len = (uint16_t)sender->to.length;
    entry->ioprio = IORING_RECVSEND_FIXED_BUF | SEND_ZC_REPORT_USAGE;
    entry->user_data = slot;
  }
  take_results(sender, count, slot);
}

/* Sleeps until half of the window is free. */
static void wait_for_room(struct sender *sender) {
  struct job *job = sender->job;
  struct shared *shared = job->shared;
  const uint64_t window = job->sender.name_space == NULL ? WINDOW_BYTES / job->bytes : LINK_WINDOW;
  if (sender->sent + job->batch <= atomic_load(&shared->received) + window) return;
  const uint64_t wake_at = sender->sent - window / 2;
  atomic_store(&shared->wake_at, wake_at);
  atomic_store(&shared->is_sender_asleep, true);
  if (atomic_load(&shared->received) >= wake_at && atomic_exchange(&shared->is_sender_asleep, false)) return;
  event_wait(job->room);
}

static void send_batch(struct sender *sender) {
  const char *way = sender->job->send;
  const size_t slot = sender->sent / sender->job->batch % BATCHES;
  wait_for_room(sender);
  if (strncmp(way, "uring-zc", strlen("uring-zc")) == 0) take_results(sender, 0, slot);
  for (size_t i = 0; i < sender->job->batch; i++)
    content_write(row_of(sender, slot, i), sender->job->bytes, sender->sent + i);
  if (strcmp(way, "helper") == 0) send_helper(sender, slot);
  else if (strcmp(way, "uring-zc-fixed") == 0) send_fixed(sender, slot);
  else send_uring(sender, slot, strcmp(way, "uring-zc") == 0);
  sender->sent += sender->job->batch;
}

void send_all(void *context) {
  struct job *job = context;
  struct shared *shared = job->shared;
  struct sender sender = {.job = job};
  enter(&job->sender);
  sender.to = address_of(job->receiver.host, PORT_BASE);
  sender.socket.fd = open_socket(&job->sender, PORT_BASE + 1);
  udp_batch_prepare(&sender.socket, AF_INET);
  const size_t bytes = BATCHES * job->batch * job->bytes;
  sender.memory = share(bytes);
  if (strcmp(job->send, "helper") != 0) {
    uring_open(&sender.ring, URING_WAITED, SEND_ROWS_MAX, 1024);
    socket_block(sender.socket.fd);
  }
  if (strcmp(job->send, "uring-zc-fixed") == 0) {
    uring_register_memory(&sender.ring, sender.memory, bytes);
    const bool has_runs = job->bytes * 2 < RUN_BYTES_MAX;
    if (has_runs) set_option(sender.socket.fd, SOL_UDP, UDP_SEGMENT, (int)job->bytes, "UDP_SEGMENT");
  }
  event_wait(job->ready);
  const uint64_t warm = now_ns() + WARM_UP_NS;
  while (now_ns() < warm) send_batch(&sender);
  const struct cpu start = cpu_now();
  const uint64_t from = now_ns(), first = sender.sent;
  atomic_store(&shared->measured_from, first);
  while (now_ns() < from + job->ns) send_batch(&sender);
  atomic_store(&shared->end, sender.sent + job->batch);
  send_batch(&sender);
  for (size_t slot = 0; slot < BATCHES; slot++) take_results(&sender, 0, slot);
  shared->send_cpu = cpu_since(start);
  shared->sent = sender.sent - first;
  shared->all = sender.sent;
}
