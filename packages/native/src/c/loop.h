#ifndef X_NATIVE_LOOP_H
#define X_NATIVE_LOOP_H

/*
 * The part of libuv that is used here. Node exports libuv, but its headers come only with Node; its ABI is stable in
 * version 1. Weak, so that the helper loads on a runtime without libuv and does without it.
 */

#include <stddef.h>

struct uv_loop_s;
struct uv_handle_s;
struct uv_poll_s;

enum { LOOP_HANDLE_POLL = 8 };
enum { LOOP_READABLE = 1, LOOP_WRITABLE = 2 };

typedef void (*loop_poll_callback)(struct uv_poll_s *handle, int status, int events);
typedef void (*loop_close_callback)(struct uv_handle_s *handle);

#define WEAK __attribute__((weak))
WEAK size_t uv_handle_size(int type);
WEAK void uv_handle_set_data(struct uv_handle_s *handle, void *data);
WEAK void *uv_handle_get_data(const struct uv_handle_s *handle);
WEAK int uv_poll_init(struct uv_loop_s *loop, struct uv_poll_s *handle, int fd);
WEAK int uv_poll_start(struct uv_poll_s *handle, int events, loop_poll_callback callback);
WEAK int uv_poll_stop(struct uv_poll_s *handle);
/* Make a handle keep the loop going, or not. Repeated, they do nothing. */
WEAK void uv_ref(struct uv_handle_s *handle);
WEAK void uv_unref(struct uv_handle_s *handle);
WEAK void uv_close(struct uv_handle_s *handle, loop_close_callback callback);
#undef WEAK

#endif
