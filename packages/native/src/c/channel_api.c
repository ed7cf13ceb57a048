#include "channel_api.h"

#include "js.h"

#ifdef __linux__

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "crc32c.h"
#include "sealer.h"
#include "udp_socket.h"

/* Numbers of addresses, slabs and sealers: far more than any process has. */
#define NUMBER_MAX (1 << 24)
/* More than UDP carries, for each row: what is longer the system refuses without a look at its bytes. */
#define SEALED_BYTES_MAX 65535
#define SEND_SLAB_BYTES ((size_t)SEND_ROWS_MAX * SEALED_BYTES_MAX)
/* What `channelSend` reports of rows that were lost: how many, bytes sent, rows for which there is no socket; then row, errno, bytes of each. */
#define REPORT_HEADER 3
#define REPORT_LENGTH (REPORT_HEADER + 3 * SEND_ROWS_MAX)

static const napi_type_tag CHANNEL_TAG = {0x2f0a6d1b4c8e4f53u, 0x9d1c7e5aa1b64f02u};

static bool read_channel(napi_env env, napi_value value, struct channel **channel) {
  bool is_channel = false;
  void *pointer = NULL;
  napi_valuetype type = napi_undefined;
  if (!js_ok(env, napi_typeof(env, value, &type))) return false;
  if (type == napi_external && !js_ok(env, napi_check_object_type_tag(env, value, &CHANNEL_TAG, &is_channel))) return false;
  if (!is_channel) return js_throw_value(env, "channel", "what channelCreate gave");
  if (!js_ok(env, napi_get_value_external(env, value, &pointer))) return false;
  *channel = pointer;
  return (*channel)->is_open ? true : js_throw_value(env, "channel", "open");
}

/* The memory of a typed array with at least so many elements. */
static bool read_array(napi_env env, napi_value value, const char *name, napi_typedarray_type type, size_t least, void **data, size_t *length) {
  bool is_array = false;
  napi_typedarray_type given = napi_int8_array;
  size_t count = 0;
  if (!js_ok(env, napi_is_typedarray(env, value, &is_array))) return false;
  if (is_array && !js_ok(env, napi_get_typedarray_info(env, value, &given, &count, data, NULL, NULL))) return false;
  if (is_array && given == type && count >= least && (*data != NULL || least == 0)) {
    if (length != NULL) *length = count;
    return true;
  }
  return js_throw_value(env, name, type == napi_uint8_array ? "a Uint8Array that is long enough" : "an Int32Array that is long enough");
}

static bool no_memory(napi_env env) {
  (void)napi_throw_error(env, "ENOMEM", "no memory");
  return false;
}

static void clean_up(void *data) { channel_close(data); }

static void finalize(napi_env env, void *data, void *hint) {
  (void)hint;
  struct channel *channel = data;
  (void)napi_remove_env_cleanup_hook(env, clean_up, channel);
  channel_close(channel);
  free(channel);
}

static bool read_columns(napi_env env, const napi_value *arguments, struct channel *channel) {
  const size_t rows = RECEIVE_ROWS_MAX;
  struct receive_columns *to = &channel->received;
  void *data[6] = {NULL};
  const char *names[] = {"receive slab", "offset", "length", "address", "opener", "verdict"};
  for (size_t i = 0; i < 6; i++) {
    const bool is_bytes = i == 0 || i == 5;
    const size_t least = i == 0 ? (size_t)RECEIVE_SLOTS * RECEIVE_SLOT_BYTES : rows;
    if (!read_array(env, arguments[i], names[i], is_bytes ? napi_uint8_array : napi_int32_array, least, &data[i], NULL)) return false;
  }
  channel->receive_slab = data[0];
  *to = (struct receive_columns){.offset = data[1], .length = data[2], .address = data[3], .opener = data[4], .verdict = data[5]};
  for (size_t i = 0; i < 6; i++)
    if (!js_ok(env, napi_create_reference(env, arguments[i], 1, &channel->receive_references[i]))) return false;
  return true;
}

static bool fill_in(napi_env env, const napi_value *arguments, struct channel *channel, napi_value self) {
  napi_valuetype type = napi_undefined;
  napi_value name = NULL;
  if (!js_ok(env, napi_typeof(env, arguments[0], &type))) return false;
  if (type != napi_function) return js_throw_value(env, "callback", "a function");
  return js_ok(env, napi_type_tag_object(env, self, &CHANNEL_TAG)) && read_columns(env, arguments + 1, channel) &&
         js_ok(env, napi_create_reference(env, arguments[0], 1, &channel->callback)) &&
         js_ok(env, napi_create_string_utf8(env, "x-native", NAPI_AUTO_LENGTH, &name)) &&
         js_ok(env, napi_async_init(env, NULL, name, &channel->context)) && js_ok(env, napi_add_env_cleanup_hook(env, clean_up, channel)) &&
         js_ok(env, napi_create_reference(env, self, 1, &channel->self));
}

static napi_value api_create(napi_env env, napi_callback_info info) {
  napi_value arguments[7];
  napi_value self = NULL;
  if (!js_arguments(env, info, 7, arguments)) return NULL;
  struct channel *channel = calloc(1, sizeof *channel);
  if (channel == NULL) {
    (void)no_memory(env);
    return NULL;
  }
  channel->env = env;
  channel->is_open = true;
  if (!js_ok(env, napi_create_external(env, channel, finalize, NULL, &self))) {
    free(channel);
    return NULL;
  }
  /* What fails half-way is given back by the finalizer. */
  return fill_in(env, arguments, channel, self) ? self : NULL;
}

static napi_value api_add(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  napi_value result = NULL;
  struct channel *channel = NULL;
  struct uv_loop_s *loop = NULL;
  struct failure failure = {0};
  int fd = -1;
  int family = 0;
  if (!js_arguments(env, info, 3, arguments) || !read_channel(env, arguments[0], &channel) || !js_integer(env, arguments[1], "fd", 0, INT_MAX, &fd) ||
      !js_integer(env, arguments[2], "family", 4, 6, &family) || !js_ok(env, napi_get_uv_event_loop(env, &loop)))
    return NULL;
  int found = 0;
  if (!udp_socket_check(fd, &found, "add", &failure)) {
    (void)js_throw_failure(env, &failure, "");
    return NULL;
  }
  if (found != (family == 6 ? AF_INET6 : AF_INET) || (family == 6 ? channel->v6 : channel->v4) != NULL) {
    (void)js_throw_value(env, "family", "that of the socket, and each once");
    return NULL;
  }
  if (!channel_add(channel, loop, fd, family == 6 ? AF_INET6 : AF_INET, &failure)) {
    (void)js_throw_failure(env, &failure, "");
    return NULL;
  }
  const struct batch_socket *socket = &(family == 6 ? channel->v6 : channel->v4)->socket;
  return js_ok(env, napi_create_int32(env, (socket->gso ? 1 : 0) | (socket->gro ? 2 : 0), &result)) ? result : NULL;
}

static napi_value api_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  struct channel *channel = NULL;
  if (!js_arguments(env, info, 1, &argument) || !read_channel(env, argument, &channel)) return NULL;
  (void)napi_remove_env_cleanup_hook(env, clean_up, channel);
  channel_close(channel);
  return NULL;
}

static napi_value api_ref(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct channel *channel = NULL;
  bool is_ref = false;
  if (!js_arguments(env, info, 2, arguments) || !read_channel(env, arguments[0], &channel) ||
      !js_boolean(env, arguments[1], "isRef", &is_ref))
    return NULL;
  channel_set_ref(channel, is_ref);
  return NULL;
}

static bool has_room(void **items, size_t *count, size_t size, size_t wanted) {
  if (wanted <= *count) return true;
  size_t grown = *count == 0 ? 16 : *count;
  while (grown < wanted) grown *= 2;
  char *moved = realloc(*items, grown * size);
  if (moved == NULL) return false;
  memset(moved + *count * size, 0, (grown - *count) * size);
  *items = moved;
  *count = grown;
  return true;
}

/* `null` takes the slab out. */
static bool set_slab(napi_env env, struct channel *channel, int number, napi_value value) {
  napi_valuetype type = napi_undefined;
  void *data = NULL;
  size_t length = 0;
  if (!js_ok(env, napi_typeof(env, value, &type))) return false;
  if (type != napi_null && !read_array(env, value, "slab", napi_uint8_array, 0, &data, &length)) return false;
  void *items = channel->slabs;
  if (!has_room(&items, &channel->slab_count, sizeof *channel->slabs, (size_t)number + 1)) return no_memory(env);
  channel->slabs = items;
  struct memory *slab = &channel->slabs[number];
  if (slab->reference != NULL) (void)napi_delete_reference(env, slab->reference);
  *slab = (struct memory){0};
  if (type == napi_null) return true;
  if (!js_ok(env, napi_create_reference(env, value, 1, &slab->reference))) return false;
  slab->bytes = data;
  slab->length = length;
  return true;
}

static napi_value api_set_slab(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  struct channel *channel = NULL;
  int number = 0;
  if (js_arguments(env, info, 3, arguments) && read_channel(env, arguments[0], &channel) &&
      js_integer(env, arguments[1], "slab", 1, NUMBER_MAX, &number))
    (void)set_slab(env, channel, number, arguments[2]);
  return NULL;
}

static napi_value api_set_address(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  struct channel *channel = NULL;
  struct address address;
  char host[HOST_BYTES_MAX];
  int number = 0, family = 0, port = 0;
  if (!js_arguments(env, info, 5, arguments) || !read_channel(env, arguments[0], &channel) ||
      !js_integer(env, arguments[1], "address", 1, NUMBER_MAX, &number) || !js_integer(env, arguments[2], "family", 4, 6, &family) ||
      !js_string(env, arguments[3], "host", host, sizeof host) || !js_integer(env, arguments[4], "port", 1, UINT16_MAX, &port))
    return NULL;
  if (!address_parse(&address, family == 6 ? AF_INET6 : AF_INET, host, (uint16_t)port)) (void)js_throw_value(env, "host", "a numeric address");
  else if (!address_table_set(&channel->addresses, number, &address)) (void)no_memory(env);
  return NULL;
}

static napi_value api_clear_address(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct channel *channel = NULL;
  int number = 0;
  if (js_arguments(env, info, 2, arguments) && read_channel(env, arguments[0], &channel) &&
      js_integer(env, arguments[1], "address", 1, NUMBER_MAX, &number))
    address_table_clear(&channel->addresses, number);
  return NULL;
}

/* The place of a sealer, empty; NULL with an exception pending. */
static struct sealer *sealer_at(napi_env env, struct channel *channel, int number) {
  void *items = channel->sealers;
  if (!has_room(&items, &channel->sealer_count, sizeof *channel->sealers, (size_t)number + 1)) {
    (void)no_memory(env);
    return NULL;
  }
  channel->sealers = items;
  sealer_clear(&channel->sealers[number]);
  return &channel->sealers[number];
}

static napi_value api_set_sealer(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  struct channel *channel = NULL;
  int number = 0, seal_seed = 0, open_seed = 0;
  bool is_set = false;
  if (!js_arguments(env, info, 5, arguments) || !read_channel(env, arguments[0], &channel) ||
      !js_integer(env, arguments[1], "sealer", 1, NUMBER_MAX, &number) || !js_boolean(env, arguments[2], "isSet", &is_set) ||
      !js_integer(env, arguments[3], "sealSeed", INT_MIN, INT_MAX, &seal_seed) ||
      !js_integer(env, arguments[4], "openSeed", INT_MIN, INT_MAX, &open_seed))
    return NULL;
  struct sealer *sealer = sealer_at(env, channel, number);
  if (sealer != NULL && is_set)
    *sealer = (struct sealer){.kind = SEALER_CRC32C, .seal_seed = (uint32_t)seal_seed, .open_seed = (uint32_t)open_seed};
  return NULL;
}

static napi_value api_set_key(napi_env env, napi_callback_info info) {
  napi_value arguments[7];
  struct channel *channel = NULL;
  int number = 0, counter_offset = 0, clear_bytes = 0;
  void *key = NULL, *iv = NULL, *associated = NULL;
  size_t key_bytes = 0, iv_bytes = 0, associated_bytes = 0;
  if (!js_arguments(env, info, 7, arguments) || !read_channel(env, arguments[0], &channel) ||
      !js_integer(env, arguments[1], "sealer", 1, NUMBER_MAX, &number) ||
      !read_array(env, arguments[2], "key", napi_uint8_array, AES_GCM_KEY_BYTES, &key, &key_bytes) ||
      !read_array(env, arguments[3], "iv", napi_uint8_array, AES_GCM_NONCE_BYTES, &iv, &iv_bytes) ||
      !read_array(env, arguments[4], "associated", napi_uint8_array, 0, &associated, &associated_bytes) ||
      !js_integer(env, arguments[5], "counterOffset", 0, UINT16_MAX, &counter_offset) ||
      !js_integer(env, arguments[6], "clearBytes", 0, INT_MAX, &clear_bytes))
    return NULL;
  if (key_bytes != AES_GCM_KEY_BYTES || iv_bytes != AES_GCM_NONCE_BYTES || associated_bytes > SEALER_ASSOCIATED_BYTES_MAX) {
    (void)js_throw_value(env, "key, iv and associated", "32, 12 and at most 64 bytes");
    return NULL;
  }
  if (!aes_gcm_available()) {
    (void)js_throw_value(env, "runtime", "one that has OpenSSL");
    return NULL;
  }
  if (channel->send_slab == NULL) channel->send_slab = malloc(SEND_SLAB_BYTES);
  struct aes_gcm *aes = channel->send_slab == NULL ? NULL : aes_gcm_create(key);
  if (aes == NULL) {
    (void)no_memory(env);
    return NULL;
  }
  struct sealer *sealer = sealer_at(env, channel, number);
  if (sealer == NULL) {
    aes_gcm_free(aes);
    return NULL;
  }
  *sealer = (struct sealer){.kind = SEALER_AES_GCM,
                            .aes = aes,
                            .associated_bytes = associated_bytes,
                            .counter_offset = (size_t)counter_offset,
                            .clear_bytes = (size_t)clear_bytes};
  memcpy(sealer->iv, iv, AES_GCM_NONCE_BYTES);
  if (associated_bytes > 0) memcpy(sealer->associated, associated, associated_bytes);
  return NULL;
}

struct send_columns {
  const int32_t *slab;
  const int32_t *offset;
  const int32_t *length;
  const int32_t *address;
  const int32_t *sealer;
};

struct sending {
  struct channel *channel;
  struct send_columns columns;
  int32_t *report;
  size_t first; /* the row that is 0 in the call under way */
  struct outgoing_datagram rows[SEND_ROWS_MAX];
};

static bool throw_row(napi_env env, size_t row, const char *why) {
  char message[96];
  (void)snprintf(message, sizeof message, "row %zu: %s", row, why);
  (void)napi_throw_range_error(env, "ERR_INVALID_ARG_VALUE", message);
  return false;
}

/* All rows are looked at before any is sent. */
static bool resolve_row(napi_env env, struct sending *sending, size_t row, size_t place) {
  const struct channel *channel = sending->channel;
  const struct send_columns *columns = &sending->columns;
  const int32_t slab_number = columns->slab[row];
  const int32_t sealer_number = columns->sealer[row];
  const int64_t offset = columns->offset[row];
  const int64_t length = columns->length[row];
  struct outgoing_datagram *datagram = &sending->rows[place];
  if (slab_number <= 0 || (size_t)slab_number >= channel->slab_count || channel->slabs[slab_number].reference == NULL)
    return throw_row(env, row, "no slab has the id");
  if (sealer_number < 0 ||
      (sealer_number > 0 && ((size_t)sealer_number >= channel->sealer_count || channel->sealers[sealer_number].kind == SEALER_NONE)))
    return throw_row(env, row, "no sealer has the id");
  const struct sealer *sealer = sealer_number == 0 ? NULL : &channel->sealers[sealer_number];
  datagram->to = address_table_get(&channel->addresses, columns->address[row]);
  if (datagram->to == NULL) return throw_row(env, row, "no address has the id");
  const int64_t tag = sealer == NULL ? 0 : (int64_t)sealer_tag_bytes(sealer);
  const int64_t end = offset + length + (sealer == NULL || !sealer_is_in_place(sealer) ? 0 : tag);
  if (offset < 0 || length < 0 || end > (int64_t)channel->slabs[slab_number].length) return throw_row(env, row, "it reaches out of its slab");
  if (sealer != NULL && (size_t)length < sealer_bytes_min(sealer)) return throw_row(env, row, "it is too short for its sealer");
  datagram->bytes = channel->slabs[slab_number].bytes + offset;
  datagram->length = (size_t)(length + tag);
  return true;
}

/* Seals a row: where it lies, or in the send slab from `*used` on. */
static void seal_row(const struct sending *sending, size_t row, struct outgoing_datagram *datagram, size_t *used) {
  const int32_t number = sending->columns.sealer[row];
  if (number == 0) return;
  struct channel *channel = sending->channel;
  struct sealer *sealer = &channel->sealers[number];
  const size_t length = datagram->length - sealer_tag_bytes(sealer);
  if (sealer_is_in_place(sealer)) {
    (void)sealer_seal(sealer, datagram->bytes, length, datagram->bytes);
    return;
  }
  uint8_t *out = channel->send_slab + *used;
  /* What is too long for any datagram is refused; nothing that isn't sealed stands there. */
  if (datagram->length <= SEALED_BYTES_MAX) {
    if (!sealer_seal(sealer, datagram->bytes, length, out)) memset(out, 0, datagram->length);
    *used += datagram->length;
  }
  datagram->bytes = out;
}

static void on_refused(void *context, size_t row, int number) {
  struct sending *sending = context;
  int32_t *entry = sending->report + REPORT_HEADER + 3 * sending->report[0]++;
  entry[0] = (int32_t)(sending->first + row);
  entry[1] = number;
  entry[2] = (int32_t)sending->rows[row].length;
}

/* Rows from the front that one socket sends, or that none can. Answers how many were taken of `count`. */
static size_t send_stretch(struct sending *sending, size_t count, bool *is_full) {
  struct port *port = channel_port(sending->channel, sending->rows[0].to);
  size_t stretch = 1;
  while (stretch < count && sending->rows[stretch].to->storage.ss_family == sending->rows[0].to->storage.ss_family) stretch++;
  if (port == NULL) {
    sending->report[2] += (int32_t)stretch;
    return stretch;
  }
  size_t used = 0;
  if (!port->waits_for_room)
    for (size_t i = 0; i < stretch; i++) seal_row(sending, sending->first + i, &sending->rows[i], &used);
  const size_t taken = port->waits_for_room ? 0 : udp_batch_send(&port->socket, sending->rows, stretch, on_refused, sending);
  for (size_t i = 0; i < taken; i++) sending->report[1] += (int32_t)sending->rows[i].length;
  if (taken == stretch) return taken;
  *is_full = true;
  channel_wait_for_room(port);
  return taken;
}

static napi_value api_send(napi_env env, napi_callback_info info) {
  napi_value arguments[9];
  napi_value result = NULL;
  struct sending sending;
  void *data[6] = {NULL};
  int from = 0, count = 0;
  const char *names[] = {"slab", "offset", "length", "address", "sealer"};
  if (!js_arguments(env, info, 9, arguments) || !read_channel(env, arguments[0], &sending.channel) ||
      !js_integer(env, arguments[6], "from", 0, NUMBER_MAX, &from) || !js_integer(env, arguments[7], "count", 0, SEND_ROWS_MAX, &count) ||
      !read_array(env, arguments[8], "report", napi_int32_array, REPORT_LENGTH, &data[5], NULL))
    return NULL;
  for (size_t i = 0; i < 5; i++)
    if (!read_array(env, arguments[1 + i], names[i], napi_int32_array, (size_t)from + (size_t)count, &data[i], NULL)) return NULL;
  sending.columns = (struct send_columns){.slab = data[0], .offset = data[1], .length = data[2], .address = data[3], .sealer = data[4]};
  sending.report = data[5];
  memset(sending.report, 0, REPORT_HEADER * sizeof *sending.report);
  for (size_t row = 0; row < (size_t)count; row++)
    if (!resolve_row(env, &sending, (size_t)from + row, row)) return NULL;
  size_t taken = 0;
  bool is_full = false;
  while (taken < (size_t)count && !is_full) {
    sending.first = (size_t)from + taken;
    const size_t sent = send_stretch(&sending, (size_t)count - taken, &is_full);
    taken += sent;
    /* What is left moves to the front: rows of the other family, behind those of the first. */
    if (taken < (size_t)count) memmove(sending.rows, sending.rows + sent, ((size_t)count - taken) * sizeof sending.rows[0]);
  }
  return js_ok(env, napi_create_int32(env, (int32_t)taken, &result)) ? result : NULL;
}

static napi_value api_open(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct channel *channel = NULL;
  int count = 0;
  if (!js_arguments(env, info, 2, arguments) || !read_channel(env, arguments[0], &channel) ||
      !js_integer(env, arguments[1], "count", 0, RECEIVE_ROWS_MAX, &count))
    return NULL;
  const struct receive_columns *rows = &channel->received;
  const size_t slab_bytes = (size_t)RECEIVE_SLOTS * RECEIVE_SLOT_BYTES;
  for (int row = 0; row < count; row++) {
    const int32_t number = rows->opener[row];
    const int64_t offset = rows->offset[row];
    const int64_t length = rows->length[row];
    if (number <= 0 || (size_t)number >= channel->sealer_count || channel->sealers[number].kind == SEALER_NONE) continue;
    /* The columns are JavaScript's to write. */
    if (offset < 0 || length < 0 || offset + length > (int64_t)slab_bytes) continue;
    rows->verdict[row] = sealer_open(&channel->sealers[number], channel->receive_slab + offset, (size_t)length) ? 1 : 0;
  }
  return NULL;
}

static napi_value api_source(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  napi_value result = NULL;
  struct channel *channel = NULL;
  char text[HOST_BYTES_MAX + 8];
  char host[HOST_BYTES_MAX] = "";
  int row = 0;
  if (!js_arguments(env, info, 2, arguments) || !read_channel(env, arguments[0], &channel) ||
      !js_integer(env, arguments[1], "row", 0, RECEIVE_ROWS_MAX - 1, &row))
    return NULL;
  const int64_t offset = channel->received.offset[row];
  if (offset < 0 || offset >= (int64_t)RECEIVE_SLOTS * RECEIVE_SLOT_BYTES) {
    (void)js_throw_value(env, "row", "one that was received");
    return NULL;
  }
  const struct address *from = channel_source(channel, row);
  address_print(from, host);
  (void)snprintf(text, sizeof text, "%u %s", (unsigned)address_port(from), host);
  return js_ok(env, napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result)) ? result : NULL;
}

static napi_value api_error_name(napi_env env, napi_callback_info info) {
  napi_value argument;
  napi_value result = NULL;
  int number = 0;
  if (!js_arguments(env, info, 1, &argument) || !js_integer(env, argument, "errno", 0, INT_MAX, &number)) return NULL;
  const char *name = errno_name(number);
  return js_ok(env, napi_create_string_utf8(env, name == NULL ? "other" : name, NAPI_AUTO_LENGTH, &result)) ? result : NULL;
}

static napi_value api_crc32c(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  napi_value result = NULL;
  void *data = NULL;
  size_t length = 0;
  int start = 0, end = 0, crc = 0;
  if (!js_arguments(env, info, 4, arguments) || !read_array(env, arguments[0], "bytes", napi_uint8_array, 0, &data, &length) ||
      !js_integer(env, arguments[1], "start", 0, INT_MAX, &start) || !js_integer(env, arguments[2], "end", 0, INT_MAX, &end) ||
      !js_integer(env, arguments[3], "crc", INT_MIN, INT_MAX, &crc))
    return NULL;
  if (start > end || (size_t)end > length) {
    (void)js_throw_value(env, "start and end", "within the bytes");
    return NULL;
  }
  const uint32_t sum = start == end ? (uint32_t)crc : crc32c((uint32_t)crc, (const uint8_t *)data + start, (size_t)(end - start));
  return js_ok(env, napi_create_uint32(env, sum, &result)) ? result : NULL;
}

bool channel_api_register(napi_env env, napi_value exports) {
  crc32c_prepare();
  const bool has_loop = uv_poll_init != NULL && uv_poll_start != NULL && uv_poll_stop != NULL && uv_close != NULL && uv_handle_size != NULL &&
                        uv_handle_set_data != NULL && uv_handle_get_data != NULL && uv_ref != NULL && uv_unref != NULL;
  return js_set_boolean(env, exports, "batch", has_loop) && js_set_function(env, exports, "channelCreate", api_create) &&
         js_set_function(env, exports, "channelAdd", api_add) && js_set_function(env, exports, "channelClose", api_close) &&
         js_set_function(env, exports, "channelRef", api_ref) &&
         js_set_function(env, exports, "channelSetSlab", api_set_slab) && js_set_function(env, exports, "channelSetAddress", api_set_address) &&
         js_set_function(env, exports, "channelClearAddress", api_clear_address) &&
         js_set_function(env, exports, "channelSetSealer", api_set_sealer) &&
         js_set_function(env, exports, "channelSetKey", api_set_key) && js_set_boolean(env, exports, "aesGcm", aes_gcm_available()) && js_set_function(env, exports, "channelSend", api_send) &&
         js_set_function(env, exports, "channelOpen", api_open) && js_set_function(env, exports, "channelSource", api_source) &&
         js_set_function(env, exports, "errorName", api_error_name) && js_set_function(env, exports, "crc32c", api_crc32c);
}

#else

bool channel_api_register(napi_env env, napi_value exports) { return js_set_boolean(env, exports, "batch", false); }

#endif
