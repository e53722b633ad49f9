/* log.h -- the log: an endless row of bytes, kept in pieces.
 *
 * A piece is as long as what fits into one page of LMDB's file, and its key is
 * its number. So a value takes the pages that its bytes fill, whatever its size
 * is, and no run of free pages is ever needed. Functions return 0 or a code of
 * LMDB: positive errnos and MDB_ codes. */
#ifndef LMDB_LOG_H
#define LMDB_LOG_H

#include <lmdb.h>
#include <stddef.h>
#include <stdint.h>

/* The log as one transaction sees it. */
struct log {
    MDB_cursor *cursor;
    uint32_t piece;    /* length of a piece */
    uint64_t at;       /* number of the piece at bytes; LOG_NONE */
    const char *bytes; /* valid until the transaction writes or ends */
    size_t have;
    const char *open; /* the piece being filled, which is not in LMDB yet */
    uint64_t open_at; /* its number; LOG_NONE: there is none */
    size_t open_have;
};

#define LOG_NONE UINT64_MAX

/* log_view points at the bytes from a position to the end of their piece. The
 * piece's end is the log's end or the next piece's beginning. */
int log_view(struct log *l, uint64_t pos, const char **bytes, size_t *n);

/* log_read copies bytes from a position on. */
int log_read(struct log *l, uint64_t pos, void *to, size_t n);

/* log_compare sets *equal to whether those bytes are at a position. */
int log_compare(struct log *l, uint64_t pos, const void *with, size_t n,
                int *equal);

#endif
