/* changing.c -- processes of several threads change the same keys of one
 * folder: by loops of get and cas, by incr and by append, while others set the
 * key, and while some are killed. Each acknowledged change is there, once, and
 * no set is lost to a change. WEIR_SOAK runs more of each. */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "harness.h"

enum { PROCESSES = 2, THREADS = 2, SETS = 1000000, SLOTS = 8 };

static int times = 300; /* changes of a thread */

/* What killed processes had acknowledged; shared. */
static _Atomic uint64_t *acknowledged;

static int64_t number_in(struct client *c, const char *key)
{
    char digits[32] = "";

    CHECK(client_do(c, WEIR_GET, key) == WEIR_OK);
    CHECK(c->item->value->size < sizeof digits);
    memcpy(digits, c->item->value->data, c->item->value->size);
    return atoll(digits);
}

static int64_t incr(struct client *c, const char *key)
{
    client_start(c, WEIR_INCR, key, strlen(key));
    c->item->number = 1;
    CHECK(client_run(c) == WEIR_OK);
    return c->item->number;
}

static void cas_once(struct client *c)
{
    char digits[32];
    int status;

    do {
        int64_t old = number_in(c, "cas");
        int n = snprintf(digits, sizeof digits, "%lld", (long long)old);
        uint64_t version = weir_version_of(digits, (uint64_t)n);

        n = snprintf(digits, sizeof digits, "%lld", (long long)old + 1);
        client_start(c, WEIR_CAS, "cas", 3);
        c->item->data = digits;
        c->item->size = (uint64_t)n;
        c->item->number = (int64_t)version;
        status = client_run(c);
        CHECK(status == WEIR_OK || status == WEIR_REJECTED);
    } while (status != WEIR_OK);
}

static void append_once(struct client *c)
{
    client_start(c, WEIR_APPEND, "append", 6);
    c->item->data = (char *)"x";
    c->item->size = 1;
    CHECK(client_run(c) == WEIR_OK);
}

static void *change(void *store)
{
    struct client c = client_new(store);

    for (int i = 0; i < times; i++) {
        cas_once(&c);
        incr(&c, "incr");
        append_once(&c);
    }
    client_free(&c);
    return NULL;
}

/* Two threads over two stores of the same folder. */
static void changes(void)
{
    struct client one = open_fs(folder_sub("a"), NULL);
    struct client two = open_fs(folder_sub("a"), "capacity=1GiB", NULL);
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, change,
                             i % 2 ? one.store : two.store) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close_fs(&one);
    close_fs(&two);
}

/* Sets a number that is ever larger. An incr adds to it, so it is never less
 * until the next set. */
static void sets(void)
{
    struct client c = open_fs(folder_sub("b"), NULL);
    char digits[32];

    for (int64_t i = 1; i <= times; i++) {
        int n = snprintf(digits, sizeof digits, "%lld", (long long)i * SETS);

        CHECK(client_set(&c, "n", digits, (size_t)n) == WEIR_OK);
        CHECK(number_in(&c, "n") / SETS == i);
    }
    close_fs(&c);
}

static void increments(void)
{
    struct client c = open_fs(folder_sub("b"), NULL);
    int64_t last = 0;

    for (int i = 0; i < times; i++) {
        int64_t now = incr(&c, "n");

        CHECK(now > last);
        last = now;
    }
    close_fs(&c);
}

static pid_t start(void (*run)(void))
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        run();
        _exit(0);
    }
    return pid;
}

static void ends_well(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
}

static void counts(void)
{
    pid_t pids[PROCESSES];
    int64_t all = (int64_t)times * THREADS * PROCESSES;
    struct client c = open_fs(folder_sub("a"), NULL);

    CHECK(client_set(&c, "cas", "0", 1) == WEIR_OK);
    close_fs(&c);
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = start(changes);
    for (int i = 0; i < PROCESSES; i++)
        ends_well(pids[i]);
    c = open_fs(folder_sub("a"), NULL);
    CHECK(number_in(&c, "cas") == all);
    CHECK(number_in(&c, "incr") == all);
    CHECK(client_do(&c, WEIR_STAT, "append") == WEIR_OK);
    CHECK(c.item->size == (uint64_t)all);
    close_fs(&c);
}

static void loses_no_set(void)
{
    pid_t pids[] = {start(sets), start(increments), start(increments)};

    for (int i = 0; i < 3; i++)
        ends_well(pids[i]);
}

/* ---- kills ---- */

static int slot;

static void until_killed(void)
{
    struct client c = open_fs(folder_sub("c"), NULL);

    for (;;) {
        incr(&c, "n");
        acknowledged[slot]++;
    }
}

/* Each killed process may have made one change more than it was told of. */
static void survives_kills(int rounds)
{
    uint64_t random = 1, sum = 0;
    struct client c;
    int64_t there;

    for (int i = 0; i < rounds; i++) {
        pid_t pids[2];

        for (int k = 0; k < 2; k++) {
            slot = k;
            pids[k] = start(until_killed);
        }
        usleep(5000 + (unsigned)random_below(&random, 20000));
        for (int k = 0; k < 2; k++) {
            CHECK(kill(pids[k], SIGKILL) == 0);
            CHECK(waitpid(pids[k], NULL, 0) == pids[k]);
        }
    }
    for (int k = 0; k < 2; k++)
        sum += acknowledged[k];
    c = open_fs(folder_sub("c"), NULL);
    there = incr(&c, "n") - 1;
    CHECK((uint64_t)there >= sum);
    CHECK((uint64_t)there <= sum + 2 * (uint64_t)rounds);
    close_fs(&c);
}

int main(void)
{
    const char *soak = getenv("WEIR_SOAK");

    folder_make();
    acknowledged =
        mmap(NULL, SLOTS * sizeof *acknowledged, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(acknowledged != MAP_FAILED);
    if (soak != NULL) {
        times = 10000 / THREADS;
        alarm(1000);
    }
    counts();
    loses_no_set();
    survives_kills(soak != NULL ? 500 : 12);
    return 0;
}
