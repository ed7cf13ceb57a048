#ifndef X_KERNEL_URING_H
#define X_KERNEL_URING_H

/* io_uring by its system calls: one ring, used by one thread, and buffers that the kernel fills by itself. */

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct uring {
  int fd;
  unsigned *sq_tail;
  unsigned sq_mask;
  struct io_uring_sqe *sqes;
  unsigned *cq_head;
  unsigned *cq_tail;
  unsigned cq_mask;
  struct io_uring_cqe *cqes;
  /* Entries that the kernel hasn't been told of. */
  unsigned to_submit;
};

/* `flags` of the set-up: URING_WAITED if results are waited for with uring_enter, URING_WATCHED if with epoll. */
#define URING_WAITED (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define URING_WATCHED (IORING_SETUP_SINGLE_ISSUER)
void uring_open(struct uring *ring, unsigned flags, unsigned sq_entries, unsigned cq_entries);
/* An entry to fill in, zeroed. */
struct io_uring_sqe *uring_entry(struct uring *ring);
/* Submits, runs what the kernel has put off, and waits until `wait` results are there. */
void uring_enter(struct uring *ring, unsigned wait);
/* The next result, or NULL. It is valid until uring_seen. */
struct io_uring_cqe *uring_result(struct uring *ring);
void uring_seen(struct uring *ring);
void uring_register_memory(struct uring *ring, void *memory, size_t bytes);

/* Receives by itself into `count` buffers (a power of two); each has room for a header, the source and marks. */
struct uring_receiver {
  struct uring *ring;
  int fd;
  struct io_uring_buf_ring *buffers;
  uint8_t *memory;
  size_t buffer_bytes;
  unsigned count;
  uint16_t tail;
  struct msghdr header;
  uint64_t rearmed;
};

struct uring_run {
  const uint8_t *bytes;
  size_t length;
  size_t segment;
  struct sockaddr_storage *from;
  uint16_t buffer;
};

void uring_receiver_open(struct uring_receiver *receiver, struct uring *ring, int fd, unsigned count, size_t payload);
/* Takes a result apart. False: it was the end of a series, which is started anew, and it has no datagram. */
bool uring_receiver_take(struct uring_receiver *receiver, const struct io_uring_cqe *result, struct uring_run *run);
/* Gives a buffer back; uring_receiver_publish tells the kernel. */
void uring_receiver_give_back(struct uring_receiver *receiver, uint16_t buffer);
void uring_receiver_publish(struct uring_receiver *receiver);

/* What marks entries of a receiver; senders use other numbers. */
#define RECEIVER_DATA UINT64_MAX

#endif
