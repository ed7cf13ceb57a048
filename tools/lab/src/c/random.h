#ifndef X_LAB_RANDOM_H
#define X_LAB_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* sfc32, seeded as `Random` of @x/transport/simulated: both draw the same numbers for a seed and a label. */
struct random {
  uint32_t a, b, c, counter;
};

void random_seed(struct random *random, uint32_t seed, const char *label);
uint32_t random_uint32(struct random *random);
/* [0, 1). */
double random_fraction(struct random *random);
/* Draws nothing for a rate of 0, so that a fault that is off doesn't change the others. */
bool random_chance(struct random *random, double rate);

#endif
