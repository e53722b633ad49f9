/* tree.c -- reads a key through a policy file: tree lua:kv.lua KEY */
#include <stdio.h>
#include <string.h>

#include <weir.h>

int main(int argc, char **argv)
{
    struct weir_batch *b = weir_batch_new(1);
    struct weir_store *store;
    struct weir_cq *cq;
    int failed;
    struct weir_error err;

    if (argc != 3)
        return fprintf(stderr, "usage: tree STORE KEY\n"), 2;
    if (weir_open(&store, argv[1], NULL, 0, &err) < 0)
        return fprintf(stderr, "tree: %s\n", err.message), 2;
    weir_cq_new(&cq);
    weir_batch_reset(b, WEIR_GET, 1);
    b->items[0].key = argv[2];
    b->items[0].key_len = (uint32_t)strlen(argv[2]);
    /* 1 would say that a store without workers has answered in place. */
    if (weir_submit(store, cq, b) == 0)
        while (weir_cq_drain(cq, &b, 1) == 0)
            weir_cq_wait(cq, WEIR_FOREVER);
    if (b->items[0].status == WEIR_OK)
        printf("%s = %.*s\n", argv[2], (int)b->items[0].value->size,
               b->items[0].value->data);
    else if (b->errors == 0)
        printf("%s: miss\n", argv[2]);
    else
        fprintf(stderr, "tree: %s\n", b->error.message);
    failed = b->errors > 0;
    weir_batch_free(b);
    weir_store_free(store);
    weir_cq_free(cq);
    return failed ? 2 : 0;
}
