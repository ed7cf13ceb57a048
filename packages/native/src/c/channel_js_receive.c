#include "channel_js.h"

#ifdef __linux__

#include <stdio.h>

#include "js.h"
#include "sealer.h"

napi_value channel_js_open(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct channel *channel = NULL;
  int count = 0;
  if (!js_arguments(env, info, 2, arguments) || !channel_js_read(env, arguments[0], &channel) ||
      !js_integer(env, arguments[1], "count", 0, RECEIVE_ROWS_MAX, &count))
    return NULL;
  const struct receive_columns *rows = &channel->received;
  const size_t slab_bytes = (size_t)RECEIVE_SLOTS * RECEIVE_SLOT_BYTES;
  for (int row = 0; row < count; row++) {
    const int32_t number = rows->opener[row];
    const int64_t offset = rows->offset[row];
    const int64_t length = rows->length[row];
    if (number <= 0 || (size_t)number >= channel->sealer_count || channel->sealers[number].kind == SEALER_NONE) continue;
    /* JavaScript may have written to the columns. */
    if (offset < 0 || length < 0 || offset + length > (int64_t)slab_bytes) continue;
    rows->verdict[row] = sealer_open(&channel->sealers[number], channel->receive_slab + offset, (size_t)length) ? 1 : 0;
  }
  return NULL;
}

napi_value channel_js_source(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  napi_value result = NULL;
  struct channel *channel = NULL;
  char text[HOST_BYTES_MAX + 8];
  char host[HOST_BYTES_MAX] = "";
  int row = 0;
  if (!js_arguments(env, info, 2, arguments) || !channel_js_read(env, arguments[0], &channel) ||
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

#endif
