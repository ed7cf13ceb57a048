#ifndef X_NATIVE_SOCKET_OPTION_H
#define X_NATIVE_SOCKET_OPTION_H

#include "failure.h"

struct socket_option {
  const char *level_name;
  const char *name;
  int level;
  int number; /* OPTION_ABSENT where this platform has no such option */
};

#define OPTION_ABSENT (-1)

/* NULL if the pair isn't in the closed list. */
const struct socket_option *socket_option_find(const char *level_name, const char *name);

bool socket_option_get(int fd, const struct socket_option *option, int *value, struct failure *failure);
bool socket_option_set(int fd, const struct socket_option *option, int value, struct failure *failure);

#endif
