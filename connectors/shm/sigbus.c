/* sigbus.c -- see sigbus.h. */
#include "sigbus.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t sigbus_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t sigbus_used;             /* under sigbus_lock */
static struct sigaction sigbus_previous; /* written before the handler is set */
static uintptr_t sigbus_page;

/* All that ever were. The handler walks the list at any time, so they are never
 * freed. */
static struct sigbus *_Atomic sigbus_all;

/* ---- in the handler ---- */

static struct sigbus *sigbus_of(uintptr_t at)
{
    for (struct sigbus *g = atomic_load(&sigbus_all); g != NULL; g = g->next) {
        if (at >= atomic_load(&g->start) && at < atomic_load(&g->end))
            return g;
    }
    return NULL;
}

static bool sigbus_mend(uintptr_t at)
{
    struct sigbus *g = sigbus_of(at);

    if (g == NULL ||
        mmap((void *)(at & ~(sigbus_page - 1)), sigbus_page,
             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) == MAP_FAILED)
        return false;
    atomic_store(&g->broken, true);
    return true;
}

static void sigbus_pass_on(int signal, siginfo_t *info, void *context)
{
    struct sigaction ends = {.sa_handler = SIG_DFL};

    if (sigbus_previous.sa_flags & SA_SIGINFO) {
        sigbus_previous.sa_sigaction(signal, info, context);
    } else if (sigbus_previous.sa_handler == SIG_DFL ||
               (sigbus_previous.sa_handler == SIG_IGN && info->si_code > 0)) {
        sigaction(signal, &ends, NULL);
        raise(signal); /* comes when this handler has returned */
    } else if (sigbus_previous.sa_handler != SIG_IGN) {
        sigbus_previous.sa_handler(signal);
    }
}

static void sigbus_handle(int signal, siginfo_t *info, void *context)
{
    int saved = errno;

    /* si_code <= 0: a process sent it, and there is no address. */
    if (info->si_code <= 0 || !sigbus_mend((uintptr_t)info->si_addr))
        sigbus_pass_on(signal, info, context);
    errno = saved;
}

/* ---- forks ---- */

/* A child of fork may open stores of its own, so a fork waits for the lock. */
static void sigbus_wait(void)
{
    pthread_mutex_lock(&sigbus_lock);
}

static void sigbus_go_on(void)
{
    pthread_mutex_unlock(&sigbus_lock);
}

__attribute__((constructor)) static void sigbus_watch_forks(void)
{
    pthread_atfork(sigbus_wait, sigbus_go_on, sigbus_go_on);
}

/* ---- outside ---- */

static void sigbus_set(void)
{
    struct sigaction ours = {.sa_sigaction = sigbus_handle,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigbus_page = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&ours.sa_mask);
    sigaction(SIGBUS, NULL, &sigbus_previous);
    sigaction(SIGBUS, &ours, NULL);
}

/* Unless somebody has set another one since. */
static void sigbus_unset(void)
{
    struct sigaction now;

    sigaction(SIGBUS, NULL, &now);
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == sigbus_handle)
        sigaction(SIGBUS, &sigbus_previous, NULL);
}

/* One that is not used, under sigbus_lock. */
static struct sigbus *sigbus_free(void)
{
    struct sigbus *g = atomic_load(&sigbus_all);

    while (g != NULL && atomic_load(&g->start) != 0)
        g = g->next;
    if (g != NULL)
        return g;
    g = calloc(1, sizeof *g);
    if (g != NULL) {
        g->next = atomic_load(&sigbus_all);
        atomic_store(&sigbus_all, g);
    }
    return g;
}

struct sigbus *sigbus_add(const void *start, uint64_t size)
{
    struct sigbus *g;

    pthread_mutex_lock(&sigbus_lock);
    g = sigbus_free();
    if (g != NULL) {
        atomic_store(&g->broken, false);
        atomic_store(&g->end, (uintptr_t)start + size);
        atomic_store(&g->start, (uintptr_t)start);
        if (sigbus_used++ == 0)
            sigbus_set();
    }
    pthread_mutex_unlock(&sigbus_lock);
    return g;
}

void sigbus_remove(struct sigbus *g)
{
    if (g == NULL)
        return;
    pthread_mutex_lock(&sigbus_lock);
    atomic_store(&g->end, 0);
    atomic_store(&g->start, 0);
    if (--sigbus_used == 0)
        sigbus_unset();
    pthread_mutex_unlock(&sigbus_lock);
}
