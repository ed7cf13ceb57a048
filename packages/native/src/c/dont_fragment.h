#ifndef X_NATIVE_DONT_FRAGMENT_H
#define X_NATIVE_DONT_FRAGMENT_H

#include "failure.h"

/*
 * Asks that no datagram of the socket is ever fragmented, here or by a router. `dual` is a v6 socket that also sends to
 * mapped v4 addresses, for which the v4 option counts. True also if this kernel has no such option: dont_fragment_get
 * says what holds.
 */
bool dont_fragment_set(int fd, int family, bool dual, struct failure *failure);

/* Whether it holds, read back from the kernel. */
bool dont_fragment_get(int fd, int family, bool dual);

#endif
