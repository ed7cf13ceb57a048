#ifndef X_NATIVE_CHANNEL_API_H
#define X_NATIVE_CHANNEL_API_H

#include <node_api.h>
#include <stdbool.h>

/*
 * Adds the functions that move datagrams in batches, if this system and runtime support them, and `batch`, which tells
 * whether they do.
 */
bool channel_api_register(napi_env env, napi_value exports);

#endif
