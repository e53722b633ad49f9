/* slot.h -- the hash slot of a key in a Redis Cluster. */
#ifndef WEIR_REDIS_SLOT_H
#define WEIR_REDIS_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLOTS = 16384 };

/* slot_of returns the slot of the key that consists of a prefix and a rest.
 * Only the part between the first { and the next } counts, if it is not empty.
 */
uint16_t slot_of(const char *prefix, size_t prefix_len, const char *key,
                 size_t key_len);

/* slot_of_tag returns whether these bytes have a hash tag, so that all keys
 * that begin with them have one slot. */
bool slot_of_tag(const char *prefix, size_t prefix_len, const char *key,
                 size_t key_len);

#endif
