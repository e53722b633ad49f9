/* pieces.c -- heads of values in pieces: what was put is read, and no damaged
 * head is. A part of a value stays when the whole is dropped, and does not keep
 * it in a store. */
#include <string.h>

#include "../../runtime/codec/codec.h"
#include "../check.h"
#include "connector.h"

enum { ROUNDS = 20000, LARGE = 1 << 20 };

static struct weir_value *head_of(const struct weir_pieces *p)
{
    char head[WEIR_PIECES_HEAD];

    weir_pieces_put(p, head);
    return weir_value_copy(head, sizeof head);
}

static void heads_come_back(void)
{
    struct weir_pieces p = {.length = 1000, .piece = 300}, read;
    struct weir_value *v;

    memcpy(p.salt, "0123456789abcdef", sizeof p.salt);
    v = head_of(&p);
    CHECK(weir_pieces_read(&read, v) == WEIR_CHUNKED_PIECES);
    CHECK(read.length == 1000 && read.piece == 300);
    CHECK(memcmp(read.salt, p.salt, sizeof p.salt) == 0);
    weir_value_unref(v);
}

static int kind_of(uint64_t length, uint64_t piece)
{
    struct weir_pieces p = {.length = length, .piece = piece}, read;
    struct weir_value *v = head_of(&p);
    int kind = weir_pieces_read(&read, v);

    weir_value_unref(v);
    return kind;
}

static void impossible_heads_are_corrupt(void)
{
    CHECK(kind_of(0, 1) == WEIR_CHUNKED_CORRUPT);
    CHECK(kind_of(1, 0) == WEIR_CHUNKED_CORRUPT);
    CHECK(kind_of(WEIR_PIECES_MAX, 1) == WEIR_CHUNKED_PIECES);
    CHECK(kind_of(WEIR_PIECES_MAX + 1, 1) == WEIR_CHUNKED_CORRUPT);
    CHECK(kind_of(UINT64_MAX, UINT64_MAX) == WEIR_CHUNKED_PIECES);
}

static void damaged_heads_are_not_pieces(uint64_t *state)
{
    struct weir_pieces p = {.length = 5000, .piece = 1000}, read;

    for (int i = 0; i < ROUNDS; i++) {
        char head[WEIR_PIECES_HEAD + 8] = {0};
        uint64_t size = WEIR_PIECES_HEAD;
        struct weir_value *v;

        weir_pieces_put(&p, head);
        if (random_below(state, 2) == 0)
            head[random_below(state, size)] ^=
                (char)(1 << random_below(state, 8));
        else if ((size = random_below(state, sizeof head)) == WEIR_PIECES_HEAD)
            continue;
        v = weir_value_copy(head, size);
        CHECK(v != NULL);
        CHECK(weir_pieces_read(&read, v) != WEIR_CHUNKED_PIECES);
        weir_value_unref(v);
    }
}

static void parts_outlive_the_whole(void)
{
    char *data;
    struct weir_value *whole = weir_value_new(LARGE, &data), *part, *small;

    CHECK(whole != NULL);
    memset(data, 'x', LARGE);
    data[100] = 'y';
    part = weir_piece_cut(whole, 50, LARGE - 50);
    weir_value_unref(whole);
    CHECK(part != NULL && part->data == data + 50);
    CHECK(weir_value_alone(part) == part);
    small = weir_piece_cut(part, 50, 1000);
    weir_value_unref(part);
    CHECK(small != NULL && small->data == data + 100 && small->data[0] == 'y');
    small = weir_value_alone(small);
    CHECK(small != NULL && small->data != data + 100);
    CHECK(small->size == 1000 && small->data[0] == 'y');
    weir_value_unref(small);
}

static int released;

static void count_release(void *arg)
{
    free(arg);
    released++;
}

static void memory_keeps_a_piece_alone(void)
{
    void *bytes = calloc(1, LARGE);
    struct weir_value *whole =
        weir_value_wrap(bytes, LARGE, count_release, bytes);
    struct weir_batch *b = weir_batch_new(1);
    struct weir_store *store;
    struct weir_error err;

    CHECK(weir_open(&store, "memory", NULL, 0, &err) == 0);
    CHECK(weir_batch_reset(b, WEIR_SET, 1) == 0);
    b->items[0].key = "k";
    b->items[0].key_len = 1;
    b->items[0].value = weir_piece_cut(whole, LARGE / 2, LARGE / 4);
    CHECK(weir_submit(store, NULL, b) >= 0);
    CHECK(b->items[0].status == WEIR_OK);
    weir_batch_free(b);
    weir_value_unref(whole);
    CHECK(released == 1);
    weir_store_free(store);
}

int main(void)
{
    uint64_t state = check_seed = weir_now();

    heads_come_back();
    impossible_heads_are_corrupt();
    damaged_heads_are_not_pieces(&state);
    parts_outlive_the_whole();
    memory_keeps_a_piece_alone();
    return 0;
}
