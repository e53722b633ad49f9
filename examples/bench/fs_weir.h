/* fs_weir.h -- a cell run through a weir store. */
#ifndef FS_WEIR_H
#define FS_WEIR_H

#include "fs_cell.h"

struct ours {
    struct cell cell;
    struct weir_store *store;
    struct weir_cq *cq;
    struct weir_batch *batches[CELL_FLIGHT];
    char *buffers[CELL_FLIGHT]; /* of each batch, for the values that it gets */
};

static inline void ours_check(const struct ours *o, const struct weir_batch *b)
{
    if (b->errors > 0)
        bench_die("fs", b->error.message);
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->items[i].status != WEIR_OK)
            bench_die("fs", "a key is missing");
    }
    if (o->cell.op == WEIR_GET && b->items[0].size != o->cell.size)
        bench_die("fs", "a value has the wrong size");
}

static inline bool ours_submit(void *state, uint32_t slot, uint32_t first)
{
    struct ours *o = state;
    const struct cell *c = &o->cell;
    struct weir_batch *b = o->batches[slot];
    uint32_t range = cell_range(c);
    int rc;

    weir_batch_reset(b, c->op, c->batch);
    for (uint32_t i = 0; i < c->batch; i++) {
        struct weir_item *item = &b->items[i];

        item->key = cell_keys[(first + i) % range];
        item->key_len = KEY_LEN;
        if (c->op == WEIR_GET) {
            item->data = o->buffers[slot] + (size_t)i * c->size;
            item->cap = c->size;
        } else if (c->op == WEIR_SET) {
            item->data = cell_payload;
            item->size = c->size;
        }
    }
    b->tag = slot;
    rc = weir_submit(o->store, o->cq, b);
    if (rc < 0)
        bench_die("submit", b->error.message);
    if (rc == 1)
        ours_check(o, b);
    return rc == 1;
}

static inline uint32_t ours_wait(void *state, uint32_t *slots)
{
    struct weir_batch *done[CELL_FLIGHT];
    struct ours *o = state;
    int n;

    weir_cq_wait(o->cq, WEIR_FOREVER);
    n = weir_cq_drain(o->cq, done, CELL_FLIGHT);
    for (int i = 0; i < n; i++) {
        ours_check(o, done[i]);
        slots[i] = (uint32_t)done[i]->tag;
    }
    return (uint32_t)n;
}

static inline struct side ours_open(struct ours *o, const struct cell *c,
                                    const char *path, const char *options)
{
    char url[300];

    *o = (struct ours){.cell = *c};
    snprintf(url, sizeof url, "fs://%s?%s", path, options);
    o->store = bench_open(url);
    weir_cq_new(&o->cq);
    for (uint32_t i = 0; i < CELL_FLIGHT; i++) {
        o->batches[i] = weir_batch_new(c->batch);
        o->buffers[i] = cell_buffer((size_t)c->batch * c->size);
    }
    return (struct side){o, ours_submit, ours_wait};
}

static inline void ours_close(struct ours *o)
{
    for (uint32_t i = 0; i < CELL_FLIGHT; i++) {
        weir_batch_free(o->batches[i]);
        free(o->buffers[i]);
    }
    weir_store_free(o->store);
    weir_cq_free(o->cq);
}

#endif
