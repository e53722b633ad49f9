/* window.c -- limits the bytes of values in flight on a session.
 *
 * With too few, the server waits for us. With too many, it holds the replies:
 * as soon as they do not fit the cache of its core it is slower by a third.
 *
 * A session alone requests two values, and the next one whenever one was
 * received. If other sessions of the store also receive long values, the server
 * always has work, so the sessions take turns: each requests a load (2 MiB) at
 * once, and the next load when it has received all of it. Then the server stays
 * with one connection for a while. Measured for gets on two sessions: 1.08
 * times the rate at 1 MiB, 1.1 times at 4 MiB over a unix socket, where a load
 * is one value. Sets gained nothing, so they take no turns. */
#include "window.h"

/* The window has this many bytes, or two long values if they are more. */
#define WINDOW_MIN ((uint64_t)512 << 10)

/* The window of sessions that take turns. It always takes one value. */
#define WINDOW_LOAD ((uint64_t)2 << 20)

static bool is_long(uint64_t bytes)
{
    return 2 * bytes > WINDOW_MIN;
}

static uint64_t window_bytes(uint64_t value)
{
    return is_long(value) ? 2 * value : WINDOW_MIN;
}

/* Whether a call's replies are long enough to take turns. Misses count as
 * replies of no bytes. On a link without link_await turns pay only if a load is
 * one value: over a unix socket, turns of two values of 1 MiB cost 3 %. TLS was
 * not measured. */
static bool receives_loads(const struct redis_session *s,
                           const struct progress *p)
{
    return p->call->op == WEIR_GET &&
           (s->link.low_water != 0 ? is_long(s->reply_guess)
                                   : s->reply_guess >= WINDOW_LOAD);
}

static bool takes_turns(const struct redis_session *s, const struct progress *p)
{
    return receives_loads(s, p) &&
           atomic_load_explicit(s->loaded, memory_order_relaxed) > 1;
}

uint64_t window_weight(const struct redis_session *s)
{
    uint64_t least = s->value_guess / 8;

    return s->reply_guess > least ? s->reply_guess : least;
}

uint64_t window_room(const struct redis_session *s)
{
    uint64_t window = window_bytes(s->value_guess);

    return s->weight < window ? window - s->weight : 0;
}

bool window_open(struct redis_session *s, const struct progress *p)
{
    uint64_t value = s->value_guess, window, refill;

    if (window_sends(p->call->op) && p->next_item < p->n)
        value = window_value_size(progress_item(p, p->next_item));
    window = window_bytes(value);
    refill = window / 2;
    if (takes_turns(s, p)) {
        window = WINDOW_LOAD;
        refill = 0;
    }
    if (s->n_commands == 0 || s->weight <= refill)
        s->window_full = false;
    else if (s->weight >= window)
        s->window_full = true;
    return !s->window_full;
}

/* Tells the other sessions whether this one is receiving a load. */
static void window_count(struct redis_session *s, bool loaded)
{
    if (s->counted == loaded)
        return;
    s->counted = loaded;
    if (loaded)
        atomic_fetch_add_explicit(s->loaded, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(s->loaded, 1, memory_order_relaxed);
}

void window_add(struct redis_session *s, const struct progress *p,
                uint64_t weight)
{
    s->weight += weight;
    if (p->call->op == WEIR_GET)
        window_count(s, receives_loads(s, p));
}

void window_remove(struct redis_session *s, uint64_t weight)
{
    s->weight -= weight;
    if (s->weight == 0)
        window_count(s, false);
}
