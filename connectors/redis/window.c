/* window.c -- how many bytes of values may be on the way through a session.
 *
 * With too few the server waits for us, with too many it holds them: already
 * what does not fit its core's cache slows it by a third. So a session alone
 * asks for two values, and for the next when one has come. When others have
 * long values on the way to us too, the server is busy while one of us waits:
 * then each asks for a load at once, and for the next when all of it has come,
 * so that the server stays a while with each. Measured of gets of 1 MiB on two
 * sessions: 1.08 times the rate; of 4 MiB over a unix socket, where a load is
 * one value, 1.1 times; of sets nothing, so they do not. */
#include "window.h"
#include "command.h"

/* Bytes on the way: at least this, and two values ... */
#define WINDOW_MIN ((uint64_t)512 << 10)

/* ... or, when sessions take turns, this, and one value. */
#define WINDOW_LOAD ((uint64_t)2 << 20)

static bool is_long(uint64_t bytes)
{
    return 2 * bytes > WINDOW_MIN;
}

static uint64_t window_bytes(uint64_t value)
{
    return is_long(value) ? 2 * value : WINDOW_MIN;
}

/* Whether a flight's replies are long, misses counted. Without link_await turns
 * pay only when a load is one value instead of two: over a unix socket those of
 * 1 MiB lost 3 of a hundred by them. TLS was not measured. */
static bool brings_load(const struct redis_session *s, const struct flight *f)
{
    return f->call->op == WEIR_GET &&
           (s->link.low_water != 0 ? is_long(s->reply)
                                   : s->reply >= WINDOW_LOAD);
}

static bool takes_turns(const struct redis_session *s, const struct flight *f)
{
    return brings_load(s, f) &&
           atomic_load_explicit(&s->redis->loaded, memory_order_relaxed) > 1;
}

uint64_t window_weight(const struct redis_session *s)
{
    return s->reply > s->guess / 8 ? s->reply : s->guess / 8;
}

uint64_t window_room(const struct redis_session *s)
{
    uint64_t window = window_bytes(s->guess);

    return s->awaited < window ? window - s->awaited : 0;
}

bool window_open(struct redis_session *s, const struct flight *f)
{
    uint64_t value = s->guess, window, refill;

    if (f->call->op == WEIR_SET && f->next_item < f->call->n)
        value = command_value_size(&f->call->items[f->next_item]);
    window = window_bytes(value);
    refill = window / 2;
    if (takes_turns(s, f)) {
        window = WINDOW_LOAD;
        refill = 0;
    }
    if (s->n_asks == 0 || s->awaited <= refill)
        s->held = false;
    else if (s->awaited >= window)
        s->held = true;
    return !s->held;
}

/* Whether a load is on the way to this session, for the others to see. */
static void window_count(struct redis_session *s, bool loaded)
{
    if (s->counted == loaded)
        return;
    s->counted = loaded;
    if (loaded)
        atomic_fetch_add_explicit(&s->redis->loaded, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&s->redis->loaded, 1, memory_order_relaxed);
}

void window_add(struct redis_session *s, const struct flight *f,
                uint64_t weight)
{
    s->awaited += weight;
    if (f->call->op == WEIR_GET)
        window_count(s, brings_load(s, f));
}

void window_remove(struct redis_session *s, uint64_t weight)
{
    s->awaited -= weight;
    if (s->awaited == 0)
        window_count(s, false);
}
