/* What the measurements share; see common.h. */

#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000u
#define NS_PER_US 1000u
#define SOCKET_BYTES (32 << 20)
/* A run that lost a datagram waits for it for ever. */
#define SECONDS_MAX 20
#define PLACE_STEP 7919
#define BIND_TRIES 1000
#define BIND_PAUSE_US 2000

enum { EXIT_FAILED = 1, EXIT_NOT_AVAILABLE = 3 };

static char *reason;
#define REASON_BYTES 200

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t ns_of(struct timeval time) {
  return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_usec * NS_PER_US;
}

struct cpu cpu_now(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (struct cpu){.user = ns_of(usage.ru_utime), .system = ns_of(usage.ru_stime)};
}

struct cpu cpu_since(struct cpu start) {
  const struct cpu now = cpu_now();
  return (struct cpu){.user = now.user - start.user, .system = now.system - start.system};
}

void cpu_print(const char *name, struct cpu used) {
  const unsigned long long user = used.user, system = used.system;
  printf(",\"%sUserNs\":%llu,\"%sSystemNs\":%llu", name, user, name, system);
}

static void explain(const char *what, int number) {
  snprintf(reason, REASON_BYTES, "%s%s%s", what, number == 0 ? "" : ": ", number == 0 ? "" : strerror(number));
}

void fail(const char *what, int number) {
  explain(what, number);
  _exit(EXIT_FAILED);
}

void not_available(const char *what, int number) {
  explain(what, number);
  _exit(EXIT_NOT_AVAILABLE);
}

void *share(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory != MAP_FAILED) return memory;
  perror("mmap");
  exit(EXIT_FAILED);
}

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu == NO_CPU) return;
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity", errno);
}

void enter(const struct place *place) {
  pin(place->cpu);
  if (place->name_space == NULL) return;
  const int fd = open(place->name_space, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) fail(place->name_space, errno);
  close(fd);
}

void set_option(int fd, int level, int name, int value, const char *what) {
  if (setsockopt(fd, level, name, &value, sizeof value) != 0) not_available(what, errno);
}

struct address address_of(const char *host, uint16_t port) {
  struct address address = {.length = sizeof(struct sockaddr_in)};
  struct sockaddr_in *v4 = (struct sockaddr_in *)&address.storage;
  *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, host, &v4->sin_addr) != 1) fail(host, EINVAL);
  return address;
}

int open_socket(const struct place *place, uint16_t port) {
  const struct address own = address_of(place->host, port);
  const int bytes = SOCKET_BYTES;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket", errno);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) fail("SO_RCVBUFFORCE", errno);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) fail("SO_SNDBUFFORCE", errno);
  /* A ring keeps its socket for a moment after its process has ended. */
  for (int tries = 0; bind(fd, (const struct sockaddr *)&own.storage, own.length) != 0; tries++) {
    if (errno != EADDRINUSE || tries == BIND_TRIES) fail("bind", errno);
    (void)usleep(BIND_PAUSE_US);
  }
  return fd;
}

void socket_block(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) != 0) fail("fcntl", errno);
}

int epoll_of(int fd) {
  struct epoll_event event = {.events = EPOLLIN};
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll", errno);
  return epoll;
}

void epoll_wait_one(int epoll, int timeout_ms) {
  struct epoll_event event;
  if (epoll_wait(epoll, &event, 1, timeout_ms) < 0 && errno != EINTR) fail("epoll_wait", errno);
}

void event_wait(int fd) {
  uint64_t value;
  if (read(fd, &value, sizeof value) < 0 && errno != EAGAIN) fail("eventfd", errno);
}

void event_ring(int fd) {
  const uint64_t one = 1;
  if (write(fd, &one, sizeof one) < 0) fail("eventfd", errno);
}

static pid_t start(void (*run)(void *context), void *context) {
  const pid_t pid = fork();
  if (pid < 0) exit(EXIT_FAILED);
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(SECONDS_MAX);
  run(context);
  _exit(0);
}

void run_both(void (*first)(void *context), void (*second)(void *context), void *context) {
  reason = share(REASON_BYTES);
  const pid_t pids[2] = {start(first, context), start(second, context)};
  bool has_failed = false, is_missing = false;
  for (int left = 2; left > 0; left--) {
    int status = 0;
    const pid_t ended = wait(&status);
    if (status == 0 || has_failed || is_missing) continue;
    is_missing = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_AVAILABLE;
    has_failed = !is_missing;
    if (WIFSIGNALED(status))
      snprintf(reason, REASON_BYTES, "ended by signal %d (14: it waited too long)", WTERMSIG(status));
    kill(ended == pids[0] ? pids[1] : pids[0], SIGKILL);
  }
  if (is_missing) printf("{\"notAvailable\":\"%s\"}\n", reason);
  if (has_failed) fprintf(stderr, "%s\n", reason);
  if (is_missing || has_failed) exit(has_failed ? EXIT_FAILED : 0);
}

static size_t place_of(size_t length, uint64_t number) {
  return sizeof number + number * PLACE_STEP % (length - sizeof number);
}

void content_write(uint8_t *datagram, size_t length, uint64_t number) {
  memcpy(datagram, &number, sizeof number);
  datagram[place_of(length, number)] = (uint8_t)(number + 1);
}

void content_check(const uint8_t *datagram, size_t got, size_t length, uint64_t number) {
  uint64_t came = 0;
  if (got != length) fail("a datagram has another length", 0);
  memcpy(&came, datagram, sizeof came);
  if (came != number) fail("a datagram is missing or out of its order", 0);
  if (datagram[place_of(length, number)] != (uint8_t)(number + 1)) fail("a byte is wrong", 0);
}

uint64_t content_read(const uint8_t *bytes, size_t length) {
  uint64_t all = 0, word;
  for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
    memcpy(&word, bytes, sizeof word);
    all ^= word;
  }
  return all;
}

static int compare(const void *left, const void *right) {
  const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

void percentiles_print(const char *name, uint32_t *samples, size_t count) {
  double sum = 0;
  qsort(samples, count, sizeof *samples, compare);
  for (size_t i = 0; i < count; i++) sum += samples[i];
  printf(",\"%sP50Us\":%.3f,\"%sP99Us\":%.3f,\"%sMeanUs\":%.3f", name, samples[count / 2] / 1e3, name,
         samples[count - 1 - count / 100] / 1e3, name, sum / (double)count / 1e3);
}
