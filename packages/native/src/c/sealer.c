#include "sealer.h"

#include <string.h>

#include "crc32c.h"

#define CRC_BYTES 4

size_t sealer_tag_bytes(const struct sealer *sealer) { return sealer->kind == SEALER_AES_GCM ? AES_GCM_TAG_BYTES : CRC_BYTES; }

bool sealer_is_in_place(const struct sealer *sealer) { return sealer->kind != SEALER_AES_GCM; }

size_t sealer_bytes_min(const struct sealer *sealer) {
  return sealer->kind == SEALER_AES_GCM ? sealer->counter_offset + SEALER_COUNTER_BYTES : 0;
}

/* The datagram has the counter's least significant byte first; the nonce takes the most significant first. */
static void make_nonce(const struct sealer *sealer, const uint8_t *bytes, uint8_t nonce[AES_GCM_NONCE_BYTES]) {
  memcpy(nonce, sealer->iv, AES_GCM_NONCE_BYTES);
  for (size_t i = 0; i < SEALER_COUNTER_BYTES; i++) nonce[AES_GCM_NONCE_BYTES - 1 - i] ^= bytes[sealer->counter_offset + i];
}

static struct aes_gcm_associated associated_of(const struct sealer *sealer, const uint8_t *bytes, size_t length) {
  const size_t clear = length < sealer->clear_bytes ? length : sealer->clear_bytes;
  return (struct aes_gcm_associated){sealer->associated, sealer->associated_bytes, bytes, clear};
}

bool sealer_seal(struct sealer *sealer, const uint8_t *bytes, size_t length, uint8_t *out) {
  if (sealer->kind != SEALER_AES_GCM) {
    const uint32_t crc = crc32c(sealer->seal_seed, bytes, length);
    for (unsigned i = 0; i < CRC_BYTES; i++) out[length + i] = (uint8_t)(crc >> 8 * i);
    return true;
  }
  uint8_t nonce[AES_GCM_NONCE_BYTES];
  make_nonce(sealer, bytes, nonce);
  const struct aes_gcm_associated associated = associated_of(sealer, bytes, length);
  const size_t clear = associated.clear_bytes;
  memcpy(out, bytes, clear);
  return aes_gcm_seal(sealer->aes, nonce, &associated, bytes + clear, length - clear, out + clear);
}

bool sealer_open(struct sealer *sealer, uint8_t *bytes, size_t length) {
  const size_t tag = sealer_tag_bytes(sealer);
  if (length < tag + sealer_bytes_min(sealer)) return false;
  const size_t covered = length - tag;
  if (sealer->kind != SEALER_AES_GCM) {
    const uint8_t *at = bytes + covered;
    const uint32_t given = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    return crc32c(sealer->open_seed, bytes, covered) == given;
  }
  uint8_t nonce[AES_GCM_NONCE_BYTES];
  make_nonce(sealer, bytes, nonce);
  const struct aes_gcm_associated associated = associated_of(sealer, bytes, covered);
  const size_t clear = associated.clear_bytes;
  return aes_gcm_open(sealer->aes, nonce, &associated, bytes + clear, covered - clear);
}

void sealer_clear(struct sealer *sealer) {
  aes_gcm_free(sealer->aes);
  *sealer = (struct sealer){0};
}
