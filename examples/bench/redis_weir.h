/* redis_weir.h -- a cell run through a weir store. */
#ifndef REDIS_WEIR_H
#define REDIS_WEIR_H

#include "redis_cell.h"

struct weir_side {
    struct cell cell;
    struct weir_store *store;
    struct weir_cq *cq;
    struct weir_batch **batches;
    char **buffers; /* of each batch, for what it gets */
    uint32_t at;    /* the next key */
};

static inline void weir_side_open(struct weir_side *w, const struct cell *c)
{
    char url[256];

    *w = (struct weir_side){.cell = *c};
    if (c->socket != NULL)
        snprintf(url, sizeof url, "redis+unix://%s?workers=%u", c->socket,
                 c->workers);
    else
        snprintf(url, sizeof url, "redis://127.0.0.1:%d?workers=%u", c->port,
                 c->workers);
    w->store = bench_open(url);
    weir_cq_new(&w->cq);
    w->batches = calloc(c->flight, sizeof *w->batches);
    w->buffers = calloc(c->flight, sizeof *w->buffers);
    for (uint32_t i = 0; i < c->flight; i++) {
        w->batches[i] = weir_batch_new(c->batch);
        w->batches[i]->tag = i;
        w->buffers[i] = cell_buffers(c);
    }
}

static inline void weir_side_close(struct weir_side *w)
{
    for (uint32_t i = 0; i < w->cell.flight; i++) {
        weir_batch_free(w->batches[i]);
        free(w->buffers[i]);
    }
    free(w->batches);
    free(w->buffers);
    weir_store_free(w->store);
    weir_cq_free(w->cq);
}

static inline void weir_side_submit(struct weir_side *w, uint32_t slot)
{
    struct weir_batch *b = w->batches[slot];
    const struct cell *c = &w->cell;
    uint32_t range = cell_range(c);

    weir_batch_reset(b, c->op, c->batch);
    for (uint32_t i = 0; i < c->batch; i++) {
        struct weir_item *item = &b->items[i];

        item->key = c->sparse && i % 2 ? cell_nowhere : cell_keys[w->at];
        item->key_len = KEY_LEN;
        w->at = w->at + 1 == range ? 0 : w->at + 1;
        if (c->op == WEIR_GET && !c->values) {
            item->data = w->buffers[slot] + (size_t)i * c->size;
            item->cap = c->size;
        } else if (c->op == WEIR_SET) {
            item->data = cell_payload;
            item->size = c->size;
        }
    }
    b->tag = slot;
    if (weir_submit(w->store, w->cq, b) != 0)
        bench_die("submit", b->error.message);
}

/* Dies unless every key is there: a miss costs less than a value. */
static inline void weir_side_check(struct weir_side *w)
{
    struct weir_batch *b;

    for (uint32_t i = 0; i < cell_range(&w->cell); i += w->cell.batch) {
        weir_side_submit(w, 0);
        weir_cq_wait(w->cq, WEIR_FOREVER);
        weir_cq_drain(w->cq, &b, 1);
        for (uint32_t k = 0; k < b->n; k++) {
            if (b->items[k].status != WEIR_OK)
                bench_die("get", "a key is not there");
        }
    }
}

/* Goes on until the time is up, or once over all keys when seconds is 0. */
static inline struct outcome weir_side_run(struct weir_side *w, double seconds)
{
    uint64_t *submitted = calloc(w->cell.flight, sizeof *submitted);
    uint32_t range = cell_range(&w->cell), sent = 0, open = 0;
    struct weir_batch *done[64];
    struct meter m;

    w->at = 0;
    meter_start(&m, seconds);
    for (; open < w->cell.flight && sent < range; sent += w->cell.batch) {
        submitted[open] = weir_now();
        weir_side_submit(w, open++);
    }
    while (open > 0) {
        weir_cq_wait(w->cq, WEIR_FOREVER);
        int n = weir_cq_drain(w->cq, done, 64);

        for (int i = 0; i < n; i++) {
            uint32_t slot = (uint32_t)done[i]->tag;

            if (done[i]->errors > 0)
                bench_die("a batch failed", done[i]->error.message);
            meter_batch(&m, submitted[slot], w->cell.batch);
            open--;
            if (seconds > 0 ? weir_now() < m.until : sent < range) {
                submitted[slot] = weir_now();
                weir_side_submit(w, slot);
                sent += w->cell.batch;
                open++;
            }
        }
    }
    free(submitted);
    return meter_stop(&m);
}

#endif
