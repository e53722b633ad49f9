/* guard.c -- see guard.h. */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t guards_used;            /* under guards_lock */
static struct sigaction guard_previous; /* written before the handler is set */
static uintptr_t guard_page;

/* All that ever were. The handler walks the list at any time, so they are never
 * freed. */
static struct guard *_Atomic guards;

/* ---- in the handler ---- */

static struct guard *guard_of(uintptr_t at)
{
    for (struct guard *g = atomic_load(&guards); g != NULL; g = g->next) {
        if (at >= atomic_load(&g->start) && at < atomic_load(&g->end))
            return g;
    }
    return NULL;
}

static bool guard_mend(uintptr_t at)
{
    struct guard *g = guard_of(at);

    if (g == NULL ||
        mmap((void *)(at & ~(guard_page - 1)), guard_page,
             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) == MAP_FAILED)
        return false;
    atomic_store(&g->broken, true);
    return true;
}

static void guard_pass_on(int signal, siginfo_t *info, void *context)
{
    struct sigaction ends = {.sa_handler = SIG_DFL};

    if (guard_previous.sa_flags & SA_SIGINFO) {
        guard_previous.sa_sigaction(signal, info, context);
    } else if (guard_previous.sa_handler == SIG_DFL ||
               (guard_previous.sa_handler == SIG_IGN && info->si_code > 0)) {
        sigaction(signal, &ends, NULL);
        raise(signal); /* comes when this handler has returned */
    } else if (guard_previous.sa_handler != SIG_IGN) {
        guard_previous.sa_handler(signal);
    }
}

static void guard_handle(int signal, siginfo_t *info, void *context)
{
    int saved = errno;

    /* si_code <= 0: a process sent it, and there is no address. */
    if (info->si_code <= 0 || !guard_mend((uintptr_t)info->si_addr))
        guard_pass_on(signal, info, context);
    errno = saved;
}

/* ---- outside ---- */

static void guard_set(void)
{
    struct sigaction ours = {.sa_sigaction = guard_handle,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK};

    guard_page = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&ours.sa_mask);
    sigaction(SIGBUS, NULL, &guard_previous);
    sigaction(SIGBUS, &ours, NULL);
}

/* Unless somebody has set another one since. */
static void guard_unset(void)
{
    struct sigaction now;

    sigaction(SIGBUS, NULL, &now);
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == guard_handle)
        sigaction(SIGBUS, &guard_previous, NULL);
}

/* A guard that is not used, under guards_lock. */
static struct guard *guard_free(void)
{
    struct guard *g = atomic_load(&guards);

    while (g != NULL && atomic_load(&g->start) != 0)
        g = g->next;
    if (g != NULL)
        return g;
    g = calloc(1, sizeof *g);
    if (g != NULL) {
        g->next = atomic_load(&guards);
        atomic_store(&guards, g);
    }
    return g;
}

struct guard *guard_add(const void *start, uint64_t size)
{
    struct guard *g;

    pthread_mutex_lock(&guards_lock);
    g = guard_free();
    if (g != NULL) {
        atomic_store(&g->broken, false);
        atomic_store(&g->end, (uintptr_t)start + size);
        atomic_store(&g->start, (uintptr_t)start);
        if (guards_used++ == 0)
            guard_set();
    }
    pthread_mutex_unlock(&guards_lock);
    return g;
}

void guard_remove(struct guard *g)
{
    if (g == NULL)
        return;
    pthread_mutex_lock(&guards_lock);
    atomic_store(&g->end, 0);
    atomic_store(&g->start, 0);
    if (--guards_used == 0)
        guard_unset();
    pthread_mutex_unlock(&guards_lock);
}
