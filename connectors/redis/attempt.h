/* attempt.h -- one attempt to connect: where to, how it waits, why it failed.
 */
#ifndef WEIR_REDIS_ATTEMPT_H
#define WEIR_REDIS_ATTEMPT_H

#include "config.h"
#include "connector.h"
#include "reasons.h"

struct attempt {
    const struct redis_config *config;
    const char *host; /* NULL: the unix socket of config */
    int port;
    const char *user, *password; /* to log in with, or NULL */
    int64_t db;                  /* to select, 0: none */
    bool named;                  /* send the client name */
    bool readonly;               /* send READONLY: read from replicas, too */
    uint64_t deadline_ns;        /* 0: that of call, or none */

    /* On a worker: the call of the runtime that connects. On a thread of the
     * store it is NULL, and the attempt ends when the eventfd is readable. */
    struct weir_call *call;
    int end;

    int status; /* of the failure, and its sentence */
    char why[REASONS + 32];
};

/* attempt_wait waits as weir_call_wait does, which it calls on a worker. */
int attempt_wait(struct attempt *a, int fd, short events, uint64_t timeout_ns);

/* attempt_stopped returns -ECANCELED or -ETIMEDOUT if the attempt must end, or
 * 0. */
int attempt_stopped(struct attempt *a);

/* attempt_deadline returns the time at which the attempt must end, 0: none. */
uint64_t attempt_deadline(const struct attempt *a);

/* attempt_fail notes why the attempt failed. On a worker it also tells the
 * runtime. */
void attempt_fail(struct attempt *a, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
