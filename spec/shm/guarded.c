/* guarded.c -- the protocol of guard.h, in every order of its steps: writes,
 * deletes and refills by different processes, each of which may die after any
 * step, while a write below may still be applied after its writer's death. A
 * reader that looks after every step never sees an older value after a newer
 * one, and in the end the copy is what the authority has. The same without
 * tickets shows that the search finds faults. */
#include "mapping.h"

#include "../../runtime/store.h"

enum {
    ACTORS = 3,
    STEPS = 4,
    VALUES = 8, /* of the authority in one run; 0 = none */
};

enum kind { NOBODY, WRITE, DELETE, REFILL };

/* What one process does in a run. */
struct actor {
    enum kind kind;
    int value;   /* that it writes */
    int dies_at; /* after so many steps; 0 = never */
    bool late;   /* its write is applied below after its death */

    int step;
    bool dead, done;
    int read;
    struct weir_guard_key guard;
};

static struct weir_store *stores[ACTORS + 1]; /* the last one only looks */
static uint64_t key;                          /* of this run */
static int below;                             /* the value of the authority */
static int ages[VALUES];
static int changes;
static bool with_tickets; /* else copies are stored in any case */
static unsigned long runs, faults, copies;

static struct weir_store *store_open(void)
{
    const struct weir_setting settings[] = {{"path", mapping_path},
                                            {"capacity", "1MiB"}};
    struct weir_store *s = NULL;
    struct weir_error err;

    if (weir_open(&s, "shm", settings, 2, &err) < 0)
        fprintf(stderr, "%s\n", err.message);
    CHECK(s != NULL);
    return s;
}

/* As kill -9: the kernel drops the seat, and nothing else happens. */
static void store_die(struct weir_store *s)
{
    struct shm *m = s->state;

    close(m->map.seats.fd);
    m->map.seats.fd = -1;
}

/* ---- the copy and the authority ---- */

static int copy_read(struct weir_store *s)
{
    struct weir_batch *b = weir_batch_new(1);
    int value = -1;

    weir_batch_reset(b, WEIR_GET, 1);
    b->items[0].key = (const char *)&key;
    b->items[0].key_len = sizeof key;
    CHECK(weir_submit(s, NULL, b) == 1);
    if (b->items[0].status == WEIR_OK)
        memcpy(&value, b->items[0].value->data, sizeof value);
    weir_batch_free(b);
    return value;
}

static void copy_set(struct weir_store *s, int value, uint64_t ticket)
{
    struct weir_batch *b = weir_batch_new(1);

    weir_batch_reset(b, WEIR_SET, 1);
    b->items[0].key = (const char *)&key;
    b->items[0].key_len = sizeof key;
    b->items[0].data = (char *)&value;
    b->items[0].size = sizeof value;
    b->items[0].flags = with_tickets ? WEIR_ITEM_TICKET : 0;
    b->items[0].cursor = ticket;
    CHECK(weir_submit(s, NULL, b) == 1);
    CHECK(b->items[0].status == WEIR_OK || b->items[0].status == WEIR_SKIPPED);
    copies += b->items[0].status == WEIR_OK;
    weir_batch_free(b);
}

static void below_set(int value)
{
    below = value;
    ages[value] = ++changes;
}

static void guard(struct weir_store *s, uint32_t verb, struct actor *a)
{
    a->guard.key = (const char *)&key;
    a->guard.key_len = sizeof key;
    CHECK(weir_guard(s, verb, &a->guard, 1) == 0);
}

/* ---- steps ---- */

static void write_step(struct weir_store *s, struct actor *a)
{
    int value = a->kind == WRITE ? a->value : 0;

    if (a->step == 1)
        guard(s, WEIR_GUARD_BEGIN, a);
    else if (a->step == 2)
        below_set(value);
    else if (a->step == 3 && a->kind == WRITE)
        copy_set(s, value, a->guard.ticket);
    else if (a->step == 4)
        guard(s, WEIR_GUARD_END, a);
    a->done = a->step == 4;
}

static void refill_step(struct weir_store *s, struct actor *a)
{
    if (a->step == 1)
        a->done = copy_read(s) > 0;
    else if (a->step == 2)
        guard(s, WEIR_GUARD_LOOK, a);
    else if (a->step == 3)
        a->read = below;
    else if (a->step == 4 && a->read > 0)
        copy_set(s, a->read, a->guard.ticket);
    a->done = a->done || a->step == 4;
}

static void actor_step(int i, struct actor *a)
{
    if (a->dead) { /* what it sent reaches the authority */
        below_set(a->kind == WRITE ? a->value : 0);
        a->done = true;
        return;
    }
    a->step++;
    if (a->kind == REFILL)
        refill_step(stores[i], a);
    else
        write_step(stores[i], a);
    if (a->done || a->step != a->dies_at)
        return;
    store_die(stores[i]);
    a->dead = true;
    a->done = !(a->late && a->step == 1 && a->kind != REFILL);
}

/* ---- runs ---- */

/* What any reader gets now: it must not be older than what one got before. */
static void look(int *newest)
{
    int value = copy_read(stores[ACTORS]);

    if (value < 0)
        value = below;
    if (ages[value] < *newest)
        faults++;
    *newest = ages[value];
}

static void run_end(struct actor *actors)
{
    struct actor last = {.kind = REFILL};
    int copy = copy_read(stores[ACTORS]);

    faults += copy >= 0 && copy != below;
    guard(stores[ACTORS], WEIR_GUARD_LOOK, &last); /* finds the dead */
    weir_set_now(weir_now() + UINT64_C(1000000) * (GUARD_LINGER_MS + 1));
    while (!last.done) {
        last.step++;
        refill_step(stores[ACTORS], &last);
    }
    copy = copy_read(stores[ACTORS]);
    faults += copy != (below > 0 ? below : -1);
    for (int i = 0; i < ACTORS; i++) {
        if (!actors[i].dead)
            continue;
        weir_store_free(stores[i]);
        stores[i] = store_open();
    }
    weir_set_now(weir_now() + UINT64_C(1000000) * (GUARD_LINGER_MS + 1));
}

/* Does the run in which `order` says who goes next. False: it was the last of
 * its kind. order: a digit a turn, which counts up like a number. */
static bool run(const struct actor *cast, uint8_t *order, int n)
{
    struct actor actors[ACTORS], first = {.kind = REFILL};
    int newest = 0, turn = 0, choices[ACTORS * STEPS] = {0};

    memcpy(actors, cast, sizeof actors);
    memset(ages, 0, sizeof ages);
    changes = 0;
    key++;
    below_set(1);
    guard(stores[ACTORS], WEIR_GUARD_LOOK, &first);
    copy_set(stores[ACTORS], 1, first.guard.ticket);
    look(&newest);
    for (; turn < n; turn++) {
        int ready[ACTORS], r = 0;

        for (int i = 0; i < ACTORS; i++)
            if (actors[i].kind != NOBODY && !actors[i].done)
                ready[r++] = i;
        if (r == 0)
            break;
        choices[turn] = r;
        actor_step(ready[order[turn]], &actors[ready[order[turn]]]);
        look(&newest);
    }
    run_end(actors);
    runs++;
    while (turn-- > 0) {
        if (++order[turn] < choices[turn])
            return true;
        order[turn] = 0;
    }
    return false;
}

static void all_orders(const struct actor *cast)
{
    uint8_t order[ACTORS * STEPS] = {0};

    while (run(cast, order, ACTORS * STEPS))
        ;
}

/* All orders, and all deaths of the first actor. */
static void all_deaths(const struct actor *cast)
{
    struct actor actors[ACTORS];

    memcpy(actors, cast, sizeof actors);
    for (int at = 0; at < STEPS; at++) {
        for (int late = 0; late <= (at == 1); late++) {
            actors[0].dies_at = at;
            actors[0].late = late;
            all_orders(actors);
        }
    }
}

static const struct actor CASTS[][ACTORS] = {
    {{.kind = WRITE, .value = 2}, {.kind = REFILL}},
    {{.kind = DELETE}, {.kind = REFILL}},
    {{.kind = WRITE, .value = 2}, {.kind = WRITE, .value = 3}},
    {{.kind = WRITE, .value = 2}, {.kind = DELETE}},
    {{.kind = DELETE}, {.kind = WRITE, .value = 2}},
    {{.kind = REFILL}, {.kind = WRITE, .value = 2}},
};

/* With three actors there are many orders: each kind of death once. */
static const struct actor CROWDS[][ACTORS] = {
    {{.kind = WRITE, .value = 2}, {.kind = REFILL}, {.kind = REFILL}},
    {{.kind = WRITE, .value = 2},
     {.kind = WRITE, .value = 3},
     {.kind = REFILL}},
    {{.kind = WRITE, .value = 2, .dies_at = 2},
     {.kind = WRITE, .value = 3},
     {.kind = REFILL}},
    {{.kind = WRITE, .value = 2, .dies_at = 1, .late = true},
     {.kind = DELETE},
     {.kind = REFILL}},
};

static void search(bool tickets)
{
    with_tickets = tickets;
    runs = faults = copies = 0;
    for (size_t i = 0; i < sizeof CASTS / sizeof *CASTS; i++)
        all_deaths(CASTS[i]);
    for (size_t i = 0; tickets && i < sizeof CROWDS / sizeof *CROWDS; i++)
        all_orders(CROWDS[i]);
    printf("%lu orders %s tickets: %lu copies, %lu faults\n", runs,
           tickets ? "with" : "without", copies, faults);
}

int main(void)
{
    alarm(200);
    mapping_name();
    unlink(mapping_path);
    weir_set_now(UINT64_C(1000000000) * 1000);
    for (int i = 0; i <= ACTORS; i++)
        stores[i] = store_open();
    search(true);
    CHECK(faults == 0 && runs > 1000 && copies > runs);
    search(false);
    CHECK(faults > 100);
    for (int i = 0; i <= ACTORS; i++)
        weir_store_free(stores[i]);
    return 0;
}
