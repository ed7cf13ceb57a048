#ifndef X_NATIVE_ALARM_H
#define X_NATIVE_ALARM_H

#include <node_api.h>
#include <stdbool.h>

/*
 * Adds the functions of alarms: one deadline each, kept by the kernel (timerfd) and watched as a socket is. With a
 * deadline in a timer of libuv each wait of the loop has a time-out, which the kernel sets and cancels every time; in a
 * virtual machine that is an exit to the host where the time-out is sooner than the next tick, 3 us a side. An alarm is
 * set once, and is precise to microseconds.
 *
 * Only where channels are.
 */
bool alarm_register(napi_env env, napi_value exports);

#endif
