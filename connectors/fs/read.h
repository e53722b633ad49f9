/* read.h -- what reading known files has in common. */

#ifndef FS_READ_H
#define FS_READ_H

#include "entry.h"

/* fs_read_value answers an item with the value of an open entry. False: the
 * value is damaged, and the entry is closed. */
bool fs_read_value(struct fs_session *s, struct weir_call *call,
                   struct weir_item *item, const struct fs_name *name,
                   struct fs_entry *e);

/* fs_read_is_sound finishes the hash of a value, as a set computes it, and
 * returns whether it is that of the facts. */
bool fs_read_is_sound(XXH3_state_t *hash, const struct weir_item *item,
                      const struct fs_fact *fact);

/* fs_read_hit marks a file as used in the index, and returns whether its
 * counted bytes are right. Another process may have replaced it, or it may have
 * holes. */
bool fs_read_hit(struct fs *fs, const struct fs_name *name,
                 const struct weir_item *item, const struct fs_fact *fact);

bool fs_read_is_expired(const struct fs_fact *fact);

/* fs_read_is_unused returns whether a use now must be recorded in the file,
 * whose modification time records one at used_s. */
bool fs_read_is_unused(uint64_t used_s);

#endif
