#ifndef X_KERNEL_ONE_WAY_H
#define X_KERNEL_ONE_WAY_H

/* The two processes of one_way.c, and what they have in common. */

#include "common.h"

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* As in the helper. */
#define RUN_BYTES_MAX 65000
#define SLOTS_MAX 1024
#define UNKNOWN UINT64_MAX

struct shared {
  _Alignas(64) _Atomic uint64_t received;
  /* The sender sleeps until so much has been received. */
  _Alignas(64) _Atomic uint64_t wake_at;
  atomic_bool is_sender_asleep;
  /* Where the warm-up ends, and where everything does. */
  _Alignas(64) _Atomic uint64_t measured_from;
  _Atomic uint64_t end;
  struct cpu send_cpu, receive_cpu;
  uint64_t all, sent, counted, ns, reads, copied, notified, rearmed, content;
};

struct job {
  char send[32];
  char receive[32];
  unsigned slots, slot_bytes, gro;
  size_t bytes, batch;
  uint64_t ns;
  struct place sender, receiver;
  struct shared *shared;
  int room, ready;
};

/* Each takes a job. */
void send_all(void *context);
void receive_all(void *context);

#endif
