#include "udp_batch.h"

#ifdef __linux__

#include <errno.h>
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

void udp_batch_prepare(struct batch_socket *socket) {
  int size = 0;
  socklen_t length = sizeof size;
  socket->gso = getsockopt(socket->fd, SOL_UDP, UDP_SEGMENT, &size, &length) == 0;
  const int on = 1;
  socket->gro = setsockopt(socket->fd, SOL_UDP, UDP_GRO, &on, sizeof on) == 0;
}

struct segment_control {
  _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

struct send_call {
  struct mmsghdr messages[SEND_ROWS_MAX];
  struct iovec pieces[SEND_ROWS_MAX];
  struct segment_control controls[SEND_ROWS_MAX];
  size_t rows_of[SEND_ROWS_MAX];
  unsigned count;
};

/* How many rows from here on can be sent as one: the same address, the same size, and only the last may be shorter. */
static size_t run_length(const struct outgoing_datagram *rows, size_t count, bool gso) {
  const size_t segment = rows[0].length;
  if (!gso || segment == 0) return 1;
  size_t bytes = segment;
  for (size_t i = 1; i < count; i++) {
    const size_t length = rows[i].length;
    bytes += length;
    if (i == SEGMENTS_MAX || bytes > RUN_BYTES_MAX || rows[i].to != rows[0].to || length > segment || length == 0) return i;
    if (length < segment) return i + 1;
  }
  return count;
}

static void set_segment(struct msghdr *header, struct segment_control *control, size_t bytes) {
  const uint16_t segment = (uint16_t)bytes;
  /* The kernel reads the padding too. */
  memset(control, 0, sizeof *control);
  header->msg_control = control->bytes;
  header->msg_controllen = sizeof control->bytes;
  struct cmsghdr *item = CMSG_FIRSTHDR(header);
  item->cmsg_level = SOL_UDP;
  item->cmsg_type = UDP_SEGMENT;
  item->cmsg_len = CMSG_LEN(sizeof segment);
  memcpy(CMSG_DATA(item), &segment, sizeof segment);
}

static void add_message(struct send_call *call, const struct outgoing_datagram *rows, size_t first, size_t count) {
  struct mmsghdr *message = &call->messages[call->count];
  memset(message, 0, sizeof *message);
  for (size_t i = first; i < first + count; i++) call->pieces[i] = (struct iovec){.iov_base = rows[i].bytes, .iov_len = rows[i].length};
  message->msg_hdr.msg_name = (void *)(uintptr_t)&rows[first].to->storage;
  message->msg_hdr.msg_namelen = rows[first].to->length;
  message->msg_hdr.msg_iov = &call->pieces[first];
  message->msg_hdr.msg_iovlen = count;
  if (count > 1) set_segment(&message->msg_hdr, &call->controls[call->count], rows[first].length);
  call->rows_of[call->count++] = count;
}

/*
 * The interface, or its checksums, don't work with offload. EMSGSIZE isn't such a refusal: it means that a segment is
 * too long for the path.
 */
static bool is_refusal_of_offload(int number) { return number == EIO || number == EINVAL || number == EOPNOTSUPP || number == ENOPROTOOPT; }

static bool is_full(int number) { return number == EAGAIN || number == EWOULDBLOCK; }

/* Sends one datagram per message, so that each has a result of its own. Returns how many were taken. */
static size_t send_singly(const struct batch_socket *socket, const struct outgoing_datagram *rows, size_t first, size_t count, send_refused refused,
                          void *context) {
  for (size_t row = first; row < first + count; row++) {
    ssize_t sent;
    do {
      sent = sendto(socket->fd, rows[row].bytes, rows[row].length, 0, (const struct sockaddr *)&rows[row].to->storage, rows[row].to->length);
    } while (sent < 0 && errno == EINTR);
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
  for (size_t row = 0; row < count; row += call.rows_of[call.count - 1]) add_message(&call, rows, row, run_length(rows + row, count - row, socket->gso));
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
    if (in_message > 1 && is_refusal_of_offload(number)) socket->gso = false;
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

struct receive_control {
  _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(int))];
};

static size_t segment_of(struct msghdr *header, size_t length) {
  for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item != NULL; item = CMSG_NXTHDR(header, item)) {
    if (item->cmsg_level != SOL_UDP || item->cmsg_type != UDP_GRO) continue;
    int segment = 0;
    memcpy(&segment, CMSG_DATA(item), sizeof segment);
    if (segment > 0) return (size_t)segment;
  }
  return length;
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
    runs[i].segment = segment_of(&messages[i].msg_hdr, messages[i].msg_len);
    runs[i].is_cut_off = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
  }
  return count;
}

#endif
