/* table.c -- the hash table keeps every entry, at any size, in one order: a
 * walk that is interrupted by growth and shrinking meets each key that stays
 * once. */
#include "../../connectors/memory/table.c"
#include "../../connectors/memory/ahead.c"
#include "../check.h"

enum { KEYS = 20000 };

static struct entry *entries[KEYS];
static bool present[KEYS];
static uint8_t met[KEYS];

static uint32_t mix(uint32_t i)
{
    uint64_t state = i;

    return random_next(&state) & (TABLE_END - 1);
}

static struct entry *entry_of(uint32_t i)
{
    struct entry *e =
        entry_new(NULL, (const char *)&i, sizeof i, mix(i), 0, false);

    CHECK(e != NULL);
    return e;
}

static struct entry *find(struct table *t, uint32_t i)
{
    return table_find(t,
                      &(struct table_key){(const char *)&i, sizeof i, mix(i)});
}

static void put(struct table *t, uint32_t i)
{
    if (!present[i])
        table_insert(t, entries[i]);
    present[i] = true;
}

static void drop(struct table *t, uint32_t i)
{
    if (present[i])
        table_remove(t, entries[i]);
    present[i] = false;
}

static void check_all(struct table *t)
{
    uint64_t items = 0;

    for (uint32_t i = 0; i < KEYS; i++) {
        CHECK(find(t, i) == (present[i] ? entries[i] : NULL));
        items += present[i];
    }
    CHECK(t->items == items);
    CHECK(t->size.n * TABLE_LOAD >= items);
    CHECK(t->size.n == TABLE_MIN || t->size.n * TABLE_LOAD / 4 <= items);
    CHECK((t->size.mask & (t->size.mask + 1)) == 0);
    CHECK(t->size.n > t->size.mask / 2 && t->size.n <= t->size.mask + 1);
}

/* A batch loads the entries of a bucket one by one until it has the key's: as
 * many steps as there are entries before it, and none more. */
static void check_prefetch(struct table *t)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        struct entry *e = t->buckets[linear_bucket(t->size, mix(i))];
        struct entry *found = NULL;
        uint32_t step = 0;

        while (table_prefetch_next(t, mix(i), step++, &found))
            CHECK(found == NULL);
        CHECK(found == (present[i] ? entries[i] : NULL));
        for (; step > 1; step--)
            e = entry_chain(e);
        CHECK(present[i] ? e == entries[i]
                         : e == NULL || entry_chain(e) == NULL);
    }
}

/* One step of a walk: the bucket at a position. */
static uint64_t meet(struct table *t, uint64_t position)
{
    uint64_t next, last = 0;

    for (struct entry *e = table_at(t, position, &next); e;
         e = entry_chain(e)) {
        uint32_t i;

        memcpy(&i, entry_key(e), sizeof i);
        met[i]++;
        CHECK(table_position(e) >= position && table_position(e) < next);
        CHECK(table_position(e) >= last);
        last = table_position(e);
    }
    CHECK(next > position && next <= TABLE_END);
    return next;
}

/* Even keys stay through the walk; odd ones come or go in floods. */
static void check_walk(struct table *t, uint64_t *random)
{
    uint64_t position = 0;
    uint32_t flood = 1;

    memset(met, 0, sizeof met);
    while (position < TABLE_END) {
        bool add = random_below(random, 2);

        position = meet(t, position);
        for (int i = 0; i < 50; i++, flood = (flood + 2) % KEYS) {
            if (add)
                put(t, flood);
            else
                drop(t, flood);
        }
    }
    for (uint32_t i = 0; i < KEYS; i += 2)
        CHECK(met[i] == present[i]);
}

static void random_ops(struct table *t, uint64_t *random, uint32_t share)
{
    for (int op = 0; op < 40000; op++) {
        uint32_t i = (uint32_t)random_below(random, KEYS);

        if (random_below(random, 100) < share)
            put(t, i);
        else
            drop(t, i);
    }
    check_all(t);
}

int main(void)
{
    struct table t;
    uint64_t random;

    check_seed = random = 20260701;
    CHECK(table_init(&t, KEYS * 2) == 0);
    for (uint32_t i = 0; i < KEYS; i++)
        entries[i] = entry_of(i);
    for (int round = 0; round < 8; round++) {
        random_ops(&t, &random, round % 2 ? 5 : 90);
        check_walk(&t, &random);
        check_all(&t);
        check_prefetch(&t);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        drop(&t, i);
        entry_free(NULL, entries[i]);
    }
    CHECK(t.size.n == TABLE_MIN && t.items == 0);
    table_free(&t);
    return 0;
}
