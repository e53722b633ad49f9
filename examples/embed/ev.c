/* ev.c -- weir in a loop of one's own, here libev's: watch the queue's fd,
 * drain it when it is readable. Any other loop takes the same three steps.
 *
 *     $ ev redis://127.0.0.1:6379 color shape
 *     color = blue
 *     shape: no such key */
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <weir.h>

static struct weir_cq *cq;
static int waiting;

static void answered(struct weir_batch *b, const char *key)
{
    const struct weir_item *item = &b->items[0];

    if (item->status == WEIR_OK)
        printf("%s = %.*s\n", key, (int)item->value->size, item->value->data);
    else
        printf("%s: %s\n", key, b->errors ? b->error.message : "no such key");
    weir_batch_free(b);
}

/* 2. The fd is readable: take what has finished. */
static void on_queue(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct weir_batch *done[64];
    int n;

    (void)watcher, (void)events;
    do {
        n = weir_cq_drain(cq, done, 64);
        for (int i = 0; i < n; i++, waiting--)
            answered(done[i], (const char *)(uintptr_t)done[i]->tag);
    } while (n == 64);
    if (waiting == 0)
        ev_break(loop, EVBREAK_ALL);
}

/* 3. Submit from anywhere; the answer is there at once, or comes to on_queue.
 */
static void get(struct weir_store *store, const char *key)
{
    struct weir_batch *b = weir_batch_new(1);

    weir_batch_reset(b, WEIR_GET, 1);
    b->items[0].key = key;
    b->items[0].key_len = (uint32_t)strlen(key);
    b->tag = (uintptr_t)key;
    if (weir_submit(store, cq, b) == 0)
        waiting++;
    else
        answered(b, key);
}

int main(int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop(0);
    struct weir_store *store;
    struct weir_error err;
    ev_io watcher;

    if (argc < 3 || weir_open(&store, argv[1], NULL, 0, &err) < 0) {
        fprintf(stderr, "ev: %s\n", argc < 3 ? "ev URL KEY..." : err.message);
        return 2;
    }
    weir_cq_new(&cq);
    ev_io_init(&watcher, on_queue, weir_cq_fd(cq), EV_READ); /* 1. */
    ev_io_start(loop, &watcher);
    for (int i = 2; i < argc; i++)
        get(store, argv[i]);
    if (waiting > 0)
        ev_run(loop, 0);
    weir_cq_free(cq);
    weir_store_free(store);
    return 0;
}
