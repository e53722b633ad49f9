/* shortened.c -- something else shortens the file while it is mapped: every
 * operation fails with a sentence, at any moment, in any thread, and nothing
 * crashes; a SIGBUS that is not the store's ends where it did before. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "weir.h"

enum {
    CAPACITY = 1 << 20,
    SIZE = 40000,
    ROUNDS = 40,
#ifdef __SANITIZE_THREAD__
    /* When a page goes, so does the lock on it: threads race for zeros, which
     * nobody is answered with. */
    THREADS = 1,
#else
    THREADS = 3,
#endif
};

static char path[64];

static struct weir_store *open_store(const char *sigbus)
{
    struct weir_setting options[] = {
        {"path", path}, {"capacity", "1MiB"}, {"sigbus", sigbus}};
    struct weir_store *s;
    struct weir_error err;

    if (weir_open(&s, "shm", options, 3, &err) < 0)
        fprintf(stderr, "%s\n", err.message);
    CHECK(s != NULL);
    return s;
}

static int run(struct weir_store *s, struct weir_batch *b, uint32_t op,
               uint64_t key)
{
    static char bytes[SIZE];
    struct weir_item *item = &b->items[0];
    static _Thread_local uint64_t kept;

    kept = key;
    weir_batch_reset(b, op, 1);
    if (op != WEIR_SCAN) {
        item->key = (const char *)&kept;
        item->key_len = sizeof kept;
    }
    if (op == WEIR_SET) {
        item->data = bytes;
        item->size = key % 2 != 0 ? SIZE : 1000;
    }
    weir_submit(s, NULL, b);
    return item->status;
}

/* ---- every operation ---- */

static void shorten(off_t size)
{
    CHECK(truncate(path, size) == 0);
}

static void fails(off_t size)
{
    struct weir_store *s = open_store("true");
    struct weir_batch *b = weir_batch_new(1);
    struct weir_gauge gauges[32];
    struct weir_value *v;

    for (uint64_t i = 0; i < 10; i++)
        CHECK(run(s, b, WEIR_SET, i) == WEIR_OK);
    CHECK(run(s, b, WEIR_GET, 1) == WEIR_OK);
    v = weir_value_ref(b->items[0].value);
    shorten(size);
    /* What is read in place already is zeros then. */
    for (uint64_t i = 0; i < v->size; i++)
        (void)*(const volatile char *)(v->data + i);
    for (uint32_t op = WEIR_GET; op <= WEIR_SCAN; op++) {
        CHECK(run(s, b, op, 3) == WEIR_FAILED);
        CHECK(strstr(b->error.message, "was shortened") != NULL);
    }
    weir_store_gauges(s, gauges, 32);
    weir_batch_free(b);
    weir_value_unref(v);
    weir_store_free(s);
    unlink(path);
}

/* ---- at any moment ---- */

static _Atomic bool over;
static _Atomic uint64_t answered[WEIR_STATUSES];

static void *thread_main(void *arg)
{
    struct weir_batch *b = weir_batch_new(1);
    uint64_t random = (uintptr_t)arg;

    while (!over) {
        uint32_t op = WEIR_GET +
                      (uint32_t)random_below(&random, WEIR_SCAN - WEIR_GET + 1);

        answered[run(arg, b, op, random_below(&random, 40))]++;
    }
    weir_batch_free(b);
    return NULL;
}

static void any_moment(uint64_t *random)
{
    pthread_t threads[THREADS];
    struct weir_store *s = open_store("true");
    uint64_t failed = answered[WEIR_FAILED];

    over = false;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, thread_main, s) == 0);
    usleep((useconds_t)random_below(random, 3000));
    shorten((off_t)random_below(random, CAPACITY / 4));
    while (answered[WEIR_FAILED] < failed + THREADS)
        usleep(100);
    over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    weir_store_free(s);
    unlink(path);
}

/* ---- what is not the store's ---- */

static sigjmp_buf back;

static void handler(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

/* A page of another file that is not there. */
static volatile char *missing_page(void)
{
    int fd = memfd_create("other", MFD_CLOEXEC);
    char *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    CHECK(fd >= 0 && at != MAP_FAILED);
    close(fd);
    return at;
}

static bool handler_set(void)
{
    struct sigaction now;

    sigaction(SIGBUS, NULL, &now);
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == handler;
}

static void passed_on(void)
{
    struct sigaction act = {.sa_handler = handler};
    volatile char *page = missing_page();
    struct weir_store *s, *t;
    volatile int caught = 0;

    sigaction(SIGBUS, &act, NULL);
    s = open_store("true");
    t = open_store("true");
    if (sigsetjmp(back, 1) == 0)
        (void)*page;
    else
        caught++;
    if (sigsetjmp(back, 1) == 0)
        raise(SIGBUS);
    else
        caught++;
    CHECK(caught == 2);
    weir_store_free(s);
    CHECK(!handler_set());
    weir_store_free(t);
    CHECK(handler_set());
    s = open_store("false");
    CHECK(handler_set());
    weir_store_free(s);
    signal(SIGBUS, SIG_DFL);
    unlink(path);
}

/* How a child ends that does it. */
static void ends_by_sigbus(void (*what)(void))
{
    static const struct rlimit none;
    int status;
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGBUS, SIG_DFL); /* a sanitizer has its own */
        alarm(30);
        what();
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void touch_other(void)
{
    open_store("true");
    (void)*missing_page();
}

static void be_sent(void)
{
    open_store("true");
    raise(SIGBUS);
}

static void be_unguarded(void)
{
    struct weir_store *s = open_store("false");

    shorten(0);
    run(s, weir_batch_new(1), WEIR_GET, 1);
}

int main(void)
{
    uint64_t random = check_seed = (uint64_t)getpid();
    int fd;

    alarm(200);
    strcpy(path, "/dev/shm/weir-spec-XXXXXX");
    fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    unlink(path);
    fails(0);
    fails(4096);
    fails(8192);
    passed_on();
    ends_by_sigbus(touch_other);
    ends_by_sigbus(be_sent);
    ends_by_sigbus(be_unguarded);
    unlink(path);
    for (int i = 0; i < ROUNDS; i++)
        any_moment(&random);
    return 0;
}
