/* pieces.c -- the heads of values that are stored in pieces. */
#include <endian.h>
#include <string.h>
#include <xxhash.h>

#include "connector.h"
#include "state.h"

/* Where the fields of a head are, behind those of every head. */
enum { PIECE_AT = HEAD, SALT_AT = HEAD + 8, SUM_AT = 40 };

static uint64_t head_sum(const char *head)
{
    return htole64(XXH3_64bits(head, SUM_AT));
}

void weir_pieces_put(const struct weir_pieces *p, char *head)
{
    uint64_t piece = htole64(p->piece), sum;

    head_put(head, WEIR_CODEC_PIECES, 0, p->length);
    memcpy(head + PIECE_AT, &piece, sizeof piece);
    memcpy(head + SALT_AT, p->salt, sizeof p->salt);
    sum = head_sum(head);
    memcpy(head + SUM_AT, &sum, sizeof sum);
}

void weir_stored_put(uint64_t length, char *head)
{
    head_put(head, WEIR_CODEC_STORED, 0, length);
}

static uint64_t length_of(const struct weir_value *v)
{
    uint64_t length;

    memcpy(&length, v->data + 8, sizeof length);
    return le64toh(length);
}

static int read_pieces(struct weir_pieces *out, const struct weir_value *v)
{
    uint64_t sum;

    if (v->size != WEIR_PIECES_HEAD)
        return WEIR_CHUNKED_CORRUPT;
    memcpy(&sum, v->data + SUM_AT, sizeof sum);
    if (sum != head_sum(v->data))
        return WEIR_CHUNKED_CORRUPT;
    out->length = length_of(v);
    memcpy(&out->piece, v->data + PIECE_AT, sizeof out->piece);
    out->piece = le64toh(out->piece);
    memcpy(out->salt, v->data + SALT_AT, sizeof out->salt);
    if (out->length == 0 || out->piece == 0 ||
        (out->length - 1) / out->piece >= WEIR_PIECES_MAX)
        return WEIR_CHUNKED_CORRUPT;
    return WEIR_CHUNKED_PIECES;
}

int weir_pieces_read(struct weir_pieces *out, const struct weir_value *v)
{
    if (!head_is(v))
        return head_begins(v) ? WEIR_CHUNKED_CORRUPT : WEIR_CHUNKED_PLAIN;
    switch ((uint8_t)v->data[4]) {
    case WEIR_CODEC_PIECES:
        return read_pieces(out, v);
    case WEIR_CODEC_STORED:
        return length_of(v) == v->size - HEAD ? WEIR_CHUNKED_STORED
                                              : WEIR_CHUNKED_CORRUPT;
    default:
        return WEIR_CHUNKED_CORRUPT;
    }
}

struct weir_value *weir_piece_cut(struct weir_value *v, uint64_t at,
                                  uint64_t size)
{
    return weir_value_slice(v, at, size);
}
