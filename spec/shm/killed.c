/* killed.c -- kill -9 at random instants and at every named point, again and
 * again, while others go on: what is read is what was set under that key, in
 * place, too; every lock is to be had, and soon; and after each death the
 * numbers of all shards are true, so no unit is lost and nothing stays pinned.
 *
 * How long the dead make others wait is counted and not timed, since on a busy
 * machine that says how long others were not scheduled: by the sleeps of a wait
 * for a lock, of 2 ms each, and by the processor's time of a repair. */
#include "mapping.h"

#include <sys/mman.h>
#include <time.h>

enum {
    KEYS = 200,
    VALUE_MAX = 45000,
    OTHERS = 4, /* processes that use the store of the built connector */
    HELD = 4,   /* values that each of them reads in place for a while */
    CAPACITY = 2 << 20,
    LARGE = 64 << 20, /* large values are stored past the caches */
    SHARDS = 2,
    SLEEPS_MOST = 2,
    REPAIR_MOST_MS = 50, /* 7 on a machine with nothing else to do */
};

static const char *const POINTS[] = {
    "drop",        "taken out", "hit",           "expire",       "victim",
    "head",        "replaced",  "key written",   "written",      "inserted",
    "published",   "kept",      "pin made",      "pin attached", "pin detached",
    "pin removed", "repair",    "pins repaired", "repaired",
};

enum { N_POINTS = sizeof POINTS / sizeof *POINTS };

/* What the others count, for the parent. */
struct seen {
    _Atomic uint64_t reads, in_place, writes, wrong, slowest_ms;
    _Atomic uint64_t statuses[WEIR_STATUSES];
};

static struct seen *seen;

static unsigned kills;
static uint64_t all_repairs, all_taken_over;

/* ---- a process that uses the built connector, until it is killed ---- */

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Most values are small. */
static uint32_t random_size(uint64_t *random)
{
    uint32_t least =
        random_below(random, 4) == 0 ? ENTRY_LARGE : sizeof(struct telling);

    return least + (uint32_t)random_below(random, 12000);
}

/* Values that were read before: what is in place must still be what it was. */
static struct {
    struct weir_value *value;
    uint64_t key;
} held[HELD];

static void other_hold(struct weir_value *v, uint64_t key)
{
    uint64_t i = key % HELD;

    if (held[i].value != NULL &&
        !telling_sound(held[i].value->data, held[i].value->size, held[i].key))
        seen->wrong++;
    weir_value_unref(held[i].value);
    held[i].value = weir_value_ref(v);
    held[i].key = key;
    seen->in_place++;
}

static void other_answer(const struct weir_batch *b, uint64_t key)
{
    const struct weir_item *item = &b->items[0];

    seen->statuses[item->status]++;
    if (b->op == WEIR_GET && item->status == WEIR_OK) {
        seen->reads++;
        if (!telling_sound(item->value->data, item->value->size, key))
            seen->wrong++;
        if (item->value->size >= ENTRY_LARGE)
            other_hold(item->value, key);
    }
    seen->writes += b->op == WEIR_SET;
}

static uint32_t random_op(uint64_t *random)
{
    static const uint32_t OPS_TRIED[] = {WEIR_GET, WEIR_GET,    WEIR_SET,
                                         WEIR_SET, WEIR_DELETE, WEIR_TOUCH};

    return OPS_TRIED[random_below(random, sizeof OPS_TRIED / 4)];
}

static void other_step(struct weir_store *s, struct weir_batch *b,
                       uint64_t *random)
{
    static char value[VALUE_MAX];
    uint64_t key = random_below(random, KEYS), start = now_ms();
    struct weir_item *item = &b->items[0];

    weir_batch_reset(b, random_op(random), 1);
    item->key = (const char *)&key;
    item->key_len = sizeof key;
    item->ttl_ms = random_below(random, 3) * 50;
    if (b->op == WEIR_SET) {
        item->size = random_size(random);
        telling_fill(value, key, item->size, random_next(random));
        item->data = value;
    }
    weir_submit(s, NULL, b);
    other_answer(b, key);
    start = now_ms() - start;
    if (start > seen->slowest_ms)
        seen->slowest_ms = start;
}

static void other(uint64_t seed)
{
    struct weir_setting path = {"path", mapping_path};
    struct weir_batch *b = weir_batch_new(1);
    struct weir_store *s;
    struct weir_error err;

    if (weir_open(&s, "shm", &path, 1, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        _exit(1);
    }
    for (;;)
        other_step(s, b, &seed);
}

/* ---- a process that dies at a point ---- */

/* Gives all pins of this process back. */
static void victim_unpin(const struct hold *h)
{
    for (uint32_t pin = 1; pin <= h->layout->pins; pin++) {
        struct pin *p = pins_row(h->layout, h->s, pin);

        while (p->holder == h->seats->holder && p->count > 0)
            pins_give(h->layout, h->s, (int)pin);
    }
}

/* Reads large values in place, some at a time. */
static void victim_read(const struct hold *h, struct entry *e, uint64_t *random)
{
    if (e->size >= ENTRY_LARGE && e->whole)
        CHECK(pins_take(h, e) >= 0);
    if (random_below(random, 8) == 0)
        victim_unpin(h);
    if (random_below(random, 2) == 0)
        CHECK(pins_sweep(h, true) == 0);
}

static void victim_step(struct shm *m, uint64_t *random)
{
    static char bytes[VALUE_MAX];
    uint64_t id = random_below(random, KEYS);
    uint64_t hash = weir_hash(&id, sizeof id, m->map.seed);
    struct shard_key key = {(const char *)&id, sizeof id,
                            hash & ((1u << ENTRY_HASH_BITS) - 1)};
    struct shard_value value = {.bytes = bytes};
    uint32_t op = random_op(random);
    struct entry *e;
    struct hold h;

    CHECK(shm_hold(m, hash >> 32 & (SHARDS - 1), &h) == 0);
    CHECK(shard_find(&h, &key, &e) == 0);
    if (op == WEIR_SET) {
        value.size = random_size(random);
        telling_fill(bytes, id, value.size, random_next(random));
        CHECK(shard_put(&h, &key, &value) == 0);
        CHECK(shard_find(&h, &key, &e) == 0);
        victim_read(&h, e, random);
    } else if (e != NULL && op == WEIR_GET) {
        shard_hit(&h, e);
        victim_read(&h, e, random);
    } else if (e != NULL && op == WEIR_DELETE) {
        CHECK(shard_drop(&h, e) == 0);
    } else if (e != NULL) {
        CHECK(shard_expire(&h, e, shard_now_ms() + 100) == 0);
    }
    shm_release(m, &h);
}

static void victim(uint64_t seed, const char *point, unsigned after)
{
    struct shm m;

    mapping_open(&m, 0, 0, 0);
    point_left = after;
    point_armed = point;
    for (;;)
        victim_step(&m, &seed);
}

/* ---- a process that dies while it writes, claims or loads ---- */

static const char *const GUARD_POINTS[] = {
    "entered", "begun", "claimed", "ending", "leased", "settling",
};

static uint32_t guard_step(struct shm *m, uint32_t verb, uint64_t id,
                           struct weir_guard_key *key)
{
    key->key = (const char *)&id;
    key->key_len = sizeof id;
    CHECK(shm_guard(m, verb, key, 1) == 0);
    return key->answer;
}

static void guard_victim(uint64_t seed, const char *point, unsigned after)
{
    static const uint32_t BEGINS[] = {WEIR_GUARD_BEGIN,
                                      WEIR_GUARD_BEGIN | WEIR_GUARD_KEEP,
                                      WEIR_GUARD_LOCK, WEIR_GUARD_CLAIM};
    struct shm m;

    mapping_open(&m, 0, 0, 0);
    CHECK(guard_open(&m) == 0);
    point_left = after;
    point_armed = point;
    for (;;) {
        uint64_t id = random_below(&seed, KEYS);
        struct weir_guard_key key = {.ms = 60000};

        guard_step(&m, WEIR_GUARD_LOOK, id, &key);
        key.answer = guard_step(&m, BEGINS[random_below(&seed, 4)], id, &key);
        if (key_begun(&key))
            guard_step(&m, WEIR_GUARD_END, id, &key);
        if (guard_step(&m, WEIR_GUARD_LEASE, id, &key) == WEIR_GUARD_OK)
            guard_step(&m, WEIR_GUARD_SETTLE, id, &key);
    }
}

/* Nobody who died writes, claims or loads any key when it is asked for, and
 * after the time in which what it sent may be applied all tickets are good. */
static void guard_check(struct shm *m)
{
    truth_check_all(m);
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t id = 0; id < KEYS; id++) {
            struct weir_guard_key key = {.ms = 60000};
            uint32_t answer = guard_step(m, WEIR_GUARD_LOOK, id, &key);

            CHECK(pass == 0 || answer == WEIR_GUARD_OK);
            answer = guard_step(m, WEIR_GUARD_BEGIN, id, &key);
            CHECK(pass == 0 || answer == WEIR_GUARD_OK);
            if (answer != WEIR_GUARD_WAIT)
                guard_step(m, WEIR_GUARD_END, id, &key);
            CHECK(guard_step(m, WEIR_GUARD_LEASE, id, &key) == WEIR_GUARD_OK);
            CHECK(guard_step(m, WEIR_GUARD_SETTLE, id, &key) == WEIR_GUARD_OK);
        }
        weir_set_now(weir_now() + UINT64_C(1000000) * (GUARD_LINGER_MS + 1));
    }
    weir_set_now(0);
}

static void reap(pid_t pid);

static void guards_named(int rounds, uint64_t *random)
{
    struct shm m;
    uint64_t died = 0;

    mapping_open(&m, CAPACITY, SHARDS, 1);
    CHECK(guard_open(&m) == 0);
    for (int k = 0; k < rounds; k++) {
        for (size_t i = 0; i < sizeof GUARD_POINTS / sizeof *GUARD_POINTS;
             i++) {
            uint64_t seed = random_next(random);
            unsigned after = (unsigned)random_below(random, 40);
            pid_t pid = mapping_fork();

            if (pid == 0)
                guard_victim(seed, GUARD_POINTS[i], after);
            reap(pid);
            guard_check(&m);
        }
    }
    for (uint32_t i = 0; i < SHARDS; i++)
        died += map_shard(&m.map, i)->counters.writers_died;
    CHECK(died > 0);
    guard_close(&m);
    mapping_close(&m.map, true);
}

/* ---- rounds ---- */

static pid_t start_other(uint64_t *random)
{
    uint64_t seed = random_next(random);
    pid_t pid = mapping_fork();

    if (pid == 0)
        other(seed);
    return pid;
}

static void reap(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Some of the others die at a random instant, and are replaced. */
static void round_random(pid_t *others, uint64_t *random)
{
    uint64_t which = 1 + random_below(random, (1 << OTHERS) - 1);

    usleep((useconds_t)random_below(random, 3000));
    for (int i = 0; i < OTHERS; i++) {
        if (which >> i & 1)
            CHECK(kill(others[i], SIGKILL) == 0);
    }
    for (int i = 0; i < OTHERS; i++) {
        if (!(which >> i & 1))
            continue;
        reap(others[i]);
        others[i] = start_other(random);
        kills++;
    }
}

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A process has died. Everything works, and soon. */
static void check_after(struct shm *m)
{
    sleeps = 0;
    truth_check_all(m);
    CHECK(sleeps <= SLEEPS_MOST);
}

static void die_at(const char *point, unsigned after, uint64_t *random)
{
    uint64_t seed = random_next(random);
    pid_t pid = mapping_fork();

    if (pid == 0)
        victim(seed, point, after);
    reap(pid);
    kills++;
}

/* What is pinned still when the dead have been seen to. */
static uint64_t pinned_after(struct shm *m)
{
    uint64_t units = 0;

    for (uint32_t i = 0; i < m->map.layout.shards; i++) {
        struct hold h;

        CHECK(shm_hold(m, i, &h) == 0);
        CHECK(pins_sweep(&h, true) == 0);
        truth_check(&h);
        units += h.s->pinned_units + h.s->kept_units;
        shm_release(m, &h);
    }
    return units;
}

/* Every point, with nobody else: so the one who repairs can die there, too. The
 * point "repair" is passed only by one who meets an entry that was half
 * changed, as by a death at "expire". "hit" is a point of lru alone. */
static void rounds_named(struct shm *m, bool lru, uint64_t *random)
{
    for (int i = 0; i < N_POINTS; i++) {
        const char *name = POINTS[i];
        bool repairs = strstr(name, "repair") != NULL;

        if (strcmp(name, "hit") == 0 && !lru)
            continue;
        for (int k = 0; k < 3; k++) {
            if (repairs)
                die_at("expire", 0, random);
            die_at(name, repairs ? 0 : (unsigned)random_below(random, 20),
                   random);
            check_after(m);
            CHECK(pinned_after(m) == 0);
        }
    }
}

static void check_seen(void)
{
    CHECK(seen->wrong == 0);
    for (int i = WEIR_MISS + 1; i < WEIR_STATUSES; i++) {
        if (seen->statuses[i] > 0)
            fprintf(stderr, "status: %s\n", weir_status_info(i)->name);
        CHECK(seen->statuses[i] == 0);
    }
}

/* Kills so many, most of them at random instants, while others go on. */
static void rounds_random(struct shm *m, unsigned more, uint64_t *random)
{
    unsigned until = kills + more;
    pid_t others[OTHERS];

    for (int i = 0; i < OTHERS; i++)
        others[i] = start_other(random);
    for (int i = 0; kills < until; i++) {
        if (i % 8 == 0)
            die_at(POINTS[random_below(random, 2) ? 8 : 3],
                   (unsigned)random_below(random, 20), random);
        else
            round_random(others, random);
        truth_check_all(m);
        check_seen();
    }
    for (int i = 0; i < OTHERS; i++) {
        CHECK(kill(others[i], SIGKILL) == 0);
        reap(others[i]);
    }
}

static void run(int eviction, uint64_t capacity, unsigned more,
                uint64_t *random)
{
    struct shm m;

    mapping_open(&m, capacity, SHARDS, eviction);
    if (capacity == CAPACITY)
        rounds_named(&m, header_policy((uint32_t)eviction) == &eviction_lru,
                     random);
    rounds_random(&m, more, random);
    CHECK(pinned_after(&m) == 0);
    CHECK(m.map.seats.shared->taken_over > 0 || capacity == LARGE);
    CHECK(seats_taken(&m.map.seats) == 1);
    all_taken_over += m.map.seats.shared->taken_over;
    for (uint32_t i = 0; i < SHARDS; i++)
        all_repairs += map_shard(&m.map, i)->counters.repairs;
    mapping_close(&m.map, true);
}

/* A death keeps the next one for a sleep and a repair. This shard is half as
 * large as those that a mapping has by itself, and full of the smallest
 * entries. */
static void repaired_soon(void)
{
    struct map_wish wish = {.path = mapping_path};
    static const struct shm_config config;
    struct shm m = {.config = &config};
    struct weir_error err;
    struct hold h;
    double start;

    wish.capacity = UINT64_C(32) << 20;
    wish.shards = 1;
    wish.create = true;
    CHECK(map_open(&m.map, &wish, &err) == 0);
    CHECK(shm_hold(&m, 0, &h) == 0);
    for (uint32_t id = 0; h.s->counters.evictions == 0; id++) {
        uint64_t hash = weir_hash(&id, sizeof id, m.map.seed);
        struct shard_key key = {(const char *)&id, sizeof id,
                                hash & ((1u << ENTRY_HASH_BITS) - 1)};
        struct shard_value value = {.bytes = "x", .size = 1};

        CHECK(shard_put(&h, &key, &value) == 0);
    }
    start = cpu_ms();
    repair_shard(&h);
    start = cpu_ms() - start;
    printf("a repair of %llu entries takes %.0f ms\n",
           (unsigned long long)h.s->items, start);
    CHECK(SANITIZED || start <= REPAIR_MOST_MS);
    shm_release(&m, &h);
    map_remove(&m.map);
    map_close(&m.map);
}

/* Large mappings get fewer deaths, since to check one takes longer. */
int main(void)
{
    const char *soak = getenv("WEIR_SOAK");
    unsigned more = soak != NULL && atoi(soak) > 0 ? 10000 : 80;
    uint64_t random = check_seed = (uint64_t)time(NULL);

    alarm(soak != NULL ? 3000 : 200);
    mapping_name();
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(seen != MAP_FAILED);
    for (int eviction = 1; eviction <= 2; eviction++)
        run(eviction, CAPACITY, more / 2, &random);
    run(1, LARGE, more / 8, &random);
    printf("%u kills, after which %llu locks were taken over and %llu shards "
           "repaired\n",
           kills, (unsigned long long)all_taken_over,
           (unsigned long long)all_repairs);
    guards_named(soak != NULL ? 300 : 5, &random);
    CHECK(seen->reads > 0 && seen->writes > 0 && seen->in_place > 0);
    repaired_soon();
    printf("%llu reads, %llu of them in place, %llu writes, the slowest took "
           "%llu ms\n",
           (unsigned long long)seen->reads, (unsigned long long)seen->in_place,
           (unsigned long long)seen->writes,
           (unsigned long long)seen->slowest_ms);
    return 0;
}
