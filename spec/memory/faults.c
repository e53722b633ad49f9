/* faults.c -- a set takes memory in small steps: in every batch, while a store
 * grows, when it is full for the first time, and later. The kernel counts the
 * pages that the caller's thread is the first to touch. */
#include <string.h>
#include <sys/resource.h>

#include "../check.h"
#include "weir.h"

enum {
    BATCH = 64,
    VALUE = 64,
    /* Pages of 4 KiB for a batch. Its entries fill two. Each of the table, the
     * ghosts and what is known of runs may begin one, and a thread that makes
     * memory ready may be late. */
    FAULTS = 16,
};

static long faults(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    return usage.ru_minflt;
}

/* Sets BATCH keys from `first` on. Returns the faults. */
static long set(struct weir_store *s, struct weir_batch *b, uint64_t first)
{
    static const char value[VALUE];
    uint64_t keys[BATCH][2];
    long before;

    CHECK(weir_batch_reset(b, WEIR_SET, BATCH) == 0);
    for (int i = 0; i < BATCH; i++) {
        keys[i][0] = keys[i][1] = first + (uint64_t)i;
        b->items[i].key = (const char *)keys[i];
        b->items[i].key_len = sizeof keys[i];
        b->items[i].data = (char *)(uintptr_t)value;
        b->items[i].size = VALUE;
    }
    before = faults();
    CHECK(weir_submit(s, NULL, b) == 1 && b->errors == 0);
    return faults() - before;
}

static void check(const char *target, uint64_t sets)
{
    struct weir_store *s;
    struct weir_batch *b = weir_batch_new(BATCH);
    struct weir_error err;
    long most = 0, all = 0;

    CHECK(weir_open(&s, target, NULL, 0, &err) == 0);
    set(s, b, 0); /* touches what the thread has not used before, too */
    for (uint64_t i = BATCH; i < sets; i += BATCH) {
        long n = set(s, b, i);

        all += n;
        most = n > most ? n : most;
    }
    printf("%s: %ld faults in a batch at most, %ld in all\n", target, most,
           all);
    CHECK(all > 0);
    CHECK(most <= FAULTS);
    weir_batch_free(b);
    weir_store_free(s);
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    printf("a sanitizer's own memory would be counted\n");
    return 77;
#endif
    check("memory://?capacity=32MiB&shards=1", 400000);
    check("memory://?capacity=32MiB&shards=1&eviction=lru", 300000);
    check("memory://?capacity=512MiB&shards=1", 600000);
    return 0;
}
