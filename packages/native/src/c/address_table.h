#ifndef X_NATIVE_ADDRESS_TABLE_H
#define X_NATIVE_ADDRESS_TABLE_H

#include <stddef.h>

#include "address.h"

/*
 * Addresses by small numbers, and the numbers by address: which number has what is decided in JavaScript. Zeroed memory
 * is an empty one.
 */
struct address_table {
  struct address *entries; /* by number; length 0: none */
  size_t capacity;
  int *buckets; /* numbers, 0 for an empty place; a power of two of them, at most half full */
  size_t bucket_count;
  size_t count;
};

/* False: there is no memory. An address that has a number already, or a number that has an address, is replaced. */
bool address_table_set(struct address_table *table, int number, const struct address *address);
void address_table_clear(struct address_table *table, int number);
/* NULL: the number has no address. */
const struct address *address_table_get(const struct address_table *table, int number);
/* 0: the address has no number. */
int address_table_find(const struct address_table *table, const struct address *address);
void address_table_free(struct address_table *table);

#endif
