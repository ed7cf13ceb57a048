#ifndef X_LAB_PATH_H
#define X_LAB_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

/*
 * One direction of a path, without clock and sockets: a packet goes through the limit of its length, losses, a queue in
 * front of a link with a rate, other losses, and a delay. `path.ts` is the same in TypeScript, for the parts that it has.
 */

#define PACKET_BYTES_MAX 2048

struct packet {
  struct packet *next;
  uint64_t arrived_ns;
  uint64_t due_ns;
  /* In order of departure, for packets due at the same time. */
  uint64_t number;
  uint32_t length;
  uint8_t bytes[PACKET_BYTES_MAX];
};

/* Loss in bursts (Gilbert, Elliott): probabilities of each packet that the bad state begins, and ends. */
struct burst {
  double enter, leave, loss;
};

/* All are doubles, so that they can be set by name. 0: none, or no limit. */
struct settings {
  double delay_us, jitter_us;
  /* Packets held back, by up to so much. */
  double reorder, reorder_us;
  double loss_before, loss_behind;
  struct burst burst_before, burst_behind;
  /* Bits of IP packets a second. */
  double rate;
  /* Limits of the queue; `queue_us` is how long a packet would wait. */
  double queue_packets, queue_bytes, queue_us;
  /* CoDel (RFC 8289) is on where there is a target. */
  double codel_target_us, codel_interval_us;
  /* Longer IP packets are lost without a word. */
  double mtu;
};

struct counts {
  uint64_t arrived, arrived_bytes, delivered, delivered_bytes;
  uint64_t lost_before, lost_behind, lost_queue, lost_codel, lost_mtu, lost_memory, lost_nat;
  uint64_t marked;
  /* The longest that a packet waited in the queue, and the sum over all. */
  uint64_t waited_most_ns, waited_ns, waited;
};

struct path {
  struct settings settings;
  struct counts counts;
  /* Those in front of the queue have one of their own: the others are drawn when the packet leaves the queue. */
  struct random random_before, random_behind;
  bool is_bad_before, is_bad_behind;
  /* The queue, and when the link has sent what it is sending. */
  struct packet *head, *tail;
  uint64_t queued, queued_bytes;
  uint64_t free_ns;
  /* CoDel's state, by the names of RFC 8289. */
  uint64_t first_above_ns, drop_next_ns;
  uint32_t drop_count, last_count;
  bool is_dropping;
  /* Packets under way: a heap by due time. */
  struct packet **under_way;
  size_t under_way_count, under_way_capacity;
  uint64_t last_due_ns, departed;
};

void path_init(struct path *path, uint32_t seed, const char *label);
/* False: there is no such setting. */
bool path_set(struct path *path, const char *key, double value);
/* NULL: too many packets under way. */
struct packet *packet_take(void);
void packet_free(struct packet *packet);
/* Takes the packet over. */
void path_offer(struct path *path, struct packet *packet, uint64_t now_ns);
/* Moves packets from the queue on to the link, as far as time has passed. */
void path_serve(struct path *path, uint64_t now_ns);
/* The next packet that is due, or NULL. It is the caller's then. */
struct packet *path_poll(struct path *path, uint64_t now_ns);
/* When `path_serve` or `path_poll` has something to do; UINT64_MAX: never. */
uint64_t path_next_ns(const struct path *path);

#endif
