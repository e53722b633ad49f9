/* lua.c -- a policy tree as a store: lua:/etc/weir/kv.lua.
 *
 * This file has the options and the vtable. Each store has a Lua state of its
 * own and one worker, which runs it: policies keep locks and generations in
 * Lua. Read on in calls.c, then in lua/weir/connector.lua. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "calls.h"
#include "vm.h"

static const struct weir_option lua_options[] = {
    {.name = "file",
     .help = "the policy file",
     .type = WEIR_PATH,
     .url = WEIR_URL_PATH,
     .required = 1,
     .offset = offsetof(struct lua_config, file)},
    {.name = NULL},
};

/* Lets questions wake the loop of Lua. */
static int join_asks(struct lua_store *s)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(s->shared.fd, EPOLL_CTL_ADD, s->asks.fd, &event) < 0
               ? -errno
               : 0;
}

static int start_parts(struct lua_store *s, struct weir_error *err)
{
    int rc = asks_init(&s->asks);

    if (rc < 0)
        return weir_error_set(err, rc, "lua: %s", strerror(-rc));
    rc = watch_start(&s->watch);
    if (rc < 0) {
        asks_destroy(&s->asks);
        return weir_error_set(err, rc, "lua: no thread: %s", strerror(-rc));
    }
    rc = vm_open(s, err);
    if (rc == 0)
        rc = join_asks(s);
    if (rc < 0) {
        watch_stop(&s->watch);
        asks_destroy(&s->asks);
    }
    return rc;
}

enum { DEEPEST = 8 };

/* The policy files that this thread is loading, one from another, and whether
 * there were too many: then that is the error of all of them. */
static _Thread_local int depth;
static _Thread_local bool too_deep;

static int open_below(struct lua_store *s, struct weir_error *err)
{
    int rc = 0;

    if (depth == 0)
        too_deep = false;
    if (depth == DEEPEST) {
        too_deep = true;
    } else {
        depth++;
        rc = start_parts(s, err);
        depth--;
    }
    if (too_deep && (rc < 0 || depth == DEEPEST))
        return weir_error_set(err, -ELOOP,
                              "lua: %s: over %d policy files open each other: "
                              "does one open itself?",
                              s->config->file, DEEPEST);
    return rc;
}

static int lua_store_open(const void *config, const char *scheme, void **state,
                          struct weir_error *err)
{
    struct lua_store *s = calloc(1, sizeof *s);
    int rc;

    (void)scheme;
    if (s == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    s->config = config;
    rc = open_below(s, err);
    if (rc < 0) {
        free(s);
        return rc;
    }
    *state = s;
    return 0;
}

static void lua_store_close(void *state)
{
    struct lua_store *s = state;

    asks_close(&s->asks);
    watch_calm(&s->watch);
    vm_stop(s);
    calls_take_answers(s);
    calls_free(s);
    watch_stop(&s->watch);
    vm_free(s);
    asks_destroy(&s->asks);
    free(s);
}

static void lua_store_label(void *state, char *out, size_t cap)
{
    const struct lua_store *s = state;
    const char *slash = strrchr(s->config->file, '/');

    snprintf(out, cap, "lua %s", slash ? slash + 1 : s->config->file);
}

static void lua_store_interrupt(void *session)
{
    struct lua_store *s = session;

    watch_hurry(&s->watch);
    asks_close(&s->asks);
}

static int lua_store_ask(void *state, const char *words, uint64_t deadline_ns,
                         struct weir_value **out, struct weir_error *err)
{
    struct lua_store *s = state;

    return asks_put(&s->asks, words, deadline_ns, out, err);
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "lua",
    .help = "a policy file: its tree as one store",
    .options = lua_options,
    .config_size = sizeof(struct lua_config),
    .ops = 1 << WEIR_GET | 1 << WEIR_SET | 1 << WEIR_EXISTS | 1 << WEIR_DELETE |
           1 << WEIR_STAT | 1 << WEIR_TOUCH | 1 << WEIR_SCAN | 1 << WEIR_ADD |
           1 << WEIR_REPLACE | 1 << WEIR_INCR | 1 << WEIR_APPEND |
           1 << WEIR_CAS | 1 << WEIR_GAT | 1 << WEIR_TAKE,
    .one_worker = true,
    /* One worker does not gain by parts of a batch, and policies do better on
     * whole batches. */
    .slice = {1024, 64 << 20},
    .window = {16384, 256 << 20},
    .calls = 1024,
    .open = lua_store_open,
    .close = lua_store_close,
    .label = lua_store_label,
    .start = calls_start,
    .finish = calls_finish,
    .expire = calls_expire,
    .idle = calls_idle,
    .interrupt = lua_store_interrupt,
    .ask = lua_store_ask,
};
