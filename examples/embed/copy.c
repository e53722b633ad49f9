/* copy.c -- copies every value of one store to another, in C alone.
 *
 *     $ copy fs:///var/cache/kv 'redis://127.0.0.1:6379/3?prefix=kv:'
 *     copied 1204 values, 78.1 MiB
 *
 * The keys come a page at a time, of about the length asked for: the next one
 * is on its way while those of this one are read in batches, with what is left
 * of their lives, and written. Values are passed on by reference: none is
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
    struct weir_batch *scan, *get, *stat, *set;
    int waiting; /* batches on their way */
    unsigned long long values, bytes, failed;
};

/* The sentences of weir name the store, and hold no password as a URL may. */
static void fail(const char *why)
{
    fprintf(stderr, "copy: %s\n", why);
    exit(1);
}

static struct weir_store *open_store(const char *url)
{
    struct weir_store *store;
    struct weir_error err;

    if (weir_open(&store, url, NULL, 0, &err) < 0)
        fail(err.message);
    return store;
}

static void start(struct copy *c, struct weir_store *store,
                  struct weir_batch *b)
{
    int rc = weir_submit(store, c->cq, b);

    if (rc < 0)
        fail(b->error.message);
    c->waiting += rc == 0; /* else it is answered already */
}

/* Waits until all that was started has come back. */
static void await(struct copy *c)
{
    struct pollfd p = {.fd = weir_cq_fd(c->cq), .events = POLLIN};
    struct weir_batch *done[4];

    while (c->waiting > 0) {
        if (poll(&p, 1, -1) > 0)
            c->waiting -= weir_cq_drain(c->cq, done, 4);
    }
}

/* Reads values and lives of the next keys of a page, which lie one after the
 * other. Returns where the rest of them begins. */
static const char *start_reads(struct copy *c, const char *at, const char *end)
{
    uint32_t n = 0;

    weir_batch_reset(c->get, WEIR_GET, PAGE);
    weir_batch_reset(c->stat, WEIR_STAT, PAGE);
    for (; at < end && n < PAGE; n++) {
        const struct weir_scan_entry *entry = (const void *)at;
        struct weir_item *get = &c->get->items[n], *stat = &c->stat->items[n];

        get->key = stat->key = at + sizeof *entry;
        get->key_len = stat->key_len = entry->key_len;
        at += sizeof *entry + (entry->key_len + 7u) / 8u * 8u;
    }
    c->get->n = c->stat->n = n;
    start(c, c->from, c->get);
    start(c, c->from, c->stat);
    return at;
}

static int is_error(const struct weir_item *item)
{
    return weir_status_info(item->status)->klass == WEIR_CLASS_ERROR;
}

/* Makes the set of what a get has brought; it takes the values over. */
static void fill_set(struct copy *c)
{
    uint32_t n = 0;

    weir_batch_reset(c->set, WEIR_SET, c->get->n);
    for (uint32_t i = 0; i < c->get->n; i++) {
        struct weir_item *got = &c->get->items[i], *item = &c->set->items[n];
        const struct weir_item *life = &c->stat->items[i];

        c->failed += is_error(got) || is_error(life);
        if (got->status != WEIR_OK || life->status != WEIR_OK)
            continue;
        item->key = got->key;
        item->key_len = got->key_len;
        item->value = got->value;
        item->ttl_ms = life->ttl_ms;
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
static void start_scan(struct copy *c, uint64_t cursor)
{
    weir_batch_reset(c->scan, WEIR_SCAN, 1);
    c->scan->items[0].cap = PAGE;
    c->scan->items[0].cursor = cursor;
    start(c, c->from, c->scan);
}

static void copy_page(struct copy *c, const struct weir_value *keys)
{
    const char *at = keys->data, *end = at + keys->size;

    while (at < end) {
        at = start_reads(c, at, end);
        await(c);
        fill_set(c);
        start(c, c->to, c->set);
        await(c);
        count(c);
    }
}

static void run(struct copy *c)
{
    uint64_t cursor = 0;

    start_scan(c, 0);
    do {
        struct weir_item *page = &c->scan->items[0];
        struct weir_value *keys;

        await(c);
        if (page->status != WEIR_OK)
            fail(c->scan->error.message);
        cursor = page->cursor;
        keys = page->value;
        page->value = NULL;
        if (cursor != 0)
            start_scan(c, cursor);
        copy_page(c, keys);
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
    c.stat = weir_batch_new(PAGE);
    c.set = weir_batch_new(PAGE);
    if (weir_cq_new(&c.cq) < 0 || !c.scan || !c.get || !c.stat || !c.set)
        fail("out of memory");
    run(&c);
    printf("copied %llu values, %.1f MiB\n", c.values,
           (double)c.bytes / (1 << 20));
    weir_batch_free(c.scan);
    weir_batch_free(c.get);
    weir_batch_free(c.stat);
    weir_batch_free(c.set);
    weir_cq_free(c.cq);
    weir_store_free(c.from);
    weir_store_free(c.to);
    return c.failed > 0;
}
