#include "alarm.h"

#ifdef __linux__

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "js.h"
#include "loop.h"

#define NS_PER_US 1000
#define US_PER_S 1000000

struct alarm {
  napi_env env;
  napi_ref self; /* keeps this alive while it is open */
  napi_ref callback;
  napi_async_context context;
  struct uv_poll_s *poll;
  int fd;
  bool is_open;
  /* It can't ring any more: whoever sets it is told. */
  bool is_broken;
};

static const napi_type_tag ALARM_TAG = {0x6b83e0d27f514ac6u, 0xa2570c9e13d84f7bu};

static void free_handle(struct uv_handle_s *handle) { free(handle); }

static void let_go(napi_env env, napi_ref *reference) {
  if (*reference != NULL) (void)napi_delete_reference(env, *reference);
  *reference = NULL;
}

/*
 * Whether the descriptor is still a timer. Somebody else in the process may have closed it, and its number may be another
 * file's by now.
 */
static bool is_timer(int fd) {
  struct itimerspec left;
  return fd >= 0 && timerfd_gettime(fd, &left) == 0;
}

/* Repeated, does nothing. */
static void alarm_close(struct alarm *alarm) {
  if (!alarm->is_open) return;
  alarm->is_open = false;
  if (alarm->poll != NULL) {
    (void)uv_poll_stop(alarm->poll);
    uv_close((struct uv_handle_s *)alarm->poll, free_handle);
    alarm->poll = NULL;
  }
  if (is_timer(alarm->fd)) (void)close(alarm->fd);
  let_go(alarm->env, &alarm->callback);
  if (alarm->context != NULL) (void)napi_async_destroy(alarm->env, alarm->context);
  alarm->context = NULL;
  let_go(alarm->env, &alarm->self);
}

static void clean_up(void *data) { alarm_close(data); }

static void finalize(napi_env env, void *data, void *hint) {
  (void)hint;
  struct alarm *alarm = data;
  (void)napi_remove_env_cleanup_hook(env, clean_up, alarm);
  alarm_close(alarm);
  free(alarm);
}

static void on_event(struct uv_poll_s *handle, int status, int events) {
  struct alarm *alarm = uv_handle_get_data((struct uv_handle_s *)handle);
  uint64_t expirations = 0;
  (void)events;
  if (status < 0 || read(alarm->fd, &expirations, sizeof expirations) != (ssize_t)sizeof expirations) {
    /* It has been set again since. */
    if (status == 0 && (errno == EAGAIN || errno == EINTR)) return;
    alarm->is_broken = true;
    (void)uv_poll_stop(handle);
  }
  napi_handle_scope scope = NULL;
  if (napi_open_handle_scope(alarm->env, &scope) != napi_ok) return;
  js_call_back(alarm->env, alarm->context, alarm->self, alarm->callback, 0, NULL);
  (void)napi_close_handle_scope(alarm->env, scope);
}

static bool start(napi_env env, struct alarm *alarm) {
  struct uv_loop_s *loop = NULL;
  struct failure failure = {0};
  if (!js_ok(env, napi_get_uv_event_loop(env, &loop))) return false;
  alarm->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (alarm->fd < 0) {
    failure = (struct failure){.syscall = "timerfd_create", .number = errno};
    return js_throw_failure(env, &failure, "");
  }
  struct uv_poll_s *poll = calloc(1, uv_handle_size(LOOP_HANDLE_POLL));
  int result = poll == NULL ? -ENOMEM : uv_poll_init(loop, poll, alarm->fd);
  if (result != 0) {
    free(poll);
  } else {
    alarm->poll = poll;
    uv_handle_set_data((struct uv_handle_s *)poll, alarm);
    result = uv_poll_start(poll, LOOP_READABLE, on_event);
  }
  if (result == 0) return true;
  failure = (struct failure){.syscall = "uv_poll_init", .number = -result};
  return js_throw_failure(env, &failure, "");
}

static bool fill_in(napi_env env, napi_value callback, struct alarm *alarm, napi_value self) {
  napi_valuetype type = napi_undefined;
  napi_value name = NULL;
  if (!js_ok(env, napi_typeof(env, callback, &type))) return false;
  if (type != napi_function) return js_throw_value(env, "callback", "a function");
  return js_ok(env, napi_type_tag_object(env, self, &ALARM_TAG)) && js_ok(env, napi_create_reference(env, callback, 1, &alarm->callback)) &&
         js_ok(env, napi_create_string_utf8(env, "x-native", NAPI_AUTO_LENGTH, &name)) &&
         js_ok(env, napi_async_init(env, NULL, name, &alarm->context)) && js_ok(env, napi_add_env_cleanup_hook(env, clean_up, alarm)) &&
         start(env, alarm) && js_ok(env, napi_create_reference(env, self, 1, &alarm->self));
}

static napi_value api_create(napi_env env, napi_callback_info info) {
  napi_value callback = NULL, self = NULL;
  if (!js_arguments(env, info, 1, &callback)) return NULL;
  struct alarm *alarm = calloc(1, sizeof *alarm);
  if (alarm == NULL) {
    (void)napi_throw_error(env, "ENOMEM", "no memory");
    return NULL;
  }
  alarm->env = env;
  alarm->fd = -1;
  alarm->is_open = true;
  if (!js_ok(env, napi_create_external(env, alarm, finalize, NULL, &self))) {
    free(alarm);
    return NULL;
  }
  /* After a failure half-way everything is released at once: a descriptor must not wait for garbage collection. */
  if (fill_in(env, callback, alarm, self)) return self;
  alarm_close(alarm);
  return NULL;
}

static bool read_alarm(napi_env env, napi_value value, struct alarm **alarm) {
  bool is_alarm = false;
  void *pointer = NULL;
  napi_valuetype type = napi_undefined;
  if (!js_ok(env, napi_typeof(env, value, &type))) return false;
  if (type == napi_external && !js_ok(env, napi_check_object_type_tag(env, value, &ALARM_TAG, &is_alarm))) return false;
  if (!is_alarm) return js_throw_value(env, "alarm", "what alarmCreate gave");
  if (!js_ok(env, napi_get_value_external(env, value, &pointer))) return false;
  *alarm = pointer;
  return (*alarm)->is_open ? true : js_throw_value(env, "alarm", "open");
}

static napi_value api_set(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct alarm *alarm = NULL;
  int us = 0;
  if (!js_arguments(env, info, 2, arguments) || !read_alarm(env, arguments[0], &alarm) || !js_integer(env, arguments[1], "us", 0, INT_MAX, &us))
    return NULL;
  if (alarm->is_broken) {
    const struct failure failure = {.syscall = "timerfd_settime", .number = EBADF};
    (void)js_throw_failure(env, &failure, "");
    return NULL;
  }
  const struct itimerspec when = {.it_value = {.tv_sec = us / US_PER_S, .tv_nsec = (long)(us % US_PER_S) * NS_PER_US}};
  if (timerfd_settime(alarm->fd, 0, &when, NULL) != 0) {
    const struct failure failure = {.syscall = "timerfd_settime", .number = errno};
    (void)js_throw_failure(env, &failure, "");
  }
  return NULL;
}

static napi_value api_ref(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct alarm *alarm = NULL;
  bool is_ref = false;
  if (!js_arguments(env, info, 2, arguments) || !read_alarm(env, arguments[0], &alarm) || !js_boolean(env, arguments[1], "isRef", &is_ref))
    return NULL;
  if (is_ref)
    uv_ref((struct uv_handle_s *)alarm->poll);
  else
    uv_unref((struct uv_handle_s *)alarm->poll);
  return NULL;
}

static napi_value api_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  struct alarm *alarm = NULL;
  if (!js_arguments(env, info, 1, &argument) || !read_alarm(env, argument, &alarm)) return NULL;
  (void)napi_remove_env_cleanup_hook(env, clean_up, alarm);
  alarm_close(alarm);
  return NULL;
}

bool alarm_register(napi_env env, napi_value exports) {
  return js_set_function(env, exports, "alarmCreate", api_create) && js_set_function(env, exports, "alarmSet", api_set) &&
         js_set_function(env, exports, "alarmRef", api_ref) && js_set_function(env, exports, "alarmClose", api_close);
}

#else

bool alarm_register(napi_env env, napi_value exports) {
  (void)env;
  (void)exports;
  return true;
}

#endif
