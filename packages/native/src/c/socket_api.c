#include "socket_api.h"

#include <limits.h>
#include <stdio.h>

#include "js.h"
#include "socket_option.h"
#include "udp_socket.h"

/* The kernel doubles it and keeps it in an int. */
#define BUFFER_BYTES_MAX (INT_MAX / 2)
#define NAME_BYTES_MAX 32

static bool read_address(napi_env env, napi_value host_value, int port, struct socket_request *request, char *host) {
  if (!js_string(env, host_value, "host", host, HOST_BYTES_MAX)) return false;
  if (address_parse(&request->address, request->family, host, (uint16_t)port)) return true;
  return js_throw_value(env, "host", request->family == AF_INET6 ? "an IPv6 address" : "an IPv4 address");
}

static bool read_request(napi_env env, const napi_value *arguments, struct socket_request *request, char *host, int *port) {
  int family = 0;
  if (!js_integer(env, arguments[0], "family", 4, 6, &family)) return false;
  if (family == 5) return js_throw_value(env, "family", "4 or 6");
  request->family = family == 6 ? AF_INET6 : AF_INET;
  return js_integer(env, arguments[2], "port", 0, UINT16_MAX, port) && read_address(env, arguments[1], *port, request, host) &&
         js_boolean(env, arguments[3], "v6Only", &request->v6_only) &&
         js_boolean(env, arguments[4], "dontFragment", &request->dont_fragment) &&
         js_integer(env, arguments[5], "receiveBufferBytes", 0, BUFFER_BYTES_MAX, &request->receive_buffer_bytes) &&
         js_integer(env, arguments[6], "sendBufferBytes", 0, BUFFER_BYTES_MAX, &request->send_buffer_bytes);
}

static bool describe(napi_env env, const struct socket_opened *opened, napi_value *result) {
  return js_ok(env, napi_create_object(env, result)) && js_set_integer(env, *result, "fd", opened->fd) &&
         js_set_integer(env, *result, "port", opened->port) && js_set_boolean(env, *result, "dontFragment", opened->dont_fragment) &&
         js_set_integer(env, *result, "receiveBufferBytes", opened->receive_buffer_bytes) &&
         js_set_integer(env, *result, "sendBufferBytes", opened->send_buffer_bytes);
}

static napi_value api_open(napi_env env, napi_callback_info info) {
  napi_value arguments[7];
  struct socket_request request = {0};
  struct socket_opened opened = {0};
  struct failure failure = {0};
  char host[HOST_BYTES_MAX];
  int port = 0;
  if (!js_arguments(env, info, 7, arguments) || !read_request(env, arguments, &request, host, &port)) return NULL;
  if (!udp_socket_open(&request, &opened, &failure)) {
    char detail[HOST_BYTES_MAX + 16];
    (void)snprintf(detail, sizeof detail, request.family == AF_INET6 ? "[%s]:%d" : "%s:%d", host, port);
    (void)js_throw_failure(env, &failure, detail);
    return NULL;
  }
  napi_value result = NULL;
  if (describe(env, &opened, &result)) return result;
  /* The caller never gets the descriptor, so it would stay open. */
  (void)udp_socket_close(opened.fd, &failure);
  return NULL;
}

static napi_value api_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  struct failure failure = {0};
  int fd = -1;
  if (!js_arguments(env, info, 1, &argument) || !js_integer(env, argument, "fd", 0, INT_MAX, &fd)) return NULL;
  if (!udp_socket_close(fd, &failure)) (void)js_throw_failure(env, &failure, "");
  return NULL;
}

static bool read_option(napi_env env, const napi_value *arguments, int *fd, const struct socket_option **option) {
  char level[NAME_BYTES_MAX];
  char name[NAME_BYTES_MAX];
  if (!js_integer(env, arguments[0], "fd", 0, INT_MAX, fd) || !js_string(env, arguments[1], "level", level, sizeof level) ||
      !js_string(env, arguments[2], "name", name, sizeof name))
    return false;
  *option = socket_option_find(level, name);
  return *option != NULL ? true : js_throw_value(env, "level and name", "an option of the list");
}

static napi_value api_get_option(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  napi_value result = NULL;
  const struct socket_option *option = NULL;
  struct failure failure = {0};
  int fd = -1;
  int value = 0;
  if (!js_arguments(env, info, 3, arguments) || !read_option(env, arguments, &fd, &option)) return NULL;
  if (!socket_option_get(fd, option, &value, &failure)) {
    (void)js_throw_failure(env, &failure, option->name);
    return NULL;
  }
  return js_ok(env, napi_create_int32(env, value, &result)) ? result : NULL;
}

static napi_value api_set_option(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  const struct socket_option *option = NULL;
  struct failure failure = {0};
  int fd = -1;
  int value = 0;
  if (!js_arguments(env, info, 4, arguments) || !read_option(env, arguments, &fd, &option) ||
      !js_integer(env, arguments[3], "value", INT_MIN, INT_MAX, &value))
    return NULL;
  if (!socket_option_set(fd, option, value, &failure)) (void)js_throw_failure(env, &failure, option->name);
  return NULL;
}

bool socket_api_register(napi_env env, napi_value exports) {
  return js_set_function(env, exports, "open", api_open) && js_set_function(env, exports, "close", api_close) &&
         js_set_function(env, exports, "getOption", api_get_option) && js_set_function(env, exports, "setOption", api_set_option);
}
