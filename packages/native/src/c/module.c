#include <node_api.h>
#include <stddef.h>

#include "alarm.h"
#include "channel_api.h"
#include "js.h"
#include "socket_api.h"

/*
 * Increases with every change to what JavaScript sees, together with INTERFACE_VERSION in src/binding.ts. So a binary
 * left over from another version of the package is refused with a reason, instead of failing in the middle of a call.
 */
#define INTERFACE_VERSION 7

/*
 * There is no state outside of call arguments, channels and alarms: any number of worker threads can load the module.
 */
NAPI_MODULE_INIT() {
  if (!js_set_integer(env, exports, "interfaceVersion", INTERFACE_VERSION)) return NULL;
  if (!socket_api_register(env, exports)) return NULL;
  if (!channel_api_register(env, exports)) return NULL;
  if (!alarm_register(env, exports)) return NULL;
  return exports;
}
