/* ahead.h -- makes memory ready before it is used, in huge pages.
 *
 * With millions of entries, most accesses wait for the translation of an
 * address, too. Huge pages shorten that wait. But the kernel fills a huge page
 * with zeros at its first use. That takes 0.2 ms, and 6 ms in a virtual machine
 * whose host has to find memory for it. Small pages cost more in all, but a set
 * waits for one or two only.
 *
 * So a thread makes the next pieces while others are used. A user that is
 * faster than the thread goes on with small pages, and does not wait. The
 * thread starts when the first piece is wanted: a small store has none. */
#ifndef MEMORY_AHEAD_H
#define MEMORY_AHEAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of a piece: a huge page. */
#define AHEAD_PIECE ((size_t)2 << 20)

struct ahead;

/* A user of pieces: a pool or a table. */
struct maker {
    /* make makes one piece on the thread. False: none is wanted. */
    bool (*make)(struct maker *m);
    struct maker *next;
    struct ahead *ahead; /* NULL: make is never called */
};

struct ahead {
    struct maker *makers; /* not changed once the thread runs */
    sem_t wake;
    pthread_t thread;
    _Atomic int state; /* enum ahead_state */
    _Atomic bool stop;
};

void ahead_init(struct ahead *a);

/* ahead_end ends the thread. The pieces may be unmapped afterwards. */
void ahead_end(struct ahead *a);

/* ahead_add adds a maker, before any calls ahead_wake. */
void ahead_add(struct ahead *a, struct maker *m);

/* ahead_wake has the thread call make. Any thread may call it. */
void ahead_wake(struct maker *m);

/* ahead_piece makes one piece: a huge page of zeros if there is one. */
void ahead_piece(char *at);

/* ahead_align returns the first address of a piece at or behind `at`. */
static inline char *ahead_align(const void *at)
{
    return (char *)(((uintptr_t)at + AHEAD_PIECE - 1) & ~(AHEAD_PIECE - 1));
}

#endif
