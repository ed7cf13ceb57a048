/*
 * Makes a veth device receive as a network card does: packets one by one through NAPI, where GRO joins them. veth does
 * so only with GRO on, and TSO off at the other end. Stands in for `ethtool -K DEVICE gro on tso off`, which isn't
 * everywhere.
 *
 *   set_offload DEVICE
 */

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int count, char **words) {
  struct ethtool_value values[] = {{.cmd = ETHTOOL_SGRO, .data = 1}, {.cmd = ETHTOOL_STSO, .data = 0}};
  struct ifreq request = {0};
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (count != 2 || fd < 0) return 2;
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", words[1]);
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    request.ifr_data = (char *)&values[i];
    if (ioctl(fd, SIOCETHTOOL, &request) == 0) continue;
    perror("SIOCETHTOOL");
    return 1;
  }
  return 0;
}
