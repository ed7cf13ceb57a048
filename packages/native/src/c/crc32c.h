#ifndef X_NATIVE_CRC32C_H
#define X_NATIVE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Prepares the tables. Once before the first checksum; again does nothing. */
void crc32c_prepare(void);

/* Goes on with a CRC-32C (Castagnoli) over `length` bytes; `crc` is 0 or the result for what came before. */
uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t length);

#endif
