/* seats.c -- see seats.h. */
#include "seats.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "point.h"

/* Where the bytes to lock are. */
static const off_t SEATS_AT = (off_t)1 << 40;

/* ---- forks ---- */

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct seats *all; /* under all_lock */

static void fork_before(void)
{
    pthread_mutex_lock(&all_lock);
}

static void fork_in_parent(void)
{
    pthread_mutex_unlock(&all_lock);
}

static void fork_in_child(void)
{
    for (struct seats *s = all; s != NULL; s = s->next) {
        close(s->fd);
        s->fd = -1;
    }
    all = NULL;
    pthread_mutex_unlock(&all_lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(fork_before, fork_in_parent, fork_in_child);
}

void seats_stay(void)
{
    pthread_mutex_lock(&all_lock);
}

void seats_fork(void)
{
    pthread_mutex_unlock(&all_lock);
}

static void seats_delist(struct seats *s)
{
    pthread_mutex_lock(&all_lock);
    for (struct seats **at = &all; *at != NULL; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    pthread_mutex_unlock(&all_lock);
}

/* ---- seats ---- */

static struct flock seat_byte(uint32_t seat)
{
    return (struct flock){
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = SEATS_AT + seat,
        .l_len = 1,
    };
}

static bool seat_lock(int fd, uint32_t seat)
{
    struct flock byte = seat_byte(seat);

    return fcntl(fd, F_OFD_SETLK, &byte) == 0;
}

/* Whether another descriptor has the seat locked. When that cannot be told, it
 * counts as locked. */
static bool seat_locked(const struct seats *s, uint32_t seat)
{
    struct flock byte = seat_byte(seat);

    return fcntl(s->fd, F_OFD_GETLK, &byte) < 0 || byte.l_type != F_UNLCK;
}

static uint32_t seat_holder(uint32_t seat, uint32_t takings)
{
    uint32_t count = takings & ((SEATS_WAITERS - 1) >> SEAT_BITS);

    return count << SEAT_BITS | (seat + 1);
}

int seats_take(struct seats *s, int fd, struct seats_shared *shared,
               struct weir_error *err)
{
    s->fd = fd;
    s->shared = shared;
    for (uint32_t i = 0; i < SEATS; i++) {
        if (!seat_lock(fd, i))
            continue;
        SHM_POINT("seated");
        s->seat = i;
        s->holder =
            seat_holder(i, atomic_fetch_add(&shared->slots[i].takings, 1) + 1);
        atomic_store(&shared->slots[i].pid, (uint32_t)getpid());
        s->next = all;
        all = s;
        return 0;
    }
    return weir_error_set(err, -EMFILE,
                          "%d processes have the mapping open; that is the "
                          "limit",
                          SEATS);
}

void seats_leave(struct seats *s)
{
    seats_delist(s);
    if (s->fd < 0)
        return;
    atomic_store(&s->shared->slots[s->seat].pid, 0);
    close(s->fd);
    s->fd = -1;
}

bool seats_alive(const struct seats *s, uint32_t word)
{
    uint32_t holder = word & ~SEATS_WAITERS;
    uint32_t seat = (holder & ((1 << SEAT_BITS) - 1)) - 1;

    if (holder == s->holder)
        return true;
    if (seat >= SEATS || seat == s->seat)
        return false;
    return seat_holder(seat, atomic_load(&s->shared->slots[seat].takings)) ==
               holder &&
           seat_locked(s, seat);
}

bool seats_seated(const struct seats *s, uint32_t seat)
{
    return seat < SEATS && seat_locked(s, seat);
}

uint32_t seats_taken(const struct seats *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < SEATS; i++)
        n += i == s->seat ||
             (atomic_load(&s->shared->slots[i].pid) != 0 && seat_locked(s, i));
    return n;
}
