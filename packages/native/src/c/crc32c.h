#ifndef X_NATIVE_CRC32C_H
#define X_NATIVE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Prepares the tables. Call it before the first checksum; repeated, it does nothing. */
void crc32c_prepare(void);

/* Continues a CRC-32C (Castagnoli) over `length` bytes; `crc` is 0 or the result for the preceding bytes. */
uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t length);

#endif
