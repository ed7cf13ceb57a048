#ifndef X_NATIVE_ADDRESS_TABLE_H
#define X_NATIVE_ADDRESS_TABLE_H

#include <stddef.h>

#include "address.h"

/*
 * Addresses by small numbers, and numbers by address. JavaScript decides which number an address has. Zeroed memory is
 * an empty table.
 */
struct address_table {
  struct address *entries; /* by number; length 0: no address */
  size_t capacity;
  int *buckets; /* numbers, 0 for an empty place; their count is a power of two, at most half used */
  size_t bucket_count;
  size_t count;
};

/* False: no memory. Replaces the former number of the address and the former address of the number. */
bool address_table_set(struct address_table *table, int number, const struct address *address);
void address_table_clear(struct address_table *table, int number);
/* NULL: the number has no address. */
const struct address *address_table_get(const struct address_table *table, int number);
/* 0: the address has no number. */
int address_table_find(const struct address_table *table, const struct address *address);
void address_table_free(struct address_table *table);

#endif
