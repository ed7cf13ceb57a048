#ifndef X_NATIVE_CHANNEL_H
#define X_NATIVE_CHANNEL_H

#include <node_api.h>
#include <sys/types.h>

#include "address_table.h"
#include "loop.h"
#include "sealer.h"
#include "udp_batch.h"

/*
 * Moves datagrams in batches between sockets and the memory of one JavaScript owner. It holds references to that
 * memory, so that the memory stays; the owner must prevent its transfer to another thread (markAsUntransferable).
 */

enum channel_event { CHANNEL_RECEIVED = 0, CHANNEL_WRITABLE = 1, CHANNEL_FAILED = 2 };

struct memory {
  uint8_t *bytes; /* NULL: no slab has that number */
  size_t length;
  napi_ref reference;
};

/* One watched socket. Allocated by itself: it goes with libuv's handle, some time after that was closed. */
struct port {
  struct batch_socket socket;
  /* Which file the descriptor was: somebody else in the process may close it, and its number is another file's then. */
  dev_t device;
  ino_t inode;
  struct uv_poll_s *poll;
  struct channel *channel;
  bool waits_for_room;
  /* libuv doesn't watch it as it should. */
  bool is_unwatched;
};

/* The columns of received rows, in JavaScript's memory; each has RECEIVE_ROWS_MAX elements. */
struct receive_columns {
  int32_t *offset;
  int32_t *length;
  int32_t *address;
  int32_t *opener;
  uint8_t *verdict;
  uint8_t *ecn;
};

struct channel {
  napi_env env;
  napi_ref self; /* keeps this alive while it is open */
  napi_ref callback;
  napi_async_context context;
  struct port *v4;
  struct port *v6;
  struct address_table addresses;
  struct memory *slabs;
  size_t slab_count;
  struct sealer *sealers;
  size_t sealer_count;
  /*
   * Memory to seal datagrams in that can't be sealed in place: room for all rows of a call. Allocated when first
   * needed.
   */
  uint8_t *send_slab;
  uint8_t *receive_slab;
  struct receive_columns received;
  napi_ref receive_references[7];
  /* The sources of rows with address 0, by slot. */
  struct incoming_run runs[RECEIVE_SLOTS];
  bool is_open;
  /* The loop may end even though the sockets are watched. */
  bool is_unref;
};

/* Takes over and watches a socket. False: libuv's error is in `failure`, and the caller keeps the socket. */
bool channel_add(struct channel *channel, struct uv_loop_s *loop, int fd, int family, struct failure *failure);

struct port *channel_port(const struct channel *channel, const struct address *to);

/*
 * Whether a socket moves nothing any more: it was closed, shut down or taken away by others. Returns the errno that says
 * so, or 0.
 */
int channel_check(const struct port *port);

/* Closes the socket of a family, and watches it no more; does nothing if there is none. */
void channel_drop(struct channel *channel, int family);

/* Calls back once there is room in the socket again. */
void channel_wait_for_room(struct port *port);

/* Sets whether the sockets keep the loop going, including those added later. */
void channel_set_ref(struct channel *channel, bool is_ref);

/* Closes the sockets and releases all of JavaScript's memory. Repeated, does nothing. */
void channel_close(struct channel *channel);

/* The source of a row's datagram. */
const struct address *channel_source(const struct channel *channel, int row);

#endif
