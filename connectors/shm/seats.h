/* seats.h -- the processes that have a mapping open.
 *
 * Each open takes a seat: a byte of the file, far behind its end, that it locks
 * (F_OFD_SETLK), and a slot in the mapping. The kernel drops the file lock when
 * the last process that has the descriptor ends. Process ids would not work:
 * containers that share a mapping number their processes independently, and
 * numbers return. A child of fork closes the descriptor at once, so that it
 * does not keep its parent's seat. The descriptor is not the one that the
 * mapping was made with, since a mapping keeps that open.
 *
 * A holder of locks is the seat and how often it has been taken: so a lock that
 * a dead process held is never taken for one of the process that has its seat
 * now. */
#ifndef SHM_SEATS_H
#define SHM_SEATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "connector.h"

enum {
    SEATS = 255,
    SEAT_BITS = 8, /* of a holder; the rest but SEATS_WAITERS counts takings */
};

/* The bit of a lock's word that is not the holder's: others may wait. */
#define SEATS_WAITERS (UINT32_C(1) << 31)

/* In the mapping. */
struct seats_shared {
    struct {
        _Atomic uint32_t takings;
        _Atomic uint32_t pid; /* for people; 0 = free */
    } slots[SEATS];
    _Atomic uint64_t taken_over; /* locks of the dead */
};

struct seats {
    int fd; /* -1: closed in a child of fork */
    uint32_t holder;
    uint32_t seat;
    struct seats_shared *shared;
    struct seats *next; /* of all in the process */
};

/* Between seats_stay and seats_fork, forks of this process wait: so no child
 * has a descriptor that is not among the seats yet. */
void seats_stay(void);
void seats_fork(void);

/* seats_take takes a seat, after seats_stay. fd, which was opened after it,
 * too, is seats's from now on. -EMFILE and a sentence: all are taken. */
int seats_take(struct seats *s, int fd, struct seats_shared *shared,
               struct weir_error *err);

/* seats_leave gives the seat back and closes the descriptor. */
void seats_leave(struct seats *s);

/* seats_alive says whether the holder of a lock, with or without SEATS_WAITERS,
 * has its seat. */
bool seats_alive(const struct seats *s, uint32_t word);

/* seats_seated says whether another process has a seat, any process. */
bool seats_seated(const struct seats *s, uint32_t seat);

/* seats_taken returns how many there are. */
uint32_t seats_taken(const struct seats *s);

#endif
