/* scripted.c -- a connector that does what its test program tells it to. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "connector.h"
#include "scripted.h"

struct scripted_config {
    const char *script; /* the address of a struct script, in hexadecimal */
    const char *word;
};

static const struct weir_option SCRIPTED_OPTIONS[] = {
    {.name = "script",
     .type = WEIR_STRING,
     .required = 1,
     .offset = offsetof(struct scripted_config, script),
     .help = "address of the script"},
    {.name = "word",
     .type = WEIR_SECRET,
     .offset = offsetof(struct scripted_config, word),
     .help = "a secret, handed to the script"},
    {.name = NULL},
};

struct session {
    struct script *script;
};

static int scripted_open(const void *config, const char *scheme, void **state,
                         struct weir_error *err)
{
    const struct scripted_config *c = config;

    (void)scheme;
    (void)err;
    *state = (void *)(uintptr_t)strtoull(c->script, NULL, 16);
    if (c->word != NULL) {
        struct script *script = *state;

        snprintf(script->word, sizeof script->word, "%s", c->word);
    }
    return 0;
}

static void scripted_close(void *state)
{
    struct script *script = state;

    atomic_fetch_add(&script->closes, 1);
}

static void raise_to(_Atomic uint32_t *most, uint32_t n)
{
    uint32_t seen = atomic_load(most);

    while (n > seen && !atomic_compare_exchange_weak(most, &seen, n))
        ;
}

static int refuse(struct script *script, struct weir_call *call)
{
    uint32_t connecting = atomic_fetch_add(&script->connecting, 1) + 1;

    raise_to(&script->most_connecting, connecting);
    if (script->refuse_ns > 0)
        weir_call_wait(call, -1, 0, script->refuse_ns);
    atomic_fetch_sub(&script->refuse_connects, 1);
    atomic_fetch_sub(&script->connecting, 1);
    return -ECONNREFUSED;
}

static int scripted_connect(void *state, void *session, struct weir_call *call)
{
    struct script *script = state;

    atomic_fetch_add(&script->connects, 1);
    if (script->hang_connect)
        return weir_call_wait(call, -1, 0, UINT64_MAX);
    if (script->deny != 0) {
        weir_call_fail(call, NULL, script->deny, "wrong password");
        return -EACCES;
    }
    if (script->refuse_connects > 0)
        return refuse(script, call);
    ((struct session *)session)->script = script;
    return 0;
}

static void scripted_disconnect(void *session)
{
    atomic_fetch_add(&((struct session *)session)->script->disconnects, 1);
}

static int scripted_check(void *session)
{
    struct script *script = ((struct session *)session)->script;

    atomic_fetch_add(&script->checks, 1);
    return atomic_exchange(&script->stale, false) ? -EPIPE : 0;
}

static int hold(struct script *script, struct weir_call *call)
{
    while (script->hold) {
        int rc = weir_call_wait(call, -1, 0, 1000000);

        if (rc == -ETIMEDOUT)
            rc = weir_call_stopped(call);
        if (rc != 0 && !script->deaf)
            return rc;
    }
    return 0;
}

/* Takes slow_ns. A program that changes it lets the key go earlier. */
static void be_slow(const struct script *script, struct weir_call *call)
{
    uint64_t began = weir_now(), spent = 0;

    while (spent < script->slow_ns) {
        uint64_t left = script->slow_ns - spent;
        int rc = weir_call_wait(call, -1, 0, left < 1000000 ? left : 1000000);

        if (rc != -ETIMEDOUT || weir_call_stopped(call) != 0)
            return;
        spent = weir_now() - began;
    }
}

static void answer_get(struct weir_call *call, struct weir_item *item)
{
    char bytes[32];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = item->key[i % item->key_len];
    weir_call_answer(call, item, bytes, sizeof bytes);
}

static int answer_one(struct script *script, struct weir_call *call,
                      struct weir_item *item)
{
    int answer = script->answer;

    if (answer == ANSWER_RANDOM)
        answer = (int)((script->calls * 7u + (unsigned char)item->key[0]) %
                       ANSWER_RANDOM);
    switch (answer) {
    case ANSWER_NOTHING:
        return 0;
    case ANSWER_NO_STATUS:
        item->status = 200;
        return 0;
    case ANSWER_NO_VALUE:
        item->status = WEIR_OK;
        return 0;
    case ANSWER_OVERRUN:
        item->size = item->cap + 1;
        item->status = WEIR_OK;
        return 0;
    case ANSWER_ERROR:
        weir_call_fail(call, item, WEIR_FAILED, "as told");
        return 0;
    case ANSWER_BREAK:
        return -ECONNRESET;
    }
    if (call->op == WEIR_GET)
        answer_get(call, item);
    else
        item->status = WEIR_OK;
    return 0;
}

static int answer_all(struct script *script, struct weir_call *call)
{
    int rc = hold(script, call);

    for (uint32_t i = 0; i < call->n && rc == 0; i++) {
        if (call->items[i].key[0] == '!')
            be_slow(script, call);
        rc = answer_one(script, call, &call->items[i]);
    }
    return rc;
}

static int scripted_run(void *session, struct weir_call *call)
{
    struct script *script = ((struct session *)session)->script;
    int rc;

    atomic_fetch_add(&script->calls, 1);
    raise_to(&script->most_inside, atomic_fetch_add(&script->inside, 1) + 1);
    raise_to(&script->largest, call->n);
    rc = answer_all(script, call);
    atomic_fetch_sub(&script->inside, 1);
    return rc;
}

static size_t scripted_gauges(void *state, struct weir_gauge *out, size_t max)
{
    struct script *script = state;
    uint32_t closes = script->closes;
    uint64_t ns = script->slow_ns;
    struct timespec slow = {(time_t)(ns / 1000000000u),
                            (long)(ns % 1000000000u)};

    nanosleep(&slow, NULL);
    if (script->closes != closes)
        abort(); /* the state is gone */
    if (max > 0)
        out[0] = (struct weir_gauge){.name = "calls", .value = script->calls};
    return 1;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "scripted",
    .help = "does what its test program tells it to",
    .options = SCRIPTED_OPTIONS,
    .config_size = sizeof(struct scripted_config),
    .session_size = sizeof(struct session),
    .ops =
        1u << WEIR_GET | 1u << WEIR_SET | 1u << WEIR_EXISTS | 1u << WEIR_DELETE,
    .max_key = 64,
    .open = scripted_open,
    .close = scripted_close,
    .connect = scripted_connect,
    .disconnect = scripted_disconnect,
    .check = scripted_check,
    .run = scripted_run,
    .gauges = scripted_gauges,
};
