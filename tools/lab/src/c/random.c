#include "random.h"

void random_seed(struct random *random, uint32_t seed, const char *label) {
  uint32_t hash = 0x811c9dc5u ^ seed;
  for (const char *at = label; *at != '\0'; at++) hash = (hash ^ (uint8_t)*at) * 0x01000193u;
  random->a = seed;
  random->b = hash;
  random->c = (hash ^ (hash >> 15)) * 0x2c1b3c6du;
  random->counter = 1;
  for (int i = 0; i < 15; i++) random_uint32(random);
}

uint32_t random_uint32(struct random *random) {
  uint32_t out = random->a + random->b + random->counter++;
  random->a = random->b ^ (random->b >> 9);
  random->b = random->c + (random->c << 3);
  random->c = ((random->c << 21) | (random->c >> 11)) + out;
  return out;
}

double random_fraction(struct random *random) { return random_uint32(random) / 4294967296.0; }

bool random_chance(struct random *random, double rate) { return rate > 0 && random_fraction(random) < rate; }
