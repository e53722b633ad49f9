/* exact.c -- see exact.h. */
#include "exact.h"

#include "release.h"

int exact_init(struct exact *x, uint64_t max_keys)
{
    x->queue = (struct queue){0};
    return table_init(&x->table, max_keys);
}

static void exact_remove(struct exact *x, struct entry *e)
{
    queue_remove(&x->queue, e);
    table_remove(&x->table, e);
    entry_free(NULL, e);
}

void exact_add(struct exact *x, const struct entry *e, uint64_t keys)
{
    struct entry *key;

    while (x->queue.items > 0 && x->queue.items >= keys)
        exact_remove(x, queue_oldest(&x->queue));
    key = entry_new(NULL, entry_key(e), e->key_len, entry_hash(e), 0, false);
    if (key == NULL || keys == 0) {
        free(key);
        return;
    }
    queue_push(&x->queue, key);
    table_insert(&x->table, key);
}

bool exact_forget(struct exact *x, const struct entry *e)
{
    struct table_key key = {entry_key(e), e->key_len, entry_hash(e)};
    struct entry *found = table_find(&x->table, &key);

    if (found != NULL)
        exact_remove(x, found);
    return found != NULL;
}

void exact_free(struct exact *x)
{
    release_tables((struct table *[]){&x->table}, 1, NULL);
    table_free(&x->table);
}
