/* ticket.c -- tickets for copies, and the writers of a cell. guard.h says what
 * for. */
#include "ticket.h"

#include "state.h"

struct cell *ticket_cell(const struct hold *h, uint32_t hash)
{
    return layout_cells(h->layout, h->s) + (hash & h->layout->cell_mask);
}

struct own *ticket_own(const struct shm *m, uint32_t shard, uint32_t hash)
{
    const struct layout *l = &m->map.layout;

    return &m->guard.own[shard * (l->cell_mask + 1) + (hash & l->cell_mask)];
}

void ticket_enter(struct cell *c, uint32_t seat)
{
    c->writers[seat / 64] |= UINT64_C(1) << (seat % 64);
}

void ticket_leave(struct cell *c, uint32_t seat)
{
    c->writers[seat / 64] &= ~(UINT64_C(1) << (seat % 64));
}

static bool is_written(const struct cell *c)
{
    uint64_t any = 0;

    for (int i = 0; i < GUARD_WORDS; i++)
        any |= c->writers[i];
    return any != 0;
}

void ticket_bury(const struct hold *h, struct cell *c, uint32_t seat)
{
    c->quiet_ms = shard_now_ms() + GUARD_LINGER_MS;
    c->generation++;
    ticket_leave(c, seat);
    h->s->counters.writers_died++;
}

static bool seat_lives(const struct shm *m, const struct own *own,
                       uint32_t seat)
{
    if (seat == m->map.seats.seat)
        return own->writes > 0;
    return seats_seated(&m->map.seats, seat);
}

/* Removes all writers that died. */
static void remove_dead(const struct shm *m, const struct hold *h,
                        struct cell *c, const struct own *own)
{
    for (uint32_t i = 0; i < GUARD_WORDS; i++) {
        uint64_t left = c->writers[i];

        for (; left != 0; left &= left - 1) {
            uint32_t seat = i * 64 + (uint32_t)__builtin_ctzll(left);

            if (!seat_lives(m, own, seat))
                ticket_bury(h, c, seat);
        }
    }
}

bool ticket_quiet(const struct shm *m, const struct hold *h, struct cell *c,
                  const struct own *own)
{
    uint64_t now;

    if (is_written(c))
        remove_dead(m, h, c, own);
    if (is_written(c))
        return false;
    if (c->quiet_ms != 0) {
        now = shard_now_ms();
        if (c->quiet_ms > now && c->quiet_ms - now <= GUARD_LINGER_MS)
            return false;
        c->quiet_ms = 0;
    }
    c->claimant = 0;
    return true;
}

bool ticket_admits(const struct hold *h, uint32_t hash, uint64_t ticket)
{
    return (ticket & TICKET_BAD) == 0 &&
           ticket == ticket_cell(h, hash)->generation << TICKET_BITS;
}

void ticket_note(const struct hold *h, uint32_t hash)
{
    ticket_cell(h, hash)->generation++;
}

uint64_t ticket_look(struct shm *m, const struct hold *h, uint32_t shard,
                     uint32_t hash)
{
    struct cell *c = ticket_cell(h, hash);

    if (!ticket_quiet(m, h, c, ticket_own(m, shard, hash)))
        return TICKET_BAD;
    return c->generation << TICKET_BITS;
}
