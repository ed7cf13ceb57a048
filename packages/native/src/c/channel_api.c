#include "channel_api.h"

#include "js.h"

#ifdef __linux__

#include <limits.h>

#include "aes_gcm.h"
#include "channel_js.h"
#include "crc32c.h"

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
  if (!js_arguments(env, info, 4, arguments) || !js_array(env, arguments[0], "bytes", napi_uint8_array, 0, &data, &length) ||
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

static const struct {
  const char *name;
  napi_callback function;
} FUNCTIONS[] = {
    {"channelCreate", channel_js_create},
    {"channelAdd", channel_js_add},
    {"channelCheck", channel_js_check},
    {"channelDrop", channel_js_drop},
    {"channelClose", channel_js_close},
    {"channelRef", channel_js_ref},
    {"channelSetSlab", channel_js_set_slab},
    {"channelSetAddress", channel_js_set_address},
    {"channelClearAddress", channel_js_clear_address},
    {"channelSetSealer", channel_js_set_sealer},
    {"channelSetKey", channel_js_set_key},
    {"channelSend", channel_js_send},
    {"channelOpen", channel_js_open},
    {"channelSource", channel_js_source},
    {"errorName", api_error_name},
    {"crc32c", api_crc32c},
};

bool channel_api_register(napi_env env, napi_value exports) {
  crc32c_prepare();
  const bool has_loop = uv_poll_init != NULL && uv_poll_start != NULL && uv_poll_stop != NULL && uv_close != NULL && uv_handle_size != NULL &&
                        uv_handle_set_data != NULL && uv_handle_get_data != NULL && uv_ref != NULL && uv_unref != NULL;
  if (!js_set_boolean(env, exports, "batch", has_loop) || !js_set_boolean(env, exports, "aesGcm", aes_gcm_available())) return false;
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++)
    if (!js_set_function(env, exports, FUNCTIONS[i].name, FUNCTIONS[i].function)) return false;
  return true;
}

#else

bool channel_api_register(napi_env env, napi_value exports) { return js_set_boolean(env, exports, "batch", false); }

#endif
