#ifndef X_NATIVE_DONT_FRAGMENT_H
#define X_NATIVE_DONT_FRAGMENT_H

#include "failure.h"

/*
 * Asks that no datagram of the socket is ever fragmented, here or by a router. `dual`: a v6 socket that also sends to
 * mapped v4 addresses, which obey the v4 option. True also if this kernel has no such option: dont_fragment_get tells
 * whether it is set.
 */
bool dont_fragment_set(int fd, int family, bool dual, struct failure *failure);

/* Whether DF is set, read back from the kernel. */
bool dont_fragment_get(int fd, int family, bool dual);

#endif
