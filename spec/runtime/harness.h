/* harness.h -- what the test programs of the runtime share: a check that says
 * where it failed, a scripted store, batches filled with numbered keys. */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "../connectors/scripted.h"
#include "weir.h"

#define MS 1000000u
#define SECOND 1000000000u

/* Whatever hangs is a failure that says so. */
static inline void deadline_s(unsigned seconds)
{
    alarm(seconds);
}

static inline void nap_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

/* How long a test waits for what must happen: long enough for a machine that is
 * busy with other things. */
#define PATIENCE (30ull * SECOND)

/* Waits for a condition on what another thread does; false when that takes too
 * long. */
#define EVENTUALLY(condition)                                                  \
    __extension__({                                                            \
        uint64_t until_ = weir_now() + PATIENCE;                               \
        while (!(condition) && weir_now() < until_)                            \
            nap_ms(1);                                                         \
        (condition);                                                           \
    })

/* The connectors that only specs load lie beside this program's folder. */
static inline void find_doubles(void)
{
    char self[4096], path[4200];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    CHECK(n > 0);
    self[n] = '\0';
    snprintf(path, sizeof path, "%s/../connectors", dirname(self));
    setenv("WEIR_CONNECTORS", path, 1);
}

/* open_words opens a store with n settings and "name=value" words after them,
 * ended by NULL. */
static inline struct weir_store *open_words(const char *target,
                                            struct weir_setting *settings,
                                            size_t n, va_list args)
{
    char words[16][128];
    struct weir_store *store = NULL;
    struct weir_error err;
    const char *option;

    while ((option = va_arg(args, const char *)) != NULL) {
        char *equals;

        snprintf(words[n], sizeof words[n], "%s", option);
        equals = strchr(words[n], '=');
        *equals = '\0';
        settings[n] = (struct weir_setting){words[n], equals + 1};
        n++;
    }
    if (weir_open(&store, target, settings, n, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return store;
}

/* open_scripted opens a store with "name=value" options after the script. */
static inline struct weir_store *open_scripted(struct script *script, ...)
{
    struct weir_setting settings[16];
    struct weir_store *store;
    char address[32];
    va_list args;

    find_doubles();
    snprintf(address, sizeof address, "%llx",
             (unsigned long long)(uintptr_t)script);
    settings[0] = (struct weir_setting){"script", address};
    va_start(args, script);
    store = open_words("scripted", settings, 1, args);
    va_end(args);
    return store;
}

static inline struct weir_cq *new_cq(void)
{
    struct weir_cq *cq;

    CHECK(weir_cq_new(&cq) == 0);
    return cq;
}

/* keyed_batch makes a batch of n items with the keys PREFIX0, PREFIX1, ... */
static inline struct weir_batch *keyed_batch(uint32_t op, uint32_t n,
                                             const char *prefix)
{
    static _Thread_local char keys[16384][16];
    struct weir_batch *b = weir_batch_new(n);

    CHECK(b != NULL && n <= 16384 && weir_batch_reset(b, op, n) == 0);
    for (uint32_t i = 0; i < n; i++) {
        b->items[i].key_len =
            (uint32_t)snprintf(keys[i], sizeof keys[i], "%s%u", prefix, i);
        b->items[i].key = keys[i];
    }
    return b;
}

/* next_done waits for one batch. */
static inline struct weir_batch *next_done(struct weir_cq *cq)
{
    struct weir_batch *b = NULL;

    do
        CHECK(weir_cq_wait(cq, PATIENCE) == 1);
    while (weir_cq_drain(cq, &b, 1) == 0);
    return b;
}

/* go_late runs a batch that cannot be answered until its deadline, ms from now.
 * If no worker began it in time, it runs again with a later one. */
static inline void go_late(struct weir_store *store, struct weir_cq *cq,
                           struct weir_batch *b, uint64_t ms)
{
    do {
        for (uint32_t i = 0; i < b->n; i++)
            b->items[i].status = WEIR_PENDING;
        b->deadline_ns = weir_now() + ms * MS;
        CHECK(weir_submit(store, cq, b) == 0);
        CHECK(next_done(cq) == b);
        ms *= 2;
    } while (b->items[0].status == WEIR_SKIPPED && ms < PATIENCE / MS);
}

static inline uint32_t count_status(const struct weir_batch *b, int status)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->n; i++)
        n += b->items[i].status == status;
    return n;
}

#endif
