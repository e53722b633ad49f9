/* mirrored.c -- kill -9 at every named point while two processes write and
 * repair the two stores of a mirror, the mapping and one more, as
 * policy/mirror/write.lua does: under the lock of the guard, in either order.
 * After a death neither store has a value that is older than one whose write
 * has ended, the lock of every key is to be had once the dead have lingered,
 * and a repair makes both stores equal. */
#include "mapping.h"

#include <sys/mman.h>
#include <time.h>

enum {
    KEYS = 8,
    BYTES = 33000, /* of every other value: it is read in place, too */
    CAPACITY = 1 << 20,
    PASSES = 12, /* of a point before a death, at most */
};

static const char *const POINTS[] = {
    "entered", "begun",    "claimed",     "ending",  "drop",     "taken out",
    "head",    "replaced", "key written", "written", "inserted", "published",
};

enum { N_POINTS = sizeof POINTS / sizeof *POINTS };

/* What the processes share: the other store of the mirror, and which writes
 * have ended. Values are numbers that grow; who has the lock of a key draws the
 * next one. */
static struct {
    _Atomic uint64_t values;
    _Atomic uint64_t far[KEYS], ended[KEYS];
    _Atomic uint64_t writes, repairs;
} * seen;

static struct shm m;

/* ---- the store in the mapping ---- */

static struct shard_key key_of(const uint64_t *id, uint32_t *shard)
{
    uint64_t hash = weir_hash(id, sizeof *id, m.map.seed);

    *shard = hash >> 32 & (m.map.layout.shards - 1);
    return (struct shard_key){(const char *)id, sizeof *id,
                              hash & ((1u << ENTRY_HASH_BITS) - 1)};
}

/* A set with a ticket, as ops_set does it. */
static void copy_set(uint64_t id, uint64_t number, uint64_t ticket)
{
    static char bytes[BYTES];
    struct shard_value value = {
        .bytes = bytes, .size = number % 2 != 0 ? BYTES : sizeof number};
    uint32_t shard;
    struct shard_key key = key_of(&id, &shard);
    struct hold h;

    memcpy(bytes, &number, sizeof number);
    CHECK(shm_hold(&m, shard, &h) == 0);
    if (ticket_admits(&h, key.hash, ticket))
        CHECK(shard_put(&h, &key, &value) == 0);
    shm_release(&m, &h);
}

/* The copy of a key; 0: there is none. */
static uint64_t copy_get(uint64_t id)
{
    uint64_t number = 0;
    uint32_t shard;
    struct shard_key key = key_of(&id, &shard);
    struct chain_at at;
    struct entry *e;
    struct hold h;

    CHECK(shm_hold(&m, shard, &h) == 0);
    CHECK(shard_find(&h, &key, &e) == 0);
    if (e != NULL) {
        CHECK(shard_value_at(&h, e, &at) == 0);
        CHECK(chain_read(&h, &at, (char *)&number, sizeof number) == 0);
    }
    shm_release(&m, &h);
    return number;
}

/* ---- the mirror ---- */

static uint32_t guard(uint32_t verb, const uint64_t *id,
                      struct weir_guard_key *key)
{
    key->key = (const char *)id;
    key->key_len = sizeof *id;
    CHECK(shm_guard(&m, verb, key, 1) == 0);
    return key->answer;
}

static void mirror_set(uint64_t id, bool far_first)
{
    struct weir_guard_key key = {0};
    uint64_t number;

    if (guard(WEIR_GUARD_LOCK, &id, &key) == WEIR_GUARD_WAIT)
        return;
    number = ++seen->values;
    if (far_first)
        seen->far[id] = number;
    copy_set(id, number, key.ticket);
    seen->far[id] = number;
    guard(WEIR_GUARD_END, &id, &key);
    seen->ended[id] = number;
    seen->writes++;
}

/* Copies what the other store has. */
static void mirror_repair(uint64_t id)
{
    struct weir_guard_key key = {0};
    uint64_t number;

    guard(WEIR_GUARD_LOOK, &id, &key);
    number = seen->far[id];
    if (number == 0 ||
        guard(WEIR_GUARD_CLAIM | WEIR_GUARD_KEEP, &id, &key) != WEIR_GUARD_OK)
        return;
    copy_set(id, number, key.ticket);
    guard(WEIR_GUARD_END, &id, &key);
    seen->repairs++;
}

static void worker(uint64_t seed, const char *point, unsigned after)
{
    mapping_open(&m, 0, 0, 0);
    CHECK(guard_open(&m) == 0);
    point_left = after;
    point_armed = point;
    for (;;) {
        uint64_t id = random_below(&seed, KEYS);

        if (random_below(&seed, 4) == 0)
            mirror_repair(id);
        else
            mirror_set(id, random_below(&seed, 2) == 0);
    }
}

/* ---- rounds ---- */

static pid_t start(const char *point, uint64_t *random)
{
    uint64_t seed = random_next(random);
    unsigned after = (unsigned)random_below(random, PASSES);
    pid_t pid = mapping_fork();

    if (pid == 0)
        worker(seed, point, after);
    return pid;
}

static void reap(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Lets the time pass in which what the dead have sent may still be applied. */
static void linger(void)
{
    for (uint64_t id = 0; id < KEYS; id++) {
        struct weir_guard_key key = {0};

        guard(WEIR_GUARD_LOOK, &id, &key); /* finds the dead */
    }
    weir_set_now(weir_now() + UINT64_C(1000000) * (GUARD_LINGER_MS + 1));
}

/* Returns how many keys the dead have left different in the two stores. */
static unsigned check(void)
{
    unsigned torn = 0;

    truth_check_all(&m);
    linger();
    for (uint64_t id = 0; id < KEYS; id++) {
        uint64_t copy = copy_get(id), ended = seen->ended[id];

        CHECK(seen->far[id] >= ended);
        CHECK(copy == 0 || copy >= ended);
        torn += copy != seen->far[id];
        mirror_repair(id);
        CHECK(copy_get(id) == seen->far[id]);
        seen->ended[id] = seen->far[id]; /* both have it, and readers see it */
        mirror_set(id, false);
        CHECK(seen->ended[id] == seen->values);
    }
    return torn;
}

int main(void)
{
    const char *soak = getenv("WEIR_SOAK");
    int rounds = soak != NULL && atoi(soak) > 0 ? 200 : 4;
    uint64_t random = check_seed = (uint64_t)time(NULL);
    unsigned torn = 0;

    alarm(soak != NULL ? 3000 : 200);
    mapping_name();
    weir_set_now(UINT64_C(1000000000) * 1000); /* of the processes, too */
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(seen != MAP_FAILED);
    mapping_open(&m, CAPACITY, 1, 1);
    CHECK(guard_open(&m) == 0);
    for (int i = 0; i < rounds * N_POINTS; i++) {
        pid_t other = start(NULL, &random);

        reap(start(POINTS[i % N_POINTS], &random));
        CHECK(kill(other, SIGKILL) == 0);
        reap(other);
        torn += check();
    }
    printf("%d deaths at points, %u keys torn by them, %llu writes, %llu "
           "repairs\n",
           rounds * N_POINTS, torn, (unsigned long long)seen->writes,
           (unsigned long long)seen->repairs);
    CHECK(torn > 0 && seen->repairs > 0);
    guard_close(&m);
    mapping_close(&m.map, true);
    return 0;
}
