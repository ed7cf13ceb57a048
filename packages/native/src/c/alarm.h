#ifndef X_NATIVE_ALARM_H
#define X_NATIVE_ALARM_H

#include <node_api.h>
#include <stdbool.h>

/*
 * Adds the functions of alarms. An alarm is one deadline, kept by the kernel (timerfd) and watched like a socket. With
 * a libuv timer each wait of the loop has a time-out, which the kernel sets and cancels every time. In a virtual
 * machine that is an exit to the host if the time-out is sooner than the next tick: 3 us each way. An alarm is set
 * once, and is precise to microseconds.
 *
 * Exists only where channels do.
 */
bool alarm_register(napi_env env, napi_value exports);

#endif
