#include "js.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES_MAX 256

bool js_ok(napi_env env, napi_status status) {
  if (status == napi_ok) return true;
  const napi_extended_error_info *info = NULL;
  bool pending = false;
  /* Read first: any other call would overwrite the information. */
  if (napi_get_last_error_info(env, &info) != napi_ok) info = NULL;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return false;
  const char *message = info != NULL && info->error_message != NULL ? info->error_message : "Node-API call failed";
  (void)napi_throw_error(env, "ERR_NODE_API", message);
  return false;
}

static bool throw_type(napi_env env, const char *name, const char *expected) {
  char message[MESSAGE_BYTES_MAX];
  (void)snprintf(message, sizeof message, "%s must be %s", name, expected);
  (void)napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

bool js_throw_value(napi_env env, const char *name, const char *expected) {
  char message[MESSAGE_BYTES_MAX];
  (void)snprintf(message, sizeof message, "%s must be %s", name, expected);
  (void)napi_throw_range_error(env, "ERR_INVALID_ARG_VALUE", message);
  return false;
}

bool js_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments) {
  size_t given = count;
  if (!js_ok(env, napi_get_cb_info(env, info, &given, arguments, NULL, NULL))) return false;
  if (given == count) return true;
  (void)napi_throw_type_error(env, "ERR_MISSING_ARGS", "wrong number of arguments");
  return false;
}

static bool has_type(napi_env env, napi_value value, napi_valuetype expected, bool *yes) {
  napi_valuetype type = napi_undefined;
  if (!js_ok(env, napi_typeof(env, value, &type))) return false;
  *yes = type == expected;
  return true;
}

bool js_integer(napi_env env, napi_value value, const char *name, int low, int high, int *out) {
  bool yes = false;
  double number = 0;
  if (!has_type(env, value, napi_number, &yes)) return false;
  if (!yes) return throw_type(env, name, "a number");
  if (!js_ok(env, napi_get_value_double(env, value, &number))) return false;
  /* NaN fails the first test; a number that passes both fits an int, so the conversion is defined. */
  if (number >= low && number <= high && number == (double)(int)number) {
    *out = (int)number;
    return true;
  }
  char expected[64];
  (void)snprintf(expected, sizeof expected, "an integer from %d to %d", low, high);
  return js_throw_value(env, name, expected);
}

bool js_boolean(napi_env env, napi_value value, const char *name, bool *out) {
  bool yes = false;
  if (!has_type(env, value, napi_boolean, &yes)) return false;
  if (!yes) return throw_type(env, name, "a boolean");
  return js_ok(env, napi_get_value_bool(env, value, out));
}

bool js_string(napi_env env, napi_value value, const char *name, char *out, size_t size) {
  bool yes = false;
  size_t length = 0;
  if (!has_type(env, value, napi_string, &yes)) return false;
  if (!yes) return throw_type(env, name, "a string");
  if (!js_ok(env, napi_get_value_string_utf8(env, value, NULL, 0, &length))) return false;
  if (length >= size) return js_throw_value(env, name, "shorter");
  if (!js_ok(env, napi_get_value_string_utf8(env, value, out, size, &length))) return false;
  return strlen(out) == length ? true : js_throw_value(env, name, "text without a zero byte");
}

bool js_array(napi_env env, napi_value value, const char *name, napi_typedarray_type type, size_t least, void **data,
              size_t *length) {
  bool is_array = false;
  napi_typedarray_type given = napi_int8_array;
  size_t count = 0;
  if (!js_ok(env, napi_is_typedarray(env, value, &is_array))) return false;
  if (is_array && !js_ok(env, napi_get_typedarray_info(env, value, &given, &count, data, NULL, NULL))) return false;
  if (is_array && given == type && count >= least && (*data != NULL || least == 0)) {
    if (length != NULL) *length = count;
    return true;
  }
  const char *expected = type == napi_uint8_array ? "a Uint8Array that is long enough" : "an Int32Array that is long enough";
  return js_throw_value(env, name, expected);
}

bool js_set_integer(napi_env env, napi_value object, const char *name, int value) {
  napi_value number = NULL;
  return js_ok(env, napi_create_int32(env, value, &number)) && js_ok(env, napi_set_named_property(env, object, name, number));
}

bool js_set_boolean(napi_env env, napi_value object, const char *name, bool value) {
  napi_value boolean = NULL;
  return js_ok(env, napi_get_boolean(env, value, &boolean)) && js_ok(env, napi_set_named_property(env, object, name, boolean));
}

bool js_set_function(napi_env env, napi_value object, const char *name, napi_callback function) {
  napi_value value = NULL;
  return js_ok(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value)) &&
         js_ok(env, napi_set_named_property(env, object, name, value));
}

static bool make_string(napi_env env, const char *text, napi_value *out) {
  return js_ok(env, napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, out));
}

bool js_throw_no_memory(napi_env env) {
  (void)napi_throw_error(env, "ENOMEM", "no memory");
  return false;
}

bool js_throw_failure(napi_env env, const struct failure *failure, const char *detail) {
  char unnamed[24];
  char message[MESSAGE_BYTES_MAX];
  const char *name = errno_name(failure->number);
  (void)snprintf(unnamed, sizeof unnamed, "ERRNO_%d", failure->number);
  if (name == NULL) name = unnamed;
  (void)snprintf(message, sizeof message, "%s %s%s%s", failure->syscall, name, detail[0] == '\0' ? "" : " ", detail);
  napi_value code = NULL, text = NULL, syscall = NULL, error = NULL;
  if (make_string(env, name, &code) && make_string(env, message, &text) && make_string(env, failure->syscall, &syscall) &&
      js_ok(env, napi_create_error(env, code, text, &error)) && js_set_integer(env, error, "errno", -failure->number) &&
      js_ok(env, napi_set_named_property(env, error, "syscall", syscall)))
    (void)napi_throw(env, error);
  return false;
}

void js_call_back(napi_env env, napi_async_context context, napi_ref object, napi_ref function, size_t count, const napi_value *arguments) {
  napi_value self = NULL, callback = NULL, result = NULL, error = NULL;
  bool is_pending = false;
  if (napi_get_reference_value(env, object, &self) != napi_ok || napi_get_reference_value(env, function, &callback) != napi_ok) return;
  if (napi_make_callback(env, context, self, callback, count, arguments, &result) == napi_ok) return;
  if (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending && napi_get_and_clear_last_exception(env, &error) == napi_ok)
    (void)napi_fatal_exception(env, error);
}
