#ifndef X_NATIVE_CHANNEL_JS_H
#define X_NATIVE_CHANNEL_JS_H

#ifdef __linux__

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

#include "channel.h"

/* A channel's functions for JavaScript. channel_api.c gives them their names. */

/* The largest number of an address, slab or sealer: far more than any process has. */
#define NUMBER_MAX (1 << 24)
/*
 * The memory to seal each row in: more than UDP carries. The system refuses anything longer without looking at its
 * bytes.
 */
#define SEALED_BYTES_MAX 65535
#define SEND_SLAB_BYTES ((size_t)SEND_ROWS_MAX * SEALED_BYTES_MAX)

/* The open channel that JavaScript passed in; otherwise false, with an exception pending. */
bool channel_js_read(napi_env env, napi_value value, struct channel **channel);

/* channel_js.c: a channel's life cycle. */
napi_value channel_js_create(napi_env env, napi_callback_info info);
napi_value channel_js_add(napi_env env, napi_callback_info info);
napi_value channel_js_check(napi_env env, napi_callback_info info);
napi_value channel_js_drop(napi_env env, napi_callback_info info);
napi_value channel_js_close(napi_env env, napi_callback_info info);
napi_value channel_js_ref(napi_env env, napi_callback_info info);

/* channel_js_tables.c: the slabs, addresses and sealers that rows name by number. */
napi_value channel_js_set_slab(napi_env env, napi_callback_info info);
napi_value channel_js_set_address(napi_env env, napi_callback_info info);
napi_value channel_js_clear_address(napi_env env, napi_callback_info info);
napi_value channel_js_set_sealer(napi_env env, napi_callback_info info);
napi_value channel_js_set_key(napi_env env, napi_callback_info info);

/* channel_js_send.c: rows out. */
napi_value channel_js_send(napi_env env, napi_callback_info info);

/* channel_js_receive.c: rows in. */
napi_value channel_js_open(napi_env env, napi_callback_info info);
napi_value channel_js_source(napi_env env, napi_callback_info info);

#endif

#endif
