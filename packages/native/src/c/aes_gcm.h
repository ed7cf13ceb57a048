#ifndef X_NATIVE_AES_GCM_H
#define X_NATIVE_AES_GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * AES-256-GCM by the OpenSSL of the running Node, one key at a time: the contexts stay, so a datagram costs no key
 * schedule. Its functions are no part of Node's ABI, so they are looked up at run time and tried once with a published
 * vector.
 */

#define AES_GCM_KEY_BYTES 32
#define AES_GCM_NONCE_BYTES 12
#define AES_GCM_TAG_BYTES 16

struct aes_gcm;

/* Associated data: `head`, and then `clear`, which stands before what is encrypted. */
struct aes_gcm_associated {
  const uint8_t *head;
  size_t head_bytes;
  const uint8_t *clear;
  size_t clear_bytes;
};

/* Whether the functions are there and do what they should. */
bool aes_gcm_available(void);

/* NULL: no memory. Only where it is available. */
struct aes_gcm *aes_gcm_create(const uint8_t key[AES_GCM_KEY_BYTES]);

/* Forgets the key. */
void aes_gcm_free(struct aes_gcm *aes);

/* Writes `length` bytes and the tag to `out`, which doesn't overlap them. False: nothing of it may be used. */
bool aes_gcm_seal(struct aes_gcm *aes, const uint8_t nonce[AES_GCM_NONCE_BYTES], const struct aes_gcm_associated *associated, const uint8_t *bytes,
                  size_t length, uint8_t *out);

/* Decrypts `length` bytes where they are, with the tag behind them. False: it isn't theirs, and they are of no use. */
bool aes_gcm_open(struct aes_gcm *aes, const uint8_t nonce[AES_GCM_NONCE_BYTES], const struct aes_gcm_associated *associated, uint8_t *bytes,
                  size_t length);

#endif
