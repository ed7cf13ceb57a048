#include "channel_js.h"

#ifdef __linux__

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>

#include "js.h"
#include "udp_socket.h"

static const napi_type_tag CHANNEL_TAG = {0x2f0a6d1b4c8e4f53u, 0x9d1c7e5aa1b64f02u};

bool channel_js_read(napi_env env, napi_value value, struct channel **channel) {
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
  void *data[7] = {NULL};
  const char *names[] = {"receive slab", "offset", "length", "address", "opener", "verdict", "ecn"};
  for (size_t i = 0; i < 7; i++) {
    const bool is_bytes = i == 0 || i >= 5;
    const size_t least = i == 0 ? (size_t)RECEIVE_SLOTS * RECEIVE_SLOT_BYTES : rows;
    if (!js_array(env, arguments[i], names[i], is_bytes ? napi_uint8_array : napi_int32_array, least, &data[i], NULL)) return false;
  }
  channel->receive_slab = data[0];
  *to = (struct receive_columns){.offset = data[1], .length = data[2], .address = data[3], .opener = data[4], .verdict = data[5], .ecn = data[6]};
  for (size_t i = 0; i < 7; i++)
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

napi_value channel_js_create(napi_env env, napi_callback_info info) {
  napi_value arguments[8];
  napi_value self = NULL;
  if (!js_arguments(env, info, 8, arguments)) return NULL;
  struct channel *channel = calloc(1, sizeof *channel);
  if (channel == NULL) {
    (void)js_throw_no_memory(env);
    return NULL;
  }
  channel->env = env;
  channel->is_open = true;
  if (!js_ok(env, napi_create_external(env, channel, finalize, NULL, &self))) {
    free(channel);
    return NULL;
  }
  /* After a failure half-way the finalizer releases everything. */
  return fill_in(env, arguments, channel, self) ? self : NULL;
}

napi_value channel_js_add(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  napi_value result = NULL;
  struct channel *channel = NULL;
  struct uv_loop_s *loop = NULL;
  struct failure failure = {0};
  int fd = -1;
  int family = 0;
  if (!js_arguments(env, info, 3, arguments) || !channel_js_read(env, arguments[0], &channel) || !js_integer(env, arguments[1], "fd", 0, INT_MAX, &fd) ||
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
  const int abilities = (socket->gso ? 1 : 0) | (socket->gro ? 2 : 0) | (socket->ecn ? 4 : 0);
  return js_ok(env, napi_create_int32(env, abilities, &result)) ? result : NULL;
}

static bool read_port_of(napi_env env, napi_callback_info info, struct channel **channel, int *family) {
  napi_value arguments[2];
  int number = 0;
  if (!js_arguments(env, info, 2, arguments) || !channel_js_read(env, arguments[0], channel) ||
      !js_integer(env, arguments[1], "family", 4, 6, &number))
    return false;
  *family = number == 6 ? AF_INET6 : AF_INET;
  return true;
}

/* The errno of a socket that moves nothing any more; 0: it is all right, or there is none. */
napi_value channel_js_check(napi_env env, napi_callback_info info) {
  napi_value result = NULL;
  struct channel *channel = NULL;
  int family = 0;
  if (!read_port_of(env, info, &channel, &family)) return NULL;
  const struct port *port = family == AF_INET6 ? channel->v6 : channel->v4;
  return js_ok(env, napi_create_int32(env, port == NULL ? 0 : channel_check(port), &result)) ? result : NULL;
}

napi_value channel_js_drop(napi_env env, napi_callback_info info) {
  struct channel *channel = NULL;
  int family = 0;
  if (read_port_of(env, info, &channel, &family)) channel_drop(channel, family);
  return NULL;
}

napi_value channel_js_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  struct channel *channel = NULL;
  if (!js_arguments(env, info, 1, &argument) || !channel_js_read(env, argument, &channel)) return NULL;
  (void)napi_remove_env_cleanup_hook(env, clean_up, channel);
  channel_close(channel);
  return NULL;
}

napi_value channel_js_ref(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct channel *channel = NULL;
  bool is_ref = false;
  if (!js_arguments(env, info, 2, arguments) || !channel_js_read(env, arguments[0], &channel) ||
      !js_boolean(env, arguments[1], "isRef", &is_ref))
    return NULL;
  channel_set_ref(channel, is_ref);
  return NULL;
}

#endif
