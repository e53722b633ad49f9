/* levels.c -- two processes change the same store by turns, and the other one
 * looks at once at what was changed. A table says what must be there. So many
 * keys are set, replaced, deleted, touched and evicted that entries of the
 * index go through all of its levels, and so many are looked at that a session
 * makes its filter of the young ones. Each key has its last value or, in a full
 * file, none, and what is gone stays gone. */

#include <stdbool.h>

#include "harness.h"

#include "../../connectors/lmdb/env.h"

enum {
    KEYS = (SANITIZED ? 400 : 800) * BATCH,
    CALLS = SANITIZED ? 500 : 1600,
    LARGE = 500000,
    REOPEN = WEIR_SCAN + 1000, /* no op of weir's */
};

/* What a process is asked for, and its answer. */
static struct mail {
    uint32_t op;
    uint32_t keys[BATCH];
    uint64_t numbers[BATCH];              /* of the values; 0: none */
    uint64_t ttl_ms, buckets[ENV_LEVELS]; /* of the index */
} * mail;

static const char *options;
static struct client mine;
static int to_other, from_other;
static uint64_t model[KEYS]; /* numbers, 0: none */
static uint64_t random_state, last_number;
static bool full;        /* the store may evict */
static unsigned evicted; /* seen to be */

static size_t size_of(uint64_t number)
{
    return 16 + number * 7919 % 2100;
}

/* Does what the mail asks for. */
static void serve(struct client *c)
{
    static char names[BATCH][16], values[BATCH][2200];

    if (mail->op == REOPEN) {
        close_lmdb(c);
        *c = open_lmdb(options);
        return;
    }
    CHECK(weir_batch_reset(c->batch, mail->op, BATCH) == 0);
    for (int i = 0; i < BATCH; i++) {
        struct weir_item *item = &c->batch->items[i];

        snprintf(names[i], sizeof names[i], "key-%u", mail->keys[i]);
        item->key = names[i];
        item->key_len = (uint32_t)strlen(names[i]);
        item->ttl_ms = mail->ttl_ms;
        if (mail->op != WEIR_SET)
            continue;
        item->data = values[i];
        item->size = size_of(mail->numbers[i]);
        telling_fill(values[i], item->size, mail->numbers[i]);
    }
    client_run(c);
    if (c->batch->errors > 0)
        fprintf(stderr, "%s\n", c->batch->error.message);
    CHECK(c->batch->errors == 0);
    for (int i = 0; i < BATCH && mail->op == WEIR_GET; i++) {
        const struct weir_value *v = c->batch->items[i].value;

        mail->numbers[i] = v != NULL ? telling_number(v) : 0;
    }
}

static void other_process(int in, int out)
{
    struct client c = open_lmdb(options);
    char go;

    while (read(in, &go, 1) == 1) {
        serve(&c);
        CHECK(write(out, &go, 1) == 1);
    }
    close_lmdb(&c);
    exit(0);
}

static pid_t other_start(void)
{
    int there[2], back[2];
    pid_t pid;

    CHECK(pipe(there) == 0 && pipe(back) == 0);
    pid = fork();
    if (pid == 0) {
        close(there[1]);
        close(back[0]);
        other_process(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    to_other = there[1];
    from_other = back[0];
    return pid;
}

/* Has one of the two processes do what the mail asks for. */
static void ask(bool other)
{
    char go = 0;

    if (other)
        CHECK(write(to_other, &go, 1) == 1 && read(from_other, &go, 1) == 1);
    else
        serve(&mine);
}

/* Gets the keys of the mail, which must be as the table says. */
static unsigned look(bool other)
{
    unsigned found = 0;

    mail->op = WEIR_GET;
    ask(other);
    for (int i = 0; i < BATCH; i++) {
        uint64_t *wanted = &model[mail->keys[i]];

        if (full && mail->numbers[i] == 0) {
            evicted += *wanted != 0;
            *wanted = 0;
        }
        CHECK(mail->numbers[i] == *wanted);
        found += *wanted != 0;
    }
    return found;
}

/* Changes different keys in one process and looks at them in the other. */
static void change(void)
{
    static const uint32_t ops[] = {WEIR_SET, WEIR_SET,    WEIR_SET,  WEIR_SET,
                                   WEIR_SET, WEIR_DELETE, WEIR_TOUCH};
    uint32_t op = ops[random_below(&random_state, 7)];
    bool other = random_below(&random_state, 2);

    mail->op = op;
    mail->ttl_ms = random_below(&random_state, 4) == 0 ? 10000000 : 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        uint32_t key =
            (uint32_t)random_below(&random_state, KEYS / BATCH) * BATCH + i;

        mail->keys[i] = key;
        mail->numbers[i] = ++last_number;
        if (op != WEIR_TOUCH)
            model[key] = op == WEIR_SET ? last_number : 0;
    }
    ask(other);
    look(!other);
}

/* Scans the store: each key that the table has, once. */
static void scan(void)
{
    static bool seen[KEYS];
    uint64_t cursor = 0;

    memset(seen, 0, sizeof seen);
    do {
        struct weir_item *item = &mine.batch->items[0];
        const char *at, *end;

        CHECK(weir_batch_reset(mine.batch, WEIR_SCAN, 1) == 0);
        item->key = "key-";
        item->key_len = 4;
        item->cursor = cursor;
        client_run(&mine);
        CHECK(item->status == WEIR_OK);
        at = item->value->data;
        end = at + item->value->size;
        while (at < end) {
            const struct weir_scan_entry *entry = (const void *)at;
            char name[16] = "";
            uint32_t key;

            memcpy(name, entry + 1, entry->key_len);
            key = (uint32_t)atoi(name + 4);
            CHECK(key < KEYS && !seen[key] && model[key] != 0);
            CHECK(entry->size == size_of(model[key]));
            seen[key] = true;
            at += (sizeof *entry + entry->key_len + 7) / 8 * 8;
        }
        cursor = item->cursor;
    } while (cursor != 0);
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK(seen[i] == (model[i] != 0));
}

/* Looks at all keys, and returns how many there are. */
static uint64_t verify(void)
{
    uint64_t found = 0;

    for (uint32_t at = 0; at < KEYS; at += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++)
            mail->keys[i] = at + i;
        found += look(random_below(&random_state, 2));
    }
    scan();
    return found;
}

static uint64_t count_level(MDB_txn *txn, const char *name, uint64_t *entries)
{
    MDB_val key, data;
    MDB_cursor *cursor;
    MDB_dbi dbi;
    uint64_t buckets = 0;

    CHECK(mdb_dbi_open(txn, name, 0, &dbi) == 0);
    CHECK(mdb_cursor_open(txn, dbi, &cursor) == 0);
    for (*entries = 0; mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0;) {
        uint16_t n;

        memcpy(&n, data.mv_data, sizeof n);
        *entries += n;
        buckets++;
    }
    return buckets;
}

/* Counts the buckets of each level, in a process of its own. The store must
 * know how many entries they have. */
static void count_levels(void)
{
    static const char *const names[] = {"young", "middle", "index"};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        char facts_name[] = "weir";
        MDB_val key = {4, facts_name}, data;
        struct env_facts facts;
        uint64_t entries;
        MDB_env *env;
        MDB_txn *txn;
        MDB_dbi dbi;

        CHECK(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 3) == 0);
        CHECK(mdb_env_open(env, folder_path, MDB_RDONLY, 0600) == 0);
        CHECK(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0);
        CHECK(mdb_dbi_open(txn, NULL, 0, &dbi) == 0);
        CHECK(mdb_get(txn, dbi, &key, &data) == 0);
        memcpy(&facts, data.mv_data, sizeof facts);
        for (int i = 0; i < ENV_LEVELS; i++) {
            mail->buckets[i] = count_level(txn, names[i], &entries);
            CHECK(entries == facts.entries[i]);
        }
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Half way both processes open the store again, one after the other: what was
 * not merged yet is there. */
static void go_on(void)
{
    for (int i = 0; i < CALLS; i++) {
        change();
        if (i == CALLS / 2) {
            CHECK(gauge(mine.store, "items") == verify());
            mail->op = REOPEN;
            ask(false);
            CHECK(gauge(mine.store, "items") == verify());
            mail->op = REOPEN;
            ask(true);
        }
    }
}

/* Large values evict all others. Those leave entries in the index, which are
 * cleaned up. */
static void crowd_out(void)
{
    static char large[LARGE];
    char name[16];

    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "large-%d", i);
        CHECK(client_do(&mine, WEIR_SET, name, large, LARGE) == WEIR_OK);
    }
    CHECK(verify() == 0);
    count_levels();
    CHECK(mail->buckets[ENV_LEVELS - 1] < 10);
}

static void run(const char *with)
{
    pid_t other;
    int status;

    options = with;
    memset(model, 0, sizeof model);
    folder_make();
    other = other_start();
    mine = open_lmdb(options);
    go_on();
    count_levels();
    for (int i = 0; i < ENV_LEVELS; i++)
        CHECK(mail->buckets[i] > 2);
    if (full) {
        CHECK(verify() > 0 && evicted > 1000);
        crowd_out();
    }
    close_lmdb(&mine);
    close(to_other);
    CHECK(waitpid(other, &status, 0) == other && status == 0);
    close(from_other);
    folder_remove();
}

int main(void)
{
    check_seed = random_state = weir_now();
    mail = mmap(NULL, sizeof *mail, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(mail != MAP_FAILED);
    run("capacity=256MiB");
    full = true;
    run("capacity=16MiB");
    return 0;
}
