/* ahead.c -- memory is ready before it is used, in a large pool and a large
 * table; a small one has no thread; and the thread ends at any time. */
#include "../../connectors/memory/ahead.c"

#include <time.h>

#include "../../connectors/memory/heap.c"
#include "../../connectors/memory/pool.c"
#include "../../connectors/memory/table.c"
#include "../check.h"

enum {
    PIECES = 64, /* of the pool */
    WAIT_MS = 20000,
    PAGES = AHEAD_PIECE / 4096,
    BUCKETS = 2 * AHEAD_PIECE / sizeof(void *),
};

static void nap(void)
{
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}

/* Whether all pages of a piece have memory. */
static bool resident(const char *piece)
{
    unsigned char pages[PAGES];

    CHECK(mincore((void *)(uintptr_t)piece, AHEAD_PIECE, pages) == 0);
    for (int i = 0; i < PAGES; i++) {
        if ((pages[i] & 1) == 0)
            return false;
    }
    return true;
}

static void wait_resident(const char *piece)
{
    for (int ms = 0; !resident(piece); ms++) {
        CHECK(ms < WAIT_MS);
        nap();
    }
}

static uint32_t ready(struct pool *p)
{
    uint32_t n;

    lock_acquire(&p->lock);
    n = p->n_ready;
    lock_release(&p->lock);
    return n;
}

static void wait_ready(struct pool *p, uint32_t n)
{
    for (int ms = 0; ready(p) != n; ms++) {
        CHECK(ms < WAIT_MS);
        nap();
    }
}

static struct pool *pool_of(struct ahead *a, uint64_t most)
{
    struct pool *p = pool_new(PIECES * AHEAD_PIECE);

    CHECK(p != NULL);
    ahead_init(a);
    pool_ahead(p, a, most);
    return p;
}

/* Takes runs until they are of another piece. */
static uint32_t take_piece(struct pool *p)
{
    struct run *run = NULL;

    for (int i = 0; i < RUNS_PIECE; i++) {
        run = pool_take(p, NULL);
        CHECK(run != NULL);
    }
    return (uint32_t)(run - p->runs) / RUNS_PIECE;
}

static void a_small_pool_has_no_thread(void)
{
    struct ahead a;
    struct pool *p = pool_of(&a, PIECES * AHEAD_PIECE);

    for (int i = 0; i < POOL_SMALL - 1; i++)
        take_piece(p);
    CHECK(a.state == AHEAD_IDLE && !resident(p->base));
    ahead_end(&a);
    pool_free(p);
}

static void a_large_pool_has_pieces_ready(void)
{
    struct ahead a;
    struct pool *p = pool_of(&a, (PIECES - 1) * AHEAD_PIECE);
    bool taken[PIECES] = {false};

    for (int i = 0; i < PIECES; i++) {
        uint32_t piece = take_piece(p);

        CHECK(!taken[piece]);
        taken[piece] = true;
        if (i >= POOL_SMALL)
            CHECK(resident(p->base + piece * AHEAD_PIECE) == (i < PIECES - 1));
        if (i >= POOL_SMALL - 1 && i < PIECES - 1 - POOL_AHEAD)
            wait_ready(p, POOL_AHEAD);
    }
    CHECK(pool_take(p, NULL) == NULL);
    ahead_end(&a);
    pool_free(p);
}

static void a_large_table_has_a_piece_ready(void)
{
    struct ahead a;
    struct table t;
    const char *first;

    ahead_init(&a);
    CHECK(table_init(&t, (uint64_t)4 * BUCKETS * TABLE_LOAD) == 0);
    table_ahead(&t, &a);
    first = ahead_align(t.buckets);
    while ((const char *)&t.buckets[t.size.n] < first + AHEAD_PIECE / 2)
        table_grow(&t);
    CHECK(a.state == AHEAD_IDLE);
    for (int piece = 1; piece < 3; piece++) {
        const char *next = first + piece * AHEAD_PIECE;

        while ((const char *)&t.buckets[t.size.n] < next)
            table_grow(&t);
        wait_resident(next);
        CHECK(!resident(next + AHEAD_PIECE));
    }
    ahead_end(&a);
    table_free(&t);
}

static void it_ends_at_any_time(void)
{
    for (int naps = 0; naps < 10; naps++) {
        struct ahead a;
        struct pool *p = pool_of(&a, PIECES * AHEAD_PIECE);

        for (int i = 0; i < POOL_SMALL + naps; i++)
            take_piece(p);
        for (int i = 0; i < naps; i++)
            nap();
        ahead_end(&a);
        pool_free(p);
    }
}

int main(void)
{
    a_small_pool_has_no_thread();
    a_large_pool_has_pieces_ready();
    a_large_table_has_a_piece_ready();
    it_ends_at_any_time();
    return 0;
}
