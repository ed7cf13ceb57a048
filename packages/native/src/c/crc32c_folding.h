#ifndef X_NATIVE_CRC32C_FOLDING_H
#define X_NATIVE_CRC32C_FOLDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From here on folding is faster than one word after the other. */
#define FOLDING_BYTES_MIN 128u

/* Prepares the constants; returns whether this processor can fold. */
bool crc32c_folding_prepare(void);

/*
 * Continues a remainder, without the inversions at both ends, over the longest part of `length` bytes that is a
 * multiple of 16, FOLDING_BYTES_MIN at least. `*done`: the bytes of that part.
 */
uint32_t crc32c_fold(uint32_t remainder, const uint8_t *bytes, size_t length, size_t *done);

#endif
