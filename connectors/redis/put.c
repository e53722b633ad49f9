/* put.c -- see put.h. */
#include "put.h"

#include "pipeline.h"
#include "window.h"

enum {
    VALUE_COPY = 1024,    /* shorter values are copied to the outbox */
    TLS_COPY = 16384,     /* limit for values under TLS, where each segment that
                             is not copied is a record of its own */
    SHIFT_MIN = 64 << 10, /* values that are copied so as to be sent fast */
    SHIFT_MAX = 8 << 20,
    PAGE_BYTES = 4096,
    SLOW_FROM = 16,
};

/* The server adds this to the time of day in a signed 64-bit number. */
#define TTL_MAX ((uint64_t)INT64_MAX / 2)

static size_t value_copy(const struct redis_session *s)
{
    return s->link.tls != NULL ? TLS_COPY : VALUE_COPY;
}

bool put_copies(const struct redis_session *s, const struct weir_item *item)
{
    return window_value_size(item) < value_copy(s);
}

bool put_lends(const struct weir_item *item)
{
    return item->value == NULL && item->size > 0;
}

void put_key(struct redis_session *s, const struct weir_item *item)
{
    struct outbox *o = &s->out;
    size_t prefix = s->redis->prefix_len;

    outbox_line(o, '$', prefix + item->key_len);
    outbox_copy(o, s->redis->config->prefix, prefix);
    if (item->key_len < KEY_COPY)
        outbox_copy(o, item->key, item->key_len);
    else
        outbox_refer(o, item->key, item->key_len);
    put_text(o, "\r\n");
}

size_t put_key_room(const struct redis_session *s, const struct weir_item *item)
{
    return s->redis->prefix_len + 16 +
           (item->key_len < KEY_COPY ? item->key_len : 0);
}

/* Whether the kernel would copy a long value slowly. It copies what we send to
 * pages of its own, byte behind byte, and begins at the start of a page if
 * nothing is in flight. AMD's processors copy at a fifteenth of the speed if
 * the target is 1 to 15 bytes further in its page than the source in its own:
 * each load then seems to depend on the store before it. A long string of Lua
 * begins at byte 40 of a page, so keys of 11 to 25 bytes are slow to set. One
 * more copy of the value costs less. Measured with sets of 1 MiB from Lua, one
 * in flight, over TCP, keys of 16 bytes against keys of 6: 0.47 of the rate
 * and 2.7 times our CPU time before, 0.97 and 1.2 since. */
static bool is_slow_to_send(const struct redis_session *s, const char *bytes,
                            uint64_t size)
{
    uint64_t place = s->out.put - s->out.sent;
    uint64_t further = (place - (uintptr_t)bytes) % PAGE_BYTES;

    return size >= SHIFT_MIN && size <= SHIFT_MAX && s->n_commands == 0 &&
           s->link.low_water != 0 && further > 0 && further < SLOW_FROM;
}

void put_value(struct redis_session *s, const struct weir_item *item)
{
    const char *bytes = item->value != NULL ? item->value->data : item->data;
    uint64_t size = window_value_size(item);

    outbox_line(&s->out, '$', size);
    if (put_copies(s, item))
        outbox_copy(&s->out, bytes, size);
    else if (is_slow_to_send(s, bytes, size))
        outbox_shift(&s->out, bytes, size);
    else
        outbox_refer(&s->out, bytes, size);
    put_text(&s->out, "\r\n");
}

uint64_t put_ttl_bounded(uint64_t ms)
{
    return ms < TTL_MAX ? ms : TTL_MAX;
}

uint64_t put_ttl(const struct redis_session *s, const struct weir_item *item)
{
    uint64_t ns = s->redis->config->ttl;

    if (item->ttl_ms != 0)
        return put_ttl_bounded(item->ttl_ms);
    return ns != 0 ? (ns - 1) / 1000000u + 1 : 0;
}

void put_asking(struct redis_session *s, struct progress *p)
{
    if (!p->asking)
        return;
    put_text(&s->out, "*1\r\n$6\r\nASKING\r\n");
    pipeline_add(s, p, EXPECT_STATUS, p->next_item, 0, 0);
}
