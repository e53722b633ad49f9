/* attempt.c -- waits and failures of an attempt to connect, on a worker or on a
 * thread of the store. */
#include "attempt.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

uint64_t attempt_deadline(const struct attempt *a)
{
    uint64_t own = a->deadline_ns;
    uint64_t call = a->call != NULL ? a->call->deadline_ns : 0;

    return own == 0 || (call != 0 && call < own) ? call : own;
}

/* Returns the time until the deadline, at most timeout_ns. */
static uint64_t time_left(const struct attempt *a, uint64_t timeout_ns)
{
    uint64_t deadline = attempt_deadline(a), now = weir_now(), left;

    if (deadline == 0)
        return timeout_ns;
    left = deadline > now ? deadline - now : 0;
    return left < timeout_ns ? left : timeout_ns;
}

static int thread_wait(struct attempt *a, int fd, short events, uint64_t left)
{
    struct pollfd p[2] = {{.fd = fd, .events = events},
                          {.fd = a->end, .events = POLLIN}};
    struct timespec time = {.tv_sec = (time_t)(left / 1000000000u),
                            .tv_nsec = (long)(left % 1000000000u)};
    int rc = ppoll(p, 2, left == UINT64_MAX ? NULL : &time, NULL);

    if (rc < 0)
        return errno == EINTR ? thread_wait(a, fd, events, left) : -errno;
    if (p[1].revents != 0)
        return -ECANCELED;
    return rc == 0 ? -ETIMEDOUT : p[0].revents;
}

int attempt_wait(struct attempt *a, int fd, short events, uint64_t timeout_ns)
{
    uint64_t left = time_left(a, timeout_ns);

    return a->call != NULL ? weir_call_wait(a->call, fd, events, left)
                           : thread_wait(a, fd, events, left);
}

int attempt_stopped(struct attempt *a)
{
    struct pollfd p = {.fd = a->end, .events = POLLIN};

    if (a->call != NULL && weir_call_stopped(a->call) != 0)
        return weir_call_stopped(a->call);
    if (a->call == NULL && poll(&p, 1, 0) > 0)
        return -ECANCELED;
    return time_left(a, 1) == 0 ? -ETIMEDOUT : 0;
}

void attempt_fail(struct attempt *a, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(a->why, sizeof a->why, format, args);
    va_end(args);
    a->status = status;
    if (a->call != NULL)
        weir_call_fail(a->call, NULL, status, "%s", a->why);
}
