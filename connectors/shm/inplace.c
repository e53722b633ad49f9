/* inplace.c -- see inplace.h. */
#include "inplace.h"

#include <errno.h>
#include <stdlib.h>

#include "pins.h"

/* What a value needs to give its pin back. */
struct inplace {
    const struct shm *m;
    uint32_t shard;
    int pin;
};

/* In a child of fork the pin is the parent's. */
static void inplace_release(void *arg)
{
    struct inplace *in = arg;
    const struct map *map = &in->m->map;

    if (map->seats.fd >= 0)
        pins_give(&map->layout, map_shard(map, in->shard), in->pin);
    shm_unref(in->m);
    free(in);
}

/* A value over the bytes. NULL: memory is short. */
static struct weir_value *inplace_value(const struct shm *m,
                                        const struct hold *h, const char *bytes,
                                        uint64_t size, int pin)
{
    struct inplace *in = malloc(sizeof *in);
    struct weir_value *v = NULL;

    if (in != NULL)
        v = weir_value_borrow(bytes, size, inplace_release, in);
    if (v == NULL) {
        free(in);
        return NULL;
    }
    *in = (struct inplace){m, map_shard_number(&m->map, h->s), pin};
    shm_ref(m);
    return v;
}

/* Whether the bytes are given out as they are: they can change no more, unless
 * something else alters the mapping. With verify=always not even then a wrong
 * value is answered, so it has to be checked where nobody can reach it. */
static bool inplace_allowed(const struct shm *m, const struct weir_item *item,
                            const struct entry *e)
{
    return item->data == NULL && m->config->verify != SHM_VERIFY_ALWAYS &&
           !e->suspect;
}

int inplace_get(const struct shm *m, const struct hold *h,
                struct weir_call *call, struct weir_item *item, struct entry *e)
{
    struct chain_at at;
    char *bytes;
    uint64_t size = e->size;
    int pin = 0;

    if (!inplace_allowed(m, item, e) || size > weir_call_max_value(call))
        return 0;
    if (e->whole)
        pin = pins_take(h, e);
    if (pin < 0)
        return pin;
    if (pin > 0 && shard_value_at(h, e, &at) == 0 &&
        chain_run(h, &at, &bytes, 1) == 1 &&
        size <= (uint64_t)(window_of(h->s) + h->layout->segment - bytes))
        item->value = inplace_value(m, h, bytes, size, pin);
    if (item->value == NULL) {
        if (pin > 0)
            pins_give(h->layout, h->s, pin);
        h->s->counters.copied++;
        return 0;
    }
    item->size = size;
    item->status = WEIR_OK;
    return 1;
}
