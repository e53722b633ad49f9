/* log.c -- see log.h. */
#include "log.h"

#include <stdbool.h>
#include <string.h>

static int log_load(struct log *l, uint64_t number)
{
    bool follows = l->at != LOG_NONE && number == l->at + 1;
    MDB_cursor_op op = follows ? MDB_NEXT : MDB_SET;
    MDB_val key = {sizeof number, &number}, data;
    uint64_t found = number;
    int rc = mdb_cursor_get(l->cursor, &key, &data, op);

    l->at = LOG_NONE;
    if (rc == MDB_NOTFOUND)
        return MDB_CORRUPTED;
    if (rc != 0)
        return rc;
    if (follows && key.mv_size == sizeof found)
        memcpy(&found, key.mv_data, sizeof found);
    if (found != number || data.mv_size > l->piece)
        return MDB_CORRUPTED;
    l->at = number;
    l->bytes = data.mv_data;
    l->have = data.mv_size;
    return 0;
}

int log_view(struct log *l, uint64_t pos, const char **bytes, size_t *n)
{
    uint64_t number = pos / l->piece;
    size_t from = pos % l->piece;
    int rc = 0;

    if (number == l->open_at) {
        *bytes = l->open + from;
        *n = from < l->open_have ? l->open_have - from : 0;
    } else {
        if (number != l->at)
            rc = log_load(l, number);
        if (rc != 0)
            return rc;
        *bytes = l->bytes + from;
        *n = from < l->have ? l->have - from : 0;
    }
    return *n > 0 ? 0 : MDB_CORRUPTED;
}

int log_read(struct log *l, uint64_t pos, void *to, size_t n)
{
    for (char *at = to; n > 0;) {
        const char *bytes;
        size_t step;
        int rc = log_view(l, pos, &bytes, &step);

        if (rc != 0)
            return rc;
        step = step < n ? step : n;
        memcpy(at, bytes, step);
        at += step;
        pos += step;
        n -= step;
    }
    return 0;
}

int log_compare(struct log *l, uint64_t pos, const void *with, size_t n,
                int *equal)
{
    *equal = 1;
    for (const char *at = with; n > 0 && *equal;) {
        const char *bytes;
        size_t step;
        int rc = log_view(l, pos, &bytes, &step);

        if (rc != 0)
            return rc;
        step = step < n ? step : n;
        *equal = memcmp(at, bytes, step) == 0;
        at += step;
        pos += step;
        n -= step;
    }
    return 0;
}
