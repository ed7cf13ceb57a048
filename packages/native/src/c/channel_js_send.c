#include "channel_js.h"

#ifdef __linux__

#include <stdio.h>
#include <string.h>

#include "js.h"
#include "sealer.h"

/*
 * The report of `channelSend`: how many rows were refused, bytes sent, rows for which there is no socket; then the row,
 * errno and bytes of each refused row.
 */
#define REPORT_HEADER 3
#define REPORT_LENGTH (REPORT_HEADER + 3 * SEND_ROWS_MAX)

struct send_columns {
  const int32_t *slab;
  const int32_t *offset;
  const int32_t *length;
  const int32_t *address;
  const int32_t *sealer;
  const uint8_t *ecn;
};

struct sending {
  struct channel *channel;
  struct send_columns columns;
  int32_t *report;
  size_t first; /* the row with index 0 in the current call */
  struct outgoing_datagram rows[SEND_ROWS_MAX];
};

static bool throw_row(napi_env env, size_t row, const char *why) {
  char message[96];
  (void)snprintf(message, sizeof message, "row %zu: %s", row, why);
  (void)napi_throw_range_error(env, "ERR_INVALID_ARG_VALUE", message);
  return false;
}

/* All rows are checked before any is sent. */
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
  datagram->ecn = columns->ecn[row] & ECN_MASK;
  return true;
}

/* Seals a row: in place, or into the send slab from `*used` on. */
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
  /* Rows too long for any datagram aren't sealed, and the system refuses them: no unsealed bytes are sent. */
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

/* Sends the rows at the front that share a socket, or that have none. Returns how many of `count` were taken. */
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

napi_value channel_js_send(napi_env env, napi_callback_info info) {
  napi_value arguments[10];
  napi_value result = NULL;
  struct sending sending;
  void *data[7] = {NULL};
  int from = 0, count = 0;
  const char *names[] = {"slab", "offset", "length", "address", "sealer", "ecn"};
  if (!js_arguments(env, info, 10, arguments) || !channel_js_read(env, arguments[0], &sending.channel) ||
      !js_integer(env, arguments[7], "from", 0, NUMBER_MAX, &from) || !js_integer(env, arguments[8], "count", 0, SEND_ROWS_MAX, &count) ||
      !js_array(env, arguments[9], "report", napi_int32_array, REPORT_LENGTH, &data[6], NULL))
    return NULL;
  for (size_t i = 0; i < 6; i++) {
    const napi_typedarray_type type = i == 5 ? napi_uint8_array : napi_int32_array;
    if (!js_array(env, arguments[1 + i], names[i], type, (size_t)from + (size_t)count, &data[i], NULL)) return NULL;
  }
  sending.columns =
      (struct send_columns){.slab = data[0], .offset = data[1], .length = data[2], .address = data[3], .sealer = data[4], .ecn = data[5]};
  sending.report = data[6];
  memset(sending.report, 0, REPORT_HEADER * sizeof *sending.report);
  for (size_t row = 0; row < (size_t)count; row++)
    if (!resolve_row(env, &sending, (size_t)from + row, row)) return NULL;
  size_t taken = 0;
  bool is_full = false;
  while (taken < (size_t)count && !is_full) {
    sending.first = (size_t)from + taken;
    const size_t sent = send_stretch(&sending, (size_t)count - taken, &is_full);
    taken += sent;
    /* The rest moves to the front: rows of the other family that follow those of the first. */
    if (taken < (size_t)count) memmove(sending.rows, sending.rows + sent, ((size_t)count - taken) * sizeof sending.rows[0]);
  }
  return js_ok(env, napi_create_int32(env, (int32_t)taken, &result)) ? result : NULL;
}

#endif
