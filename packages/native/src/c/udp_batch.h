#ifndef X_NATIVE_UDP_BATCH_H
#define X_NATIVE_UDP_BATCH_H

#include "address.h"
#include "failure.h"

/* Many datagrams with one system call, and with one pass through the kernel's network stack (GSO, GRO). Linux only. */

/* The most datagrams that one call sends. */
#define SEND_ROWS_MAX 64
/* The most slots that one read call fills. With GRO each slot holds up to 64 KiB: at most 128 datagrams of one size. */
#define RECEIVE_SLOTS 8
#define RECEIVE_SLOT_BYTES 65536
#define RECEIVE_ROWS_MAX (RECEIVE_SLOTS * 128)

/* The two lowest bits of IPv4's TOS and of IPv6's traffic class (RFC 3168 §5). */
enum ecn { ECN_NOT_ECT = 0, ECN_ECT_1 = 1, ECN_ECT_0 = 2, ECN_CE = 3, ECN_MASK = 3 };

struct batch_socket {
  int fd;
  /* Segmentation offload on sending; turned off permanently when the kernel refuses it. */
  bool gso;
  bool gro;
  /* Datagrams can be marked, and their marks read; turned off permanently when the kernel refuses a mark. */
  bool ecn;
};

struct outgoing_datagram {
  uint8_t *bytes;
  size_t length;
  const struct address *to;
  /* One of enum ecn. */
  uint8_t ecn;
};

/* Called for a datagram that the system refuses; it is lost. */
typedef void (*send_refused)(void *context, size_t row, int number);

/* Finds out what a socket of this family (AF_INET or AF_INET6) can do, and turns GRO and the reading of marks on. */
void udp_batch_prepare(struct batch_socket *socket, int family);

/*
 * Sends rows from the front, at most SEND_ROWS_MAX, and returns how many were taken; fewer than `count`: the socket is
 * full.
 */
size_t udp_batch_send(struct batch_socket *socket, const struct outgoing_datagram *rows, size_t count, send_refused refused, void *context);

/* One read: `length` bytes from one address. Each `segment` bytes are a datagram; the last one has the rest. */
struct incoming_run {
  struct address from;
  size_t length;
  size_t segment;
  bool is_cut_off;
  /* The mark of all of them: the kernel joins no others. ECN_NOT_ECT where it can't be read. */
  uint8_t ecn;
};

/*
 * Reads waiting datagrams into the slots of `slab`. Returns how many were filled, 0 if none waits, -1 with `failure`
 * set.
 */
int udp_batch_receive(const struct batch_socket *socket, uint8_t *slab, struct incoming_run runs[RECEIVE_SLOTS], struct failure *failure);

#endif
