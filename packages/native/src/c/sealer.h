#ifndef X_NATIVE_SEALER_H
#define X_NATIVE_SEALER_H

#include "aes_gcm.h"

/* Seals and opens the datagrams of one association, in one direction or both. */

#define SEALER_ASSOCIATED_BYTES_MAX 64
#define SEALER_COUNTER_BYTES 6

enum sealer_kind { SEALER_NONE = 0, SEALER_CRC32C, SEALER_AES_GCM };

struct sealer {
  enum sealer_kind kind;
  /* CRC-32C: the start values of the checksum. */
  uint32_t seal_seed;
  uint32_t open_seed;
  /* AES-256-GCM. */
  struct aes_gcm *aes;
  uint8_t iv[AES_GCM_NONCE_BYTES];
  uint8_t associated[SEALER_ASSOCIATED_BYTES_MAX];
  size_t associated_bytes;
  size_t counter_offset;
  size_t clear_bytes;
};

size_t sealer_tag_bytes(const struct sealer *sealer);

/* Whether it leaves the bytes unchanged and appends a tag. The others write to other memory. */
bool sealer_is_in_place(const struct sealer *sealer);

/* The least bytes of a datagram without its tag. */
size_t sealer_bytes_min(const struct sealer *sealer);

/*
 * Seals `length` bytes and writes them, with the tag, to `out`; in place, `out` is the same memory. False: `out` must
 * not be used.
 */
bool sealer_seal(struct sealer *sealer, const uint8_t *bytes, size_t length, uint8_t *out);

/* Whether the tag at the end of `length` bytes is right; decrypts them in place. */
bool sealer_open(struct sealer *sealer, uint8_t *bytes, size_t length);

/* Removes its keys. */
void sealer_clear(struct sealer *sealer);

#endif
