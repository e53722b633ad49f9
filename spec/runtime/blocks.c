/* blocks.c -- large values find the memory of those before them: no page faults
 * of their own, no growth, whatever the order of sizes and threads. */
#include <pthread.h>
#include <sys/resource.h>

#include "connector.h"
#include "harness.h"

enum { ROUNDS = SANITIZED ? 150 : 400, FLYING = 8, THREADS = 3 };

static long faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

static struct weir_value *filled(uint64_t size, char byte)
{
    char *data;
    struct weir_value *v = weir_value_new(size, &data);

    CHECK(v != NULL && v->data == data && v->size == size);
    memset(data, byte, size);
    return v;
}

static void one_size_faults_once(uint64_t size)
{
    struct weir_value *flying[FLYING] = {NULL};
    long before = 0;

    for (int i = 0; i < ROUNDS; i++) {
        if (i == FLYING)
            before = faults();
        weir_value_unref(flying[i % FLYING]);
        flying[i % FLYING] = filled(size, 'x');
    }
    /* Each round touches size / 4 KiB pages: 32 at the least. */
    CHECK(faults() - before < ROUNDS);
    for (int i = 0; i < FLYING; i++)
        weir_value_unref(flying[i]);
}

/* A value takes its own pages, and what an earlier one of its block touched. */
static void a_value_counts_what_is_touched(void)
{
    enum { ONE = 1 << 20, MORE = ONE + (ONE >> 4), PAGE = 4096 };
    struct weir_value *v = filled(ONE, 'x');
    uint64_t alone = weir_value_footprint(v);

    CHECK(alone > ONE && alone <= ONE + 2 * PAGE);
    weir_value_unref(v);
    v = filled(MORE, 'x'); /* the same block, and more of it */
    CHECK(weir_value_footprint(v) > MORE);
    weir_value_unref(v);
    v = filled(ONE, 'x');
    CHECK(weir_value_footprint(v) > MORE);
    CHECK(weir_value_footprint(v) <= MORE + 2 * PAGE);
    weir_value_unref(v);
}

static void *mix(void *arg)
{
    uint64_t seed = (uintptr_t)arg;
    struct weir_value *flying[FLYING] = {NULL};

    for (int i = 0; i < ROUNDS; i++) {
        uint32_t at = (uint32_t)random_below(&seed, FLYING);
        struct weir_value *old = flying[at];
        uint64_t size = 1 + random_below(&seed, 3 << 20);

        if (old != NULL)
            CHECK(old->data[0] == old->data[old->size - 1]);
        weir_value_unref(old);
        flying[at] = filled(size, (char)i);
    }
    for (int i = 0; i < FLYING; i++)
        weir_value_unref(flying[i]);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    struct rusage usage;

    deadline_s(200);
    if (!SANITIZED) {
        a_value_counts_what_is_touched();
        one_size_faults_once(128 << 10);
        one_size_faults_once(1 << 20);
        one_size_faults_once((4 << 20) + 1);
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, mix, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    getrusage(RUSAGE_SELF, &usage);
    /* 3 x 8 values of 3 MiB at the most, and 64 MiB that wait. */
    CHECK(SANITIZED || usage.ru_maxrss < (72 + 64 + 24) << 10);
    return 0;
}
