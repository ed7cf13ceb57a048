/* io_uring by its system calls; see uring.h. */

#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
/* The size of segments and a mark, as in the helper. */
#define CONTROL_BYTES (3 * CMSG_SPACE(sizeof(int)))
/* Room for a sockaddr_in6, and what lies behind it is aligned. */
#define NAME_BYTES 32

static void *map(int fd, size_t bytes, off_t offset) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
  if (memory == MAP_FAILED) fail("mmap of a ring", errno);
  return memory;
}

void uring_open(struct uring *ring, unsigned flags, unsigned sq_entries, unsigned cq_entries) {
  struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE | flags, .cq_entries = cq_entries};
  ring->fd = (int)syscall(SYS_io_uring_setup, sq_entries, &params);
  if (ring->fd < 0) not_available("io_uring_setup", errno);
  if ((params.features & IORING_FEAT_SINGLE_MMAP) == 0) not_available("io_uring without IORING_FEAT_SINGLE_MMAP", 0);
  const size_t sq_bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned);
  const size_t cq_bytes = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
  uint8_t *rings = map(ring->fd, sq_bytes > cq_bytes ? sq_bytes : cq_bytes, IORING_OFF_SQ_RING);
  ring->sqes = map(ring->fd, params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
  ring->sq_tail = (unsigned *)(void *)(rings + params.sq_off.tail);
  ring->sq_mask = params.sq_entries - 1;
  ring->cq_head = (unsigned *)(void *)(rings + params.cq_off.head);
  ring->cq_tail = (unsigned *)(void *)(rings + params.cq_off.tail);
  ring->cq_mask = params.cq_entries - 1;
  ring->cqes = (struct io_uring_cqe *)(void *)(rings + params.cq_off.cqes);
  ring->to_submit = 0;
  unsigned *order = (unsigned *)(void *)(rings + params.sq_off.array);
  for (unsigned i = 0; i < params.sq_entries; i++) order[i] = i;
}

struct io_uring_sqe *uring_entry(struct uring *ring) {
  struct io_uring_sqe *entry = &ring->sqes[(*ring->sq_tail + ring->to_submit++) & ring->sq_mask];
  memset(entry, 0, sizeof *entry);
  return entry;
}

void uring_enter(struct uring *ring, unsigned wait) {
  __atomic_store_n(ring->sq_tail, *ring->sq_tail + ring->to_submit, __ATOMIC_RELEASE);
  long result;
  do {
    result = syscall(SYS_io_uring_enter, ring->fd, ring->to_submit, wait, IORING_ENTER_GETEVENTS, NULL, 0);
  } while (result < 0 && errno == EINTR);
  if (result != (long)ring->to_submit) fail("io_uring_enter", result < 0 ? errno : EIO);
  ring->to_submit = 0;
}

struct io_uring_cqe *uring_result(struct uring *ring) {
  const unsigned head = *ring->cq_head;
  if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) return NULL;
  return &ring->cqes[head & ring->cq_mask];
}

void uring_seen(struct uring *ring) { __atomic_store_n(ring->cq_head, *ring->cq_head + 1, __ATOMIC_RELEASE); }

void uring_register_memory(struct uring *ring, void *memory, size_t bytes) {
  const struct iovec piece = {.iov_base = memory, .iov_len = bytes};
  if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, &piece, 1) != 0)
    not_available("IORING_REGISTER_BUFFERS", errno);
}

static void arm(struct uring_receiver *receiver) {
  struct io_uring_sqe *entry = uring_entry(receiver->ring);
  entry->opcode = IORING_OP_RECVMSG;
  entry->fd = receiver->fd;
  entry->addr = (uint64_t)(uintptr_t)&receiver->header;
  entry->len = 1;
  entry->ioprio = IORING_RECV_MULTISHOT;
  entry->flags = IOSQE_BUFFER_SELECT;
  entry->user_data = RECEIVER_DATA;
}

void uring_receiver_open(struct uring_receiver *receiver, struct uring *ring, int fd, unsigned count, size_t payload) {
  *receiver = (struct uring_receiver){.ring = ring, .fd = fd, .count = count};
  receiver->header = (struct msghdr){.msg_namelen = NAME_BYTES, .msg_controllen = CONTROL_BYTES};
  const size_t head_bytes = sizeof(struct io_uring_recvmsg_out) + NAME_BYTES + CONTROL_BYTES;
  receiver->buffer_bytes = (head_bytes + payload + 63) / 64 * 64;
  receiver->memory = share(count * receiver->buffer_bytes);
  receiver->buffers = share(count * sizeof(struct io_uring_buf));
  const struct io_uring_buf_reg registration = {
      .ring_addr = (uint64_t)(uintptr_t)receiver->buffers, .ring_entries = count};
  if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_PBUF_RING, &registration, 1) != 0)
    not_available("IORING_REGISTER_PBUF_RING", errno);
  for (unsigned i = 0; i < count; i++) uring_receiver_give_back(receiver, (uint16_t)i);
  uring_receiver_publish(receiver);
  arm(receiver);
}

void uring_receiver_give_back(struct uring_receiver *receiver, uint16_t buffer) {
  struct io_uring_buf *slot = &receiver->buffers->bufs[receiver->tail++ & (receiver->count - 1)];
  slot->addr = (uint64_t)(uintptr_t)(receiver->memory + buffer * receiver->buffer_bytes);
  slot->len = (uint32_t)receiver->buffer_bytes;
  slot->bid = buffer;
}

void uring_receiver_publish(struct uring_receiver *receiver) {
  __atomic_store_n(&receiver->buffers->tail, receiver->tail, __ATOMIC_RELEASE);
}

bool uring_receiver_take(struct uring_receiver *receiver, const struct io_uring_cqe *result, struct uring_run *run) {
  if ((result->flags & IORING_CQE_F_MORE) == 0) {
    receiver->rearmed++;
    arm(receiver);
  }
  if (result->res == -ENOBUFS) return false;
  if (result->res == -EINVAL) not_available("IORING_OP_RECVMSG, multishot", EINVAL);
  if (result->res < 0) fail("IORING_OP_RECVMSG", -result->res);
  run->buffer = (uint16_t)(result->flags >> IORING_CQE_BUFFER_SHIFT);
  uint8_t *bytes = receiver->memory + run->buffer * receiver->buffer_bytes;
  const struct io_uring_recvmsg_out *out = (const struct io_uring_recvmsg_out *)(void *)bytes;
  run->from = (struct sockaddr_storage *)(void *)(out + 1);
  uint8_t *control = bytes + sizeof *out + NAME_BYTES;
  run->bytes = control + CONTROL_BYTES;
  run->length = out->payloadlen;
  run->segment = out->payloadlen;
  struct msghdr header = {.msg_control = control, .msg_controllen = out->controllen};
  for (struct cmsghdr *item = CMSG_FIRSTHDR(&header); item != NULL; item = CMSG_NXTHDR(&header, item)) {
    int segment = 0;
    if (item->cmsg_level != IPPROTO_UDP || item->cmsg_type != UDP_GRO) continue;
    memcpy(&segment, CMSG_DATA(item), sizeof segment);
    if (segment > 0) run->segment = (size_t)segment;
  }
  if ((out->flags & MSG_TRUNC) != 0) fail("a datagram was cut off", 0);
  return true;
}
