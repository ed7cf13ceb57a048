#ifndef X_LAB_IP_H
#define X_LAB_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the relay changes in IP packets. Checksums are kept right. */

/* Marks congestion (CE). False, and unchanged: the sender doesn't take part in ECN. */
bool ip_mark_congestion(uint8_t *packet, size_t bytes);

#define NAT_FLOWS_MAX 256

/* A NAT in front of the first host: it rewrites the port of that host, from one that it made up. */
struct nat {
  bool is_on;
  uint16_t next_port;
  int count;
  struct nat_flow {
    uint8_t protocol;
    uint16_t inner, outer;
  } flows[NAT_FLOWS_MAX];
};

/*
 * Rewrites the source port of a packet that leaves the first host. A flow begins with its own port as outer port, so
 * that protocols without a handshake can begin.
 */
void nat_out(struct nat *nat, uint8_t *packet, size_t bytes);
/* Rewrites the destination port of a packet that comes back. False: the NAT knows no such flow, and drops it. */
bool nat_in(struct nat *nat, uint8_t *packet, size_t bytes);
/* Each flow gets another outer port; the old one is forgotten. */
void nat_rebind(struct nat *nat);

#endif
