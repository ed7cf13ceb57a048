/* Compares each way to compute a CRC-32C that this processor has with its definition, bit by bit. */

#include <stdio.h>

#include "crc32c.h"

#define POLYNOMIAL 0x82f63b78u
#define BYTES_MAX 2048u
#define LARGEST_BYTES 65507u
#define SHIFTS 3u

static uint8_t bytes[LARGEST_BYTES + SHIFTS];

static uint32_t defined(uint32_t crc, const uint8_t *at, size_t length) {
  crc = ~crc;
  while (length-- > 0) {
    crc ^= *at++;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1u) != 0 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
  }
  return ~crc;
}

static int differs(const char *name, size_t shift, size_t length, uint32_t before) {
  uint32_t right = defined(before, bytes + shift, length);
  uint32_t got = crc32c(before, bytes + shift, length);
  if (got == right) return 0;
  printf("%s: %zu bytes from %zu after %08x: %08x instead of %08x\n", name, length, shift, before, got, right);
  return 1;
}

int main(void) {
  static const char *const names[] = {"folding", "instruction", "table"};
  uint32_t random = 1;
  for (size_t i = 0; i < sizeof bytes; i++) {
    random = random * 1664525u + 1013904223u;
    bytes[i] = (uint8_t)(random >> 24);
  }
  crc32c_prepare();
  int failures = 0;
  for (unsigned way = CRC32C_BY_FOLDING; way <= CRC32C_BY_TABLE; way++) {
    if (crc32c_use((enum crc32c_way)way) != way) continue;
    printf("%s\n", names[way]);
    for (size_t shift = 0; shift < SHIFTS; shift++) {
      for (size_t length = 0; length <= BYTES_MAX; length++)
        failures += differs(names[way], shift, length, (uint32_t)length * 0x9e3779b9u);
      failures += differs(names[way], shift, LARGEST_BYTES, 0);
    }
  }
  return failures != 0;
}
