/* tell.h -- events that a spec tells a fault store to send. */
#ifndef FAULT_TELL_H
#define FAULT_TELL_H

#include <pthread.h>
#include <stdbool.h>

#include "connector.h"

struct tell {
    int fd; /* an eventfd, readable while there are orders */
    pthread_mutex_t lock;
    bool watched;                /* under lock: a watch takes the orders */
    struct order *first, **last; /* under lock */
};

/* tell_init returns 0 or a negative errno. */
int tell_init(struct tell *t);
void tell_destroy(struct tell *t);

/* tell_ask takes an order in words. The slot ask, but for the answer. */
int tell_ask(struct tell *t, const char *words, struct weir_error *err);

/* tell_watch carries the orders out. The slot watch. */
int tell_watch(struct tell *t, struct weir_call *call);

/* tell_help is the answer to "help". */
extern const char tell_help[];

#endif
