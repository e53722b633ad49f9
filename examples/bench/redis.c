/* redis.c -- the redis connector beside a client of blocking threads (A, in
 * redis_blocking.h), redis-benchmark with the same pipeline and connections
 * (B), and sockets with no server in between, by turns, on a server that runs.
 *
 *     build/bench/redis PORT SOCKET PID targets|grid|workload [PART OF A NAME]
 *     build/bench/redis PORT SOCKET PID batch N | set | calls
 *
 * PID is the server's, for its share of a CPU. `batch` and `set` run what Lua
 * is held against; `calls` one cell and nothing else, to be counted by strace.
 * `weir bench redis` starts the server and runs them. */
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "redis_compare.h"

static int port;
static const char *unix_socket; /* NULL: the server has none */
static const char *part = "";   /* of the names of the cells to run */

/* ---- rows ---- */

static const char *note(const struct cell *c, const struct result *r)
{
    static char text[160];

    snprintf(text, sizeof text,
             "%.0f MB/s, p50 %.0f us, p99 %.0f us, CPU %.2f us a key, server's "
             "%.0f %%",
             r->weir.keys_s * c->size / 1e6, r->weir.p50_ns / 1e3,
             r->weir.p99_ns / 1e3, r->weir.cpu_ns / 1e3, r->server * 100);
    return text;
}

static void report(const char *name, const char *what, double figure,
                   const char *unit, const char *reference, double of,
                   const char *target, const char *words)
{
    char text[120];

    snprintf(text, sizeof text, "%s%s", name, what);
    bench_report(&(struct bench_row){.name = text,
                                     .figure = figure,
                                     .unit = unit,
                                     .reference = of > 0 ? reference : NULL,
                                     .of = of,
                                     .target = of > 0 ? target : NULL,
                                     .note = words});
}

/* ---- the targets ---- */

struct target {
    const char *name;
    struct cell cell;
    const char *rate, *benchmark, *p50, *cpu; /* asked of each ratio; or NULL */
    bool busy;  /* other processes want each core */
    bool alone; /* is held against the server alone, too */
};

#define CELL(o, s, n, f)                                                       \
    .cell = {.op = o, .size = s, .batch = n, .flight = f, .workers = 2}

static const struct target TARGETS[] = {
    {"64 B, batch 256, get", CELL(WEIR_GET, 64, 256, 2), .rate = ">= 6x",
     .benchmark = ">= 1x"},
    {"64 B, batch 256, set", CELL(WEIR_SET, 64, 256, 2), .rate = ">= 6x",
     .benchmark = ">= 1x"},
    {"64 B, batch 256, exists", CELL(WEIR_EXISTS, 64, 256, 2), .rate = ">= 6x",
     .benchmark = ">= 1x"},
    {"64 B, batch 256, exists, many keys a command",
     CELL(WEIR_EXISTS, 64, 256, 2), .cell.many = true, .rate = ">= 1.3x",
     .alone = true},
    {"64 B, batch 16, exists, many keys a command",
     CELL(WEIR_EXISTS, 64, 16, 2), .cell.many = true, .rate = ">= 1.3x",
     .alone = true},
    {"64 B, batch 256, delete", CELL(WEIR_DELETE, 64, 256, 2), .rate = ">= 6x",
     .benchmark = ">= 1x"},
    {"64 B, batch 16, get", CELL(WEIR_GET, 64, 16, 2), .rate = ">= 3.5x",
     .p50 = "<= 0.334x"},
    {"64 B, batch 16, set", CELL(WEIR_SET, 64, 16, 2), .rate = ">= 3.5x",
     .p50 = "<= 0.334x"},
    {"64 B, single, 4 in flight, get", CELL(WEIR_GET, 64, 1, 4),
     .rate = ">= 1.3x"},
    {"64 B, single, 4 in flight, set", CELL(WEIR_SET, 64, 1, 4),
     .rate = ">= 1.3x"},
    {"64 B, single, 4 in flight, get, busy cores", CELL(WEIR_GET, 64, 1, 4),
     .rate = ">= 1.3x", .busy = true},
    {"64 B, single, 1 in flight, get, busy cores", CELL(WEIR_GET, 64, 1, 1),
     .rate = ">= 0.95x", .busy = true},
    {"4 KiB, batch 16, get", CELL(WEIR_GET, 4 * KIB, 16, 2), .rate = ">= 2x",
     .alone = true},
    {"4 KiB, batch 16, set", CELL(WEIR_SET, 4 * KIB, 16, 2), .rate = ">= 1.6x"},
    {"4 KiB, batch 256, get", CELL(WEIR_GET, 4 * KIB, 256, 2),
     .rate = ">= 1.9x"},
    {"4 KiB, batch 256, set", CELL(WEIR_SET, 4 * KIB, 256, 2),
     .rate = ">= 1.4x"},
    {"64 KiB, batch 16, get", CELL(WEIR_GET, 64 * KIB, 16, 2),
     .rate = ">= 1.1x"},
    {"64 KiB, single, 4 in flight, set", CELL(WEIR_SET, 64 * KIB, 1, 4),
     .rate = ">= 1.3x", .alone = true},
    {"64 KiB, batch 16, set", CELL(WEIR_SET, 64 * KIB, 16, 2),
     .rate = ">= 1.3x", .alone = true},
    {"64 KiB, batch 256, get", CELL(WEIR_GET, 64 * KIB, 256, 2),
     .rate = ">= 1.1x"},
    {"64 KiB, batch 256, set", CELL(WEIR_SET, 64 * KIB, 256, 2),
     .rate = ">= 1.1x"},
    {"1 MiB, batch 16, get", CELL(WEIR_GET, MIB, 16, 2), .rate = ">= 1.15x",
     .cpu = "<= 1x"},
    {"1 MiB, batch 16, set", CELL(WEIR_SET, MIB, 16, 2), .rate = ">= 1x",
     .cpu = "<= 1x"},
    {"4 MiB, batch 16, get", CELL(WEIR_GET, 4 * MIB, 16, 2), .rate = ">= 1.15x",
     .cpu = "<= 1x"},
    {"4 MiB, batch 16, set", CELL(WEIR_SET, 4 * MIB, 16, 2), .rate = ">= 1x",
     .cpu = "<= 1x"},
};

/* ---- busy cores ---- */

enum { CORES_MAX = 64 };

static pid_t takers[CORES_MAX];

/* A process that never sleeps, on each core. */
static void take_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    for (int i = 0; i < n && i < CORES_MAX; i++) {
        cpu_set_t core;

        takers[i] = fork();
        if (takers[i] != 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        CPU_ZERO(&core);
        CPU_SET(i, &core);
        sched_setaffinity(0, sizeof core, &core);
        for (;;)
            continue;
    }
}

static void give_cores_back(void)
{
    for (int i = 0; i < CORES_MAX && takers[i] > 0; i++) {
        kill(takers[i], SIGKILL);
        waitpid(takers[i], NULL, 0);
        takers[i] = 0;
    }
}

/* ---- a target ---- */

static void target_run(const struct target *t, const char *socket)
{
    struct cell c = t->cell;
    char name[96], threads[48];
    struct result r;

    snprintf(name, sizeof name, "%s%s", t->name, socket ? ", unix" : "");
    if (strstr(name, part) == NULL)
        return;
    c.port = port;
    c.socket = socket;
    if (t->busy)
        take_cores();
    r = compare(&c, WITH_BLOCKING | (t->benchmark ? WITH_BENCHMARK : 0) |
                        (c.size >= 64 * KIB ? WITH_RAW : 0) |
                        (socket != NULL ? WITH_TCP : 0) |
                        (t->alone ? WITH_ALONE : 0));
    give_cores_back();
    snprintf(threads, sizeof threads, "%u blocking threads", r.threads);
    report(name, "", r.weir.keys_s, "keys/s", threads, r.blocking.keys_s,
           t->rate, note(&c, &r));
    if (t->benchmark != NULL)
        report(name, ",", r.weir.keys_s, "keys/s", "redis-benchmark",
               r.benchmark, t->benchmark, NULL);
    if (c.size >= 64 * KIB)
        report(name, ", bytes", r.weir.keys_s, "keys/s", "a pair of sockets",
               r.raw, NULL, NULL);
    if (socket != NULL)
        report(name, ", beside", r.weir.keys_s, "keys/s", "the same over TCP",
               r.tcp, ">= 1x", NULL);
    if (t->alone)
        report(name, ", of", r.weir.keys_s, "keys/s", "the server alone",
               r.alone, NULL, NULL);
    if (t->p50 != NULL)
        report(name, ", p50", r.weir.p50_ns, "ns", threads, r.blocking.p50_ns,
               t->p50, NULL);
    if (t->cpu != NULL)
        report(name, ", CPU a key", r.weir.cpu_ns, "ns", threads,
               r.blocking.cpu_ns, t->cpu, NULL);
}

/* One get on its way at a time, beside the same by hiredis. */
static void single_run(void)
{
    const struct cell c = {.op = WEIR_GET,
                           .size = 64,
                           .batch = 1,
                           .flight = 1,
                           .workers = 1,
                           .port = port};
    double ours[ROUNDS], theirs[ROUNDS];
    struct weir_side w;

    if (strstr("64 B, single, 1 in flight, get", part) == NULL)
        return;
    fill(&c);
    weir_side_open(&w, &c);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = weir_side_run(&w, SECONDS).p50_ns;
        theirs[i] = hiredis_run(&c, 4000);
    }
    weir_side_close(&w);
    report("64 B, single, 1 in flight, get, p50", "",
           bench_median(ours, ROUNDS), "ns", "hiredis",
           bench_median(theirs, ROUNDS), "<= 2.2x", NULL);
}

/* One command for many keys tells nothing when some of them are there. */
static void sparse_run(void)
{
    const char *name = "64 B, batch 256, exists, half are missing";
    struct cell c = {.op = WEIR_EXISTS,
                     .size = 64,
                     .batch = 256,
                     .flight = 2,
                     .workers = 2,
                     .sparse = true,
                     .port = port};
    struct result r;

    if (strstr(name, part) == NULL)
        return;
    r = compare(&c, 0);
    report(name, "", r.weir.keys_s, "keys/s", NULL, 0, NULL, note(&c, &r));
}

static void targets(void)
{
    for (size_t i = 0; i < sizeof TARGETS / sizeof *TARGETS; i++) {
        target_run(&TARGETS[i], NULL);
        if (TARGETS[i].cell.size >= 64 * KIB && unix_socket != NULL)
            target_run(&TARGETS[i], unix_socket);
    }
    sparse_run();
    single_run();
}

/* ---- the grid ---- */

static void size_words(char *out, size_t cap, uint32_t size)
{
    if (size >= MIB)
        snprintf(out, cap, "%u MiB", size / MIB);
    else if (size >= KIB)
        snprintf(out, cap, "%u KiB", size / KIB);
    else
        snprintf(out, cap, "%u B", size);
}

/* The bytes of values that a batch moves. */
static uint64_t cell_bytes(const struct cell *c)
{
    bool moves = c->op == WEIR_GET || c->op == WEIR_SET;

    return moves ? (uint64_t)c->size * c->batch : 0;
}

static void grid_cell(const struct cell *c)
{
    /* redis-benchmark makes the whole pipeline in memory first. */
    bool huge = cell_bytes(c) > 64 * MIB;
    bool raw = c->size >= 64 * KIB && cell_bytes(c) > 0;
    char size[16], name[96];
    struct result r;

    size_words(size, sizeof size, c->size);
    snprintf(name, sizeof name, "%s, batch %u, %s, %u worker%s, %s", size,
             c->batch, CELL_OPS[c->op], c->workers, c->workers > 1 ? "s" : "",
             c->socket != NULL ? "unix" : "tcp");
    if (strstr(name, part) == NULL)
        return;
    r = compare(c, (huge ? 0 : WITH_BENCHMARK) | (raw ? WITH_RAW : 0));
    report(name, "", r.weir.keys_s, "keys/s",
           raw ? "a pair of sockets" : "redis-benchmark",
           raw ? r.raw : r.benchmark, NULL, note(c, &r));
    if (raw && !huge)
        report(name, ",", r.weir.keys_s, "keys/s", "redis-benchmark",
               r.benchmark, NULL, NULL);
}

static void grid(void)
{
    static const uint32_t sizes[] = {64, 4 * KIB, 64 * KIB, MIB, 4 * MIB};
    static const uint32_t batches[] = {1, 16, 256}, workers[] = {1, 2, 4};
    enum { CELLS = 4 * 5 * 3 * 3 * 2 };

    for (uint32_t i = 0; i < CELLS; i++) {
        uint32_t n = workers[i / 2 % 3];
        struct cell c = {.op = i / 90 + WEIR_GET,
                         .size = sizes[i / 18 % 5],
                         .batch = batches[i / 6 % 3],
                         .workers = n,
                         .socket = i % 2 ? unix_socket : NULL,
                         .port = port};

        if (i % 2 && unix_socket == NULL)
            continue;
        /* As many batches on their way as redis-benchmark has connections, but
         * not gibibytes of them. */
        c.flight = cell_bytes(&c) > 64 * MIB ? 1 : n;
        grid_cell(&c);
    }
}

/* ---- the ancestor's own workload ---- */

static void verify(const struct weir_side *w)
{
    for (uint32_t i = 0; i < w->cell.batch; i++) {
        if (memcmp(w->buffers[0] + (size_t)i * w->cell.size, cell_payload,
                   w->cell.size) != 0)
            bench_die("get", "a value came back wrong");
    }
}

/* One batch of one op a round: 2 GB each way, too much for many rounds. */
static void workload_op(struct cell *c, const char *name)
{
    enum { TURNS = 3 };
    double ours[TURNS], theirs[TURNS];
    static struct blocking b;
    struct weir_side w;

    weir_side_open(&w, c);
    blocking_open(&b, c, 8);
    for (int i = -1; i < TURNS; i++) {
        ours[i < 0 ? 0 : i] = weir_side_run(&w, 0).keys_s;
        if (c->op == WEIR_GET)
            verify(&w);
        theirs[i < 0 ? 0 : i] = blocking_run(&b, 0).keys_s;
    }
    blocking_close(&b);
    weir_side_close(&w);
    report(name, "", bench_median(ours, TURNS) * c->size / 1e9, "GB/s",
           "8 blocking threads", bench_median(theirs, TURNS) * c->size / 1e9,
           NULL, NULL);
}

static void workload(void)
{
    struct cell c = {
        .size = 4 * MIB, .batch = 500, .flight = 1, .workers = 8, .port = port};

    c.op = WEIR_SET;
    workload_op(&c, "500 x 4 MiB, 8 workers, set");
    c.op = WEIR_GET;
    workload_op(&c, "500 x 4 MiB, 8 workers, get, verified");
    c.op = WEIR_EXISTS;
    workload_op(&c, "500 x 4 MiB, 8 workers, exists");
}

/* ---- what others hold against theirs ---- */

static void lone(uint32_t op, uint32_t size, uint32_t batch)
{
    struct cell c = {.op = op,
                     .size = size,
                     .batch = batch,
                     .flight = 1,
                     .workers = 2,
                     .values = true,
                     .port = port};
    struct weir_side w;

    fill(&c);
    weir_side_open(&w, &c);
    weir_side_run(&w, SECONDS);
    report("batch", "", weir_side_run(&w, SECONDS).keys_s, "keys/s", NULL, 0,
           NULL, NULL);
    weir_side_close(&w);
}

static void calls(void)
{
    struct cell c = TARGETS[0].cell;
    struct weir_side w;
    struct outcome o;

    c.port = port;
    fill(&c);
    weir_side_open(&w, &c);
    o = weir_side_run(&w, 1);
    report("keys", "", o.keys_s * 1, "", NULL, 0, NULL, NULL);
    weir_side_close(&w);
}

int main(int argc, char **argv)
{
    const char *what = argc > 4 ? argv[4] : "targets";

    if (argc < 4)
        bench_die("redis", "expected PORT SOCKET PID");
    port = atoi(argv[1]);
    unix_socket = argv[2][0] != '\0' ? argv[2] : NULL;
    server = atoi(argv[3]);
    part = argc > 5 ? argv[5] : "";
    cell_prepare();
    if (strcmp(what, "targets") == 0)
        targets();
    else if (strcmp(what, "grid") == 0)
        grid();
    else if (strcmp(what, "workload") == 0)
        workload();
    else if (strcmp(what, "batch") == 0)
        lone(WEIR_GET, 64, (uint32_t)atoi(part));
    else if (strcmp(what, "set") == 0)
        lone(WEIR_SET, MIB, 1);
    else if (strcmp(what, "calls") == 0)
        calls();
    else
        bench_die(what,
                  "expected targets, grid, workload, batch, set or calls");
    return 0;
}
