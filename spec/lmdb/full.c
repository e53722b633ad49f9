/* full.c -- a reader that keeps an old state holds its pages, so that the file
 * runs full: sets answer NOSPACE, gets go on, and sets recover when the reader
 * ends or was killed. A writer that stops in the middle holds the lock: others
 * give up at their deadline. */

#include <lmdb.h>
#include <sys/file.h>

#include "harness.h"

enum { VALUE = 4000 };

static char value[VALUE];

/* Another process with a transaction of LMDB's own, begun before it tells. */
static pid_t slow_reader(void)
{
    int ready[2];
    pid_t pid;
    char go = 0;

    CHECK(pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        MDB_env *env;
        MDB_txn *txn;

        CHECK(mdb_env_create(&env) == 0);
        CHECK(mdb_env_open(env, folder_path, MDB_RDONLY, 0600) == 0);
        CHECK(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0);
        CHECK(write(ready[1], &go, 1) == 1);
        for (;;)
            pause();
    }
    CHECK(read(ready[0], &go, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

/* Kills a process while the next write waits for pages, if all goes fast. */
static pid_t kill_soon(pid_t pid)
{
    pid_t killer = fork();

    if (killer == 0) {
        usleep(100000);
        _exit(kill(pid, SIGKILL));
    }
    return killer;
}

/* Sets a batch of keys from a number on; returns how many answer a status. */
static unsigned set_batch(struct client *c, unsigned from, int status)
{
    char names[BATCH][16];
    unsigned n = 0;

    CHECK(weir_batch_reset(c->batch, WEIR_SET, BATCH) == 0);
    for (unsigned i = 0; i < BATCH; i++) {
        snprintf(names[i], sizeof names[i], "key-%u", from + i);
        c->batch->items[i].key = names[i];
        c->batch->items[i].key_len = (uint32_t)strlen(names[i]);
        c->batch->items[i].data = value;
        c->batch->items[i].size = VALUE;
    }
    client_run(c);
    for (unsigned i = 0; i < BATCH; i++)
        n += c->batch->items[i].status == status;
    return n;
}

/* Appends pieces of VALUE bytes to "log", or adds 1 to "number" as often. What
 * does not fit is undone and tried again, which must not count twice. Returns
 * how many changes were made. */
static unsigned change_batch(struct client *c, uint32_t op, int refusal)
{
    struct weir_item *item = c->batch->items;
    unsigned n = 0, refused = 0;

    CHECK(weir_batch_reset(c->batch, op, BATCH) == 0);
    for (unsigned i = 0; i < BATCH; i++) {
        item[i].key = op == WEIR_INCR ? "number" : "log";
        item[i].key_len = (uint32_t)strlen(item[i].key);
        item[i].number = 1;
        item[i].data = op == WEIR_INCR ? NULL : value;
        item[i].size = op == WEIR_INCR ? 0 : VALUE;
    }
    client_run(c);
    for (unsigned i = 0; i < BATCH; i++) {
        refused += item[i].status == refusal;
        if (item[i].status == WEIR_OK)
            CHECK(item[i].number ==
                  (int64_t)++n * (op == WEIR_INCR ? 1 : VALUE));
    }
    CHECK(n + refused == BATCH);
    return n;
}

static void stopped_writer(void)
{
    struct client c = open_lmdb("capacity=16MiB");
    char path[100];
    int fd;

    snprintf(path, sizeof path, "%s/weir.lock", folder_path);
    fd = open(path, O_RDWR);
    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
    CHECK(weir_batch_reset(c.batch, WEIR_SET, 1) == 0);
    c.batch->items[0].key = "late";
    c.batch->items[0].key_len = 4;
    c.batch->deadline_ns = weir_now() + SECOND / 20;
    client_run(&c);
    CHECK(c.batch->items[0].status == WEIR_SKIPPED);
    CHECK(client_do(&c, WEIR_GET, "kept", NULL, 0) == WEIR_OK);
    close(fd);
    CHECK(client_do(&c, WEIR_SET, "late", "x", 1) == WEIR_OK);
    close_lmdb(&c);
}

int main(void)
{
    struct client c;
    unsigned full = 0, at = 0, appended, counted;
    pid_t reader, killer;

    folder_make();
    c = open_lmdb("capacity=16MiB");
    CHECK(set_batch(&c, at, WEIR_OK) == BATCH);
    reader = slow_reader();
    while (full == 0 && at < 20000)
        full = set_batch(&c, at += BATCH, WEIR_NOSPACE);
    CHECK(full > 0 && strstr(c.batch->error.message, "slow reader") != NULL);
    CHECK(gauge(c.store, "full") > 0);
    CHECK(client_do(&c, WEIR_GET, "key-64", NULL, 0) != WEIR_PENDING);
    appended = change_batch(&c, WEIR_APPEND, WEIR_NOSPACE);
    CHECK(appended < BATCH);
    killer = kill_soon(reader);
    counted = change_batch(&c, WEIR_INCR, WEIR_NOSPACE);
    CHECK(waitpid(killer, NULL, 0) == killer);
    CHECK(waitpid(reader, NULL, 0) == reader);
    /* The first set finds the dead reader, if it still needs pages. */
    set_batch(&c, at, WEIR_OK);
    CHECK(client_do(&c, WEIR_APPEND, "log", value, VALUE) == WEIR_OK);
    CHECK(c.batch->items[0].number == ((int64_t)appended + 1) * VALUE);
    CHECK(client_do(&c, WEIR_INCR, "number", NULL, 0) == WEIR_OK);
    CHECK(c.batch->items[0].number == counted);
    for (int i = 0; i < 200; i++)
        CHECK(set_batch(&c, at += BATCH, WEIR_OK) == BATCH);
    CHECK(client_do(&c, WEIR_SET, "kept", "x", 1) == WEIR_OK);
    close_lmdb(&c);
    stopped_writer();
    return 0;
}
