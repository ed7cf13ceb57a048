#include "path.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ip.h"

/* 128 MiB: 600 ms at 1 Gbit/s are 50,000 packets. */
#define PACKETS_MAX 65536
/* CoDel leaves a queue alone that holds no more than this. */
#define CODEL_BYTES_MIN 1500

static struct packet *spare;
static size_t packets_made;

struct packet *packet_take(void) {
  struct packet *packet = spare;
  if (packet != NULL) {
    spare = packet->next;
    return packet;
  }
  if (packets_made == PACKETS_MAX) return NULL;
  packet = malloc(sizeof(*packet));
  if (packet != NULL) packets_made++;
  return packet;
}

void packet_free(struct packet *packet) {
  packet->next = spare;
  spare = packet;
}

void path_init(struct path *path, uint32_t seed, const char *label) {
  memset(path, 0, sizeof(*path));
  path->settings.codel_interval_us = 100000;
  char labels[2][32];
  snprintf(labels[0], sizeof(labels[0]), "%s before", label);
  snprintf(labels[1], sizeof(labels[1]), "%s behind", label);
  random_seed(&path->random_before, seed, labels[0]);
  random_seed(&path->random_behind, seed, labels[1]);
}

#define SETTING(key) {#key, offsetof(struct settings, key)}
static const struct {
  const char *key;
  size_t offset;
} SETTINGS[] = {
    SETTING(delay_us),
    SETTING(jitter_us),
    SETTING(reorder),
    SETTING(reorder_us),
    SETTING(loss_before),
    SETTING(loss_behind),
    SETTING(rate),
    SETTING(queue_packets),
    SETTING(queue_bytes),
    SETTING(queue_us),
    SETTING(codel_target_us),
    SETTING(codel_interval_us),
    SETTING(mtu),
    {"burst_before_enter", offsetof(struct settings, burst_before.enter)},
    {"burst_before_leave", offsetof(struct settings, burst_before.leave)},
    {"burst_before_loss", offsetof(struct settings, burst_before.loss)},
    {"burst_behind_enter", offsetof(struct settings, burst_behind.enter)},
    {"burst_behind_leave", offsetof(struct settings, burst_behind.leave)},
    {"burst_behind_loss", offsetof(struct settings, burst_behind.loss)},
};

bool path_set(struct path *path, const char *key, double value) {
  for (size_t i = 0; i < sizeof(SETTINGS) / sizeof(*SETTINGS); i++)
    if (strcmp(SETTINGS[i].key, key) == 0) {
      *(double *)((char *)&path->settings + SETTINGS[i].offset) = value;
      return true;
    }
  return false;
}

static uint64_t ns_of(double us) { return (uint64_t)(us * 1000 + 0.5); }

/* How long the link takes to send so much. */
static uint64_t send_ns(const struct path *path, uint64_t bytes) {
  double rate = path->settings.rate;
  return rate > 0 ? (uint64_t)((double)bytes * 8e9 / rate) : 0;
}

static bool is_lost(struct random *random, double loss, const struct burst *burst, bool *is_bad) {
  if (burst->enter > 0) {
    *is_bad = *is_bad ? !random_chance(random, burst->leave) : random_chance(random, burst->enter);
    if (*is_bad && random_chance(random, burst->loss)) return true;
  }
  return random_chance(random, loss);
}

static bool is_sooner(const struct packet *one, const struct packet *other) {
  return one->due_ns < other->due_ns || (one->due_ns == other->due_ns && one->number < other->number);
}

static bool push(struct path *path, struct packet *packet) {
  if (path->under_way_count == path->under_way_capacity) {
    size_t capacity = path->under_way_capacity == 0 ? 1024 : 2 * path->under_way_capacity;
    struct packet **grown = realloc(path->under_way, capacity * sizeof(*grown));
    if (grown == NULL) return false;
    path->under_way = grown;
    path->under_way_capacity = capacity;
  }
  struct packet **heap = path->under_way;
  size_t at = path->under_way_count++;
  for (; at > 0 && is_sooner(packet, heap[(at - 1) / 2]); at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
  heap[at] = packet;
  return true;
}

static struct packet *pop(struct path *path) {
  struct packet **heap = path->under_way;
  struct packet *first = heap[0];
  struct packet *last = heap[--path->under_way_count];
  size_t count = path->under_way_count, at = 0;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && is_sooner(heap[child + 1], heap[child])) child++;
    if (!is_sooner(heap[child], last)) break;
    heap[at] = heap[child];
    at = child;
  }
  if (count > 0) heap[at] = last;
  return first;
}

/* The link has sent the packet: what is left is the way. */
static void depart(struct path *path, struct packet *packet, uint64_t at_ns) {
  const struct settings *settings = &path->settings;
  if (is_lost(&path->random_behind, settings->loss_behind, &settings->burst_behind, &path->is_bad_behind)) {
    path->counts.lost_behind++;
    packet_free(packet);
    return;
  }
  uint64_t due_ns = at_ns + ns_of(settings->delay_us);
  if (settings->jitter_us > 0) due_ns += ns_of(random_fraction(&path->random_behind) * settings->jitter_us);
  if (due_ns < path->last_due_ns) due_ns = path->last_due_ns;
  /* Later ones overtake it: it doesn't count for their order. */
  if (random_chance(&path->random_behind, settings->reorder))
    due_ns += ns_of(random_fraction(&path->random_behind) * settings->reorder_us);
  else
    path->last_due_ns = due_ns;
  packet->due_ns = due_ns;
  packet->number = path->departed++;
  if (push(path, packet)) return;
  path->counts.lost_memory++;
  packet_free(packet);
}

static struct packet *unqueue(struct path *path) {
  struct packet *packet = path->head;
  if (packet == NULL) return NULL;
  path->head = packet->next;
  if (path->head == NULL) path->tail = NULL;
  path->queued--;
  path->queued_bytes -= packet->length;
  return packet;
}

/* `dodequeue` of RFC 8289: the next packet, and whether the queue has stood above the target for an interval. */
static struct packet *codel_next(struct path *path, uint64_t now_ns, bool *is_above) {
  struct packet *packet = unqueue(path);
  *is_above = false;
  if (packet == NULL) {
    path->first_above_ns = 0;
    return NULL;
  }
  uint64_t waited_ns = now_ns > packet->arrived_ns ? now_ns - packet->arrived_ns : 0;
  if (waited_ns < ns_of(path->settings.codel_target_us) || path->queued_bytes <= CODEL_BYTES_MIN)
    path->first_above_ns = 0;
  else if (path->first_above_ns == 0)
    path->first_above_ns = now_ns + ns_of(path->settings.codel_interval_us);
  else
    *is_above = now_ns >= path->first_above_ns;
  return packet;
}

static uint64_t codel_law(const struct path *path, uint64_t from_ns) {
  return from_ns + (uint64_t)((double)ns_of(path->settings.codel_interval_us) / sqrt(path->drop_count));
}

/* Marks the packet; where that isn't possible, drops it and takes the next. */
static struct packet *codel_signal(struct path *path, struct packet *packet, uint64_t now_ns, bool *is_above) {
  if (ip_mark_congestion(packet->bytes, packet->length)) {
    path->counts.marked++;
    *is_above = false;
    return packet;
  }
  path->counts.lost_codel++;
  packet_free(packet);
  return codel_next(path, now_ns, is_above);
}

static struct packet *codel_take(struct path *path, uint64_t now_ns) {
  bool is_above;
  struct packet *packet = codel_next(path, now_ns, &is_above);
  if (path->is_dropping) {
    if (!is_above) path->is_dropping = false;
    while (packet != NULL && path->is_dropping && now_ns >= path->drop_next_ns) {
      path->drop_count++;
      packet = codel_signal(path, packet, now_ns, &is_above);
      path->drop_next_ns = codel_law(path, path->drop_next_ns);
      /* A marked packet goes on, and the state with it. */
      if (!is_above && (packet == NULL || path->first_above_ns == 0)) path->is_dropping = false;
      if (!is_above) break;
    }
  } else if (is_above && packet != NULL) {
    packet = codel_signal(path, packet, now_ns, &is_above);
    path->is_dropping = true;
    uint32_t delta = path->drop_count - path->last_count;
    bool was_recent = now_ns < path->drop_next_ns + 16 * ns_of(path->settings.codel_interval_us);
    path->drop_count = delta > 1 && was_recent ? delta : 1;
    path->drop_next_ns = codel_law(path, now_ns);
    path->last_count = path->drop_count;
  }
  return packet;
}

void path_serve(struct path *path, uint64_t now_ns) {
  while (path->head != NULL && path->free_ns <= now_ns) {
    /* The time at which the link took the packet, not that at which we looked. */
    uint64_t start_ns = path->free_ns > path->head->arrived_ns ? path->free_ns : path->head->arrived_ns;
    struct packet *packet = path->settings.codel_target_us > 0 ? codel_take(path, start_ns) : unqueue(path);
    if (packet == NULL) break;
    uint64_t waited_ns = start_ns > packet->arrived_ns ? start_ns - packet->arrived_ns : 0;
    path->counts.waited++;
    path->counts.waited_ns += waited_ns;
    if (waited_ns > path->counts.waited_most_ns) path->counts.waited_most_ns = waited_ns;
    path->free_ns = start_ns + send_ns(path, packet->length);
    depart(path, packet, path->free_ns);
  }
}

static bool is_full(const struct path *path, const struct packet *packet, uint64_t now_ns) {
  const struct settings *settings = &path->settings;
  if (path->free_ns <= now_ns) return false;
  if (settings->queue_packets > 0 && (double)path->queued + 1 > settings->queue_packets) return true;
  if (settings->queue_bytes > 0 && (double)path->queued_bytes + packet->length > settings->queue_bytes) return true;
  uint64_t waits_ns = path->free_ns - now_ns + send_ns(path, path->queued_bytes);
  return settings->queue_us > 0 && waits_ns > ns_of(settings->queue_us);
}

void path_offer(struct path *path, struct packet *packet, uint64_t now_ns) {
  const struct settings *settings = &path->settings;
  path->counts.arrived++;
  path->counts.arrived_bytes += packet->length;
  packet->arrived_ns = now_ns;
  packet->next = NULL;
  if (settings->mtu > 0 && packet->length > settings->mtu) {
    path->counts.lost_mtu++;
    packet_free(packet);
    return;
  }
  if (is_lost(&path->random_before, settings->loss_before, &settings->burst_before, &path->is_bad_before)) {
    path->counts.lost_before++;
    packet_free(packet);
    return;
  }
  path_serve(path, now_ns);
  if (is_full(path, packet, now_ns)) {
    path->counts.lost_queue++;
    packet_free(packet);
    return;
  }
  if (path->tail == NULL)
    path->head = packet;
  else
    path->tail->next = packet;
  path->tail = packet;
  path->queued++;
  path->queued_bytes += packet->length;
  path_serve(path, now_ns);
}

struct packet *path_poll(struct path *path, uint64_t now_ns) {
  if (path->under_way_count == 0 || path->under_way[0]->due_ns > now_ns) return NULL;
  struct packet *packet = pop(path);
  path->counts.delivered++;
  path->counts.delivered_bytes += packet->length;
  return packet;
}

uint64_t path_next_ns(const struct path *path) {
  uint64_t next_ns = path->under_way_count > 0 ? path->under_way[0]->due_ns : UINT64_MAX;
  return path->head != NULL && path->free_ns < next_ns ? path->free_ns : next_ns;
}
