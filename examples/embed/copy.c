/* copy.c -- copies every value of one store to another, in C alone.
 *
 *     $ copy fs:///var/cache/kv 'redis://127.0.0.1:6379/3?prefix=kv:'
 *     copied 1204 values, 78.1 MiB
 *
 * The keys come a page at a time; each page is read as one batch and written as
 * one, while the next is read. Values are passed on by reference: none is
 * copied in this process. One completion queue serves both stores, and poll(2)
 * waits for it, as it could for anything else. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

enum { PAGE = 256 };

struct copy {
    struct weir_store *from, *to;
    struct weir_cq *cq;
    struct weir_batch *scan, *get, *set;
    unsigned long long values, bytes, failed;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "copy: %s: %s\n", what, why);
    exit(1);
}

static struct weir_store *open_store(const char *url)
{
    struct weir_store *store;
    struct weir_error err;

    if (weir_open(&store, url, NULL, 0, &err) < 0)
        fail(url, err.message);
    return store;
}

/* Starts a batch. Returns 1 when it is on its way, 0 when it is answered. */
static int start(struct copy *c, struct weir_store *store, struct weir_batch *b)
{
    int rc = weir_submit(store, c->cq, b);

    if (rc < 0)
        fail(weir_store_name(store), b->error.message);
    return rc == 0;
}

/* Waits until so many batches have come back. */
static void await(struct copy *c, int batches)
{
    struct pollfd p = {.fd = weir_cq_fd(c->cq), .events = POLLIN};
    struct weir_batch *done[2];

    while (batches > 0) {
        if (poll(&p, 1, -1) > 0)
            batches -= weir_cq_drain(c->cq, done, 2);
    }
}

/* Makes the get of a page's keys, which lie one after the other in its value.
 */
static void fill_get(struct copy *c, const struct weir_value *page)
{
    const char *at = page->data, *end = at + page->size;
    uint32_t n = 0;

    weir_batch_reset(c->get, WEIR_GET, PAGE);
    while (at < end) {
        const struct weir_scan_entry *entry = (const void *)at;
        struct weir_item *item = &c->get->items[n++];

        item->key = at + sizeof *entry;
        item->key_len = entry->key_len;
        at += sizeof *entry + (entry->key_len + 7u) / 8u * 8u;
    }
    c->get->n = n;
}

/* Makes the set of what a get has brought; it takes the values over. */
static void fill_set(struct copy *c)
{
    uint32_t n = 0;

    weir_batch_reset(c->set, WEIR_SET, c->get->n);
    for (uint32_t i = 0; i < c->get->n; i++) {
        struct weir_item *got = &c->get->items[i], *item = &c->set->items[n];

        c->failed += got->status > WEIR_REJECTED;
        if (got->status != WEIR_OK)
            continue;
        item->key = got->key;
        item->key_len = got->key_len;
        item->value = got->value;
        got->value = NULL;
        n++;
    }
    c->set->n = n;
}

static void count(struct copy *c)
{
    for (uint32_t i = 0; i < c->set->n; i++) {
        if (c->set->items[i].status == WEIR_OK) {
            c->values++;
            c->bytes += c->set->items[i].value->size;
        } else {
            c->failed++;
        }
    }
    if (c->set->errors > 0)
        fprintf(stderr, "copy: %s\n", c->set->error.message);
}

/* Asks for the page at a cursor. */
static int start_scan(struct copy *c, uint64_t cursor)
{
    weir_batch_reset(c->scan, WEIR_SCAN, 1);
    c->scan->items[0].cap = PAGE;
    c->scan->items[0].cursor = cursor;
    return start(c, c->from, c->scan);
}

static void run(struct copy *c)
{
    uint64_t cursor = 0;

    await(c, start_scan(c, 0));
    do {
        struct weir_item *page = &c->scan->items[0];
        struct weir_value *keys = page->value;
        int writing, scanning = 0;

        if (page->status != WEIR_OK)
            fail(weir_store_name(c->from), c->scan->error.message);
        cursor = page->cursor;
        page->value = NULL;
        fill_get(c, keys);
        await(c, start(c, c->from, c->get));
        fill_set(c);
        writing = start(c, c->to, c->set);
        if (cursor != 0)
            scanning = start_scan(c, cursor);
        await(c, writing + scanning);
        count(c);
        weir_value_unref(keys);
    } while (cursor != 0);
}

int main(int argc, char **argv)
{
    struct copy c = {0};

    if (argc != 3) {
        fprintf(stderr, "usage: copy FROM-URL TO-URL\n");
        return 2;
    }
    c.from = open_store(argv[1]);
    c.to = open_store(argv[2]);
    c.scan = weir_batch_new(1);
    c.get = weir_batch_new(PAGE);
    c.set = weir_batch_new(PAGE);
    if (weir_cq_new(&c.cq) < 0 || !c.scan || !c.get || !c.set)
        fail("start", "out of memory");
    run(&c);
    printf("copied %llu values, %.1f MiB\n", c.values,
           (double)c.bytes / (1 << 20));
    weir_batch_free(c.scan);
    weir_batch_free(c.get);
    weir_batch_free(c.set);
    weir_cq_free(c.cq);
    weir_store_free(c.from);
    weir_store_free(c.to);
    return c.failed > 0;
}
