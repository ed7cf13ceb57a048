#include "crc32c_folding.h"

/*
 * Carry-less multiplication folds 64 bytes into the next 64: a polynomial times x^n is, modulo the CRC's own, what it
 * was n bits further on (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction",
 * 2009). Four such blocks run side by side, since a multiplication has a latency of several cycles. What is left after
 * folding has the same remainder as all that was folded, and the CRC instruction ends it.
 */

#if defined(__x86_64__) && ((defined(__clang_major__) && __clang_major__ >= 9) || (!defined(__clang__) && __GNUC__ >= 9))

#include <immintrin.h>

#define FOLDING __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.2")))
/* The polynomial, the coefficient of x^31 first. */
#define POLYNOMIAL 0x1edc6f41u

/* For a distance in bits: what the first and the second eight bytes of sixteen are multiplied by. */
struct distance {
  uint64_t first;
  uint64_t second;
};

static struct distance by_2048;
static struct distance by_512;
static struct distance by_128;

/* x^n modulo the polynomial, in the order of bits that the instruction needs. */
static uint64_t power_of_x(unsigned n) {
  uint32_t power = 1;
  while (n-- > 0) power = (power << 1) ^ ((power >> 31) != 0 ? POLYNOMIAL : 0);
  uint64_t reversed = 0;
  for (unsigned bit = 0; bit < 32; bit++) reversed |= (uint64_t)(power >> bit & 1u) << (31 - bit);
  return reversed << 1;
}

static struct distance distance_of(unsigned bits) {
  return (struct distance){.first = power_of_x(bits + 32), .second = power_of_x(bits - 32)};
}

bool crc32c_folding_prepare(void) {
  if (__builtin_cpu_supports("avx512f") == 0 || __builtin_cpu_supports("vpclmulqdq") == 0) return false;
  if (__builtin_cpu_supports("pclmul") == 0 || __builtin_cpu_supports("sse4.2") == 0) return false;
  by_2048 = distance_of(2048);
  by_512 = distance_of(512);
  by_128 = distance_of(128);
  return true;
}

FOLDING static __m512i wide(struct distance by) {
  return _mm512_broadcast_i32x4(_mm_set_epi64x((long long)by.second, (long long)by.first));
}

FOLDING static __m512i fold_wide(__m512i sum, __m512i by, __m512i next) {
  __m512i first = _mm512_clmulepi64_epi128(sum, by, 0x00);
  __m512i second = _mm512_clmulepi64_epi128(sum, by, 0x11);
  return _mm512_ternarylogic_epi64(first, second, next, 0x96);
}

FOLDING static __m128i fold(__m128i sum, __m128i by, __m128i next) {
  __m128i first = _mm_clmulepi64_si128(sum, by, 0x00);
  __m128i second = _mm_clmulepi64_si128(sum, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

FOLDING uint32_t crc32c_fold(uint32_t remainder, const uint8_t *bytes, size_t length, size_t *done) {
  const uint8_t *const begin = bytes;
  const uint8_t *const end = bytes + (length & ~(size_t)15);
  const __m512i start = _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)remainder));
  const __m512i by_block = wide(by_512);
  __m512i sum = _mm512_xor_si512(_mm512_loadu_si512(bytes), start);
  bytes += 64;
  if (end - bytes >= 192) {
    const __m512i by_four = wide(by_2048);
    __m512i second = _mm512_loadu_si512(bytes);
    __m512i third = _mm512_loadu_si512(bytes + 64);
    __m512i fourth = _mm512_loadu_si512(bytes + 128);
    for (bytes += 192; end - bytes >= 256; bytes += 256) {
      sum = fold_wide(sum, by_four, _mm512_loadu_si512(bytes));
      second = fold_wide(second, by_four, _mm512_loadu_si512(bytes + 64));
      third = fold_wide(third, by_four, _mm512_loadu_si512(bytes + 128));
      fourth = fold_wide(fourth, by_four, _mm512_loadu_si512(bytes + 192));
    }
    sum = fold_wide(fold_wide(fold_wide(sum, by_block, second), by_block, third), by_block, fourth);
  }
  for (; end - bytes >= 64; bytes += 64) sum = fold_wide(sum, by_block, _mm512_loadu_si512(bytes));
  const __m128i by_lane = _mm_set_epi64x((long long)by_128.second, (long long)by_128.first);
  __m128i lane = fold(_mm512_extracti32x4_epi32(sum, 0), by_lane, _mm512_extracti32x4_epi32(sum, 1));
  lane = fold(lane, by_lane, _mm512_extracti32x4_epi32(sum, 2));
  lane = fold(lane, by_lane, _mm512_extracti32x4_epi32(sum, 3));
  for (; bytes < end; bytes += 16) lane = fold(lane, by_lane, _mm_loadu_si128((const __m128i *)(const void *)bytes));
  *done = (size_t)(bytes - begin);
  uint64_t crc = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(lane));
  return (uint32_t)_mm_crc32_u64(crc, (uint64_t)_mm_extract_epi64(lane, 1));
}

#else

bool crc32c_folding_prepare(void) { return false; }

uint32_t crc32c_fold(uint32_t remainder, const uint8_t *bytes, size_t length, size_t *done) {
  (void)bytes;
  (void)length;
  *done = 0;
  return remainder;
}

#endif
