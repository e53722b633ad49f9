/* ev.c -- weir in a loop of one's own, here libev's; others take the same three
 * steps. `ev fs:///tmp/kv color shape` prints what lies under the two keys. */
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <weir.h>

static struct weir_cq *cq;

static void answered(struct weir_batch *b)
{
    const struct weir_item *i = &b->items[0];

    if (i->status == WEIR_OK)
        printf("%.*s = %.*s\n", (int)i->key_len, i->key, (int)i->value->size,
               i->value->data);
    else
        printf("%.*s: %s\n", (int)i->key_len, i->key,
               b->errors ? b->error.message : "no such key");
    weir_batch_free(b);
}

/* 2. The fd is readable: take what has finished. */
static void on_queue(struct ev_loop *loop, ev_io *watcher, int events)
{
    for (struct weir_batch *b; weir_cq_drain(cq, &b, 1) == 1;)
        answered(b);
    (void)loop, (void)watcher, (void)events;
}

/* 3. Submit from anywhere: 0 says that the answer comes to on_queue. */
static void get(struct weir_store *store, const char *key)
{
    struct weir_batch *b = weir_batch_new(1);

    weir_batch_reset(b, WEIR_GET, 1);
    b->items[0] = (struct weir_item){.key = key, .key_len = strlen(key)};
    if (weir_submit(store, cq, b) != 0)
        answered(b);
}

int main(int argc, char **argv)
{
    struct weir_store *store;
    struct weir_error err = {.message = "ev URL KEY..."};
    ev_io watcher;

    if (argc < 3 || weir_open(&store, argv[1], NULL, 0, &err) < 0 ||
        weir_cq_new(&cq) < 0)
        return fprintf(stderr, "ev: %s\n", err.message), 2;
    ev_io_init(&watcher, on_queue, weir_cq_fd(cq), EV_READ); /* 1. */
    ev_io_start(ev_default_loop(0), &watcher);
    for (int i = 2; i < argc; i++)
        get(store, argv[i]);
    while (weir_cq_pending(cq) > 0)
        ev_run(ev_default_loop(0), EVRUN_ONCE);
    weir_cq_free(cq);
    weir_store_free(store);
    return 0;
}
