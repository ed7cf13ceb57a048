#include "channel_js.h"

#ifdef __linux__

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "aes_gcm.h"
#include "js.h"
#include "sealer.h"

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

/* `null` removes the slab. */
static bool set_slab(napi_env env, struct channel *channel, int number, napi_value value) {
  napi_valuetype type = napi_undefined;
  void *data = NULL;
  size_t length = 0;
  if (!js_ok(env, napi_typeof(env, value, &type))) return false;
  if (type != napi_null && !js_array(env, value, "slab", napi_uint8_array, 0, &data, &length)) return false;
  void *items = channel->slabs;
  if (!has_room(&items, &channel->slab_count, sizeof *channel->slabs, (size_t)number + 1)) return js_throw_no_memory(env);
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

napi_value channel_js_set_slab(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  struct channel *channel = NULL;
  int number = 0;
  if (js_arguments(env, info, 3, arguments) && channel_js_read(env, arguments[0], &channel) &&
      js_integer(env, arguments[1], "slab", 1, NUMBER_MAX, &number))
    (void)set_slab(env, channel, number, arguments[2]);
  return NULL;
}

napi_value channel_js_set_address(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  struct channel *channel = NULL;
  struct address address;
  char host[HOST_BYTES_MAX];
  int number = 0, family = 0, port = 0;
  if (!js_arguments(env, info, 5, arguments) || !channel_js_read(env, arguments[0], &channel) ||
      !js_integer(env, arguments[1], "address", 1, NUMBER_MAX, &number) || !js_integer(env, arguments[2], "family", 4, 6, &family) ||
      !js_string(env, arguments[3], "host", host, sizeof host) || !js_integer(env, arguments[4], "port", 1, UINT16_MAX, &port))
    return NULL;
  if (!address_parse(&address, family == 6 ? AF_INET6 : AF_INET, host, (uint16_t)port)) (void)js_throw_value(env, "host", "a numeric address");
  else if (!address_table_set(&channel->addresses, number, &address)) (void)js_throw_no_memory(env);
  return NULL;
}

napi_value channel_js_clear_address(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct channel *channel = NULL;
  int number = 0;
  if (js_arguments(env, info, 2, arguments) && channel_js_read(env, arguments[0], &channel) &&
      js_integer(env, arguments[1], "address", 1, NUMBER_MAX, &number))
    address_table_clear(&channel->addresses, number);
  return NULL;
}

/* The place of a sealer, emptied; or NULL, with an exception pending. */
static struct sealer *sealer_at(napi_env env, struct channel *channel, int number) {
  void *items = channel->sealers;
  if (!has_room(&items, &channel->sealer_count, sizeof *channel->sealers, (size_t)number + 1)) {
    (void)js_throw_no_memory(env);
    return NULL;
  }
  channel->sealers = items;
  sealer_clear(&channel->sealers[number]);
  return &channel->sealers[number];
}

napi_value channel_js_set_sealer(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  struct channel *channel = NULL;
  int number = 0, seal_seed = 0, open_seed = 0;
  bool is_set = false;
  if (!js_arguments(env, info, 5, arguments) || !channel_js_read(env, arguments[0], &channel) ||
      !js_integer(env, arguments[1], "sealer", 1, NUMBER_MAX, &number) || !js_boolean(env, arguments[2], "isSet", &is_set) ||
      !js_integer(env, arguments[3], "sealSeed", INT_MIN, INT_MAX, &seal_seed) ||
      !js_integer(env, arguments[4], "openSeed", INT_MIN, INT_MAX, &open_seed))
    return NULL;
  struct sealer *sealer = sealer_at(env, channel, number);
  if (sealer != NULL && is_set)
    *sealer = (struct sealer){.kind = SEALER_CRC32C, .seal_seed = (uint32_t)seal_seed, .open_seed = (uint32_t)open_seed};
  return NULL;
}

napi_value channel_js_set_key(napi_env env, napi_callback_info info) {
  napi_value arguments[7];
  struct channel *channel = NULL;
  int number = 0, counter_offset = 0, clear_bytes = 0;
  void *key = NULL, *iv = NULL, *associated = NULL;
  size_t key_bytes = 0, iv_bytes = 0, associated_bytes = 0;
  if (!js_arguments(env, info, 7, arguments) || !channel_js_read(env, arguments[0], &channel) ||
      !js_integer(env, arguments[1], "sealer", 1, NUMBER_MAX, &number) ||
      !js_array(env, arguments[2], "key", napi_uint8_array, AES_GCM_KEY_BYTES, &key, &key_bytes) ||
      !js_array(env, arguments[3], "iv", napi_uint8_array, AES_GCM_NONCE_BYTES, &iv, &iv_bytes) ||
      !js_array(env, arguments[4], "associated", napi_uint8_array, 0, &associated, &associated_bytes) ||
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
    (void)js_throw_no_memory(env);
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

#endif
