#include "udp_batch.h"

#ifdef __linux__

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Kernels before 6.9 accept no more segments than this; and a run has to fit an IP packet. */
#define SEGMENTS_MAX 64
#define RUN_BYTES_MAX 65000

/*
 * A v6 socket that also has v4 gets the mark of a v4 datagram as IP_TOS. Most have no v4, and may refuse that option:
 * it isn't missed there.
 */
static bool read_marks(int fd, int family) {
  const int on = 1;
  const bool has_v4 = setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof on) == 0;
  return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on) == 0 : has_v4;
}

void udp_batch_prepare(struct batch_socket *socket, int family) {
  int size = 0;
  socklen_t length = sizeof size;
  socket->gso = getsockopt(socket->fd, SOL_UDP, UDP_SEGMENT, &size, &length) == 0;
  const int on = 1;
  socket->gro = setsockopt(socket->fd, SOL_UDP, UDP_GRO, &on, sizeof on) == 0;
  socket->ecn = read_marks(socket->fd, family);
}

/* Room for the size of segments and for a mark. */
struct send_control {
  _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))];
};

struct send_call {
  struct mmsghdr messages[SEND_ROWS_MAX];
  struct iovec pieces[SEND_ROWS_MAX];
  struct send_control controls[SEND_ROWS_MAX];
  size_t rows_of[SEND_ROWS_MAX];
  unsigned count;
};

/*
 * How many rows from here on can be sent as one: the same address, mark and size, and only the last may be shorter.
 */
static size_t run_length(const struct outgoing_datagram *rows, size_t count, bool gso) {
  const size_t segment = rows[0].length;
  if (!gso || segment == 0) return 1;
  size_t bytes = segment;
  for (size_t i = 1; i < count; i++) {
    const size_t length = rows[i].length;
    bytes += length;
    if (i == SEGMENTS_MAX || bytes > RUN_BYTES_MAX || rows[i].to != rows[0].to || rows[i].ecn != rows[0].ecn || length > segment || length == 0)
      return i;
    if (length < segment) return i + 1;
  }
  return count;
}

/* Adds an item behind those that `header` has. */
static void add_control(struct msghdr *header, struct send_control *control, int level, int type, const void *data, size_t bytes) {
  struct cmsghdr *item = (struct cmsghdr *)(void *)(control->bytes + header->msg_controllen);
  item->cmsg_level = level;
  item->cmsg_type = type;
  item->cmsg_len = CMSG_LEN(bytes);
  memcpy(CMSG_DATA(item), data, bytes);
  header->msg_control = control->bytes;
  header->msg_controllen += CMSG_SPACE(bytes);
}

/* For a v4 address in a v6 one IPV6_TCLASS has no effect. */
static void add_mark(struct msghdr *header, struct send_control *control, const struct address *to, int mark) {
  const bool is_v6 = to->storage.ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)&to->storage)->sin6_addr);
  if (is_v6) add_control(header, control, IPPROTO_IPV6, IPV6_TCLASS, &mark, sizeof mark);
  else add_control(header, control, IPPROTO_IP, IP_TOS, &mark, sizeof mark);
}

/* What is said of `count` datagrams, from `row` on, that are sent as one. */
static void set_control(struct msghdr *header, struct send_control *control, const struct outgoing_datagram *row, size_t count, bool ecn) {
  const bool is_marked = ecn && row->ecn != ECN_NOT_ECT;
  if (count == 1 && !is_marked) return;
  /* The kernel reads the padding too. */
  memset(control, 0, sizeof *control);
  const uint16_t segment = (uint16_t)row->length;
  if (count > 1) add_control(header, control, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
  if (is_marked) add_mark(header, control, row->to, row->ecn);
}

static void add_message(struct send_call *call, const struct outgoing_datagram *rows, size_t first, size_t count, bool ecn) {
  struct mmsghdr *message = &call->messages[call->count];
  memset(message, 0, sizeof *message);
  for (size_t i = first; i < first + count; i++) call->pieces[i] = (struct iovec){.iov_base = rows[i].bytes, .iov_len = rows[i].length};
  message->msg_hdr.msg_name = (void *)(uintptr_t)&rows[first].to->storage;
  message->msg_hdr.msg_namelen = rows[first].to->length;
  message->msg_hdr.msg_iov = &call->pieces[first];
  message->msg_hdr.msg_iovlen = count;
  set_control(&message->msg_hdr, &call->controls[call->count], &rows[first], count, ecn);
  call->rows_of[call->count++] = count;
}

/*
 * The interface, or its checksums, don't work with offload, or the system takes no marks. EMSGSIZE isn't such a
 * refusal: it means that a segment is too long for the path.
 */
static bool is_refusal(int number) { return number == EIO || number == EINVAL || number == EOPNOTSUPP || number == ENOPROTOOPT; }

static bool is_full(int number) { return number == EAGAIN || number == EWOULDBLOCK; }

static ssize_t send_one(const struct batch_socket *socket, const struct outgoing_datagram *row) {
  struct send_control control;
  struct iovec piece = {.iov_base = row->bytes, .iov_len = row->length};
  struct msghdr header = {
      .msg_name = (void *)(uintptr_t)&row->to->storage, .msg_namelen = row->to->length, .msg_iov = &piece, .msg_iovlen = 1};
  set_control(&header, &control, row, 1, socket->ecn);
  ssize_t sent;
  do {
    sent = sendmsg(socket->fd, &header, 0);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

/* Sends one datagram per message, so that each has a result of its own. Returns how many were taken. */
static size_t send_singly(struct batch_socket *socket, const struct outgoing_datagram *rows, size_t first, size_t count, send_refused refused,
                          void *context) {
  for (size_t row = first; row < first + count; row++) {
    ssize_t sent = send_one(socket, &rows[row]);
    if (sent < 0 && socket->ecn && rows[row].ecn != ECN_NOT_ECT && is_refusal(errno)) {
      /* If it goes without its mark, no mark is taken here, as in a sandbox. */
      socket->ecn = false;
      sent = send_one(socket, &rows[row]);
      if (sent < 0) socket->ecn = true;
    }
    if (sent >= 0) continue;
    if (is_full(errno)) return row - first;
    refused(context, row, errno);
  }
  return count;
}

size_t udp_batch_send(struct batch_socket *socket, const struct outgoing_datagram *rows, size_t count, send_refused refused, void *context) {
  struct send_call call;
  size_t taken = 0;
  if (count == 1) return send_singly(socket, rows, 0, 1, refused, context);
  call.count = 0;
  for (size_t row = 0; row < count; row += call.rows_of[call.count - 1]) 
    add_message(&call, rows, row, run_length(rows + row, count - row, socket->gso), socket->ecn);
  for (unsigned done = 0; done < call.count;) {
    const int sent = sendmmsg(socket->fd, &call.messages[done], call.count - done, 0);
    const int number = errno;
    if (sent > 0) {
      for (const unsigned until = done + (unsigned)sent; done < until; done++) taken += call.rows_of[done];
      continue;
    }
    if (sent < 0 && number == EINTR) continue;
    if (sent < 0 && is_full(number)) return taken;
    /* The first message failed. If it has several rows, the error doesn't tell which. */
    const size_t in_message = call.rows_of[done];
    if (in_message > 1 && is_refusal(number)) socket->gso = false;
    const size_t sent_singly = send_singly(socket, rows, taken, in_message, refused, context);
    taken += sent_singly;
    if (sent_singly < in_message) return taken;
    done++;
    /* The messages after it were put together for offload. */
    for (; done < call.count && !socket->gso; done++) {
      const size_t rest = send_singly(socket, rows, taken, call.rows_of[done], refused, context);
      taken += rest;
      if (rest < call.rows_of[done]) return taken;
    }
  }
  return taken;
}

/* The size of segments, IP_TOS and IPV6_TCLASS. */
struct receive_control {
  _Alignas(struct cmsghdr) char bytes[3 * CMSG_SPACE(sizeof(int))];
};

/* IP_TOS comes as one byte or as an int, IPV6_TCLASS as an int. */
static uint8_t mark_of(struct cmsghdr *item) {
  int value = 0;
  if (item->cmsg_len >= CMSG_LEN(sizeof value)) memcpy(&value, CMSG_DATA(item), sizeof value);
  else if (item->cmsg_len > CMSG_LEN(0)) value = *CMSG_DATA(item);
  return (uint8_t)(value & ECN_MASK);
}

static void read_control(struct msghdr *header, struct incoming_run *run) {
  run->segment = run->length;
  run->ecn = ECN_NOT_ECT;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item != NULL; item = CMSG_NXTHDR(header, item)) {
    if (item->cmsg_level == SOL_UDP && item->cmsg_type == UDP_GRO) {
      int segment = 0;
      memcpy(&segment, CMSG_DATA(item), sizeof segment);
      if (segment > 0) run->segment = (size_t)segment;
    } else if ((item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS) || (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_TCLASS)) {
      run->ecn = mark_of(item);
    }
  }
}

int udp_batch_receive(const struct batch_socket *socket, uint8_t *slab, struct incoming_run runs[RECEIVE_SLOTS], struct failure *failure) {
  struct mmsghdr messages[RECEIVE_SLOTS];
  struct iovec pieces[RECEIVE_SLOTS];
  struct receive_control controls[RECEIVE_SLOTS];
  memset(messages, 0, sizeof messages);
  for (size_t i = 0; i < RECEIVE_SLOTS; i++) {
    pieces[i] = (struct iovec){.iov_base = slab + i * RECEIVE_SLOT_BYTES, .iov_len = RECEIVE_SLOT_BYTES};
    memset(&runs[i].from.storage, 0, sizeof runs[i].from.storage);
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &runs[i].from.storage,
        .msg_namelen = sizeof runs[i].from.storage,
        .msg_iov = &pieces[i],
        .msg_iovlen = 1,
        .msg_control = controls[i].bytes,
        .msg_controllen = sizeof controls[i].bytes,
    };
  }
  int count;
  do {
    count = recvmmsg(socket->fd, messages, RECEIVE_SLOTS, MSG_DONTWAIT, NULL);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && is_full(errno)) return 0;
  if (count < 0) {
    (void)failed(failure, "recvmmsg");
    return -1;
  }
  for (int i = 0; i < count; i++) {
    runs[i].from.length = messages[i].msg_hdr.msg_namelen;
    runs[i].length = messages[i].msg_len;
    read_control(&messages[i].msg_hdr, &runs[i]);
    runs[i].is_cut_off = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
  }
  return count;
}

#endif
