/* bench.h -- what the benchmark programs share: a clock's arithmetic, and the
 * one form in which a case is reported.
 *
 * A program prints one JSON object a line, one line a case; `weir bench NAME`
 * runs it, adds the ratio and the verdict, and lines them up:
 *
 *     {"case":"...", "figure":3.1e6, "unit":"items/s",
 *      "reference":"...", "of":2.8e6, "target":">= 0.8x"}
 *
 * A target is <= or >= and a number, for the ratio figure / of when an x
 * follows, else for the figure itself. Measure figure and reference by turns,
 * in the same process, and report medians: machines drift. */

#ifndef WEIR_BENCH_H
#define WEIR_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir.h"

struct bench_row {
    const char *name;
    double figure;
    const char *unit;      /* "ns", "items/s", "MB/s", "" */
    const char *reference; /* what of was measured on; NULL = none */
    double of;
    const char *target; /* NULL = none */
    const char *note;   /* further figures, in words; NULL = none */
};

static inline void bench_report(const struct bench_row *row)
{
    printf("{\"case\":\"%s\",\"figure\":%.6g,\"unit\":\"%s\"", row->name,
           row->figure, row->unit);
    if (row->reference != NULL)
        printf(",\"reference\":\"%s\",\"of\":%.6g", row->reference, row->of);
    if (row->target != NULL)
        printf(",\"target\":\"%s\"", row->target);
    if (row->note != NULL)
        printf(",\"note\":\"%s\"", row->note);
    puts("}");
    fflush(stdout);
}

static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* bench_quantile sorts the samples and returns the one at q of 0 to 1. */
static inline double bench_quantile(double *samples, size_t n, double q)
{
    qsort(samples, n, sizeof *samples, bench_compare);
    return samples[(size_t)(q * (double)(n - 1) + 0.5)];
}

static inline double bench_median(double *samples, size_t n)
{
    return bench_quantile(samples, n, 0.5);
}

/* bench_die ends the program: a benchmark that goes on after an error measures
 * something else. */
static inline void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* bench_gauge returns a gauge of a store. */
static inline double bench_gauge(struct weir_store *store, const char *name)
{
    struct weir_gauge gauges[32];
    size_t n = weir_store_gauges(store, gauges, 32);

    for (size_t i = 0; i < n && i < 32; i++) {
        if (strcmp(gauges[i].name, name) == 0)
            return (double)gauges[i].value;
    }
    bench_die(name, "no such gauge");
    return 0;
}

/* bench_open opens a store by URL or dies saying why. */
static inline struct weir_store *bench_open(const char *target)
{
    struct weir_store *store;
    struct weir_error err;

    if (weir_open(&store, target, NULL, 0, &err) < 0)
        bench_die(target, err.message);
    return store;
}

#endif
