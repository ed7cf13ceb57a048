#include "crc32c.h"

#include "crc32c_folding.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u

/*
 * The instruction takes eight bytes and has a latency of three cycles, but a new one can begin in each cycle. So three
 * stretches run side by side and are then combined. To combine them means to run zero bytes through a remainder. That
 * is linear, so one table for each of its four bytes is enough.
 */
#define LONG_BYTES 4096u
#define SHORT_BYTES 256u

static uint32_t byte_table[256];
static uint32_t long_shift[4][256];
static uint32_t short_shift[4][256];
static enum crc32c_way fastest = CRC32C_BY_TABLE;
static enum crc32c_way way = CRC32C_BY_TABLE;

static uint32_t step_zeros(uint32_t crc, size_t count) {
  while (count-- > 0) crc = (crc >> 8) ^ byte_table[crc & 0xff];
  return crc;
}

static void make_shift(uint32_t table[4][256], size_t zeros) {
  uint32_t of_bit[32];
  for (unsigned bit = 0; bit < 32; bit++) of_bit[bit] = step_zeros(1u << bit, zeros);
  for (unsigned byte = 0; byte < 4; byte++)
    for (unsigned value = 0; value < 256; value++) {
      uint32_t sum = 0;
      for (unsigned bit = 0; bit < 8; bit++)
        if ((value >> bit & 1u) != 0) sum ^= of_bit[8 * byte + bit];
      table[byte][value] = sum;
    }
}

static void make_tables(void) {
  for (unsigned byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (unsigned bit = 0; bit < 8; bit++) crc = (crc & 1u) != 0 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
    byte_table[byte] = crc;
  }
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2") != 0) fastest = CRC32C_BY_INSTRUCTION;
#elif defined(__ARM_FEATURE_CRC32)
  fastest = CRC32C_BY_INSTRUCTION;
#endif
  if (fastest == CRC32C_BY_TABLE) return;
  if (crc32c_folding_prepare()) fastest = CRC32C_BY_FOLDING;
  way = fastest;
  make_shift(long_shift, LONG_BYTES);
  make_shift(short_shift, SHORT_BYTES);
}

void crc32c_prepare(void) {
  /* Worker threads may load the module at the same time. */
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)pthread_once(&once, make_tables);
}

enum crc32c_way crc32c_use(enum crc32c_way wanted) {
  way = wanted < fastest ? fastest : wanted;
  return way;
}

static uint32_t by_table(uint32_t crc, const uint8_t *bytes, size_t length) {
  while (length-- > 0) crc = (crc >> 8) ^ byte_table[(crc ^ *bytes++) & 0xff];
  return crc;
}

#if defined(__x86_64__) || defined(__ARM_FEATURE_CRC32)

#if defined(__x86_64__)
#include <nmmintrin.h>
#define WITH_INSTRUCTION __attribute__((target("sse4.2")))
#define FOLD(crc, word) ((uint32_t)_mm_crc32_u64((crc), (word)))
#define FOLD_BYTE(crc, byte) _mm_crc32_u8((crc), (byte))
#else
#include <arm_acle.h>
#define WITH_INSTRUCTION
#define FOLD(crc, word) __crc32cd((crc), (word))
#define FOLD_BYTE(crc, byte) __crc32cb((crc), (byte))
#endif

static uint64_t word_at(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

static uint32_t shift(uint32_t table[4][256], uint32_t crc) {
  return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^ table[3][crc >> 24];
}

WITH_INSTRUCTION static uint32_t three_at_once(uint32_t crc, const uint8_t *bytes, size_t stretch, uint32_t table[4][256]) {
  uint32_t second = 0;
  uint32_t third = 0;
  for (size_t i = 0; i < stretch; i += 8) {
    crc = FOLD(crc, word_at(bytes + i));
    second = FOLD(second, word_at(bytes + stretch + i));
    third = FOLD(third, word_at(bytes + 2 * stretch + i));
  }
  return shift(table, shift(table, crc) ^ second) ^ third;
}

WITH_INSTRUCTION static uint32_t by_instruction(uint32_t crc, const uint8_t *bytes, size_t length) {
  if (way == CRC32C_BY_FOLDING && length >= FOLDING_BYTES_MIN) {
    size_t done = 0;
    crc = crc32c_fold(crc, bytes, length, &done);
    bytes += done;
    length -= done;
  }
  for (; length >= 3u * LONG_BYTES; bytes += 3u * LONG_BYTES, length -= 3u * LONG_BYTES) crc = three_at_once(crc, bytes, LONG_BYTES, long_shift);
  for (; length >= 3u * SHORT_BYTES; bytes += 3u * SHORT_BYTES, length -= 3u * SHORT_BYTES)
    crc = three_at_once(crc, bytes, SHORT_BYTES, short_shift);
  for (; length >= 8; bytes += 8, length -= 8) crc = FOLD(crc, word_at(bytes));
  for (; length > 0; bytes++, length--) crc = FOLD_BYTE(crc, *bytes);
  return crc;
}

#else

static uint32_t by_instruction(uint32_t crc, const uint8_t *bytes, size_t length) { return by_table(crc, bytes, length); }

#endif

uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t length) {
  return ~(way == CRC32C_BY_TABLE ? by_table(~crc, bytes, length) : by_instruction(~crc, bytes, length));
}
