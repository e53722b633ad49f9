/* holding.c -- what atomic ops and other writers of a key do to each other at
 * the worst moment: a process is paused just before a rename or a write of a
 * mark, and others run meanwhile. Nothing that was acknowledged is lost. A
 * holder that is killed delays nobody; one that is stopped delays writers of
 * its key for a bounded time, and no reader. */

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "harness.h"

enum { AT_RENAME = 1, AT_MARK, ACTORS = 24, LATE = 30 };

/* A process that does one op. All are there before this program has threads. */
struct actor {
    pid_t pid; /* in the first process */
    _Atomic int op;
    char key[16], value[16];
    int64_t number;
    int pause_at; /* the first call of that kind waits for `go` */
    _Atomic int paused, go;
    _Atomic int renamed; /* renames that returned, and the errno of the first */
    _Atomic int rename_errno;
    _Atomic int ended, status;
};

static struct actor *actors; /* shared */
static int n_actors;
static struct actor *self; /* in an actor's process */

#define SHIM __attribute__((visibility("default")))

static void pause_here(int at)
{
    if (self == NULL || self->pause_at != at || self->paused)
        return;
    self->paused = 1;
    while (!self->go)
        usleep(500);
}

static int rename_done(int rc)
{
    int err = errno;

    if (self != NULL && self->renamed++ == 0)
        self->rename_errno = rc < 0 ? err : 0;
    errno = err;
    return rc;
}

/* These stand in front of libc's. */
SHIM int renameat(int from, const char *a, int to, const char *b)
{
    pause_here(AT_RENAME);
    return rename_done((int)syscall(SYS_renameat2, from, a, to, b, 0));
}

SHIM int renameat2(int from, const char *a, int to, const char *b,
                   unsigned flags)
{
    pause_here(AT_RENAME);
    return rename_done((int)syscall(SYS_renameat2, from, a, to, b, flags));
}

SHIM ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    ssize_t done = syscall(SYS_pwrite64, fd, bytes, n, at);

    if (n == 1)
        pause_here(AT_MARK);
    return done;
}

static void act(struct actor *a)
{
    struct client c;

    while (a->op == 0)
        usleep(500);
    c = open_fs(folder_sub("a"), NULL);
    client_start(&c, a->op, a->key, strlen(a->key));
    if (weir_op_info((uint32_t)a->op)->sends) {
        c.item->data = a->value;
        c.item->size = strlen(a->value);
    }
    c.item->number = a->number;
    if (a->op == WEIR_TOUCH)
        c.item->ttl_ms = 1000000;
    a->status = client_run(&c);
    a->number = c.item->number;
    a->ended = 1;
    _exit(0);
}

static struct actor *start(int op, const char *key, const char *value,
                           int pause_at)
{
    struct actor *a = &actors[n_actors++];

    CHECK(n_actors <= ACTORS);
    a->number = 1;
    a->pause_at = pause_at;
    snprintf(a->key, sizeof a->key, "%s", key);
    snprintf(a->value, sizeof a->value, "%s", value);
    if (op == WEIR_CAS)
        a->number = (int64_t)weir_version_of("1", 1);
    a->op = op;
    return a;
}

/* Also those that are paused or stopped when a check fails. */
static void end_all(void)
{
    for (int i = 0; i < ACTORS && getpid() == folder_maker; i++) {
        if (actors[i].pid > 0)
            kill(actors[i].pid, SIGKILL);
    }
}

static void start_all(void)
{
    actors = mmap(NULL, ACTORS * sizeof *actors, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(actors != MAP_FAILED);
    for (int i = 0; i < ACTORS; i++) {
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0) {
            self = &actors[i];
            act(self);
        }
        actors[i].pid = pid;
    }
    atexit(end_all);
}

static void await(_Atomic int *flag)
{
    uint64_t until = weir_now() + LATE * SECOND;

    while (!*flag && weir_now() < until)
        usleep(500);
    CHECK(*flag);
}

static struct actor *start_paused(int op, const char *key, const char *value,
                                  int at)
{
    struct actor *a = start(op, key, value, at);

    await(&a->paused);
    return a;
}

/* Lets an actor go on to its end. */
static int finish(struct actor *a)
{
    a->go = 1;
    await(&a->ended);
    CHECK(waitpid(a->pid, NULL, 0) == a->pid);
    a->pid = 0;
    return a->status;
}

static void killed(struct actor *a)
{
    CHECK(kill(a->pid, SIGKILL) == 0);
    CHECK(waitpid(a->pid, NULL, 0) == a->pid);
    a->pid = 0;
}

static int is(struct client *c, const char *key, const char *value)
{
    return client_is(c, key, value, strlen(value));
}

/* A writer that had to wait for a paused one may have given up, if the machine
 * was too busy to go on with this program. */
static int was_late(int status)
{
    CHECK(status == WEIR_OK || status == WEIR_BUSY);
    return status == WEIR_BUSY;
}

/* A set looked at the mark of a directory before its first atomic op. Its
 * rename must not come between the look of that op and its rename. */
static void fenced(struct client *c, const char *key, int marked_by_killed)
{
    struct actor *set, *incr;
    int late;

    CHECK(client_set(c, key, "1", 1) == WEIR_OK);
    set = start_paused(WEIR_SET, key, "100", AT_RENAME);
    if (marked_by_killed)
        killed(start_paused(WEIR_INCR, key, "", AT_MARK));
    incr = start_paused(WEIR_INCR, key, "", AT_RENAME);
    set->go = 1;
    await(&set->renamed);
    CHECK(set->rename_errno == ENOENT);
    CHECK(finish(incr) == WEIR_OK && incr->number == 2);
    late = was_late(finish(set));
    CHECK(is(c, key, late ? "2" : "100"));
}

/* An op that is started beside a paused one waits for it. */
static struct actor *start_beside(struct actor *paused, int op,
                                  const char *value)
{
    struct actor *a = start(op, paused->key, value, 0);

    usleep(100000);
    CHECK(!a->ended);
    return a;
}

static void waits(struct client *c)
{
    struct actor *first, *second;
    int late;

    CHECK(client_set(c, "w", "1", 1) == WEIR_OK);
    first = start_paused(WEIR_CAS, "w", "5", AT_RENAME);
    second = start_beside(first, WEIR_SET, "100");
    CHECK(finish(first) == WEIR_OK);
    late = was_late(finish(second));
    CHECK(is(c, "w", late ? "5" : "100"));

    first = start_paused(WEIR_SET, "w", "1", AT_RENAME);
    second = start_beside(first, WEIR_INCR, "");
    CHECK(finish(first) == WEIR_OK);
    late = was_late(finish(second));
    CHECK(is(c, "w", late ? "1" : "2"));

    first = start_paused(WEIR_INCR, "w", "", AT_RENAME);
    second = start_beside(first, WEIR_DELETE, "");
    CHECK(finish(first) == WEIR_OK);
    late = was_late(finish(second));
    CHECK(client_do(c, WEIR_GET, "w") == (late ? WEIR_OK : WEIR_MISS));
}

static void keeps_touches(struct client *c)
{
    struct actor *first, *second;
    int late;

    CHECK(client_set(c, "t", "1", 1) == WEIR_OK);
    first = start_paused(WEIR_INCR, "t", "", AT_RENAME);
    second = start_beside(first, WEIR_TOUCH, "");
    CHECK(finish(first) == WEIR_OK);
    late = was_late(finish(second));
    CHECK(is(c, "t", "2"));
    CHECK(client_do(c, WEIR_STAT, "t") == WEIR_OK);
    CHECK((c->item->ttl_ms == 0) == late);
}

/* Two adds over an expired value. */
static void adds_once(struct client *c)
{
    struct actor *first, *second;

    client_start(c, WEIR_SET, "e", 1);
    c->item->data = (char *)"old";
    c->item->size = 3;
    c->item->ttl_ms = 1;
    CHECK(client_run(c) == WEIR_OK);
    usleep(20000);
    first = start_paused(WEIR_ADD, "e", "first", AT_RENAME);
    second = start_beside(first, WEIR_ADD, "second");
    CHECK(finish(first) == WEIR_OK);
    finish(second);
    CHECK(second->status == WEIR_REJECTED || second->status == WEIR_BUSY);
    CHECK(is(c, "e", "first"));
}

static void dies(struct client *c)
{
    CHECK(client_set(c, "d", "1", 1) == WEIR_OK);
    for (int i = 0; i < 3; i++) {
        killed(start_paused(WEIR_INCR, "d", "", AT_RENAME));
        CHECK(client_do(c, WEIR_INCR, "d") == WEIR_OK);
    }
    CHECK(is(c, "d", "1")); /* by 0 each time */
    CHECK(client_set(c, "d", "2", 1) == WEIR_OK);
    CHECK(client_do(c, WEIR_DELETE, "d") == WEIR_OK);
}

/* Starts an op whose answer is not waited for. */
static struct client begin(struct weir_store *store, int op, uint64_t left_ns)
{
    struct client c = client_new(store);

    client_start(&c, op, "s", 1);
    c.item->data = op == WEIR_SET ? (char *)"9" : NULL;
    c.item->size = op == WEIR_SET ? 1 : 0;
    c.batch->deadline_ns = left_ns ? weir_now() + left_ns : 0;
    CHECK(weir_submit(c.store, c.cq, c.batch) == 0);
    return c;
}

static int end(struct client *c)
{
    struct weir_batch *done;
    int status;

    while (weir_cq_drain(c->cq, &done, 1) == 0)
        CHECK(weir_cq_wait(c->cq, LATE * SECOND) == 1);
    status = c->item->status;
    client_free(c);
    return status;
}

static void stopped(struct client *c)
{
    struct client others[4];
    struct actor *a;

    CHECK(client_set(c, "s", "1", 1) == WEIR_OK);
    a = start_paused(WEIR_INCR, "s", "", AT_RENAME);
    CHECK(kill(a->pid, SIGSTOP) == 0);
    others[0] = begin(c->store, WEIR_INCR, 0);
    others[1] = begin(c->store, WEIR_SET, 0);
    others[2] = begin(c->store, WEIR_DELETE, 0);
    others[3] = begin(c->store, WEIR_INCR, SECOND / 10);
    for (int i = 0; i < 3; i++)
        CHECK(end(&others[i]) == WEIR_BUSY);
    CHECK(end(&others[3]) == WEIR_SKIPPED);
    CHECK(is(c, "s", "1"));
    CHECK(client_do(c, WEIR_INCR, "another") == WEIR_OK);
    CHECK(kill(a->pid, SIGCONT) == 0);
    CHECK(finish(a) == WEIR_OK && a->number == 2);
    CHECK(client_do(c, WEIR_INCR, "s") == WEIR_OK);
    CHECK(is(c, "s", "2"));
}

int main(void)
{
    struct client c;

    folder_make();
    start_all();
    c = open_fs(folder_sub("a"), "workers=4", NULL);
    fenced(&c, "f", 0);
    fenced(&c, "g", 1);
    waits(&c);
    keeps_touches(&c);
    adds_once(&c);
    dies(&c);
    stopped(&c);
    close_fs(&c);
    return 0;
}
