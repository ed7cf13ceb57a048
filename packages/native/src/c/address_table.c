#include "address_table.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 16u

static uint32_t mix(uint32_t hash, uint32_t word) {
  hash = (hash ^ word) * 0x85ebca6bu;
  return hash ^ (hash >> 15);
}

static uint32_t hash_of(const struct address *address) {
  if (address->storage.ss_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    uint32_t words[4];
    memcpy(words, &v6->sin6_addr, sizeof words);
    uint32_t hash = mix(v6->sin6_port, v6->sin6_scope_id);
    for (size_t i = 0; i < 4; i++) hash = mix(hash, words[i]);
    return hash;
  }
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
  return mix(mix(0, v4->sin_port), v4->sin_addr.s_addr);
}

static bool is_same(const struct address *a, const struct address *b) {
  if (a->storage.ss_family != b->storage.ss_family) return false;
  if (a->storage.ss_family == AF_INET6) {
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)&a->storage;
    const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)&b->storage;
    return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id && memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
  }
  const struct sockaddr_in *x = (const struct sockaddr_in *)&a->storage;
  const struct sockaddr_in *y = (const struct sockaddr_in *)&b->storage;
  return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
}

/* The place of an address, or the empty place where it would go. */
static size_t place_of(const struct address_table *table, const struct address *address) {
  size_t place = hash_of(address) & (table->bucket_count - 1);
  while (table->buckets[place] != 0 && !is_same(&table->entries[table->buckets[place]], address)) place = (place + 1) & (table->bucket_count - 1);
  return place;
}

static bool grow_entries(struct address_table *table, size_t wanted) {
  if (wanted <= table->capacity) return true;
  size_t capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity;
  while (capacity < wanted) capacity *= 2;
  struct address *entries = realloc(table->entries, capacity * sizeof *entries);
  if (entries == NULL) return false;
  memset(entries + table->capacity, 0, (capacity - table->capacity) * sizeof *entries);
  table->entries = entries;
  table->capacity = capacity;
  return true;
}

static bool grow_buckets(struct address_table *table) {
  if (2 * (table->count + 1) <= table->bucket_count) return true;
  const size_t bucket_count = table->bucket_count == 0 ? 2u * CAPACITY_MIN : 2 * table->bucket_count;
  int *buckets = calloc(bucket_count, sizeof *buckets);
  if (buckets == NULL) return false;
  free(table->buckets);
  table->buckets = buckets;
  table->bucket_count = bucket_count;
  for (size_t number = 1; number < table->capacity; number++)
    if (table->entries[number].length != 0) table->buckets[place_of(table, &table->entries[number])] = (int)number;
  return true;
}

bool address_table_set(struct address_table *table, int number, const struct address *address) {
  address_table_clear(table, number);
  address_table_clear(table, address_table_find(table, address));
  if (!grow_entries(table, (size_t)number + 1) || !grow_buckets(table)) return false;
  table->buckets[place_of(table, address)] = number;
  table->entries[number] = *address;
  table->count++;
  return true;
}

void address_table_clear(struct address_table *table, int number) {
  if (address_table_get(table, number) == NULL) return;
  size_t place = place_of(table, &table->entries[number]);
  table->buckets[place] = 0;
  table->entries[number].length = 0;
  table->count--;
  /* Entries that had been displaced by it move up. */
  for (place = (place + 1) & (table->bucket_count - 1); table->buckets[place] != 0; place = (place + 1) & (table->bucket_count - 1)) {
    const int moved = table->buckets[place];
    table->buckets[place] = 0;
    table->buckets[place_of(table, &table->entries[moved])] = moved;
  }
}

const struct address *address_table_get(const struct address_table *table, int number) {
  if (number <= 0 || (size_t)number >= table->capacity || table->entries[number].length == 0) return NULL;
  return &table->entries[number];
}

int address_table_find(const struct address_table *table, const struct address *address) {
  return table->count == 0 ? 0 : table->buckets[place_of(table, address)];
}

void address_table_free(struct address_table *table) {
  free(table->entries);
  free(table->buckets);
  memset(table, 0, sizeof *table);
}
