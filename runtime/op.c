/* op.c -- the facts of each op. Every other list of ops is made from this
 * table.
 *
 * A new op takes a number in weir.h and a row here. */
#include "op.h"

#include <stdio.h>
#include <string.h>

const struct weir_op_info OPS[WEIR_OPS] = {
    [WEIR_GET] = {.name = "get", .idempotent = 1, .returns = 1},
    [WEIR_SET] = {.name = "set", .writes = 1, .idempotent = 1, .sends = 1},
    [WEIR_EXISTS] = {.name = "exists", .idempotent = 1},
    [WEIR_DELETE] = {.name = "delete", .writes = 1, .idempotent = 1},
    [WEIR_STAT] = {.name = "stat", .idempotent = 1},
    [WEIR_TOUCH] = {.name = "touch", .writes = 1, .idempotent = 1},
    [WEIR_SCAN] = {.name = "scan", .idempotent = 1, .returns = 1, .prefix = 1},

    /* A second add or cas finds its own value and is refused, so a repeat would
     * tell a caller that succeeded of a failure. */
    [WEIR_ADD] = {.name = "add", .writes = 1, .sends = 1, .atomic = 1},
    [WEIR_REPLACE] = {.name = "replace",
                      .writes = 1,
                      .idempotent = 1,
                      .sends = 1,
                      .atomic = 1},
    [WEIR_INCR] = {.name = "incr", .writes = 1, .atomic = 1, .numbers = 1},
    [WEIR_APPEND] =
        {.name = "append", .writes = 1, .sends = 1, .atomic = 1, .numbers = 1},
    [WEIR_CAS] = {.name = "cas", .writes = 1, .sends = 1, .atomic = 1},
    [WEIR_GAT] = {.name = "gat",
                  .writes = 1,
                  .idempotent = 1,
                  .returns = 1,
                  .atomic = 1},
    [WEIR_TAKE] = {.name = "take", .writes = 1, .returns = 1, .atomic = 1},
};

const struct weir_op_info *weir_op_info(uint32_t op)
{
    return op_exists(op) ? &OPS[op] : NULL;
}

uint32_t op_find(const char *name, size_t len)
{
    for (uint32_t op = 0; op < WEIR_OPS; op++) {
        if (op_exists(op) && strlen(OPS[op].name) == len &&
            memcmp(OPS[op].name, name, len) == 0)
            return op;
    }
    return 0;
}

const char *op_nearest(const char *word, size_t len)
{
    const char *names[WEIR_OPS];
    char copy[32];
    size_t n = 0;

    snprintf(copy, sizeof copy, "%.*s", (int)len, word);
    for (uint32_t op = 0; op < WEIR_OPS; op++) {
        if (op_exists(op))
            names[n++] = OPS[op].name;
    }
    return weir_nearest(copy, names, n);
}
