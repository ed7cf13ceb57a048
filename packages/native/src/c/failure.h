#ifndef X_NATIVE_FAILURE_H
#define X_NATIVE_FAILURE_H

#include <stdbool.h>

/*
 * Which call failed and with what. Filled in where errno is still fresh, thrown where the JavaScript environment is at
 * hand.
 */
struct failure {
  const char *syscall;
  int number;
};

/* Notes the current errno. Always false, so that a failing function can end with `return failed(…)`. */
bool failed(struct failure *failure, const char *syscall);

/* The name of an errno, "EADDRINUSE"; NULL for one that socket calls don't give. */
const char *errno_name(int number);

#endif
