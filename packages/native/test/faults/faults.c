/* In place of module.c: the helper's functions, and those that make its calls fail. */

#define X_FAULTS_OWN
#include "faults.h"

#include <limits.h>
#include <string.h>

#include "alarm.h"
#include "channel_api.h"
#include "js.h"
#include "socket_api.h"

static const char *const NAMES[] = {
#define FAULT_NAME(name) #name,
    FAULTS(FAULT_NAME)
#undef FAULT_NAME
};

/* How many calls pass, how many fail after them, how, and how many there were. */
static struct {
  int passing;
  int failing;
  int number;
  int calls;
} faults[FAULT_COUNT];

bool fault_due(enum fault kind) {
  faults[kind].calls++;
  if (faults[kind].failing == 0) return false;
  if (faults[kind].passing-- > 0) return false;
  faults[kind].passing = 0;
  faults[kind].failing--;
  errno = faults[kind].number;
  return true;
}

/* failCalls(name, passing, failing, errno): returns how many calls there were since the last time. */
static napi_value api_fail_calls(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  napi_value result = NULL;
  char name[32];
  int passing = 0, failing = 0, number = 0;
  if (!js_arguments(env, info, 4, arguments) || !js_string(env, arguments[0], "name", name, sizeof name) ||
      !js_integer(env, arguments[1], "passing", 0, INT_MAX, &passing) || !js_integer(env, arguments[2], "failing", 0, INT_MAX, &failing) ||
      !js_integer(env, arguments[3], "errno", 0, INT_MAX, &number))
    return NULL;
  for (int kind = 0; kind < FAULT_COUNT; kind++) {
    if (strcmp(NAMES[kind], name) != 0) continue;
    const int calls = faults[kind].calls;
    faults[kind].passing = passing;
    faults[kind].failing = failing;
    faults[kind].number = number;
    faults[kind].calls = 0;
    return js_ok(env, napi_create_int32(env, calls, &result)) ? result : NULL;
  }
  (void)js_throw_value(env, "name", "a call of the list");
  return NULL;
}

NAPI_MODULE_INIT() {
  if (!js_set_function(env, exports, "failCalls", api_fail_calls)) return NULL;
  return socket_api_register(env, exports) && channel_api_register(env, exports) && alarm_register(env, exports) ? exports : NULL;
}
