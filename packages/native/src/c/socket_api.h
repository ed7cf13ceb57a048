#ifndef X_NATIVE_SOCKET_API_H
#define X_NATIVE_SOCKET_API_H

#include <node_api.h>
#include <stdbool.h>

/* Adds open, close, getOption and setOption to the module (signatures: interface Binding in src/binding.ts). */
bool socket_api_register(napi_env env, napi_value exports);

#endif
