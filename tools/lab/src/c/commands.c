#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *set(struct relay *relay, const char *line) {
  char direction[16], key[32], text[64];
  if (sscanf(line, "%15s %31s %63s", direction, key, text) != 3) return "set takes a direction, a key and a value";
  char *end;
  double value = strtod(text, &end);
  if (*end != '\0' || !(value >= 0 && value < 1e18)) return "a value is a number from 0";
  bool is_there = strcmp(direction, "there") == 0, is_back = strcmp(direction, "back") == 0;
  bool is_both = strcmp(direction, "both") == 0;
  if (!is_there && !is_back && !is_both) return "a direction is there, back or both";
  bool is_known = true;
  if (!is_back) is_known = path_set(&relay->paths[0], key, value);
  if (!is_there) is_known = path_set(&relay->paths[1], key, value);
  return is_known ? NULL : "there is no such setting";
}

static const char *later(struct relay *relay, const char *line) {
  char *rest;
  double ms = strtod(line, &rest);
  if (rest == line || *rest != ' ' || !(ms >= 0 && ms < 1e9)) return "at takes milliseconds and a command";
  if (relay->later_count == LATER_MAX) return "there are too many commands for later";
  struct later *entry = &relay->later[relay->later_count++];
  entry->is_done = false;
  entry->after_ns = (uint64_t)(ms * 1e6);
  snprintf(entry->line, sizeof(entry->line), "%s", rest + 1);
  return NULL;
}

static const char *every(struct relay *relay, const char *line, uint64_t now_ns) {
  char what[16];
  double ms;
  if (sscanf(line, "%lf %15s", &ms, what) != 2 || strcmp(what, "rebind") != 0 || !(ms >= 0 && ms < 1e9))
    return "every takes milliseconds and rebind";
  relay->rebind_every_ns = (uint64_t)(ms * 1e6);
  relay->rebind_ns = now_ns + relay->rebind_every_ns;
  return NULL;
}

static void rebind(struct relay *relay) {
  nat_rebind(&relay->nat);
  relay->rebinds++;
}

static size_t print_counts(const struct counts *it, char *out, size_t bytes) {
  int length = snprintf(
      out, bytes,
      "{\"arrived\":%" PRIu64 ",\"arrivedBytes\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"deliveredBytes\":%" PRIu64
      ",\"lostBefore\":%" PRIu64 ",\"lostBehind\":%" PRIu64 ",\"lostQueue\":%" PRIu64 ",\"lostCodel\":%" PRIu64
      ",\"lostMtu\":%" PRIu64 ",\"lostMemory\":%" PRIu64 ",\"lostNat\":%" PRIu64 ",\"marked\":%" PRIu64
      ",\"waitedMeanMs\":%.3f,\"waitedMostMs\":%.3f}",
      it->arrived, it->arrived_bytes, it->delivered, it->delivered_bytes, it->lost_before, it->lost_behind,
      it->lost_queue, it->lost_codel, it->lost_mtu, it->lost_memory, it->lost_nat, it->marked,
      it->waited == 0 ? 0 : (double)it->waited_ns / (double)it->waited / 1e6, (double)it->waited_most_ns / 1e6);
  return length < 0 || (size_t)length >= bytes ? 0 : (size_t)length;
}

static void print_stats(const struct relay *relay, char *out, size_t bytes) {
  size_t at = (size_t)snprintf(out, bytes, "ok {\"there\":");
  at += print_counts(&relay->paths[0].counts, out + at, bytes - at);
  at += (size_t)snprintf(out + at, bytes - at, ",\"back\":");
  at += print_counts(&relay->paths[1].counts, out + at, bytes - at);
  at += (size_t)snprintf(out + at, bytes - at, ",\"writeFailures\":%" PRIu64 ",\"rebinds\":%" PRIu64 ",\"late\":[",
                         relay->write_failures, relay->rebinds);
  for (int i = 0; i < 24; i++)
    at += (size_t)snprintf(out + at, bytes - at, "%s%" PRIu64, i == 0 ? "" : ",", relay->late[i]);
  snprintf(out + at, bytes - at, "]}");
}

/* The rest of a line that begins with the word, or NULL. */
static const char *after(const char *line, const char *word) {
  size_t length = strlen(word);
  if (strncmp(line, word, length) != 0) return NULL;
  return line[length] == '\0' ? line + length : line[length] == ' ' ? line + length + 1 : NULL;
}

void command_run(struct relay *relay, const char *line, uint64_t now_ns, char *answer, size_t answer_bytes) {
  const char *rest, *error = NULL;
  if ((rest = after(line, "set")) != NULL)
    error = set(relay, rest);
  else if ((rest = after(line, "at")) != NULL)
    error = later(relay, rest);
  else if ((rest = after(line, "every")) != NULL)
    error = every(relay, rest, now_ns);
  else if ((rest = after(line, "nat")) != NULL)
    relay->nat.is_on = strcmp(rest, "on") == 0;
  else if (after(line, "rebind") != NULL)
    rebind(relay);
  else if (after(line, "start") != NULL)
    relay->started_ns = now_ns;
  else if (after(line, "stats") != NULL) {
    print_stats(relay, answer, answer_bytes);
    return;
  } else
    error = "there is no such command";
  if (error == NULL)
    snprintf(answer, answer_bytes, "ok");
  else
    snprintf(answer, answer_bytes, "error %s: %.128s", error, line);
}

void command_tick(struct relay *relay, uint64_t now_ns) {
  char answer[LINE_BYTES_MAX];
  for (int i = 0; relay->started_ns > 0 && i < relay->later_count; i++) {
    struct later *entry = &relay->later[i];
    if (entry->is_done || relay->started_ns + entry->after_ns > now_ns) continue;
    entry->is_done = true;
    command_run(relay, entry->line, now_ns, answer, sizeof(answer));
    if (answer[0] == 'e') fprintf(stderr, "%s\n", answer);
  }
  if (relay->rebind_every_ns == 0 || relay->rebind_ns > now_ns) return;
  rebind(relay);
  relay->rebind_ns += relay->rebind_every_ns;
}

uint64_t command_next_ns(const struct relay *relay) {
  uint64_t next_ns = relay->rebind_every_ns > 0 ? relay->rebind_ns : UINT64_MAX;
  for (int i = 0; relay->started_ns > 0 && i < relay->later_count; i++) {
    uint64_t at_ns = relay->started_ns + relay->later[i].after_ns;
    if (!relay->later[i].is_done && at_ns < next_ns) next_ns = at_ns;
  }
  return next_ns;
}
