/* watching.c -- events of a store come to every host that watches it: in order,
 * bounded, none forgotten, whoever frees what first. */
#include <pthread.h>
#include <stdatomic.h>

#include "harness.h"

enum { TAG = 4711, BOUND = 16384 };

static struct weir_store *store;

static struct weir_store *open_fault(const char *option, ...)
{
    struct weir_setting settings[8] = {{"backoff", "5ms"}};
    struct weir_store *s;
    va_list args;

    va_start(args, option);
    if (*option != '\0')
        settings[1] = (struct weir_setting){option, "true"};
    s = open_words("fault", settings, *option != '\0' ? 2 : 1, args);
    va_end(args);
    return s;
}

static void tell(const char *words)
{
    struct weir_value *answer = NULL;
    struct weir_error err;

    if (weir_ask(store, words, 0, &answer, &err) < 0) {
        fprintf(stderr, "%s: %s\n", words, err.message);
        exit(1);
    }
    weir_value_unref(answer);
}

static void tell_change(int number)
{
    char words[32];

    snprintf(words, sizeof words, "changed %d", number);
    tell(words);
}

static struct weir_watch *new_watch(struct weir_cq *cq)
{
    struct weir_watch *w;
    struct weir_error err;

    CHECK(weir_watch_new(&w, store, cq, TAG, &err) == 0);
    return w;
}

/* Returns the next event, after the batch that announces it if it must. */
static struct weir_event next_event(struct weir_cq *cq, struct weir_watch *w)
{
    struct weir_event e;

    while (weir_watch_read(w, &e, 1) == 0) {
        const struct weir_batch *b = next_done(cq);

        CHECK(b->tag == TAG && b->n == 0);
    }
    return e;
}

static void expect(struct weir_cq *cq, struct weir_watch *w, uint32_t kind)
{
    CHECK(next_event(cq, w).kind == kind);
}

static void expect_change(struct weir_cq *cq, struct weir_watch *w, int number)
{
    struct weir_event e = next_event(cq, w);
    char key[16];
    int len = snprintf(key, sizeof key, "%d", number);

    CHECK(e.kind == WEIR_EVENT_CHANGED && e.key_len == (uint32_t)len);
    CHECK(memcmp(e.key, key, e.key_len) == 0);
}

static void a_watch_begins_without_sight(void)
{
    struct weir_cq *cq = new_cq();
    struct weir_watch *w = new_watch(cq);
    struct weir_watch *second;

    expect(cq, w, WEIR_EVENT_REGAINED);
    CHECK(weir_store_sees(store, NULL) == 1);
    second = new_watch(cq);
    expect(cq, second, WEIR_EVENT_REGAINED);
    tell_change(1);
    expect_change(cq, w, 1);
    expect_change(cq, second, 1);
    weir_watch_free(second);
    tell_change(2);
    expect_change(cq, w, 2);
    weir_watch_free(w);
    weir_cq_free(cq);
}

static void many_events_need_one_batch(void)
{
    struct weir_cq *cq = new_cq();
    struct weir_watch *w = new_watch(cq);
    struct weir_batch *b;

    expect(cq, w, WEIR_EVENT_REGAINED);
    CHECK(weir_cq_drain(cq, &b, 1) <= 1);
    for (int i = 0; i < 100; i++)
        tell_change(i);
    for (int i = 0; i < 100; i++)
        expect_change(cq, w, i);
    CHECK(weir_cq_pending(cq) <= 1);
    weir_watch_free(w);
    weir_cq_free(cq);
}

/* The host does not read: the changes over the bound become a loss of sight. */
static void too_many_changes_lose_sight(void)
{
    struct weir_cq *cq = new_cq();
    struct weir_watch *w = new_watch(cq);
    struct weir_watch *other = new_watch(cq);

    expect(cq, w, WEIR_EVENT_REGAINED);
    expect(cq, other, WEIR_EVENT_REGAINED);
    for (int i = 0; i <= BOUND; i++) {
        tell_change(i);
        if (i % 64 == 0)
            expect_change(cq, other, i);
        else
            next_event(cq, other);
    }
    tell_change(-1);
    expect_change(cq, other, -1);
    expect(cq, w, WEIR_EVENT_LOST);
    expect(cq, w, WEIR_EVENT_REGAINED);
    expect_change(cq, w, -1);
    weir_watch_free(w);
    weir_watch_free(other);
    weir_cq_free(cq);
}

static void a_loss_drops_what_came_before(void)
{
    struct weir_cq *cq = new_cq();
    struct weir_watch *w = new_watch(cq);
    struct weir_watch *other = new_watch(cq);

    expect(cq, w, WEIR_EVENT_REGAINED);
    expect(cq, other, WEIR_EVENT_REGAINED);
    tell_change(1);
    expect_change(cq, other, 1);
    tell("lost");
    tell_change(2); /* without sight, single changes say nothing */
    tell("regained");
    tell_change(3);
    expect(cq, other, WEIR_EVENT_LOST);
    expect(cq, other, WEIR_EVENT_REGAINED);
    expect_change(cq, other, 3);
    expect(cq, w, WEIR_EVENT_LOST);
    expect(cq, w, WEIR_EVENT_REGAINED);
    expect_change(cq, w, 3);
    weir_watch_free(w);
    weir_watch_free(other);
    weir_cq_free(cq);
}

static void a_watch_that_ends_begins_again(void)
{
    struct weir_cq *cq = new_cq();
    struct weir_watch *w = new_watch(cq);
    struct weir_error err;

    expect(cq, w, WEIR_EVENT_REGAINED);
    for (int round = 0; round < 3; round++) {
        tell("break");
        expect(cq, w, WEIR_EVENT_LOST);
        CHECK(weir_store_sees(store, &err) == 1 ||
              strstr(err.message, "sight lost: injected") != NULL);
        expect(cq, w, WEIR_EVENT_REGAINED);
    }
    tell("lost");
    expect(cq, w, WEIR_EVENT_LOST);
    CHECK(weir_store_sees(store, &err) == 0 && err.code == 0);
    tell("regained");
    expect(cq, w, WEIR_EVENT_REGAINED);
    weir_watch_free(w);
    weir_cq_free(cq);
}

static void says_why_it_cannot(void)
{
    struct weir_store *plain = open_fault("", NULL);
    struct weir_store *null;
    struct weir_cq *cq = new_cq();
    struct weir_error err;
    struct weir_watch *w = (void *)&err; /* as nobody left it */

    CHECK(weir_watch_new(&w, plain, cq, 0, &err) == -ENOTSUP && w == NULL);
    CHECK(strstr(err.message, "set events=true") != NULL);
    CHECK(weir_store_can_watch(store, NULL) == 0);
    CHECK(weir_open(&null, "null", NULL, 0, NULL) == 0);
    CHECK(weir_store_can_watch(null, &err) == -ENOTSUP);
    CHECK(strstr(err.message, "null: cannot tell of changes") != NULL);
    CHECK(weir_store_sees(null, NULL) == 0);
    weir_store_free(null);
    weir_store_free(plain);
    weir_cq_free(cq);
}

/* ---- freed in any order ---- */

static void announce_one(struct weir_cq *cq, struct weir_watch *w)
{
    struct weir_event none;

    expect(cq, w, WEIR_EVENT_REGAINED);
    CHECK(weir_watch_read(w, &none, 1) == 0);
    tell_change(1);
    CHECK(weir_cq_wait(cq, 5ull * SECOND) == 1);
}

static void the_queue_goes_first(void)
{
    struct weir_cq *cq = new_cq();
    struct weir_watch *w = new_watch(cq);

    announce_one(cq, w);
    weir_cq_free(cq);
    tell_change(2);
    weir_watch_free(w);
}

static void the_watch_goes_with_its_batch_in_the_queue(void)
{
    struct weir_cq *cq = new_cq();
    struct weir_watch *w = new_watch(cq);
    struct weir_batch *b;

    announce_one(cq, w);
    weir_watch_free(w);
    CHECK(weir_cq_drain(cq, &b, 1) == 0);
    weir_cq_free(cq);
}

static void the_store_goes_first(void)
{
    struct weir_store *before = store;
    struct weir_cq *cq = new_cq();
    struct weir_watch *w, *late;

    store = open_fault("events", NULL);
    w = new_watch(cq);
    announce_one(cq, w);
    CHECK(weir_close(store, weir_now() + SECOND, WEIR_CLOSE_DRAIN) == 0);
    CHECK(weir_watch_new(&late, store, cq, 0, NULL) == -ESHUTDOWN);
    weir_store_free(store);
    expect(cq, w, WEIR_EVENT_LOST);
    weir_watch_free(w);
    weir_cq_free(cq);
    store = before;
}

/* ---- many threads ---- */

static _Atomic bool over;
static _Atomic uint64_t read_by_all;

/* Reads what is told until it has heard the last number. It misses none, but
 * where it is told that it lost sight. */
static void *reader(void *arg)
{
    int last = *(int *)arg, expected = -1;
    struct weir_cq *cq = new_cq();
    struct weir_watch *w = new_watch(cq);

    expect(cq, w, WEIR_EVENT_REGAINED);
    while (expected <= last) {
        struct weir_event e = next_event(cq, w);
        char key[16] = "";
        int number;

        atomic_fetch_add(&read_by_all, 1);
        if (e.kind != WEIR_EVENT_CHANGED) {
            expected = -1;
            continue;
        }
        memcpy(key, e.key, e.key_len < 15 ? e.key_len : 15);
        number = atoi(key);
        CHECK(expected < 0 || number == expected);
        expected = number + 1;
    }
    weir_watch_free(w);
    weir_cq_free(cq);
    return NULL;
}

/* Watches come and go meanwhile. */
static void *visitor(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        struct weir_cq *cq = new_cq();
        struct weir_watch *w = new_watch(cq);

        next_event(cq, w);
        if (atomic_load(&read_by_all) % 2 == 0)
            weir_cq_free(cq), cq = NULL;
        weir_watch_free(w);
        weir_cq_free(cq);
    }
    return NULL;
}

static void no_event_is_forgotten(void)
{
    int last = 4000;
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, i < 3 ? reader : visitor,
                             &last) == 0);
    nap_ms(20);
    for (int i = 0; i <= last; i++) {
        tell_change(i);
        if (i % 1000 == 500) {
            tell("lost");
            tell("regained");
        }
        if (i == last - 1)
            nap_ms(20);
    }
    /* A reader that began late, or whose last loss of sight dropped the last
     * number, needs it again. */
    for (int i = 0; i < 3; i++) {
        struct timespec until;

        do {
            tell_change(last);
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec++;
        } while (pthread_timedjoin_np(threads[i], NULL, &until) != 0);
    }
    atomic_store(&over, true);
    CHECK(pthread_join(threads[3], NULL) == 0);
}

int main(void)
{
    deadline_s(200);
    store = open_fault("events", NULL);
    says_why_it_cannot();
    a_watch_begins_without_sight();
    many_events_need_one_batch();
    a_loss_drops_what_came_before();
    a_watch_that_ends_begins_again();
    too_many_changes_lose_sight();
    the_queue_goes_first();
    the_watch_goes_with_its_batch_in_the_queue();
    the_store_goes_first();
    no_event_is_forgotten();
    weir_store_free(store);
    return 0;
}
