/* value.h -- a value in the log. */
#ifndef LMDB_VALUE_H
#define LMDB_VALUE_H

#include "state.h"

struct value {
    uint64_t hash; /* of its key */
    uint64_t pos;
    uint32_t size, sum;
    uint64_t expires_ms;
};

/* read_value copies a value to where the item wants it. The item stays PENDING
 * if that went well. 0 or a code of LMDB. */
int read_value(struct session *s, struct log *log, struct weir_call *call,
               struct weir_item *item, const struct value *v);

/* read_corrupt answers an item whose value has a wrong checksum. */
void read_corrupt(struct weir_call *call, struct weir_item *item);

#endif
