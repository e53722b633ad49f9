/* write.h -- sets, deletes and touches one item in a write transaction.
 *
 * Functions return 0 or a code of LMDB, as those of writer.h. An item whose
 * status is not PENDING any more has been answered. The others get their answer
 * when the transaction is committed: until then it may be done once more. */
#ifndef LMDB_WRITE_H
#define LMDB_WRITE_H

#include "value.h"
#include "writer.h"

enum { WRITE_LARGEST = 16 }; /* a value takes up to 1/16 of the capacity */

struct write_answer {
    uint8_t status;
    int64_t number; /* of incr and append */
};

/* write_look finds a value. MDB_NOTFOUND: there is none, or it has expired. */
int write_look(struct writer *w, const struct weir_item *item,
               struct value *found);

/* write_put stores bytes under the item's key. */
int write_put(struct writer *w, const struct weir_item *item, const char *bytes,
              uint64_t size, uint64_t expires_ms);

/* write_expiry returns when a value expires that is set now. 0: never. */
uint64_t write_expiry(const struct writer *w, uint64_t ttl_ms);

static inline bool write_fits(const struct writer *w, uint64_t size)
{
    return size <= w->env->capacity / WRITE_LARGEST;
}

int write_set(struct writer *w, struct weir_call *call, struct weir_item *item,
              uint8_t *status);
int write_delete(struct writer *w, struct weir_item *item, uint8_t *status);
int write_touch(struct writer *w, struct weir_item *item, uint8_t *status);

#endif
