#ifndef X_NATIVE_UDP_BATCH_H
#define X_NATIVE_UDP_BATCH_H

#include "address.h"
#include "failure.h"

/*
 * Many datagrams with one system call, and one pass through the kernel's network stack for many of them (GSO, GRO).
 * Linux.
 */

/* Datagrams that one call sends at most. */
#define SEND_ROWS_MAX 64
/*
 * What one read call fills at most. With GRO each place holds up to 64 KiB of datagrams of one size, which a kernel
 * cuts into 128 at most.
 */
#define RECEIVE_SLOTS 8
#define RECEIVE_SLOT_BYTES 65536
#define RECEIVE_ROWS_MAX (RECEIVE_SLOTS * 128)

struct batch_socket {
  int fd;
  /* Segmentation offload on sending; turned off for good when the kernel refuses it. */
  bool gso;
  bool gro;
};

struct outgoing_datagram {
  uint8_t *bytes;
  size_t length;
  const struct address *to;
};

/* Called for a datagram that the system refuses; it is lost. */
typedef void (*send_refused)(void *context, size_t row, int number);

/* Finds out what the socket can do, and turns GRO on. */
void udp_batch_prepare(struct batch_socket *socket);

/*
 * Sends from the front and answers how many were taken; fewer than `count`: the socket is full. At most SEND_ROWS_MAX.
 */
size_t udp_batch_send(struct batch_socket *socket, const struct outgoing_datagram *rows, size_t count, send_refused refused, void *context);

/*
 * One read: `length` bytes from one address, of which each `segment` bytes are a datagram, the last one what is left.
 */
struct incoming_run {
  struct address from;
  size_t length;
  size_t segment;
  bool is_cut_off;
};

/*
 * Reads what waits into the slots of `slab`; answers how many were filled, 0 where nothing waits, -1 with `failure`
 * set.
 */
int udp_batch_receive(const struct batch_socket *socket, uint8_t *slab, struct incoming_run runs[RECEIVE_SLOTS], struct failure *failure);

#endif
