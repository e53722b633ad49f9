/* lending.c -- promise 4: keys are copied, values counted, lent memory is not
 * touched after it was taken back. */
#include <pthread.h>

#include "harness.h"

static struct script script;

static void keys_are_copied(struct weir_store *store, struct weir_cq *cq)
{
    struct weir_batch *b = weir_batch_new(1);
    char key[4] = "abcd";

    CHECK(weir_batch_reset(b, WEIR_GET, 1) == 0);
    b->items[0].key = key;
    b->items[0].key_len = 4;
    script.hold = true;
    CHECK(weir_submit(store, cq, b) == 0);
    memset(key, 'x', sizeof key);
    script.hold = false;
    CHECK(next_done(cq) == b);
    CHECK(memcmp(b->items[0].value->data, "abcdabcd", 8) == 0);
    weir_batch_free(b);
}

/* A batch that is submitted again without a reset has keys that are the copies
 * of the last time, among others that are new. */
static void keys_may_be_copies_of_the_last_time(struct weir_store *store,
                                                struct weir_cq *cq)
{
    static const char *const NEW[] = {"wx", "uvwxyzuvwxyz"};
    struct weir_batch *b = keyed_batch(WEIR_GET, 3, "k");

    for (size_t i = 0; i <= 2; i++) {
        CHECK(weir_submit(store, cq, b) == 0);
        CHECK(next_done(cq) == b && count_status(b, WEIR_OK) == 3);
        CHECK(memcmp(b->items[1].value->data, "k1k1", 4) == 0);
        CHECK(memcmp(b->items[2].value->data, "k2k2", 4) == 0);
        for (int k = 0; k < 3; k++) {
            weir_value_unref(b->items[k].value);
            b->items[k].value = NULL;
        }
        if (i < 2) {
            b->items[0].key = NEW[i];
            b->items[0].key_len = (uint32_t)strlen(NEW[i]);
        }
    }
    b->items[0].key = "x"; /* room enough, in another order */
    b->items[0].key_len = 1;
    b->items[2].key = b->items[1].key;
    b->items[1].key = "1234567890123"; /* goes over where the third key is */
    b->items[1].key_len = 13;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(next_done(cq) == b);
    CHECK(memcmp(b->items[2].value->data, "k1k1", 4) == 0);
    weir_batch_free(b);
}

static void taken_values_are_no_more_the_batchs(struct weir_store *store,
                                                struct weir_cq *cq)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, 3, "k");
    static const uint32_t SLOTS[] = {2, 1, 3};
    struct weir_value *values[3];

    script.answer = ANSWER_WELL;
    CHECK(weir_submit(store, cq, b) == 0 && next_done(cq) == b);
    CHECK(weir_batch_take(b, values, SLOTS) == 3 && b->n == 0);
    CHECK(weir_batch_reset(b, WEIR_GET, 3) == 0);
    weir_batch_free(b);
    for (int i = 0; i < 3; i++) {
        char key[3] = {'k', (char)('0' + SLOTS[i] - 1), '\0'};

        CHECK(memcmp(values[i]->data, key, 2) == 0);
        weir_value_unref(values[i]);
    }
}

static void the_rest_of_a_batch_is_what_is_not_ok(void)
{
    static const uint8_t STATUSES[] = {WEIR_MISS, WEIR_OK, WEIR_REJECTED};
    struct weir_batch *b = keyed_batch(WEIR_TOUCH, 3, "k");
    struct weir_batch *to = keyed_batch(WEIR_SET, 3, "other");

    for (int i = 0; i < 3; i++) {
        b->items[i].status = STATUSES[i];
        b->items[i].size = (uint64_t)i + 5;
    }
    CHECK(weir_batch_rest(b, to) == 2 && to->n == 2 && to->op == WEIR_SET);
    CHECK(to->items[0].key == b->items[0].key && to->items[0].size == 5);
    CHECK(to->items[1].key == b->items[2].key && to->items[1].size == 7);
    b->items[0].status = b->items[2].status = WEIR_OK;
    CHECK(weir_batch_rest(b, to) == 0 && to->n == 0);
    weir_batch_free(b);
    weir_batch_free(to);
}

static void an_abandoned_buffer_stays_as_it_was(struct weir_store *store,
                                                struct weir_cq *cq)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, 1, "k");
    char buffer[64];

    memset(buffer, '#', sizeof buffer);
    b->items[0].data = buffer;
    b->items[0].cap = sizeof buffer;
    script.hold = true;
    script.calls = 0;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    weir_batch_abandon(b);
    script.hold = false;
    CHECK(next_done(cq) == b);
    for (size_t i = 0; i < sizeof buffer; i++)
        CHECK(buffer[i] == '#');
    CHECK(b->items[0].status == WEIR_SKIPPED);
    weir_batch_free(b);
}

static void a_buffer_is_written_or_too_small(struct weir_store *store,
                                             struct weir_cq *cq)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, 2, "k");
    char buffer[64] = {0}, small[8] = "#######";

    b->items[0].data = buffer;
    b->items[0].cap = sizeof buffer;
    b->items[1].data = small;
    b->items[1].cap = sizeof small;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(next_done(cq) == b);
    CHECK(b->items[0].status == WEIR_OK && b->items[0].size == 32);
    CHECK(memcmp(buffer, "k0k0", 4) == 0 && buffer[32] == 0);
    CHECK(b->items[1].status == WEIR_TOOBIG && b->items[1].size == 32);
    CHECK(strcmp(small, "#######") == 0);
    weir_batch_free(b);
}

static _Atomic int released;

static void count_release(void *arg)
{
    (void)arg;
    atomic_fetch_add(&released, 1);
}

static struct weir_batch *batch_with_value(void)
{
    struct weir_batch *b = keyed_batch(WEIR_SET, 1, "k");

    b->items[0].value = weir_value_wrap("bytes", 5, count_release, NULL);
    return b;
}

static void a_batch_lets_go_of_its_values(void)
{
    struct weir_batch *b = batch_with_value();

    CHECK(weir_batch_reset(b, WEIR_SET, 1) == 0 && released == 1);
    weir_batch_free(b);
    weir_batch_free(batch_with_value());
    CHECK(released == 2);
    released = 0;
}

static void *ref_and_unref(void *value)
{
    for (int i = 0; i < 100000; i++)
        weir_value_unref(weir_value_ref(value));
    weir_value_unref(value);
    return NULL;
}

static void a_value_is_released_once(void)
{
    struct weir_value *v = weir_value_wrap("bytes", 5, count_release, NULL);
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, ref_and_unref,
                             weir_value_ref(v)) == 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK(released == 0);
    weir_value_unref(v);
    CHECK(released == 1);
}

/* Hosts abandon while workers write: under ThreadSanitizer the gate holds. */
static void abandoning_races_with_answers(struct weir_store *store,
                                          struct weir_cq *cq)
{
    for (int i = 0; i < 2000; i++) {
        struct weir_batch *b = keyed_batch(WEIR_GET, 1, "k");
        char *buffer = malloc(64);

        b->items[0].data = buffer;
        b->items[0].cap = 64;
        CHECK(weir_submit(store, cq, b) == 0);
        if (i % 2)
            sched_yield();
        weir_batch_abandon(b);
        memset(buffer, 'x', 64);
        free(buffer);
        CHECK(next_done(cq) == b);
        weir_batch_free(b);
    }
}

int main(void)
{
    struct weir_store *store;
    struct weir_cq *cq = new_cq();

    deadline_s(200);
    store = open_scripted(&script, "workers=1", NULL);
    keys_are_copied(store, cq);
    keys_may_be_copies_of_the_last_time(store, cq);
    taken_values_are_no_more_the_batchs(store, cq);
    the_rest_of_a_batch_is_what_is_not_ok();
    an_abandoned_buffer_stays_as_it_was(store, cq);
    a_buffer_is_written_or_too_small(store, cq);
    a_batch_lets_go_of_its_values();
    a_value_is_released_once();
    abandoning_races_with_answers(store, cq);
    weir_store_free(store);
    weir_cq_free(cq);
    return 0;
}
