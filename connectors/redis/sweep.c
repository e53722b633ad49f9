/* sweep.c -- lists the keys of a cluster, slot by slot.
 *
 * SCAN lists the keys of one node, and its cursor means nothing to another one.
 * A key whose slot moves during such a scan, from a node that was not scanned
 * to one that was, would be left out. So we read slots: the cursor of a page is
 * the next slot, wherever that is by then.
 *
 * A slot is read in a transaction on its owner:
 *
 *     MULTI, EXISTS a key of the slot, CLUSTER GETKEYSINSLOT, EXEC
 *
 * The EXISTS fails with MOVED if the node has not the slot, and with ASK if it
 * is migrating it. If it does not, all keys of the slot are on this node, and
 * EXEC returns all of them. While the slot is migrating we read the owner's
 * keys, then those of the other node, since keys move only in this direction,
 * and then ask the owner once more whether this is still so.
 *
 * GETKEYSINSLOT has no cursor. A slot of more than SLOT_KEYS keys is TOOBIG. */
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

enum {
    BLOCK = 128,          /* slots that are read at once */
    BLOCKS = 32,          /* for a page, at most */
    PAGE_KEYS = 1000,     /* default of the keys in a page */
    PAGE_MAX = 128 << 20, /* bytes of a page in memory */
    SLOT_KEYS = 1000000,  /* of a slot, at most */
    SLOT_COMMANDS = 4,
    PROBES = 1 << 20, /* numbers to try for the keys of all slots */
};

/* ---- a key for each slot ---- */

/* The keys begin with the prefix of the store: the user may have no rights for
 * others. */
static void probe_write(uint32_t number, char *out, size_t cap)
{
    snprintf(out, cap, "{%x}", number);
}

static void fill_probes(struct cluster *c)
{
    const struct redis *r = c->redis;
    char key[16];

    c->probe = calloc(SLOTS, sizeof *c->probe);
    for (uint32_t i = 1, n = 0; c->probe != NULL && i < PROBES && n < SLOTS;
         i++) {
        uint16_t slot;

        probe_write(i, key, sizeof key);
        slot = slot_of(r->config->prefix, r->prefix_len, key, strlen(key));
        n += c->probe[slot] == 0;
        if (c->probe[slot] == 0)
            c->probe[slot] = i;
    }
}

/* Returns a number for each slot whose key lies in it. NULL: out of memory. */
static const uint32_t *probes(struct cluster *c)
{
    pthread_mutex_lock(&c->scout.lock);
    if (c->probe == NULL)
        fill_probes(c);
    pthread_mutex_unlock(&c->scout.lock);
    return c->probe;
}

/* ---- pages ---- */

/* Whether all keys that begin so have one slot. */
static bool has_tag(const struct redis *r, const struct weir_item *item)
{
    const char *prefix = r->config->prefix, *key = item->key;
    size_t p = r->prefix_len, n = item->key_len;

    return n + p > 0 && slot_of_tag(prefix, p, key, n);
}

/* Prepares the next block of slots. */
static void next_block(struct cluster_session *cs, struct errand *e)
{
    struct sweep *w = e->sweep;
    uint32_t n = w->last - w->block + 1u;

    e->n = n < BLOCK ? n : BLOCK;
    e->waiting = e->n;
    memset(w->slots, 0, e->n * sizeof *w->slots);
    for (uint32_t i = 0; i < e->n; i++)
        e->trips[i] = (struct trip){.slot = (uint16_t)(w->block + i),
                                    .node = NO_NODE,
                                    .seen = NO_NODE,
                                    .waits = true,
                                    .of_master = true};
    w->blocks++;
    errand_resume(cs, e, weir_now());
}

/* Begins a page for the current item of the call. */
static void begin_page(struct cluster_session *cs, struct errand *e)
{
    const struct redis *r = cs->redis;
    struct sweep *w = e->sweep;
    const struct weir_item *item = &e->call->items[w->item];

    w->first = 0;
    w->last = SLOTS - 1;
    if (has_tag(r, item))
        w->first = w->last =
            slot_of(r->config->prefix, r->prefix_len, item->key, item->key_len);
    w->block = item->cursor > w->first ? (uint16_t)item->cursor : w->first;
    w->blocks = 0;
    if (item->cursor <= w->last)
        next_block(cs, e);
}

/* Answers an item with the error of the first slot that failed, if any did. */
static bool answer_failure(struct errand *e)
{
    struct sweep *w = e->sweep;

    for (uint32_t i = 0; i < e->n; i++) {
        if (w->slots[i].status == WEIR_OK)
            continue;
        e->call->items[w->item].status = w->slots[i].status;
        w->page.size = w->page.keys = 0;
        return true;
    }
    return false;
}

/* Answers the current item, or reads on for it. false: it reads on. */
static bool end_block(struct cluster_session *cs, struct errand *e)
{
    struct sweep *w = e->sweep;
    struct weir_item *item = &e->call->items[w->item];
    uint64_t wanted = item->cap != 0 ? item->cap : PAGE_KEYS;
    uint32_t next = w->block + e->n;

    if (answer_failure(e))
        return true;
    if (next <= w->last && w->page.keys < wanted && w->blocks < BLOCKS) {
        w->block = (uint16_t)next;
        next_block(cs, e);
        return false;
    }
    weir_page_answer(e->call, item, &w->page, next <= w->last ? next : 0);
    return true;
}

bool sweep_next(struct cluster_session *cs, struct errand *e)
{
    struct sweep *w = e->sweep;

    while (errand_is_done(e) && w->item < e->call->n) {
        if (e->n > 0 && !end_block(cs, e))
            continue;
        if (e->n > 0)
            w->item++;
        e->n = 0;
        if (w->item < e->call->n)
            begin_page(cs, e);
        if (e->n == 0 && w->item < e->call->n)
            weir_page_answer(e->call, &e->call->items[w->item++], &w->page, 0);
    }
    return w->item == e->call->n && errand_is_done(e);
}

/* ---- the errand ---- */

static void sweep_end(struct errand *e)
{
    free(e->sweep->page.data);
    free(e->sweep->slots);
    free(e->sweep);
}

static bool sweep_migrates(struct peer *peer, struct errand *e, struct trip *t,
                           uint16_t to)
{
    if (t->seen == to)
        return false;
    t->other = to;
    t->source_read = false;
    t->node = peer->node;
    errand_wait(e, t, 0);
    return true;
}

struct errand *sweep_start(struct cluster_session *cs, struct weir_call *call)
{
    struct errand *e = errand_new(cs, call, BLOCK);

    if (e == NULL)
        return NULL;
    e->items = NULL;
    e->n = 0;
    e->sweep = calloc(1, sizeof *e->sweep);
    if (e->sweep != NULL) {
        e->free = sweep_end;
        e->migrates = sweep_migrates;
        e->items = e->sweep->slots = calloc(BLOCK, sizeof *e->items);
    }
    if (e->items == NULL || probes(cs->cluster) == NULL) {
        errand_end(cs, e);
        return NULL;
    }
    sweep_next(cs, e);
    return e;
}

/* ---- commands ---- */

static void put(struct outbox *o, const char *text)
{
    outbox_copy(o, text, strlen(text));
}

static void put_keys(struct outbox *o, uint16_t slot)
{
    put(o, "*4\r\n$7\r\nCLUSTER\r\n$13\r\nGETKEYSINSLOT\r\n");
    outbox_number(o, slot);
    outbox_number(o, SLOT_KEYS);
}

static void put_transaction(struct redis_session *s, struct progress *p,
                            uint16_t slot)
{
    const struct redis *r = s->redis;
    struct outbox *o = &s->out;
    char key[16];

    probe_write(r->cluster->probe[slot], key, sizeof key);
    put(o, "*1\r\n$5\r\nMULTI\r\n");
    pipeline_add(s, p, EXPECT_STATUS, p->next_item, 0, 0);
    put(o, "*2\r\n$6\r\nEXISTS\r\n");
    outbox_line(o, '$', r->prefix_len + strlen(key));
    outbox_copy(o, r->config->prefix, r->prefix_len);
    put(o, key);
    put(o, "\r\n");
    pipeline_add(s, p, EXPECT_QUEUED, p->next_item, 1, 0);
    put_keys(o, slot);
    pipeline_add(s, p, EXPECT_QUEUED, p->next_item, 1, 0);
    put(o, "*1\r\n$4\r\nEXEC\r\n");
    pipeline_add(s, p, EXPECT_EXEC, p->next_item, 1, 0);
}

bool sweep_put(struct redis_session *s, struct progress *p)
{
    uint16_t slot = errand_trip(p->errand, p->part[p->next_item])->slot;

    if (!outbox_has_room(&s->out, s->redis->prefix_len + 256, 1) ||
        s->n_commands + SLOT_COMMANDS > REDIS_COMMANDS)
        return false;
    if (p->asking) {
        put_keys(&s->out, slot);
        pipeline_add(s, p, EXPECT_KEYS, p->next_item, 1, 0);
    } else {
        put_transaction(s, p, slot);
    }
    p->next_item++;
    return true;
}

/* ---- replies ---- */

void sweep_keep(struct redis_session *s, struct progress *p, const char *key,
                size_t len)
{
    struct command *command = pipeline_oldest(s);
    struct weir_item *slot = progress_item(p, command->first);
    const struct weir_item *item;
    struct sweep *w;

    if (slot->status != WEIR_PENDING || p->errand == NULL)
        return;
    w = p->errand->sweep;
    item = &p->call->items[w->item];
    if (len < item->key_len || memcmp(key, item->key, item->key_len) != 0)
        return;
    if (w->page.size > PAGE_MAX - 2 * WEIR_KEY_MAX)
        weir_call_fail(p->call, slot, WEIR_TOOBIG,
                       "a page of keys of more than %d MiB", PAGE_MAX >> 20);
    else if (weir_page_add(&w->page, key, (uint32_t)len, UINT64_MAX,
                           UINT64_MAX) < 0)
        weir_call_no_memory(p->call, slot, "a page of keys");
}

/* The slot is migrating, and one of its nodes was read. */
static void read_next(struct redis_session *s, struct progress *p, uint32_t i)
{
    struct errand *e = p->errand;
    struct trip *t = errand_trip(e, p->part[i]);

    p->part[i] = &s->peer->nobody;
    t->node = NO_NODE;
    if (t->source_read)
        t->seen = t->other;
    else
        t->node = t->other;
    t->source_read = !t->source_read;
    errand_wait(e, t, 0);
}

void sweep_listed(struct redis_session *s, struct command *command)
{
    struct progress *p = command->progress;
    struct weir_item *slot = progress_item(p, command->first);

    if (slot->status != WEIR_PENDING || p->errand == NULL)
        return;
    if (s->page_keys >= SLOT_KEYS)
        weir_call_fail(p->call, slot, WEIR_TOOBIG,
                       "slot %d has more than %d keys: too many for a scan",
                       errand_trip(p->errand, slot)->slot, SLOT_KEYS);
    else if (command->expects == EXPECT_KEYS)
        read_next(s, p, command->first);
    else
        slot->status = WEIR_OK;
}
