/* atomic.c -- see atomic.h.
 *
 * An op looks at the entry of its key and replaces it under the lock of the
 * shard. What takes long is done without the lock, on references: the digest of
 * a large value, and the copy that an append makes. Then the op looks again,
 * and starts over if the entry has another value. Each time that it starts
 * over, another op was done. */
#include "atomic.h"

#include "get.h"
#include "set.h"

/* An op on one item. */
struct change {
    struct memory *m;
    struct weir_call *call;
    struct place *at; /* at->e: the new entry, until it is in the shard */
    struct weir_item *item;
    struct turn turn;

    struct weir_value *seen;   /* a large value that was looked at */
    uint64_t version;          /* cas: of seen */
    struct weir_value *piece;  /* append: the bytes to add */
    struct weir_value *joined; /* append: the old bytes and the piece */
    uint64_t old_size;         /* append: of the old bytes */
};

/* ---- get and more ---- */

void gat_locked(struct turn *t, struct place *at, struct weir_item *item)
{
    touch_locked(t, at, item);
    if (item->status != WEIR_OK)
        return;
    item->status = WEIR_PENDING;
    get_locked(t, at, item);
}

/* A value that the caller has no room for stays. */
void take_locked(struct turn *t, struct place *at, struct weir_item *item)
{
    struct entry *e;

    get_locked(t, at, item);
    if (item->status > WEIR_OK)
        return;
    e = shard_find(t->shard, &at->key, t->now_ms, &t->dead);
    if (item->data == NULL || entry_size(e) <= item->cap)
        shard_drop(t->shard, e, &t->dead);
}

/* ---- the entry ---- */

static struct entry *change_find(struct change *c)
{
    turn_pass(&c->turn, c->at);
    return shard_find(c->at->shard, &c->at->key, c->turn.now_ms, &c->turn.dead);
}

static void change_too_big(struct change *c)
{
    weir_call_fail(c->call, c->item, WEIR_TOOBIG,
                   "the value has no room in a shard of %llu bytes",
                   (unsigned long long)c->at->shard->config.capacity);
}

/* Puts the new entry in, unless it has no room. */
static void change_put(struct change *c)
{
    if (!shard_fits(c->at->shard, entry_charge(c->at->e))) {
        change_too_big(c);
        return;
    }
    shard_put(c->at->shard, c->at->e, &c->turn.dead);
    c->at->e = NULL;
    c->item->status = WEIR_OK;
}

/* Makes the new entry, for a value of that size or kind. It expires when `old`
 * does or, if that is NULL, as if it were set. False: the item is answered. */
static bool change_make(struct change *c, const struct entry *old,
                        uint32_t size)
{
    const struct table_key *key = &c->at->key;
    uint64_t ttl_ms = c->item->ttl_ms ? c->item->ttl_ms : c->m->default_ttl_ms;
    uint64_t expires_ms =
        old != NULL ? entry_expires(old) : set_expires(ttl_ms);

    c->at->e = entry_new(c->at->shard->heap, key->bytes, key->len, key->hash,
                         size, expires_ms != 0);
    if (c->at->e == NULL) {
        weir_call_fail(c->call, c->item, WEIR_NOSPACE, "out of memory");
        return false;
    }
    if (expires_ms != 0)
        c->at->e->words[0] = expires_ms;
    return true;
}

/* ---- add, replace, cas ---- */

/* Makes the entry of a value that is sent. False: the item is answered. */
static bool change_prepare(struct change *c)
{
    if (!set_prepare(c->m, c->at, c->call, c->item))
        return false;
    if (c->at->e == NULL)
        change_too_big(c);
    return c->at->e != NULL;
}

static void add_run(struct change *c)
{
    if (change_find(c) != NULL)
        c->item->status = WEIR_REJECTED;
    else
        change_put(c);
}

static void replace_run(struct change *c)
{
    if (change_find(c) == NULL)
        c->item->status = WEIR_MISS;
    else
        change_put(c);
}

/* Keeps a reference of a large value that is looked at without the lock. */
static void change_see(struct change *c, struct entry *e)
{
    struct weir_value *before = c->seen;

    c->seen = weir_value_ref(entry_value(e));
    turn_pause(&c->turn);
    weir_value_unref(before);
}

/* Says whether the version of an entry is known: *out. If not, it is found
 * without the lock. */
static bool cas_version(struct change *c, struct entry *e, uint64_t *out)
{
    if (entry_embedded(e)) {
        *out = weir_version_of(entry_data(e), e->size);
        return true;
    }
    if (entry_value(e) == c->seen) {
        *out = c->version;
        return true;
    }
    change_see(c, e);
    c->version = weir_version_of(c->seen->data, c->seen->size);
    return false;
}

static void cas_run(struct change *c)
{
    struct entry *e;
    uint64_t version;

    do {
        e = change_find(c);
        if (e == NULL) {
            c->item->status = WEIR_MISS;
            return;
        }
    } while (!cas_version(c, e, &version));
    if (version == (uint64_t)c->item->number)
        change_put(c);
    else
        c->item->status = WEIR_REJECTED;
}

/* ---- incr ---- */

static void incr_run(struct change *c)
{
    struct entry *e = change_find(c);
    const char *old = NULL;
    char digits[WEIR_NUMBER_MAX];
    uint32_t size;

    if (e != NULL)
        old = entry_embedded(e) ? entry_data(e) : "";
    size =
        weir_call_incr(c->call, c->item, old, e != NULL ? e->size : 0, digits);
    if (size == 0)
        return;
    if (e != NULL && e->size == size) {
        memcpy(entry_data(e), digits, size);
        shard_hit(c->at->shard, e);
        c->item->status = WEIR_OK;
        return;
    }
    if (!change_make(c, e, size))
        return;
    memcpy(entry_data(c->at->e), digits, size);
    change_put(c);
}

/* ---- append ---- */

/* Whether `joined` was made of the value that the entry has now. */
static bool append_joined(const struct change *c, struct entry *e)
{
    if (c->joined == NULL || e == NULL || entry_size(e) != c->old_size)
        return c->joined != NULL && e == NULL && c->old_size == 0;
    if (!entry_embedded(e))
        return entry_value(e) == c->seen;
    return memcmp(entry_data(e), c->joined->data, e->size) == 0;
}

/* Joins the old bytes and the piece to a value, without the lock. False: the
 * item is answered. */
static bool append_join(struct change *c, struct entry *e)
{
    char embedded[ENTRY_EMBEDS], *to;
    const char *old = embedded;

    c->old_size = e != NULL ? entry_size(e) : 0;
    if (e != NULL && entry_embedded(e)) {
        memcpy(embedded, entry_data(e), c->old_size);
        turn_pause(&c->turn);
    } else if (e != NULL) {
        change_see(c, e);
        old = c->seen->data;
    } else {
        turn_pause(&c->turn);
    }
    weir_value_unref(c->joined);
    c->joined = weir_value_new(c->old_size + c->piece->size, &to);
    if (c->joined == NULL) {
        weir_call_no_memory(c->call, c->item, "the longer value");
        return false;
    }
    memcpy(to, old, c->old_size);
    memcpy(to + c->old_size, c->piece->data, c->piece->size);
    return true;
}

/* Puts in a value that is short enough to be embedded. */
static void append_short(struct change *c, struct entry *e, uint32_t size)
{
    uint32_t before = e != NULL ? e->size : 0;

    if (!change_make(c, e, size))
        return;
    if (before > 0)
        memcpy(entry_data(c->at->e), entry_data(e), before);
    if (size > before)
        memcpy(entry_data(c->at->e) + before, c->piece->data, size - before);
    change_put(c);
}

static void append_long(struct change *c, struct entry *e)
{
    if (!change_make(c, e, ENTRY_REFERS))
        return;
    *entry_word(c->at->e) = (uintptr_t)weir_value_ref(c->joined);
    change_put(c);
}

static void append_run(struct change *c)
{
    uint64_t max = weir_call_max_value(c->call), size;
    struct entry *e;

    c->piece = weir_call_value(c->call, c->item);
    if (c->piece == NULL)
        return;
    for (;;) {
        e = change_find(c);
        size = (e != NULL ? entry_size(e) : 0) + c->piece->size;
        c->item->number = (int64_t)size;
        if (size > max) {
            weir_call_fail(c->call, c->item, WEIR_TOOBIG,
                           "a value of %llu bytes: max_value is %llu",
                           (unsigned long long)size, (unsigned long long)max);
            return;
        }
        if (size <= ENTRY_EMBEDS) {
            append_short(c, e, (uint32_t)size);
            return;
        }
        if (append_joined(c, e)) {
            append_long(c, e);
            return;
        }
        if (!append_join(c, e))
            return;
    }
}

/* ---- all of them ---- */

/* Without bodies a value has no bytes to look at. */
static bool change_is_blind(const struct change *c)
{
    uint32_t op = c->call->op;

    if (c->m->bodies || op == WEIR_ADD || op == WEIR_REPLACE)
        return false;
    weir_call_fail(c->call, c->item, WEIR_UNSUPPORTED,
                   "a store with bodies=false has no bytes to look at");
    return true;
}

static void change_item(struct change *c)
{
    switch (c->call->op) {
    case WEIR_INCR:
        incr_run(c);
        return;
    case WEIR_APPEND:
        append_run(c);
        return;
    }
    if (!change_prepare(c))
        return;
    switch (c->call->op) {
    case WEIR_ADD:
        add_run(c);
        return;
    case WEIR_REPLACE:
        replace_run(c);
        return;
    case WEIR_CAS:
        cas_run(c);
        return;
    }
}

void change_run(struct memory *m, struct weir_call *call, struct place *at,
                struct weir_item *item)
{
    struct change c = {
        .m = m, .call = call, .at = at, .item = item, .turn = {.call = call}};

    if (change_is_blind(&c))
        return;
    change_item(&c);
    turn_end(&c.turn, m);
    if (at->e != NULL)
        entry_free(m->evicted.pool, at->e);
    weir_value_unref(c.seen);
    weir_value_unref(c.piece);
    weir_value_unref(c.joined);
}
