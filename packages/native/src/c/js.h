#ifndef X_NATIVE_JS_H
#define X_NATIVE_JS_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/*
 * Conversions between C and JavaScript. Each function returns true if it succeeded; if false, an exception is pending
 * and the caller must return NULL at once.
 */

/* Exactly `count` arguments; any other count is a mistake in our own TypeScript. */
bool js_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);

/* An integer in [low, high]; Node-API itself would turn 2^32 and NaN into 0. */
bool js_integer(napi_env env, napi_value value, const char *name, int low, int high, int *out);
bool js_boolean(napi_env env, napi_value value, const char *name, bool *out);
/* At most `size - 1` bytes of UTF-8, without a zero byte, which C would take for the end. */
bool js_string(napi_env env, napi_value value, const char *name, char *out, size_t size);

/* The memory of a Uint8Array or an Int32Array with at least `least` elements; `length` may be NULL. */
bool js_array(napi_env env, napi_value value, const char *name, napi_typedarray_type type, size_t least, void **data,
              size_t *length);

bool js_set_integer(napi_env env, napi_value object, const char *name, int value);
bool js_set_boolean(napi_env env, napi_value object, const char *name, bool value);
bool js_set_function(napi_env env, napi_value object, const char *name, napi_callback function);

/* Turns a status that isn't napi_ok into a pending exception. */
bool js_ok(napi_env env, napi_status status);

/*
 * Calls a JavaScript function from the loop, within the caller's handle scope; an error it throws becomes an uncaught
 * exception. The object stays on the stack during the call: the function may release it, and there may be no other
 * reference.
 */
void js_call_back(napi_env env, napi_async_context context, napi_ref object, napi_ref function, size_t count, const napi_value *arguments);

/* Throws a RangeError with the code ERR_INVALID_ARG_VALUE. Always false. */
bool js_throw_value(napi_env env, const char *name, const char *expected);

/* Throws an error with the code ENOMEM. Always false. */
bool js_throw_no_memory(napi_env env);

/*
 * Throws as Node does: the message "bind EADDRINUSE <detail>", `code`, `errno` (negative) and `syscall`. Always false.
 */
bool js_throw_failure(napi_env env, const struct failure *failure, const char *detail);

#endif
