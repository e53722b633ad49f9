/* redis.c -- the redis connector beside a client of blocking threads (A, in
 * redis_blocking.h) and beside redis-benchmark with the same pipeline and
 * connections (B), by turns, on a server that is running already.
 *
 *     build/bench/redis PORT SOCKET PID [targets|grid|workload|CELL...]
 *
 * PID is the server's, for its share of CPU; a CELL is a case's name. `weir
 * bench redis` starts the server and adds what Lua costs on top. */
#include <unistd.h>

#include "redis_blocking.h"
#include "redis_weir.h"

enum { ROUNDS = 5 };

#define KIB 1024u
#define MIB 1048576u

static int port, server;
static const char *unix_socket;

/* ---- the other side's processor ---- */

static double server_cpu_ns(void)
{
    char path[64];
    unsigned long user = 0, sys = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", server);
    f = fopen(path, "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user, &sys) != 2)
        user = sys = 0;
    fclose(f);
    return (double)(user + sys) * 1e9 / (double)sysconf(_SC_CLK_TCK);
}

/* ---- three sides, by turns ---- */

static const char *const OPS[] = {[WEIR_GET] = "get",
                                  [WEIR_SET] = "set",
                                  [WEIR_EXISTS] = "exists",
                                  [WEIR_DELETE] = "delete"};

struct result {
    struct outcome weir, blocking; /* medians */
    uint32_t threads;              /* of the better of the blocking ones */
    double benchmark;              /* keys/s; 0 = not run */
    double server;                 /* share of one CPU under weir */
};

static void fill(const struct cell *c)
{
    struct cell set = *c;
    struct weir_side w;

    set.op = WEIR_SET;
    set.batch = c->size >= MIB ? 16 : 256;
    if (set.batch > c->batch && cell_range(c) < set.batch)
        set.batch = c->batch;
    set.flight = 1;
    weir_side_open(&w, &set);
    weir_side_run(&w, 0);
    weir_side_close(&w);
}

static double benchmark_run(const struct cell *c, double keys)
{
    char where[200], what[64], command[400], line[256];
    double rate = 0;
    FILE *f;

    if (c->socket != NULL)
        snprintf(where, sizeof where, "-s %s", c->socket);
    else
        snprintf(where, sizeof where, "-p %d", c->port);
    if (c->op == WEIR_GET || c->op == WEIR_SET)
        snprintf(what, sizeof what, "-t %s", OPS[c->op]);
    else
        snprintf(what, sizeof what, "%s key:__rand_int__",
                 c->op == WEIR_EXISTS ? "EXISTS" : "UNLINK");
    snprintf(command, sizeof command,
             "redis-benchmark %s --csv -P %u -c %u -n %.0f -d %u -r %u %s "
             "2>/dev/null",
             where, c->batch, c->workers, keys, c->size, cell_range(c), what);
    f = popen(command, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        char *comma = strstr(line, "\",\"");

        if (comma != NULL && strtod(comma + 3, NULL) > 0)
            rate = strtod(comma + 3, NULL);
    }
    if (f != NULL)
        pclose(f);
    return rate;
}

struct samples {
    double keys_s[ROUNDS], p50[ROUNDS], p99[ROUNDS], cpu[ROUNDS];
};

static void sample(struct samples *s, int round, struct outcome o)
{
    s->keys_s[round] = o.keys_s;
    s->p50[round] = o.p50_ns;
    s->p99[round] = o.p99_ns;
    s->cpu[round] = o.cpu_ns;
}

static struct outcome medians(struct samples *s)
{
    return (struct outcome){
        bench_median(s->keys_s, ROUNDS), bench_median(s->p50, ROUNDS),
        bench_median(s->p99, ROUNDS), bench_median(s->cpu, ROUNDS)};
}

/* How many threads serve the blocking client best: 4, or 8 for large values. */
static uint32_t best_threads(const struct cell *c, double seconds)
{
    double rate[2];

    if (c->size < 64 * KIB)
        return 4;
    for (uint32_t i = 0; i < 2; i++) {
        static struct blocking b;

        blocking_open(&b, c, 4 + 4 * i);
        blocking_run(&b, seconds / 2);
        rate[i] = blocking_run(&b, seconds).keys_s;
        blocking_close(&b);
    }
    return rate[1] > rate[0] ? 8 : 4;
}

static struct result compare(const struct cell *c, bool with_benchmark)
{
    static struct blocking b;
    struct samples ours = {0}, theirs = {0};
    double others[ROUNDS] = {0}, shares[ROUNDS];
    double seconds = c->op == WEIR_DELETE ? 0 : 0.25;
    struct result r = {.threads = 4};
    struct weir_side w;

    fill(c);
    if (c->op != WEIR_DELETE)
        r.threads = best_threads(c, seconds);
    weir_side_open(&w, c);
    blocking_open(&b, c, r.threads);
    for (int i = -1; i < ROUNDS; i++) {
        struct outcome o;
        double cpu, start;

        if (c->op == WEIR_DELETE)
            fill(c);
        cpu = server_cpu_ns();
        start = (double)weir_now();
        o = weir_side_run(&w, seconds);
        if (i >= 0) {
            shares[i] = (server_cpu_ns() - cpu) / ((double)weir_now() - start);
            sample(&ours, i, o);
        }
        if (c->op == WEIR_DELETE)
            fill(c);
        o = blocking_run(&b, seconds);
        if (i >= 0)
            sample(&theirs, i, o);
        if (i >= 0 && with_benchmark)
            others[i] = benchmark_run(c, ours.keys_s[i] * 0.25);
    }
    blocking_close(&b);
    weir_side_close(&w);
    r.weir = medians(&ours);
    r.blocking = medians(&theirs);
    r.benchmark = bench_median(others, ROUNDS);
    r.server = bench_median(shares, ROUNDS);
    return r;
}

/* ---- the targets ---- */

struct target {
    const char *name;
    struct cell cell;
    const char *rate, *benchmark, *p50, *cpu; /* what is asked of each ratio */
};

#define SMALL(o, n, f, ...)                                                    \
    .cell = {.op = o, .size = 64, .batch = n, .flight = f, .workers = 2},      \
    __VA_ARGS__
#define SIZED(o, s, n, ...)                                                    \
    .cell = {.op = o, .size = s, .batch = n, .flight = 2, .workers = 2},       \
    __VA_ARGS__

static const struct target TARGETS[] = {
    {"64 B, batch 256, get",
     SMALL(WEIR_GET, 256, 2, .rate = ">= 6x", .benchmark = ">= 1x")},
    {"64 B, batch 256, set",
     SMALL(WEIR_SET, 256, 2, .rate = ">= 6x", .benchmark = ">= 1x")},
    {"64 B, batch 256, exists",
     SMALL(WEIR_EXISTS, 256, 2, .rate = ">= 6x", .benchmark = ">= 1x")},
    {"64 B, batch 256, delete",
     SMALL(WEIR_DELETE, 256, 2, .rate = ">= 6x", .benchmark = ">= 1x")},
    {"64 B, batch 16, get",
     SMALL(WEIR_GET, 16, 2, .rate = ">= 3.5x", .p50 = "<= 0.334x")},
    {"64 B, batch 16, set",
     SMALL(WEIR_SET, 16, 2, .rate = ">= 3.5x", .p50 = "<= 0.334x")},
    {"64 B, one by one, 4 in flight, get",
     SMALL(WEIR_GET, 1, 4, .rate = ">= 1.3x")},
    {"64 B, one by one, 4 in flight, set",
     SMALL(WEIR_SET, 1, 4, .rate = ">= 1.3x")},
    {"4 KiB, batch 16, get", SIZED(WEIR_GET, 4 * KIB, 16, .rate = ">= 2x")},
    {"4 KiB, batch 16, set", SIZED(WEIR_SET, 4 * KIB, 16, .rate = ">= 1.6x")},
    {"4 KiB, batch 256, get", SIZED(WEIR_GET, 4 * KIB, 256, .rate = ">= 1.9x")},
    {"4 KiB, batch 256, set", SIZED(WEIR_SET, 4 * KIB, 256, .rate = ">= 1.4x")},
    {"64 KiB, batch 16, get", SIZED(WEIR_GET, 64 * KIB, 16, .rate = ">= 1.1x")},
    {"64 KiB, batch 16, set", SIZED(WEIR_SET, 64 * KIB, 16, .rate = ">= 1.1x")},
    {"64 KiB, batch 256, get",
     SIZED(WEIR_GET, 64 * KIB, 256, .rate = ">= 1.1x")},
    {"64 KiB, batch 256, set",
     SIZED(WEIR_SET, 64 * KIB, 256, .rate = ">= 1.1x")},
    {"1 MiB, batch 16, get",
     SIZED(WEIR_GET, MIB, 16, .rate = ">= 1.15x", .cpu = "<= 1x")},
    {"1 MiB, batch 16, set",
     SIZED(WEIR_SET, MIB, 16, .rate = ">= 1x", .cpu = "<= 1x")},
    {"4 MiB, batch 16, get",
     SIZED(WEIR_GET, 4 * MIB, 16, .rate = ">= 1.15x", .cpu = "<= 1x")},
    {"4 MiB, batch 16, set",
     SIZED(WEIR_SET, 4 * MIB, 16, .rate = ">= 1x", .cpu = "<= 1x")},
};

static void report(const char *name, const char *what, double figure,
                   const char *unit, const char *reference, double of,
                   const char *target)
{
    char text[120];

    snprintf(text, sizeof text, "%s%s", name, what);
    bench_report(&(struct bench_row){.name = text,
                                     .figure = figure,
                                     .unit = unit,
                                     .reference = reference,
                                     .of = of,
                                     .target = target});
}

static void target_run(const struct target *t, const char *socket)
{
    struct cell c = t->cell;
    struct result r;
    char name[96], blocking[48];

    c.port = port;
    c.socket = socket;
    r = compare(&c, t->benchmark != NULL);
    snprintf(name, sizeof name, "%s%s", t->name, socket ? ", unix" : "");
    snprintf(blocking, sizeof blocking, "%u blocking threads", r.threads);
    report(name, "", r.weir.keys_s, "keys/s", blocking, r.blocking.keys_s,
           t->rate);
    if (t->benchmark != NULL)
        report(name, "", r.weir.keys_s, "keys/s", "redis-benchmark",
               r.benchmark, t->benchmark);
    report(name, ", p50", r.weir.p50_ns, "ns", blocking, r.blocking.p50_ns,
           t->p50);
    report(name, ", CPU a key", r.weir.cpu_ns, "ns", blocking,
           r.blocking.cpu_ns, t->cpu);
    report(name, ", server's CPU", r.server * 100, "%", NULL, 0, NULL);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        bench_die("redis", "expected PORT SOCKET PID");
    port = atoi(argv[1]);
    unix_socket = argv[2];
    server = atoi(argv[3]);
    cell_prepare();
    for (size_t i = 0; i < sizeof TARGETS / sizeof *TARGETS; i++) {
        const struct target *t = &TARGETS[i];

        if (argc > 4 && strstr(t->name, argv[4]) == NULL)
            continue;
        target_run(t, NULL);
        if (t->cell.size >= MIB)
            target_run(t, unix_socket);
    }
    return 0;
}
