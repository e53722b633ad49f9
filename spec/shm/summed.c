/* summed.c -- large values are copied into the mapping and summed up in one
 * pass, past the caches in a large mapping: what is read is what was set, and
 * has the checksum that was computed, for sizes around those where the way of
 * copying changes, from any address, whole or in pieces. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "weir.h"

enum {
    MOST = 300000,
    KEYS = 40,
    SETS = 4000,
};

static char source[MOST + 64], expected[KEYS][MOST];
static uint64_t sizes[KEYS];
static char key[300];

static struct weir_store *open_mapping(const char *capacity)
{
    struct weir_store *s = NULL;
    struct weir_error err;
    char url[160];

    snprintf(url, sizeof url,
             "shm://?path=/dev/shm/weir-spec-summed-%d&shards=2&"
             "verify=always&destroy=true&capacity=%s",
             (int)getpid(), capacity);
    if (weir_open(&s, url, NULL, 0, &err) < 0)
        fprintf(stderr, "%s\n", err.message);
    CHECK(s != NULL);
    return s;
}

/* Keys of many lengths, so that values begin anywhere in a unit. */
static struct weir_item *item_of(struct weir_batch *b, uint32_t op, uint32_t id)
{
    weir_batch_reset(b, op, 1);
    memset(key, (int)('A' + id), sizeof key);
    b->items[0].key = key;
    b->items[0].key_len = 1 + id * 7;
    return &b->items[0];
}

static uint64_t random_size(uint64_t *random)
{
    static const uint64_t NEAR[] = {0,     1024,  32768,       32768 + 4096,
                                    65536, 65600, MOST - 1000, 100000};
    uint64_t near = NEAR[random_below(random, sizeof NEAR / sizeof *NEAR)];

    return near + random_below(random, 2) * random_below(random, 200);
}

static void set(struct weir_store *s, struct weir_batch *b, uint64_t *random)
{
    uint32_t id = (uint32_t)random_below(random, KEYS);
    struct weir_item *item = item_of(b, WEIR_SET, id);
    char *from = source + random_below(random, 64);
    uint64_t size = random_size(random);

    for (uint64_t i = 0; i + 8 <= size; i += 8) {
        uint64_t word = random_next(random);

        memcpy(from + i, &word, sizeof word);
    }
    item->data = from;
    item->size = size;
    weir_submit(s, NULL, b);
    CHECK(item->status == WEIR_OK);
    memcpy(expected[id], from, size);
    sizes[id] = size;
}

/* Returns whether there was a value. Others may have been evicted. */
static bool get(struct weir_store *s, struct weir_batch *b, uint32_t id)
{
    struct weir_item *item = item_of(b, WEIR_GET, id);

    weir_submit(s, NULL, b);
    if (item->status == WEIR_MISS)
        return false;
    CHECK(item->status == WEIR_OK && item->size == sizes[id]);
    CHECK(memcmp(item->value->data, expected[id], sizes[id]) == 0);
    return true;
}

static void run(const char *capacity, uint64_t *random)
{
    struct weir_store *s = open_mapping(capacity);
    struct weir_batch *b = weir_batch_new(1);
    uint64_t read = 0;

    for (int i = 0; i < SETS; i++) {
        set(s, b, random);
        read += get(s, b, (uint32_t)random_below(random, KEYS));
    }
    CHECK(read > SETS / 8);
    weir_batch_free(b);
    weir_store_free(s);
}

/* In the small mapping there is room for some of the values only, and many are
 * in pieces. */
int main(void)
{
    uint64_t random = check_seed = 11;

    run("3MiB", &random);
    run("64MiB", &random);
    return 0;
}
