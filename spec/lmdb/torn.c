/* torn.c -- a process that ends by kill -9 at one of the writes of a commit: at
 * the first one, in the next run at the second one, and so on, also while the
 * index is merged from level to level. The store opens, all that was answered
 * is there, and nothing comes back. */

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "harness.h"

enum {
    KEYS = 12800,
    RUNS = SANITIZED ? 40 : 90,
    CALLS = 8, /* before the one that ends */
};

/* For each key the number of the last answered change and of the last begun
 * one. Every fifth number is a delete. */
static struct told {
    uint64_t answered[KEYS], begun[KEYS], last;
    _Atomic int64_t writes; /* left to the process; below 0: no matter */
} * told;

static void count_write(void)
{
    if (told != NULL && told->writes >= 0 && told->writes-- == 0)
        kill(getpid(), SIGKILL);
}

/* These are for LMDB, in place of the C library's. */
__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *bytes,
                                                      size_t n, off_t at)
{
    count_write();
    return syscall(SYS_pwrite64, fd, bytes, n, at);
}

__attribute__((visibility("default"))) ssize_t
writev(int fd, const struct iovec *parts, int n)
{
    count_write();
    return syscall(SYS_writev, fd, parts, n);
}

static int is_delete(uint64_t number)
{
    return number % 5 == 0;
}

static size_t size_of(uint64_t number)
{
    return 16 + number * 7919 % 80;
}

static void name_keys(struct client *c, uint32_t op, const int *keys)
{
    static char names[BATCH][16];

    CHECK(weir_batch_reset(c->batch, op, BATCH) == 0);
    for (int i = 0; i < BATCH; i++) {
        snprintf(names[i], sizeof names[i], "key-%d", keys[i]);
        c->batch->items[i].key = names[i];
        c->batch->items[i].key_len = (uint32_t)strlen(names[i]);
    }
}

/* Sets or deletes different keys, then tells. */
static void change(struct client *c, uint64_t *random)
{
    static char values[BATCH][100];
    int keys[BATCH];
    uint64_t number;

    number = ++told->last;
    for (int i = 0; i < BATCH; i++) {
        keys[i] = (int)random_below(random, KEYS / BATCH) * BATCH + i;
        told->begun[keys[i]] = number;
    }
    name_keys(c, is_delete(number) ? WEIR_DELETE : WEIR_SET, keys);
    for (int i = 0; i < BATCH && !is_delete(number); i++) {
        telling_fill(values[i], size_of(number), number);
        c->batch->items[i].data = values[i];
        c->batch->items[i].size = size_of(number);
    }
    client_run(c);
    CHECK(c->batch->errors == 0);
    for (int i = 0; i < BATCH; i++)
        told->answered[keys[i]] = number;
}

static void end_at(int64_t writes, uint64_t random)
{
    struct client c;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(200); /* it is a fault if the write does not come */
    c = open_lmdb("capacity=64MiB");
    for (int i = 0; i < CALLS; i++)
        change(&c, &random);
    told->writes = writes;
    for (;;)
        change(&c, &random);
}

/* A key is as its last answered change left it, or as the one that was begun
 * after that would. It is known now which. */
static void check_key(int key, const struct weir_item *item)
{
    uint64_t *answered = &told->answered[key], *begun = &told->begun[key];
    uint64_t number = item->value ? telling_number(item->value) : 0;

    if (number == 0)
        CHECK(*answered == 0 || is_delete(*answered) || is_delete(*begun));
    else
        CHECK(!is_delete(number) && (number == *answered || number == *begun));
    if (number == *begun || (number == 0 && is_delete(*begun)))
        *answered = *begun;
    *begun = *answered;
}

static void check_all(void)
{
    struct client c = open_lmdb("capacity=64MiB");
    uint64_t there = 0;

    for (int at = 0; at < KEYS; at += BATCH) {
        int keys[BATCH];

        for (int i = 0; i < BATCH; i++)
            keys[i] = at + i;
        name_keys(&c, WEIR_GET, keys);
        client_run(&c);
        CHECK(c.batch->errors == 0);
        for (int i = 0; i < BATCH; i++) {
            check_key(keys[i], &c.batch->items[i]);
            there += c.batch->items[i].value != NULL;
        }
    }
    CHECK(gauge(c.store, "items") == there);
    close_lmdb(&c);
}

int main(void)
{
    check_seed = weir_now();
    uint64_t random = check_seed;

    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(told != MAP_FAILED);
    told->writes = -1;
    folder_make();
    for (int run = 0; run < RUNS; run++) {
        pid_t pid = fork();
        int status;

        if (pid == 0)
            end_at(run % 50, random_next(&random) + (uint64_t)run);
        random_next(&random);
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        told->writes = -1;
        check_all();
    }
    return 0;
}
