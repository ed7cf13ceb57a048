#ifndef X_NATIVE_FAILURE_H
#define X_NATIVE_FAILURE_H

#include <stdbool.h>

/*
 * Which call failed, and with which errno. Filled in while errno is still valid; thrown where the JavaScript
 * environment is available.
 */
struct failure {
  const char *syscall;
  int number;
};

/* Records the current errno. Always false, so that a failing function can end with `return failed(…)`. */
bool failed(struct failure *failure, const char *syscall);

/* The name of an errno, "EADDRINUSE"; NULL for one that socket calls don't set. */
const char *errno_name(int number);

#endif
