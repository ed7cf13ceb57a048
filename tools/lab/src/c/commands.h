#ifndef X_LAB_COMMANDS_H
#define X_LAB_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip.h"
#include "path.h"

/*
 * What the relay is told, a line each; each is answered by a line that begins with "ok" or "error".
 *
 *   set there|back|both KEY VALUE   a setting of a direction (path.h)
 *   nat on|off                      the NAT in front of the first host
 *   rebind                          its flows get other ports
 *   every MS rebind                 and again each so many milliseconds; 0: no longer
 *   at MS COMMAND                   that long after `start`
 *   start                           from now on times count
 *   stats                           counts so far, as JSON
 */

#define LATER_MAX 256
#define LINE_BYTES_MAX 256

struct relay {
  /* From the first host to the second, and back. */
  struct path paths[2];
  struct nat nat;
  /* How late packets were delivered: counts by powers of two of microseconds. */
  uint64_t late[32];
  uint64_t write_failures;
  /* 0: not started. */
  uint64_t started_ns;
  uint64_t rebind_every_ns, rebind_ns, rebinds;
  int later_count;
  struct later {
    bool is_done;
    uint64_t after_ns;
    char line[LINE_BYTES_MAX];
  } later[LATER_MAX];
};

/* Does what the line says and writes the answer, with its zero. */
void command_run(struct relay *relay, const char *line, uint64_t now_ns, char *answer, size_t answer_bytes);
/* Does what is due. */
void command_tick(struct relay *relay, uint64_t now_ns);
/* When that is the next time; UINT64_MAX: never. */
uint64_t command_next_ns(const struct relay *relay);

#endif
