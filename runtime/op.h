/* op.h -- the facts of an op, for the runtime's own files. */
#ifndef WEIR_OP_H
#define WEIR_OP_H

#include <stdbool.h>
#include <stddef.h>

#include "weir.h"

/* The rows of weir_op_info by number. A row without a name is no op. Hidden, so
 * that no access goes through the table of global addresses. */
extern const struct weir_op_info OPS[WEIR_OPS]
    __attribute__((visibility("hidden")));

static inline bool op_exists(uint32_t op)
{
    return op < WEIR_OPS && OPS[op].name != NULL;
}

/* op_find returns the op that has this name of len bytes, or 0. */
uint32_t op_find(const char *name, size_t len);

/* op_nearest returns the name of the op that is nearest to a word, or NULL when
 * none is near enough to suggest. */
const char *op_nearest(const char *word, size_t len);

#endif
