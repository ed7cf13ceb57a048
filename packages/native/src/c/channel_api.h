#ifndef X_NATIVE_CHANNEL_API_H
#define X_NATIVE_CHANNEL_API_H

#include <node_api.h>
#include <stdbool.h>

/*
 * Adds the functions that move datagrams in batches, where this system and runtime have what they need, and `batch`,
 * whether they are there.
 */
bool channel_api_register(napi_env env, napi_value exports);

#endif
