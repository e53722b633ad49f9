/* ahead.c -- see ahead.h. */
#include "ahead.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

enum ahead_state { AHEAD_IDLE, AHEAD_RUNS, AHEAD_FAILED };

void ahead_init(struct ahead *a)
{
    *a = (struct ahead){0};
    sem_init(&a->wake, 0, 0);
}

void ahead_add(struct ahead *a, struct maker *m)
{
    m->ahead = a;
    m->next = a->makers;
    a->makers = m;
}

void ahead_piece(char *at)
{
    if (madvise(at, AHEAD_PIECE, MADV_HUGEPAGE) == 0)
        madvise(at, AHEAD_PIECE, MADV_POPULATE_WRITE);
}

static void *ahead_main(void *arg)
{
    struct ahead *a = arg;

    for (;;) {
        bool made = false;

        for (struct maker *m = a->makers; m != NULL; m = m->next) {
            if (atomic_load(&a->stop))
                return NULL;
            made |= m->make(m);
        }
        while (!made && sem_wait(&a->wake) < 0 && errno == EINTR)
            ;
    }
}

/* Several threads may start it at once. Without it all pages are small. */
static void ahead_start(struct ahead *a)
{
    int idle = AHEAD_IDLE;
    sigset_t all, before;

    if (!atomic_compare_exchange_strong(&a->state, &idle, AHEAD_RUNS))
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&a->thread, NULL, ahead_main, a) != 0)
        atomic_store(&a->state, AHEAD_FAILED);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void ahead_wake(struct maker *m)
{
    ahead_start(m->ahead);
    sem_post(&m->ahead->wake);
}

void ahead_end(struct ahead *a)
{
    atomic_store(&a->stop, true);
    sem_post(&a->wake);
    if (atomic_load(&a->state) == AHEAD_RUNS)
        pthread_join(a->thread, NULL);
    sem_destroy(&a->wake);
}
