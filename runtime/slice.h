/* slice.h -- the part of a batch that one call carries. */
#ifndef WEIR_SLICE_H
#define WEIR_SLICE_H

#include "batch.h"

struct sleeper;
struct pipeline;
struct failure;
struct watcher;

struct slice {
    struct weir_call call;   /* first: the two are one address */
    struct batch *batch;     /* NULL while connecting, in idle and in watch */
    struct sleeper *sleeper; /* of the worker; NULL on a host's thread */
    struct pipeline
        *pipeline; /* NULL while connecting, in watch and on a host's thread */
    struct slice *previous, *next; /* in the pipeline */
    struct failure *failure; /* while connecting and in watch: where the reason
                                goes */
    struct watcher *watcher; /* in watch */
    uint64_t bytes;
    uint64_t started_ns;
};

static inline struct slice *slice_of(const struct weir_call *call)
{
    return (struct slice *)(uintptr_t)call;
}

#endif
