/* killed.c -- kill -9 in the middle of batches, again and again: the store
 * opens, what was answered is there, and what is there is whole. Two processes
 * write at once, so that the lock of a dead one is taken over. In every second
 * round their parent had the store open before it forked, and keeps it open. */

#include "harness.h"

#ifdef __SANITIZE_THREAD__ /* it allows no threads after such a fork */
enum { OWN_ROUNDS = 0 };
#else
enum { OWN_ROUNDS = 1 };
#endif

enum { KEYS = 2000, SIZES = 6000, ROUNDS = 12, WRITERS = 2 };

/* For each key the number of its last answered set, and of the last begun one.
 * A writer owns the keys that are its number modulo WRITERS. */
struct told {
    _Atomic uint64_t answered[KEYS], begun[KEYS];
    _Atomic uint64_t batches;
};

static struct told *told;

static void key_name(char *out, int key)
{
    snprintf(out, 16, "key-%d", key);
}

static size_t size_of(uint64_t number)
{
    return 16 + number * 7919 % SIZES;
}

/* Sets 64 keys of this writer to higher numbers than before, then tells. */
static void write_batch(struct client *c, int writer, uint64_t *random)
{
    static char values[BATCH][16 + SIZES], names[BATCH][16];
    uint64_t numbers[BATCH];
    int keys[BATCH];

    CHECK(weir_batch_reset(c->batch, WEIR_SET, BATCH) == 0);
    for (int i = 0; i < BATCH; i++) {
        struct weir_item *item = &c->batch->items[i];

        keys[i] = (int)random_below(random, KEYS / WRITERS) * WRITERS + writer;
        numbers[i] = ++told->begun[keys[i]];
        key_name(names[i], keys[i]);
        telling_fill(values[i], size_of(numbers[i]), numbers[i]);
        item->key = names[i];
        item->key_len = (uint32_t)strlen(names[i]);
        item->data = values[i];
        item->size = size_of(numbers[i]);
    }
    client_run(c);
    for (int i = 0; i < BATCH; i++) {
        CHECK(c->batch->items[i].status == WEIR_OK);
        told->answered[keys[i]] = numbers[i];
    }
    told->batches++;
}

static void writer(int number, uint64_t seed)
{
    struct client c = open_lmdb("capacity=64MiB");

    for (;;)
        write_batch(&c, number, &seed);
}

static void check_all(void)
{
    struct client c = open_lmdb("capacity=64MiB");
    char name[16];

    for (int key = 0; key < KEYS; key++) {
        int status;

        key_name(name, key);
        status = client_do(&c, WEIR_GET, name, NULL, 0);
        if (told->answered[key] == 0 && status == WEIR_MISS)
            continue;
        CHECK(status == WEIR_OK);
        uint64_t number = telling_number(c.batch->items[0].value);

        CHECK(number >= told->answered[key] && number <= told->begun[key]);
        CHECK(c.batch->items[0].value->size == size_of(number));
        told->answered[key] = number;
    }
    CHECK(gauge(c.store, "evictions") == 0);
    close_lmdb(&c);
}

int main(void)
{
    uint64_t random = (uint64_t)getpid();

    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(told != MAP_FAILED);
    folder_make();
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t until = told->batches + 2;
        pid_t pids[WRITERS];
        struct client own;

        if (OWN_ROUNDS && round % 2)
            own = open_lmdb("capacity=64MiB");
        for (int i = 0; i < WRITERS; i++) {
            pids[i] = fork();
            if (pids[i] == 0)
                writer(i, random_next(&random) + (uint64_t)i);
        }
        while (told->batches < until)
            usleep(1000);
        for (int i = 0; i < WRITERS; i++) {
            usleep((useconds_t)random_below(&random, 30000));
            CHECK(kill(pids[i], SIGKILL) == 0);
            CHECK(waitpid(pids[i], NULL, 0) == pids[i]);
        }
        check_all();
        if (OWN_ROUNDS && round % 2)
            close_lmdb(&own);
    }
    return 0;
}
