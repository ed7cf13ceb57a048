#ifndef X_NATIVE_CRC32C_H
#define X_NATIVE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Prepares the tables. Call it before the first checksum; repeated, it does nothing. */
void crc32c_prepare(void);

/* The ways to compute it, the fastest first: a processor has this one and all behind it. */
enum crc32c_way { CRC32C_BY_FOLDING, CRC32C_BY_INSTRUCTION, CRC32C_BY_TABLE };

/* For tests: computes it this way from here on, if the processor has it. Returns the way that is used. */
enum crc32c_way crc32c_use(enum crc32c_way way);

/* Continues a CRC-32C (Castagnoli) over `length` bytes; `crc` is 0 or the result for the preceding bytes. */
uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t length);

#endif
