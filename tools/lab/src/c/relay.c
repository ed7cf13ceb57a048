/*
 * A path between two network namespaces: a tun device in each, and this process, which reads the packets of one and
 * writes them to the other, late, fewer, marked or with other ports.
 *
 *   relay NAMESPACE NAMESPACE DEVICE SPIN_US SEED
 *     prints "ready", then takes commands on standard input (commands.h). Waits for what is due sooner than SPIN_US
 *     without sleeping; 0: than 30 us
 *   relay model SEED
 *     no devices: commands, and `offer there|back AT_NS BYTES [ect]`, in the order of time; prints when each packet of
 *     a direction arrives
 *
 * It ends with its standard input.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"

/* Packets read from a device before time is looked at. */
#define READS_MAX 64
/* A sleep shorter than this takes longer than it says: it looks again instead. */
#define SPIN_NS_DEFAULT 30000
#define SPIN_NS_REAL_TIME 100000
#define ANSWER_BYTES_MAX 4096

static struct relay relay;
static uint64_t spin_ns = SPIN_NS_DEFAULT;

static void fail(const char *what) {
  fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A tun device in the namespace. It is gone when this process ends. */
static int open_tun(const char *space, const char *device) {
  char path[128];
  snprintf(path, sizeof(path), "/var/run/netns/%s", space);
  int space_fd = open(path, O_RDONLY | O_CLOEXEC);
  if (space_fd < 0 || setns(space_fd, CLONE_NEWNET) != 0) fail(path);
  close(space_fd);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail("/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(request.ifr_name, IFNAMSIZ, "%s", device);
  if (ioctl(fd, TUNSETIFF, &request) != 0) fail("a tun device");
  return fd;
}

static void read_packets(int fd, int direction) {
  for (int i = 0; i < READS_MAX; i++) {
    struct packet *packet = packet_take();
    if (packet == NULL) {
      uint8_t dropped[PACKET_BYTES_MAX];
      if (read(fd, dropped, sizeof(dropped)) < 0) return;
      relay.paths[direction].counts.lost_memory++;
      continue;
    }
    ssize_t length = read(fd, packet->bytes, PACKET_BYTES_MAX);
    if (length <= 0) {
      packet_free(packet);
      return;
    }
    packet->length = (uint32_t)length;
    if (direction == 0) nat_out(&relay.nat, packet->bytes, packet->length);
    path_offer(&relay.paths[direction], packet, clock_ns());
  }
}

static void count_late(uint64_t late_ns) {
  int power = 0;
  for (uint64_t us = late_ns / 1000; us > 0 && power < 23; us >>= 1) power++;
  relay.late[power]++;
}

static void write_packets(int fd, int direction) {
  struct path *path = &relay.paths[direction];
  struct packet *packet;
  while ((packet = path_poll(path, clock_ns())) != NULL) {
    if (direction == 1 && !nat_in(&relay.nat, packet->bytes, packet->length))
      path->counts.lost_nat++;
    else if (write(fd, packet->bytes, packet->length) < 0)
      relay.write_failures++;
    count_late(clock_ns() - packet->due_ns);
    packet_free(packet);
  }
}

/* Runs the complete lines that came. False: the input has ended. */
static bool read_commands(void) {
  static char text[8192];
  static size_t used;
  char answer[ANSWER_BYTES_MAX];
  ssize_t length = read(STDIN_FILENO, text + used, sizeof(text) - 1 - used);
  if (length <= 0) return false;
  used += (size_t)length;
  text[used] = '\0';
  char *line = text;
  for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
    *end = '\0';
    command_run(&relay, line, clock_ns(), answer, sizeof(answer));
    puts(answer);
  }
  fflush(stdout);
  used -= (size_t)(line - text);
  if (used == sizeof(text) - 1) return false;
  memmove(text, line, used);
  return true;
}

static uint64_t next_ns(void) {
  uint64_t there_ns = path_next_ns(&relay.paths[0]), back_ns = path_next_ns(&relay.paths[1]);
  uint64_t next = there_ns < back_ns ? there_ns : back_ns, command = command_next_ns(&relay);
  return next < command ? next : command;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

static void forward(const int tuns[2]) {
  int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (epoll < 0 || timer < 0) fail("epoll or timerfd");
  const int fds[] = {tuns[0], tuns[1], STDIN_FILENO, timer};
  for (int i = 0; i < 4; i++) watch(epoll, fds[i]);
  for (;;) {
    uint64_t next = next_ns(), now = clock_ns();
    bool is_soon = next != UINT64_MAX && next <= now + spin_ns;
    if (!is_soon) {
      struct itimerspec at = {0};
      if (next != UINT64_MAX)
        at.it_value = (struct timespec){.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)};
      if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) != 0) fail("timerfd_settime");
    }
    struct epoll_event events[4];
    int count = epoll_wait(epoll, events, 4, is_soon ? 0 : -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == STDIN_FILENO && !read_commands()) return;
      if (fd == tuns[0] || fd == tuns[1]) read_packets(fd, fd == tuns[0] ? 0 : 1);
    }
    command_tick(&relay, clock_ns());
    for (int i = 0; i < 2; i++) {
      path_serve(&relay.paths[i], clock_ns());
      write_packets(tuns[1 - i], i);
    }
  }
}

/* Brings virtual time to `until_ns` and prints what arrives on the way. */
static void model_run(uint64_t until_ns) {
  for (uint64_t next = next_ns(); next != UINT64_MAX && next <= until_ns; next = next_ns())
    for (int i = 0; i < 2; i++) {
      struct packet *packet;
      command_tick(&relay, next);
      path_serve(&relay.paths[i], next);
      while ((packet = path_poll(&relay.paths[i], next)) != NULL) {
        uint32_t number;
        memcpy(&number, packet->bytes + 20, sizeof(number));
        printf("%s %" PRIu32 " %" PRIu64 " %d\n", i == 0 ? "there" : "back", number, packet->due_ns, packet->bytes[1] & 3);
        packet_free(packet);
      }
    }
}

static void model(void) {
  char line[LINE_BYTES_MAX], answer[ANSWER_BYTES_MAX];
  uint32_t offered[2] = {0, 0};
  uint64_t now_ns = 1;
  while (fgets(line, sizeof(line), stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char direction[16], ecn[8] = "";
    uint64_t at_ns;
    unsigned bytes;
    int found = sscanf(line, "offer %15s %" SCNu64 " %u %7s", direction, &at_ns, &bytes, ecn);
    if (found < 3) {
      command_run(&relay, line, now_ns, answer, sizeof(answer));
      if (answer[0] == 'e' || answer[2] == ' ') puts(answer);
      continue;
    }
    int at = strcmp(direction, "there") == 0 ? 0 : 1;
    struct packet *packet = packet_take();
    if (packet == NULL || bytes > PACKET_BYTES_MAX || bytes < 24) exit(1);
    memset(packet->bytes, 0, 24);
    packet->bytes[0] = 0x45;
    packet->bytes[1] = strcmp(ecn, "ect") == 0 ? 2 : 0;
    packet->length = bytes;
    memcpy(packet->bytes + 20, &offered[at], sizeof(offered[at]));
    offered[at]++;
    model_run(at_ns);
    now_ns = at_ns;
    path_offer(&relay.paths[at], packet, at_ns);
  }
  model_run(UINT64_MAX - 1);
}

int main(int argc, char **argv) {
  bool is_model = argc == 3 && strcmp(argv[1], "model") == 0;
  if (!is_model && argc != 6) {
    fprintf(stderr, "usage: relay NAMESPACE NAMESPACE DEVICE SPIN_US SEED, or relay model SEED\n");
    return 2;
  }
  uint32_t seed = (uint32_t)strtoul(argv[argc - 1], NULL, 10);
  path_init(&relay.paths[0], seed, "there");
  path_init(&relay.paths[1], seed, "back");
  if (is_model) {
    model();
    return 0;
  }
  if (atol(argv[4]) > 0) spin_ns = strtoul(argv[4], NULL, 10) * 1000;
  int tuns[2];
  for (int i = 0; i < 2; i++) tuns[i] = open_tun(argv[1 + i], argv[3]);
  /*
   * So that a busy machine doesn't make packets late. Not where it waits without sleeping: Linux takes the CPU away from
   * a real-time process for 50 ms in each second that it didn't sleep in.
   */
  struct sched_param priority = {.sched_priority = 1};
  bool is_real_time = spin_ns <= SPIN_NS_REAL_TIME && sched_setscheduler(0, SCHED_RR, &priority) == 0;
  if (!is_real_time) setpriority(PRIO_PROCESS, 0, -20);
  printf("ready %s\n", is_real_time ? "real-time" : "ordinary");
  fflush(stdout);
  forward(tuns);
  return 0;
}
