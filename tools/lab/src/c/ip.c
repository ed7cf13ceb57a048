#include "ip.h"

#include <netinet/in.h>

#define ECN_MASK 3
#define ECN_CE 3
#define IPV6_HEADER_BYTES 40
/* Outer ports after a rebinding: a range of which the kernel gives no ephemeral ports by default. */
#define OUTER_PORT_MIN 61000
#define OUTER_PORT_MAX 65500

static uint16_t load16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static void store16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

/* RFC 1624, equation 3: a checksum after one of its words has changed. */
static void update_checksum(uint8_t *checksum, uint16_t from, uint16_t to) {
  uint32_t sum = (uint16_t)~load16(checksum) + (uint32_t)(uint16_t)~from + to;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  store16(checksum, (uint16_t)~sum);
}

static int version_of(const uint8_t *packet, size_t bytes) { return bytes < 20 ? 0 : packet[0] >> 4; }

bool ip_mark_congestion(uint8_t *packet, size_t bytes) {
  int version = version_of(packet, bytes);
  if (version == 4) {
    if ((packet[1] & ECN_MASK) == 0) return false;
    uint16_t before = load16(packet);
    packet[1] |= ECN_CE;
    update_checksum(packet + 10, before, load16(packet));
    return true;
  }
  if (version == 6) {
    /* The traffic class lies across the first two bytes. */
    if ((packet[1] >> 4 & ECN_MASK) == 0) return false;
    packet[1] |= ECN_CE << 4;
    return true;
  }
  return false;
}

/* Where the ports of a TCP segment or UDP datagram are; NULL: it is neither, or not the first fragment. */
static uint8_t *ports_of(uint8_t *packet, size_t bytes, uint8_t *protocol) {
  size_t header;
  if (version_of(packet, bytes) == 4) {
    if ((load16(packet + 6) & 0x1fff) != 0) return NULL;
    header = (size_t)(packet[0] & 15) * 4;
    *protocol = packet[9];
  } else if (version_of(packet, bytes) == 6 && bytes >= IPV6_HEADER_BYTES) {
    header = IPV6_HEADER_BYTES;
    *protocol = packet[6];
  } else
    return NULL;
  size_t least = *protocol == IPPROTO_TCP ? 20 : *protocol == IPPROTO_UDP ? 8 : SIZE_MAX - header;
  return header + least <= bytes ? packet + header : NULL;
}

static void rewrite(uint8_t *ports, uint8_t protocol, int offset, uint16_t to) {
  uint16_t from = load16(ports + offset);
  uint8_t *checksum = ports + (protocol == IPPROTO_TCP ? 16 : 6);
  store16(ports + offset, to);
  /* UDP over IPv4 may be without one. */
  if (protocol == IPPROTO_UDP && load16(checksum) == 0) return;
  update_checksum(checksum, from, to);
  if (protocol == IPPROTO_UDP && load16(checksum) == 0) store16(checksum, 0xffff);
}

void nat_out(struct nat *nat, uint8_t *packet, size_t bytes) {
  uint8_t protocol;
  uint8_t *ports = nat->is_on ? ports_of(packet, bytes, &protocol) : NULL;
  if (ports == NULL) return;
  uint16_t inner = load16(ports);
  for (int i = 0; i < nat->count; i++)
    if (nat->flows[i].protocol == protocol && nat->flows[i].inner == inner) {
      rewrite(ports, protocol, 0, nat->flows[i].outer);
      return;
    }
  if (nat->count < NAT_FLOWS_MAX) nat->flows[nat->count++] = (struct nat_flow){protocol, inner, inner};
}

bool nat_in(struct nat *nat, uint8_t *packet, size_t bytes) {
  uint8_t protocol;
  uint8_t *ports = nat->is_on ? ports_of(packet, bytes, &protocol) : NULL;
  if (ports == NULL) return true;
  uint16_t outer = load16(ports + 2);
  for (int i = 0; i < nat->count; i++)
    if (nat->flows[i].protocol == protocol && nat->flows[i].outer == outer) {
      rewrite(ports, protocol, 2, nat->flows[i].inner);
      return true;
    }
  return false;
}

void nat_rebind(struct nat *nat) {
  for (int i = 0; i < nat->count; i++) {
    if (nat->next_port < OUTER_PORT_MIN || nat->next_port > OUTER_PORT_MAX) nat->next_port = OUTER_PORT_MIN;
    nat->flows[i].outer = nat->next_port++;
  }
}
