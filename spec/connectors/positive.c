/* positive.c -- a connector whose open returns neither 0 nor an error: a store
 * must not be made of it. */
#include "connector.h"

static int positive_open(const void *config, const char *scheme, void **state,
                         struct weir_error *err)
{
    (void)config;
    (void)scheme;
    (void)state;
    (void)err;
    return 7;
}

static void positive_close(void *state)
{
    (void)state;
}

static int positive_run(void *session, struct weir_call *call)
{
    (void)session;
    (void)call;
    return 0;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "positive",
    .help = "its open returns 7",
    .open = positive_open,
    .close = positive_close,
    .run = positive_run,
};
