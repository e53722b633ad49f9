/* sharing.c -- several processes of several threads each over one folder and
 * the same few keys, setting, getting, deleting, touching, expiring: each value
 * that is served is whole and of its key. */

#include <pthread.h>

#include "harness.h"

enum { KEYS = 8, THREADS = 4, PROCESSES = 2, SIZE = 40000 };

static uint64_t until;

static void one_op(struct client *c, uint64_t *random, char *value)
{
    unsigned k = (unsigned)random_below(random, KEYS);
    size_t size = 16 + random_below(random, SIZE - 16);
    char key[16];
    int status;

    snprintf(key, sizeof key, "key-%u", k);
    switch (random_below(random, 8)) {
    case 0:
    case 1:
    case 2:
        telling_fill(value, size, random_next(random) / KEYS * KEYS + k);
        client_start(c, WEIR_SET, key, strlen(key));
        c->item->data = value;
        c->item->size = size;
        c->item->ttl_ms = random_below(random, 2) ? 0 : 2;
        CHECK(client_run(c) == WEIR_OK);
        break;
    case 3:
        status = client_do(c, WEIR_DELETE, key);
        CHECK(status == WEIR_OK || status == WEIR_MISS);
        break;
    case 4:
        client_start(c, WEIR_TOUCH, key, strlen(key));
        c->item->ttl_ms = random_below(random, 2) ? 0 : 5;
        status = client_run(c);
        CHECK(status == WEIR_OK || status == WEIR_MISS);
        break;
    default:
        client_start(c, WEIR_GET, key, strlen(key));
        if (random_below(random, 2)) {
            c->item->data = value;
            c->item->cap = SIZE;
        }
        status = client_run(c);
        CHECK(status == WEIR_OK || status == WEIR_MISS);
        if (status == WEIR_OK) {
            const char *bytes = c->item->value ? c->item->value->data : value;
            uint64_t number;

            CHECK(telling_sound(bytes, c->item->size));
            memcpy(&number, bytes, 8);
            CHECK(number % KEYS == k);
        }
    }
}

struct part {
    pthread_t thread;
    struct weir_store *store;
    uint64_t seed;
};

static void *work(void *arg)
{
    struct part *part = arg;
    struct client c = client_new(part->store);
    char *value = malloc(SIZE);
    uint64_t random = part->seed;

    while (weir_now() < until)
        one_op(&c, &random, value);
    free(value);
    client_free(&c);
    return NULL;
}

static void process(unsigned number)
{
    /* So little that some are always being evicted. Without a check of its own
     * a store must not serve a mix of two values, either. */
    struct client c =
        open_fs(folder_sub("a"), "capacity=100KiB",
                number % 2 ? "verify=never" : "verify=always", NULL);
    struct part parts[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        parts[i].store = c.store;
        parts[i].seed = number * THREADS + i;
        CHECK(pthread_create(&parts[i].thread, NULL, work, &parts[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(parts[i].thread, NULL);
    CHECK(gauge(c.store, "quarantined") == 0);
    CHECK(gauge(c.store, "evictions") > 0);
    close_fs(&c);
}

int main(void)
{
    const char *soak = getenv("WEIR_SOAK");
    uint64_t seconds = soak != NULL ? strtoull(soak, NULL, 10) / 10 : 0;
    int status;

    folder_make();
    alarm((unsigned)seconds + 200);
    until = weir_now() + (seconds > 0 ? seconds : 2) * SECOND;
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            process(i);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < PROCESSES; i++)
        CHECK(wait(&status) > 0 && status == 0);
    return 0;
}
