/* look.c -- the rule of when a worker looks before it sleeps, by given times.
 */
#include "../../runtime/look.c"
#include "../check.h"

#define US 1000ull
#define MS 1000000ull

/* How many of n waits begin with a look, none of which finds anything. */
static int looks_of(struct looks *all, struct look *l, int n)
{
    int looked = 0;

    for (int i = 0; i < n; i++) {
        if (!look_pays(all, l, 1))
            continue;
        looked++;
        look_missed(l);
    }
    return looked;
}

static void looks_that_find_nothing_become_rare(void)
{
    struct looks all = {.longest_ns = 50 * US};
    struct look l = {0};

    CHECK(looks_of(&all, &l, 1 + 2 + 4 + 8 + 16 + 32) == 6);
    CHECK(looks_of(&all, &l, 6400) == 100);
    look_found(&l);
    CHECK(look_pays(&all, &l, 1) && look_pays(&all, &l, 1));
    all.longest_ns = 0;
    CHECK(!look_pays(&all, &l, 1));
}

/* Short waits in a row end the rest, and a look that misses begins the whole
 * rest again. */
static void short_waits_make_looks_frequent(void)
{
    struct looks all = {.longest_ns = 50 * US};
    struct look l = {.enough = 3};

    looks_of(&all, &l, 64);
    for (int i = 0; i < 2; i++) {
        CHECK(!look_pays(&all, &l, 1));
        look_slept(&all, &l, 50 * US);
        look_slept(&all, &l, 50 * US);
        look_slept(&all, &l, 51 * US);
        look_slept(&all, &l, 10 * US);
        look_slept(&all, &l, 10 * US);
        CHECK(!look_pays(&all, &l, 1));
        look_slept(&all, &l, 10 * US);
        CHECK(look_pays(&all, &l, 1));
        look_missed(&l);
        CHECK(l.rest == 63);
    }
    look_found(&l);
    CHECK(l.enough == 3 && look_pays(&all, &l, 1));
}

/* The pause after a yield that began then. */
static uint64_t pause_after(struct looks *all, uint64_t then, uint64_t yield)
{
    struct look l = {0};

    CHECK(!looks_yielded(all, then, then + yield));
    CHECK(!look_pays(all, &l, all->paused - 1));
    CHECK(look_pays(all, &l, all->paused));
    return all->paused - then - yield;
}

static void long_yields_pause_looks(void)
{
    struct looks all = {.longest_ns = 50 * US};
    uint64_t now = 5000 * MS;

    CHECK(looks_yielded(&all, now, now + 199 * US) && all.paused == 0);
    CHECK(pause_after(&all, now, 250 * US) == 4 * MS);
    /* One after the other: 8, 16, .. 640 ms. */
    for (uint64_t pause = 8 * MS; pause < 640 * MS; pause *= 2)
        CHECK(pause_after(&all, all.paused + US, 250 * US) == pause);
    CHECK(pause_after(&all, all.paused + US, 250 * US) == 640 * MS);
    CHECK(pause_after(&all, all.paused + US, 250 * US) == 640 * MS);
    /* As soon as they become rare, each costs its own pause only. */
    CHECK(pause_after(&all, all.paused + 4 * MS, 250 * US) == 4 * MS);
    CHECK(pause_after(&all, all.paused + 4 * MS, 3 * MS) == 48 * MS);
    CHECK(pause_after(&all, all.paused + 4 * MS, 3600 * 1000 * MS) == 640 * MS);
}

int main(void)
{
    looks_that_find_nothing_become_rare();
    short_waits_make_looks_frequent();
    long_yields_pause_looks();
    return 0;
}
