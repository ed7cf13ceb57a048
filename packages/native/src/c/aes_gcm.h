#ifndef X_NATIVE_AES_GCM_H
#define X_NATIVE_AES_GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * AES-256-GCM with the OpenSSL of the running Node, one key each: the contexts persist, so a datagram costs no key
 * schedule. These functions aren't part of Node's ABI, so they are looked up at run time and tested once with a
 * published vector.
 */

#define AES_GCM_KEY_BYTES 32
#define AES_GCM_NONCE_BYTES 12
#define AES_GCM_TAG_BYTES 16

struct aes_gcm;

/* Associated data: `head`, followed by `clear`, which precedes the encrypted bytes. */
struct aes_gcm_associated {
  const uint8_t *head;
  size_t head_bytes;
  const uint8_t *clear;
  size_t clear_bytes;
};

/* Whether the functions exist and work. */
bool aes_gcm_available(void);

/* NULL: no memory. Call it only if AES-GCM is available. */
struct aes_gcm *aes_gcm_create(const uint8_t key[AES_GCM_KEY_BYTES]);

/* Forgets the key. */
void aes_gcm_free(struct aes_gcm *aes);

/*
 * Writes `length` encrypted bytes and the tag to `out`, which must not overlap the input. False: `out` must not be
 * used.
 */
bool aes_gcm_seal(struct aes_gcm *aes, const uint8_t nonce[AES_GCM_NONCE_BYTES], const struct aes_gcm_associated *associated, const uint8_t *bytes,
                  size_t length, uint8_t *out);

/*
 * Decrypts `length` bytes in place; the tag follows them. False: the tag doesn't match, and the bytes must not be used.
 */
bool aes_gcm_open(struct aes_gcm *aes, const uint8_t nonce[AES_GCM_NONCE_BYTES], const struct aes_gcm_associated *associated, uint8_t *bytes,
                  size_t length);

#endif
