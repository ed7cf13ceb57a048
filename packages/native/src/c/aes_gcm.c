#include "aes_gcm.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Declared as in OpenSSL since 1.1 and in its forks. Weak, so that the helper loads on a runtime that lacks them. */
struct evp_cipher_ctx_st;
struct evp_cipher_st;
struct engine_st;
enum { EVP_CTRL_AEAD_GET_TAG = 0x10, EVP_CTRL_AEAD_SET_TAG = 0x11 };
#define WEAK __attribute__((weak))
WEAK struct evp_cipher_ctx_st *EVP_CIPHER_CTX_new(void);
WEAK void EVP_CIPHER_CTX_free(struct evp_cipher_ctx_st *context);
WEAK int EVP_CIPHER_CTX_ctrl(struct evp_cipher_ctx_st *context, int type, int argument, void *pointer);
WEAK const struct evp_cipher_st *EVP_aes_256_gcm(void);
WEAK int EVP_CipherInit_ex(struct evp_cipher_ctx_st *context, const struct evp_cipher_st *cipher, struct engine_st *engine, const uint8_t *key,
                           const uint8_t *iv, int is_sealing);
WEAK int EVP_CipherUpdate(struct evp_cipher_ctx_st *context, uint8_t *out, int *out_length, const uint8_t *in, int length);
WEAK int EVP_CipherFinal_ex(struct evp_cipher_ctx_st *context, uint8_t *out, int *out_length);
#undef WEAK

enum direction { OPENING = 0, SEALING = 1 };

/* A key is usually used in one direction: the context of the other is made when it is first needed. */
struct aes_gcm {
  struct evp_cipher_ctx_st *contexts[2];
  uint8_t key[AES_GCM_KEY_BYTES];
};

struct aes_gcm *aes_gcm_create(const uint8_t key[AES_GCM_KEY_BYTES]) {
  struct aes_gcm *aes = calloc(1, sizeof *aes);
  if (aes != NULL) memcpy(aes->key, key, AES_GCM_KEY_BYTES);
  return aes;
}

void aes_gcm_free(struct aes_gcm *aes) {
  if (aes == NULL) return;
  for (size_t i = 0; i < 2; i++)
    if (aes->contexts[i] != NULL) EVP_CIPHER_CTX_free(aes->contexts[i]);
  /*
   * Through a volatile pointer: otherwise the compiler would leave out the writes, since the memory is freed right
   * afterwards.
   */
  volatile uint8_t *key = aes->key;
  for (size_t i = 0; i < AES_GCM_KEY_BYTES; i++) key[i] = 0;
  free(aes);
}

static struct evp_cipher_ctx_st *context_of(struct aes_gcm *aes, enum direction direction) {
  struct evp_cipher_ctx_st **place = &aes->contexts[direction];
  if (*place != NULL) return *place;
  struct evp_cipher_ctx_st *context = EVP_CIPHER_CTX_new();
  if (context == NULL) return NULL;
  if (EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, aes->key, NULL, direction) != 1) {
    EVP_CIPHER_CTX_free(context);
    return NULL;
  }
  *place = context;
  return context;
}

static bool update(struct evp_cipher_ctx_st *context, uint8_t *out, const uint8_t *in, size_t length) {
  int done = 0;
  if (length == 0) return true;
  return length <= INT_MAX && EVP_CipherUpdate(context, out, &done, in, (int)length) == 1 && (size_t)done == length;
}

/* Sets a new nonce for the context's key, and the associated data. */
static bool begin(struct evp_cipher_ctx_st *context, enum direction direction, const uint8_t *nonce, const struct aes_gcm_associated *associated) {
  return context != NULL && EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, direction) == 1 &&
         update(context, NULL, associated->head, associated->head_bytes) && update(context, NULL, associated->clear, associated->clear_bytes);
}

bool aes_gcm_seal(struct aes_gcm *aes, const uint8_t nonce[AES_GCM_NONCE_BYTES], const struct aes_gcm_associated *associated, const uint8_t *bytes,
                  size_t length, uint8_t *out) {
  struct evp_cipher_ctx_st *context = context_of(aes, SEALING);
  int rest = 0;
  return begin(context, SEALING, nonce, associated) && update(context, out, bytes, length) &&
         EVP_CipherFinal_ex(context, out + length, &rest) == 1 && rest == 0 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AES_GCM_TAG_BYTES, out + length) == 1;
}

bool aes_gcm_open(struct aes_gcm *aes, const uint8_t nonce[AES_GCM_NONCE_BYTES], const struct aes_gcm_associated *associated, uint8_t *bytes,
                  size_t length) {
  struct evp_cipher_ctx_st *context = context_of(aes, OPENING);
  int rest = 0;
  /* The whole tag is given: OpenSSL would accept a shorter one too (F36). It compares in constant time. */
  return begin(context, OPENING, nonce, associated) && update(context, bytes, bytes, length) &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, AES_GCM_TAG_BYTES, bytes + length) == 1 &&
         EVP_CipherFinal_ex(context, bytes + length, &rest) == 1;
}

/* Test case 14 of the GCM specification (McGrew and Viega): key, nonce and block of zeros. */
static bool is_sound(void) {
  static const uint8_t zeros[AES_GCM_KEY_BYTES];
  static const uint8_t expected[] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18,
                                     0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
  uint8_t out[sizeof expected];
  const struct aes_gcm_associated nothing = {0};
  struct aes_gcm *aes = aes_gcm_create(zeros);
  if (aes == NULL) return false;
  bool sound = aes_gcm_seal(aes, zeros, &nothing, zeros, 16, out) && memcmp(out, expected, sizeof expected) == 0 &&
               aes_gcm_open(aes, zeros, &nothing, out, 16) && memcmp(out, zeros, 16) == 0;
  memcpy(out, expected, sizeof expected);
  out[31] ^= 1;
  sound = sound && !aes_gcm_open(aes, zeros, &nothing, out, 16);
  aes_gcm_free(aes);
  return sound;
}

static bool has_functions(void) {
  return EVP_CIPHER_CTX_new != NULL && EVP_CIPHER_CTX_free != NULL && EVP_CIPHER_CTX_ctrl != NULL && EVP_aes_256_gcm != NULL &&
         EVP_CipherInit_ex != NULL && EVP_CipherUpdate != NULL && EVP_CipherFinal_ex != NULL;
}

static bool is_available;

static void find_out(void) { is_available = has_functions() && is_sound(); }

bool aes_gcm_available(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)pthread_once(&once, find_out);
  return is_available;
}
