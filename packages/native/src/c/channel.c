#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "js.h"

/* The most reads of one socket before other sockets have their turn. */
#define READS_PER_EVENT 4

static void free_handle(struct uv_handle_s *handle) {
  free(uv_handle_get_data(handle));
  free(handle);
}

static void tell(struct channel *channel, enum channel_event event, int value, int other) {
  napi_env env = channel->env;
  napi_handle_scope scope = NULL;
  napi_value arguments[3];
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  if (napi_create_int32(env, event, &arguments[0]) == napi_ok && napi_create_int32(env, value, &arguments[1]) == napi_ok &&
      napi_create_int32(env, other, &arguments[2]) == napi_ok)
    js_call_back(env, channel->context, channel->self, channel->callback, 3, arguments);
  (void)napi_close_handle_scope(env, scope);
}

/* Fills in a row for each datagram that was read; returns how many. */
static int fill_rows(struct channel *channel, int slots, int *dropped) {
  const struct receive_columns *to = &channel->received;
  int row = 0;
  for (int slot = 0; slot < slots; slot++) {
    const struct incoming_run *run = &channel->runs[slot];
    /* Port 0 can't be answered. */
    if (run->is_cut_off || address_port(&run->from) == 0) {
      (*dropped)++;
      continue;
    }
    const int address = address_table_find(&channel->addresses, &run->from);
    size_t done = 0;
    do {
      if (row == RECEIVE_ROWS_MAX) {
        (*dropped)++;
        break;
      }
      const size_t left = run->length - done;
      const size_t length = left < run->segment ? left : run->segment;
      to->offset[row] = (int32_t)((size_t)slot * RECEIVE_SLOT_BYTES + done);
      to->length[row] = (int32_t)length;
      to->address[row] = address;
      to->opener[row] = 0;
      to->verdict[row] = 0;
      to->ecn[row] = run->ecn;
      row++;
      done += length;
    } while (done < run->length);
  }
  return row;
}

/*
 * A link-local address means nothing without its interface. For any other address the scope is noise, and would make
 * two addresses of one.
 */
static void normalize(struct address *address) {
  if (address->storage.ss_family != AF_INET6) return;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
  v6->sin6_flowinfo = 0;
  if (!IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) v6->sin6_scope_id = 0;
}

static bool is_own(const struct port *port) {
  struct stat now;
  return fstat(port->socket.fd, &now) == 0 && now.st_dev == port->device && now.st_ino == port->inode;
}

int channel_check(const struct port *port) {
  if (port->is_unwatched || !is_own(port)) return EBADF;
  struct pollfd look = {.fd = port->socket.fd, .events = POLLRDHUP};
  if (poll(&look, 1, 0) <= 0 || look.revents == 0) return 0;
  int number = 0;
  socklen_t length = sizeof number;
  if (getsockopt(port->socket.fd, SOL_SOCKET, SO_ERROR, &number, &length) != 0 || number == 0) number = EPIPE;
  return number;
}

static int family_of(const struct port *port) { return port->channel->v6 == port ? 6 : 4; }

/* Whether a callback has closed it. It stays in memory until libuv has returned. */
static bool is_closed(const struct port *port) { return port->poll == NULL; }

/* There is nothing to read though libuv said so. That may be a datagram with a wrong checksum, or the end. */
static void tell_end(struct port *port) {
  const int number = channel_check(port);
  if (number != 0) tell(port->channel, CHANNEL_FAILED, number, family_of(port));
}

static void read_port(struct port *port) {
  struct channel *channel = port->channel;
  for (int reads = 0; reads < READS_PER_EVENT; reads++) {
    struct failure failure = {0};
    const int slots = udp_batch_receive(&port->socket, channel->receive_slab, channel->runs, &failure);
    if (slots < 0) tell(channel, CHANNEL_FAILED, failure.number, family_of(port));
    else if (slots == 0 && reads == 0) tell_end(port);
    if (slots <= 0) return;
    for (int slot = 0; slot < slots; slot++) normalize(&channel->runs[slot].from);
    int dropped = 0;
    const int rows = fill_rows(channel, slots, &dropped);
    tell(channel, CHANNEL_RECEIVED, rows, dropped);
    if (is_closed(port) || slots < RECEIVE_SLOTS) return;
  }
}

static void on_event(struct uv_poll_s *handle, int status, int events);

static void watch(struct port *port, int events) {
  if (uv_poll_start(port->poll, events, on_event) != 0) port->is_unwatched = true;
}

static void on_event(struct uv_poll_s *handle, int status, int events) {
  struct port *port = uv_handle_get_data((struct uv_handle_s *)handle);
  struct channel *channel = port->channel;
  napi_handle_scope scope = NULL;
  napi_value self = NULL;
  if (napi_open_handle_scope(channel->env, &scope) != napi_ok) return;
  /* Keeps the object on the stack until all callbacks have returned. */
  if (napi_get_reference_value(channel->env, channel->self, &self) == napi_ok) {
    /* libuv watches it no more. */
    if (status < 0) tell(channel, CHANNEL_FAILED, EBADF, family_of(port));
    if (!is_closed(port) && (events & LOOP_WRITABLE) != 0) {
      port->waits_for_room = false;
      watch(port, LOOP_READABLE);
      tell(channel, CHANNEL_WRITABLE, 0, 0);
    }
    if (!is_closed(port) && (events & LOOP_READABLE) != 0) read_port(port);
  }
  (void)napi_close_handle_scope(channel->env, scope);
}

static void set_port_ref(const struct port *port, bool is_ref) {
  if (port == NULL) return;
  if (is_ref)
    uv_ref((struct uv_handle_s *)port->poll);
  else
    uv_unref((struct uv_handle_s *)port->poll);
}

void channel_set_ref(struct channel *channel, bool is_ref) {
  channel->is_unref = !is_ref;
  set_port_ref(channel->v4, is_ref);
  set_port_ref(channel->v6, is_ref);
}

bool channel_add(struct channel *channel, struct uv_loop_s *loop, int fd, int family, struct failure *failure) {
  struct port *port = calloc(1, sizeof *port);
  struct uv_poll_s *poll = calloc(1, uv_handle_size(LOOP_HANDLE_POLL));
  struct stat file;
  int status = port == NULL || poll == NULL ? -ENOMEM : fstat(fd, &file) != 0 ? -errno : uv_poll_init(loop, poll, fd);
  if (status == 0) {
    uv_handle_set_data((struct uv_handle_s *)poll, port);
    status = uv_poll_start(poll, LOOP_READABLE, on_event);
    if (status == 0) {
      port->socket.fd = fd;
      port->device = file.st_dev;
      port->inode = file.st_ino;
      port->poll = poll;
      port->channel = channel;
      udp_batch_prepare(&port->socket, family);
      *(family == AF_INET6 ? &channel->v6 : &channel->v4) = port;
      set_port_ref(port, !channel->is_unref);
      return true;
    }
    uv_close((struct uv_handle_s *)poll, free_handle);
  } else {
    free(poll);
    free(port);
  }
  failure->syscall = "uv_poll_init";
  failure->number = -status;
  return false;
}

struct port *channel_port(const struct channel *channel, const struct address *to) {
  return to->storage.ss_family == AF_INET6 ? channel->v6 : channel->v4;
}

void channel_wait_for_room(struct port *port) {
  if (port->waits_for_room) return;
  port->waits_for_room = true;
  watch(port, LOOP_READABLE | LOOP_WRITABLE);
}

static void close_port(struct port **place) {
  struct port *port = *place;
  if (port == NULL) return;
  *place = NULL;
  struct uv_poll_s *poll = port->poll;
  port->poll = NULL;
  /* In this order: a descriptor closed first could belong to another file by the time libuv stops watching it. */
  (void)uv_poll_stop(poll);
  const bool is_ours = is_own(port);
  uv_close((struct uv_handle_s *)poll, free_handle);
  if (is_ours) (void)close(port->socket.fd);
}

void channel_drop(struct channel *channel, int family) { close_port(family == AF_INET6 ? &channel->v6 : &channel->v4); }

static void let_go(napi_env env, napi_ref *reference) {
  if (*reference != NULL) (void)napi_delete_reference(env, *reference);
  *reference = NULL;
}

void channel_close(struct channel *channel) {
  if (!channel->is_open) return;
  channel->is_open = false;
  close_port(&channel->v4);
  close_port(&channel->v6);
  for (size_t i = 0; i < channel->slab_count; i++) let_go(channel->env, &channel->slabs[i].reference);
  for (size_t i = 0; i < sizeof channel->receive_references / sizeof channel->receive_references[0]; i++)
    let_go(channel->env, &channel->receive_references[i]);
  let_go(channel->env, &channel->callback);
  if (channel->context != NULL) (void)napi_async_destroy(channel->env, channel->context);
  channel->context = NULL;
  free(channel->slabs);
  channel->slabs = NULL;
  channel->slab_count = 0;
  for (size_t i = 0; i < channel->sealer_count; i++) sealer_clear(&channel->sealers[i]);
  free(channel->sealers);
  channel->sealers = NULL;
  channel->sealer_count = 0;
  free(channel->send_slab);
  channel->send_slab = NULL;
  address_table_free(&channel->addresses);
  let_go(channel->env, &channel->self);
}

const struct address *channel_source(const struct channel *channel, int row) {
  const int slot = channel->received.offset[row] / RECEIVE_SLOT_BYTES;
  return &channel->runs[slot].from;
}
