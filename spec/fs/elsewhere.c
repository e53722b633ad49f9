/* elsewhere.c -- files that others remove or replace are not counted as they
 * were: a miss or a get that finds it corrects the count, and two stores that
 * evict from one folder come to count what is there. */

#include "harness.h"

enum { KEYS = 40, SIZE = 10000, COUNTED = 12288 };

static const char value[SIZE];

static void key_of(char *key, int i)
{
    snprintf(key, 16, "key-%d", i);
}

static void set_all(struct client *c, int from, int to)
{
    char key[16];

    for (int i = from; i < to; i++) {
        key_of(key, i);
        CHECK(client_set(c, key, value, SIZE) == WEIR_OK);
    }
}

/* Returns how many are there. */
static unsigned do_all(struct client *c, int op, int from, int to)
{
    unsigned there = 0;
    char key[16];

    for (int i = from; i < to; i++) {
        key_of(key, i);
        there += client_do(c, op, key) == WEIR_OK;
        CHECK(c->item->status == WEIR_OK || c->item->status == WEIR_MISS);
    }
    return there;
}

static void expect_counted(struct client *c, unsigned items)
{
    CHECK(gauge(c->store, "items") == items);
    CHECK(gauge(c->store, "bytes") == (uint64_t)items * COUNTED);
}

/* Whatever op it is that finds one missing. */
static void misses(void)
{
    static const int ops[] = {WEIR_GET, WEIR_EXISTS, WEIR_STAT, WEIR_TOUCH,
                              WEIR_DELETE};
    struct client c = open_fs(folder_sub("a"), "capacity=1MiB", NULL);
    struct client other = open_fs(folder_sub("a"), NULL);

    for (int i = 0; i < 5; i++) {
        set_all(&c, 0, KEYS);
        CHECK(do_all(&c, WEIR_GET, 0, KEYS) == KEYS);
        CHECK(do_all(&other, WEIR_DELETE, 0, KEYS / 2) == KEYS / 2);
        expect_counted(&c, KEYS);
        CHECK(do_all(&c, ops[i], 0, KEYS / 2) == 0);
        expect_counted(&c, KEYS / 2);
    }
    CHECK(gauge(c.store, "evictions") == 0);
    close_fs(&other);
    close_fs(&c);
}

static void replaced_by_another_size(void)
{
    struct client c = open_fs(folder_sub("b"), "capacity=1MiB", NULL);
    struct client other = open_fs(folder_sub("b"), NULL);
    static char large[100000];

    set_all(&c, 0, 1);
    CHECK(client_set(&other, "key-0", large, sizeof large) == WEIR_OK);
    CHECK(client_is(&c, "key-0", large, sizeof large));
    CHECK(gauge(c.store, "bytes") == 25 * 4096);
    CHECK(client_set(&other, "key-0", "v", 1) == WEIR_OK);
    CHECK(client_is(&c, "key-0", "v", 1));
    CHECK(gauge(c.store, "bytes") == 4096);
    close_fs(&other);
    close_fs(&c);
}

/* A get corrects the count, also after an exists has seen the new file. */
static void replaced_and_known(void)
{
    struct client c = open_fs(folder_sub("d"), "capacity=1MiB", NULL);
    struct client other = open_fs(folder_sub("d"), NULL);
    static char large[100000];

    set_all(&c, 0, 1);
    /* Until its directory is watched, which takes a few lookups. */
    CHECK(do_all(&c, WEIR_GET, 0, KEYS) == 1);
    for (int i = 0; i < 20; i++)
        CHECK(do_all(&c, WEIR_GET, 0, 1) == 1);
    CHECK(client_set(&other, "key-0", large, sizeof large) == WEIR_OK);
    for (int i = 0; i < 20; i++)
        CHECK(do_all(&c, WEIR_EXISTS, 0, 1) == 1);
    CHECK(client_is(&c, "key-0", large, sizeof large));
    CHECK(gauge(c.store, "bytes") == 25 * 4096);
    CHECK(client_set(&other, "key-0", "v", 1) == WEIR_OK);
    for (int i = 0; i < 20; i++)
        CHECK(do_all(&c, WEIR_EXISTS, 0, 1) == 1);
    CHECK(client_is(&c, "key-0", "v", 1));
    CHECK(gauge(c.store, "bytes") == 4096);
    close_fs(&other);
    close_fs(&c);
}

/* Each evicts what the other has written and counts, too. */
static void two_that_evict(void)
{
    static const char capacity[] = "capacity=300KiB";
    struct client a, b = open_fs(folder_sub("c"), NULL);
    unsigned there;

    set_all(&b, 0, KEYS / 2);
    close_fs(&b);
    a = open_fs(folder_sub("c"), capacity, NULL);
    b = open_fs(folder_sub("c"), capacity, NULL);
    recovered(a.store);
    recovered(b.store);
    expect_counted(&b, KEYS / 2);
    for (int round = 0; round < 5; round++) {
        set_all(&a, round * KEYS + KEYS, round * KEYS + 2 * KEYS);
        there = do_all(&b, WEIR_GET, 0, KEYS / 2);
        expect_counted(&b, there);
    }
    CHECK(there == 0);
    set_all(&b, 0, KEYS / 2);
    CHECK(do_all(&b, WEIR_GET, 0, KEYS / 2) == KEYS / 2);
    CHECK(gauge(b.store, "evictions") == 0);
    close_fs(&a);
    close_fs(&b);
}

int main(void)
{
    folder_make();
    misses();
    replaced_by_another_size();
    replaced_and_known();
    two_that_evict();
    return 0;
}
