/* index.c -- an index of lmdb against a table: random adds, replaces and
 * removes, keys that share a hash, positions that pass 2^48, and a merge. */
#include "harness.h"

#include "../../connectors/lmdb/index.c"

enum {
    KEYS = 40000,
    PIECE = 4080,
    ROOM = (PIECE - INDEX_HEAD) / INDEX_ENTRY,
};

static struct {
    uint32_t hash;
    uint64_t pos; /* 0: none */
} model[KEYS];

static uint64_t random_state;
static uint32_t held;
static const uint64_t tail = (UINT64_C(1) << 48) - 20000;
static uint64_t head = (UINT64_C(1) << 48) - 20000;
static uint8_t entries[3 * PIECE], taken[PIECE];
static MDB_env *env;
static MDB_dbi dbi, other_dbi;

static void open_env(void)
{
    MDB_txn *txn;

    CHECK(mdb_env_create(&env) == 0);
    CHECK(mdb_env_set_mapsize(env, 64 << 20) == 0);
    CHECK(mdb_env_set_maxdbs(env, 2) == 0);
    CHECK(mdb_env_open(env, folder_make(), MDB_NOSYNC, 0600) == 0);
    CHECK(mdb_txn_begin(env, NULL, 0, &txn) == 0);
    CHECK(mdb_dbi_open(txn, "a", MDB_CREATE | MDB_INTEGERKEY, &dbi) == 0);
    CHECK(mdb_dbi_open(txn, "b", MDB_CREATE | MDB_INTEGERKEY, &other_dbi) == 0);
    CHECK(mdb_txn_commit(txn) == 0);
}

static struct index_place begin(MDB_txn **txn, unsigned flags)
{
    struct index_place p = {.piece = PIECE, .tail = tail};

    CHECK(mdb_txn_begin(env, NULL, flags, txn) == 0);
    CHECK(mdb_cursor_open(*txn, dbi, &p.cursor) == 0);
    return p;
}

/* Goes to the entry of a key, or to where it is to be. */
static bool find(struct index_place *p, uint32_t key)
{
    uint64_t pos;

    CHECK(index_seek(p, model[key].hash) == 0);
    while (index_next(p, &pos)) {
        if (pos == model[key].pos)
            return true;
    }
    return false;
}

static void change(struct index_place *p, uint32_t key, bool wanted)
{
    bool there = find(p, key);

    CHECK(there == (model[key].pos != 0));
    if (wanted && there)
        CHECK(index_replace(p, ++head, entries) == 0);
    else if (wanted)
        CHECK(index_add(p, ++head, entries) == 0);
    else if (there)
        CHECK(index_remove(p, entries) == 0);
    held += wanted - there;
    model[key].pos = wanted ? head : 0;
}

/* Changes keys until that many are held. */
static void go_to(uint32_t goal)
{
    while (held != goal) {
        MDB_txn *txn;
        struct index_place p = begin(&txn, 0);

        for (int i = 0; i < BATCH && held != goal; i++) {
            uint32_t key = (uint32_t)random_below(&random_state, KEYS);
            bool other = random_below(&random_state, 16) == 0;

            if (held < goal)
                change(&p, key, !other);
            else
                change(&p, key, other && model[key].pos != 0);
        }
        CHECK(mdb_txn_commit(txn) == 0);
    }
}

/* Sees each entry once, in the order of the hashes. Returns the buckets. */
static size_t verify(void)
{
    uint32_t hash, last = 0, n = 0;
    uint64_t pos;
    MDB_stat st;
    MDB_txn *txn;
    struct index_place p = begin(&txn, MDB_RDONLY);
    int rc = index_seek(&p, 0);

    while (rc == 0 && (rc = index_walk(&p, &hash, &pos)) == 0) {
        CHECK(hash >= last);
        last = hash;
        n++;
    }
    CHECK(rc == MDB_NOTFOUND && n == held);
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK(find(&p, i) == (model[i].pos != 0));
    CHECK(mdb_stat(txn, dbi, &st) == 0);
    mdb_cursor_close(p.cursor);
    mdb_txn_abort(txn);
    return st.ms_entries;
}

/* More keys than a bucket holds have one hash: that is an error, and nothing
 * else is lost. */
static void crowd(void)
{
    MDB_txn *txn;
    struct index_place p = begin(&txn, 0);
    uint64_t pos;
    int rc = 0, n = 0;

    for (; rc == 0 && n <= ROOM; n++) {
        CHECK(index_seek(&p, 0x77777777) == 0);
        while (index_next(&p, &pos))
            ;
        rc = index_add(&p, ++head, entries);
    }
    CHECK(rc == MDB_KEYEXIST && n == ROOM + 1);
    mdb_txn_abort(txn);
}

static int never(void *arg, uint64_t older, uint64_t newer, bool *same)
{
    (void)arg;
    CHECK(older < newer);
    *same = false;
    return 0;
}

/* Moves the buckets of the index to another one, which had some entries of
 * records before the tail. Those are gone then. */
static void move_all(void)
{
    const struct index_same same = {never, NULL};
    uint32_t hash = 1u << 31, n;
    int64_t gained, sum = 0;
    MDB_txn *txn;
    struct index_place from = begin(&txn, 0), to = from;
    int rc;

    CHECK(mdb_cursor_open(txn, other_dbi, &to.cursor) == 0);
    for (uint32_t i = 0; i < 5000; i++) {
        CHECK(index_seek(&to, model[i].hash) == 0);
        CHECK(index_add(&to, tail - 1 - i, entries) == 0);
    }
    while ((rc = index_take(&from, &hash, taken, &n)) == 0) {
        CHECK(index_merge(&to, taken, n, entries, &same, &gained) == 0);
        sum += gained;
    }
    CHECK(rc == MDB_NOTFOUND && sum <= held && sum + 5000 >= held);
    CHECK(mdb_txn_commit(txn) == 0);
    dbi = other_dbi;
}

int main(void)
{
    check_seed = random_state = weir_now();
    open_env();
    for (uint32_t i = 0; i < KEYS; i++) {
        model[i].hash = (uint32_t)random_next(&random_state);
        if (i % 4 == 0 && i > 0)
            model[i].hash = model[i - 1].hash;
    }
    model[0].hash = 0;
    model[1].hash = UINT32_MAX;
    CHECK(verify() == 0);
    for (uint32_t goal = 5000; goal <= 35000; goal += 10000) {
        go_to(goal);
        CHECK(verify() <= goal * 100 / (ROOM * 64) + 2);
    }
    crowd();
    verify();
    go_to(500);
    CHECK(verify() <= 20);
    go_to(0);
    CHECK(verify() == 1);
    go_to(30000);
    verify();
    move_all();
    verify();
    go_to(3000);
    verify();
    mdb_env_close(env);
    return 0;
}
