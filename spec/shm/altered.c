/* altered.c -- something writes random bytes all over a mapping while it is in
 * use: nothing crashes or hangs, and with verify=always no value is answered
 * that was not set. Without it values are read in place, too. Half of what is
 * written are small numbers and copies of other parts, which look like links
 * and lengths. Then the sizes of entries change while ops read them. */
#include "mapping.h"

#include <sys/mman.h>
#include <time.h>

enum {
    KEYS = 100, /* and as many that ops add to, whose values say nothing */
    VALUE_MAX = 40000,
    CAPACITY = 256 << 10,
    HELD = 4,       /* values that are kept a while */
    SCRIBBLES = 40, /* between two operations of the client, at most */
};

static uint32_t random_word(const char *file, uint64_t *random)
{
    uint32_t word = (uint32_t)random_next(random);

    switch (random_below(random, 4)) {
    case 0:
        return word % 4096;
    case 1:
        memcpy(&word, file + word % (CAPACITY - 4), sizeof word);
        return word;
    case 2:
        return word % 4096 | CHAIN_LIVE;
    default:
        return word;
    }
}

/* Alters the file for good, or until it is killed. */
static void scribble(char *file, uint64_t *random)
{
    /* Often the numbers of the shard, which lead to everything else. */
    uint64_t at = LAYOUT_CONTROL +
                  (random_below(random, 2)
                       ? random_below(random, sizeof(struct shard) / 4) * 4
                       : random_below(random, CAPACITY - LAYOUT_CONTROL - 4));
    uint32_t word = random_word(file, random);

    memcpy(file + at, &word, sizeof word);
}

static pid_t start_scribbler(char *file, uint64_t seed)
{
    pid_t pid = mapping_fork();

    if (pid != 0)
        return pid;
    for (uint64_t n = 0;; n++) {
        scribble(file, &seed);
        if (n % 64 == 0)
            usleep(100);
    }
}

static struct {
    uint64_t ops, read, missed, corrupt, busy, slowest_ms, bytes;
} seen;

static bool verified; /* the store was opened with verify=always */
static struct weir_value *held[HELD];

static void hold(struct weir_value *v, uint64_t i)
{
    uint64_t sum = 0;

    for (uint64_t k = 0; v != NULL && k < v->size; k += 64)
        sum += (unsigned char)v->data[k];
    seen.bytes += sum;
    weir_value_unref(held[i]);
    held[i] = v != NULL ? weir_value_ref(v) : NULL;
}

static void answered(const struct weir_batch *b, uint64_t key)
{
    const struct weir_item *item = &b->items[0];

    switch (item->status) {
    case WEIR_OK:
        if (!weir_op_info(b->op)->returns || b->op == WEIR_SCAN)
            break;
        hold(item->value, key % HELD);
        if (verified && key < KEYS)
            CHECK(telling_sound(item->value->data, item->value->size, key));
        seen.read++;
        break;
    case WEIR_MISS:
    case WEIR_REJECTED:
        seen.missed++;
        break;
    case WEIR_CORRUPT:
        seen.corrupt++;
        break;
    case WEIR_INVALID:
        CHECK(b->op == WEIR_INCR);
        break;
    case WEIR_TOOBIG:
        CHECK(b->op == WEIR_APPEND);
        break;
    default:
        CHECK(item->status == WEIR_BUSY);
        seen.busy++;
    }
}

static void step(struct weir_store *s, struct weir_batch *b, uint64_t *random)
{
    static const uint32_t TRIED[] = {
        WEIR_GET,    WEIR_GET,   WEIR_GET,    WEIR_SET,    WEIR_SET,
        WEIR_SET,    WEIR_TOUCH, WEIR_STAT,   WEIR_DELETE, WEIR_SCAN,
        WEIR_EXISTS, WEIR_GAT,   WEIR_TAKE,   WEIR_ADD,    WEIR_REPLACE,
        WEIR_CAS,    WEIR_INCR,  WEIR_APPEND, WEIR_APPEND,
    };
    static char value[VALUE_MAX];
    enum { N_TRIED = sizeof TRIED / sizeof *TRIED };
    uint64_t key = random_below(random, 2 * KEYS);
    struct weir_item *item = &b->items[0];

    weir_batch_reset(b, TRIED[random_below(random, N_TRIED)], 1);
    if (b->op == WEIR_INCR || b->op == WEIR_APPEND)
        key = KEYS + key % KEYS;
    item->number = (int64_t)random_below(random, 100);
    if (b->op != WEIR_SCAN) {
        item->key = (const char *)&key;
        item->key_len = sizeof key;
        item->ttl_ms = random_below(random, 2) * 1000;
    }
    if (weir_op_info(b->op)->sends) {
        item->size =
            sizeof(struct telling) +
            random_below(random, random_below(random, 4) == 0
                                     ? VALUE_MAX - sizeof(struct telling)
                                     : 9000);
        telling_fill(value, key, item->size, random_next(random));
        item->data = value;
    }
    weir_submit(s, NULL, b);
    seen.ops++;
    answered(b, key);
}

/* ---- sizes that change while an op reads them ---- */

/* Makes the size of every live entry another one, and what it was, again and
 * again until it is killed. */
static pid_t start_flipper(char *file)
{
    struct layout l;
    char *shard = file + LAYOUT_CONTROL;
    pid_t pid = mapping_fork();

    if (pid != 0)
        return pid;
    layout_of(&l, CAPACITY, 1, false);
    for (uint32_t i = 0;; i++) {
        uint32_t unit = l.first + i % (l.end - l.first);
        volatile uint32_t *chain = (uint32_t *)(shard + l.chains_at) + unit;
        volatile uint32_t *size =
            &((struct entry *)(shard + ((size_t)unit << UNIT_SHIFT)))->size;
        uint32_t was = *size;

        for (int k = 0; k < 100000 && (*chain & CHAIN_LIVE) != 0; k++)
            *size = k % 2 == 0 ? 100000 : was;
    }
}

/* Sets a value and does an op to it. */
static void set_and_do(struct weir_store *s, struct weir_batch *b, uint32_t op)
{
    static char value[4000];

    for (int i = 0; i < 2; i++) {
        weir_batch_reset(b, i == 0 ? WEIR_SET : op, 1);
        b->items[0].key = "k";
        b->items[0].key_len = 1;
        b->items[0].data = value;
        b->items[0].size = op == WEIR_INCR ? 1 : sizeof value;
        memset(value, '1', sizeof value);
        weir_submit(s, NULL, b);
        CHECK(b->items[0].status != WEIR_PENDING);
    }
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void run(const char *eviction, uint64_t ms, bool meanwhile,
                uint64_t *random)
{
    struct weir_setting options[] = {
        {"path", mapping_path},
        {"capacity", "256KiB"},
        {"eviction", eviction},
        {"verify", verified ? "always" : "repaired"},
        {"destroy", "true"}};
    struct weir_batch *b = weir_batch_new(1);
    struct weir_store *s;
    struct weir_error err;
    struct weir_gauge gauges[32];
    uint64_t until;
    pid_t scribbler = 0;
    char *file;
    int fd;

    unlink(mapping_path);
    CHECK(weir_open(&s, "shm", options, 5, &err) == 0);
    fd = open(mapping_path, O_RDWR | O_CLOEXEC);
    file = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(file != MAP_FAILED);
    if (meanwhile)
        scribbler = start_scribbler(file, random_next(random));
    for (until = now_ms() + ms; now_ms() < until;) {
        uint64_t start = now_ms(), n = random_below(random, SCRIBBLES);

        while (!meanwhile && n-- > 0)
            scribble(file, random);
        step(s, b, random);
        if (now_ms() - start > seen.slowest_ms)
            seen.slowest_ms = now_ms() - start;
        weir_store_gauges(s, gauges, seen.ops % 64 == 0 ? 32 : 0);
    }
    if (meanwhile)
        CHECK(kill(scribbler, SIGKILL) == 0 &&
              waitpid(scribbler, NULL, 0) == scribbler);
    weir_batch_free(b);
    weir_store_free(s);
    for (uint64_t i = 0; i < HELD; i++)
        hold(NULL, i);
    munmap(file, CAPACITY);
    close(fd);
}

static void run_flipped(uint32_t op, uint64_t ms)
{
    struct weir_setting options[] = {
        {"path", mapping_path}, {"capacity", "256KiB"}, {"destroy", "true"}};
    struct weir_batch *b = weir_batch_new(1);
    struct weir_store *s;
    struct weir_error err;
    uint64_t until = now_ms() + ms;
    pid_t flipper;
    char *file;
    int fd;

    unlink(mapping_path);
    CHECK(weir_open(&s, "shm", options, 3, &err) == 0);
    fd = open(mapping_path, O_RDWR | O_CLOEXEC);
    file = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(file != MAP_FAILED);
    flipper = start_flipper(file);
    while (now_ms() < until)
        set_and_do(s, b, op);
    CHECK(kill(flipper, SIGKILL) == 0 && waitpid(flipper, NULL, 0) == flipper);
    weir_batch_free(b);
    weir_store_free(s);
    munmap(file, CAPACITY);
    close(fd);
}

int main(void)
{
    static const char *const EVICTIONS[] = {"s3fifo", "lru", "sieve", "fifo"};
    const char *soak = getenv("WEIR_SOAK");
    uint64_t ms = soak != NULL ? strtoull(soak, NULL, 10) * 100 + 100 : 100;
    uint64_t random = check_seed = (uint64_t)time(NULL);

    alarm((unsigned)(ms / 100 + 200));
    mapping_name();
    for (int i = 0; i < 4; i++) {
        for (int how = 0; how < 4; how++) {
            verified = how % 2 != 0;
            run(EVICTIONS[i], ms, how / 2 != 0, &random);
        }
    }
    run_flipped(WEIR_APPEND, ms * 4);
    run_flipped(WEIR_CAS, ms * 4);
    run_flipped(WEIR_INCR, ms * 4);
    run_flipped(WEIR_GAT, ms * 4);
    printf("%llu operations: %llu values, %llu misses, %llu corrupt, %llu "
           "busy; the slowest took %llu ms\n",
           (unsigned long long)seen.ops, (unsigned long long)seen.read,
           (unsigned long long)seen.missed, (unsigned long long)seen.corrupt,
           (unsigned long long)seen.busy, (unsigned long long)seen.slowest_ms);
    CHECK(seen.read > 0 && seen.missed > 0);
    return 0;
}
