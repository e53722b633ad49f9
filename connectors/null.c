/* null.c -- a connector that keeps nothing. It shows the cost of the runtime
 * alone, and it is the example to copy for a new connector.
 *
 * A set keeps nothing, so a get misses. With hit=true a get answers a value of
 * the configured size, all zeros. Only open can fail, for lack of memory. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "connector.h"

struct null_config {
    uint64_t size;
    bool hit;
};

struct null {
    const struct null_config *config;
    struct weir_value *value; /* the reply to every get */
};

static const struct weir_option NULL_OPTIONS[] = {
    {.name = "size",
     .type = WEIR_SIZE,
     .value = "0",
     .max = 1LL << 40,
     .offset = offsetof(struct null_config, size),
     .help = "length of the value of each get, with hit=true"},
    {.name = "hit",
     .type = WEIR_BOOLEAN,
     .value = "false",
     .offset = offsetof(struct null_config, hit),
     .help = "whether every key exists; false = no key exists"},
    {.name = NULL},
};

static int null_open(const void *config, const char *scheme, void **state,
                     struct weir_error *err)
{
    const struct null_config *options = config;
    struct null *null = malloc(sizeof *null);
    char *zeros = calloc(1, options->size + 1);

    (void)scheme;
    if (null == NULL || zeros == NULL)
        goto no_memory;
    null->config = options;
    null->value = weir_value_wrap(zeros, options->size, free, zeros);
    if (null->value == NULL)
        goto no_memory;
    *state = null;
    return 0;

no_memory:
    free(zeros);
    free(null);
    return weir_error_set(err, -ENOMEM, "null: out of memory for %llu bytes",
                          (unsigned long long)options->size);
}

static void null_close(void *state)
{
    struct null *null = state;

    weir_value_unref(null->value);
    free(null);
}

static void null_answer(const struct null *null, struct weir_call *call,
                        struct weir_item *item)
{
    if (call->op == WEIR_SET) {
        item->status = WEIR_OK;
    } else if (!null->config->hit) {
        item->status = WEIR_MISS;
    } else if (call->op == WEIR_GET) {
        weir_call_answer_value(call, item, null->value);
    } else {
        item->size = null->config->size;
        item->ttl_ms = 0;
        item->status = WEIR_OK;
    }
}

static int null_run(void *session, struct weir_call *call)
{
    for (uint32_t i = 0; i < call->n; i++)
        null_answer(session, call, &call->items[i]);
    return 0;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .is_inline = true,
    .name = "null",
    .help = "keeps nothing",
    .options = NULL_OPTIONS,
    .config_size = sizeof(struct null_config),
    .ops = 1u << WEIR_GET | 1u << WEIR_SET | 1u << WEIR_EXISTS |
           1u << WEIR_DELETE | 1u << WEIR_STAT | 1u << WEIR_TOUCH,
    .slice = {.items = 256, .bytes = 16 << 20},
    .open = null_open,
    .close = null_close,
    .run = null_run,
};
