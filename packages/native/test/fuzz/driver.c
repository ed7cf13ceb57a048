/*
 * Drives the harness where there is no libFuzzer: SEED RUNS [FILE…]. It runs each file as it is, then RUNS inputs, in
 * turn random bytes and a file with some bytes changed. The same seed gives the same inputs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_BYTES_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t state;

/* xorshift32 */
static uint32_t draw(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

static size_t read_file(const char *path, uint8_t *bytes) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    exit(2);
  }
  const size_t size = fread(bytes, 1, INPUT_BYTES_MAX, file);
  (void)fclose(file);
  return size;
}

/* Runs an input in memory of exactly its size. */
static void run(const uint8_t *bytes, size_t size) {
  uint8_t *exact = malloc(size > 0 ? size : 1);
  if (exact == NULL) exit(2);
  for (size_t i = 0; i < size; i++) exact[i] = bytes[i];
  (void)LLVMFuzzerTestOneInput(exact, size);
  free(exact);
}

int main(int argc, char **argv) {
  uint8_t bytes[INPUT_BYTES_MAX];
  if (argc < 3) return 2;
  state = (uint32_t)strtoul(argv[1], NULL, 10) | 1;
  const unsigned long runs = strtoul(argv[2], NULL, 10);
  const uint32_t files = (uint32_t)(argc - 3);
  for (uint32_t i = 0; i < files; i++) run(bytes, read_file(argv[3 + i], bytes));
  for (unsigned long i = 0; i < runs; i++) {
    size_t size;
    if (files > 0 && i % 2 == 0) {
      size = read_file(argv[3 + draw(files)], bytes);
      for (uint32_t changes = draw(4); changes > 0 && size > 0; changes--) bytes[draw((uint32_t)size)] = (uint8_t)draw(256);
    } else {
      size = draw(INPUT_BYTES_MAX + 1);
      for (size_t at = 0; at < size; at++) bytes[at] = (uint8_t)draw(256);
    }
    run(bytes, size);
  }
  (void)printf("%u files, %lu inputs\n", files, runs);
  return 0;
}
