/* lacking.c -- a connector that could not answer in place: the registry must
 * refuse it. */
#include "connector.h"

static int lacking_open(const void *config, const char *scheme, void **state,
                        struct weir_error *err)
{
    (void)config;
    (void)scheme;
    (void)state;
    (void)err;
    return 0;
}

static void lacking_close(void *state)
{
    (void)state;
}

static int lacking_call(void *session, struct weir_call *call)
{
    (void)session;
    (void)call;
    return 0;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .is_inline = true,
    .name = "lacking",
    .help = "inline, without run",
    .open = lacking_open,
    .close = lacking_close,
    .start = lacking_call,
    .finish = lacking_call,
};
