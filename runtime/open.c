/* open.c -- opens a store: its connector, lanes and workers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "finish.h"
#include "forks.h"
#include "op.h"
#include "store.h"
#include "target.h"
#include "worker.h"

/* Each thread that submits to an inline store counts in one of these. */
enum { INLINE_SHARDS = 8 };

static int bad_lanes(struct weir_store *s, const char *got, size_t len,
                     const char *expected, const char *near,
                     struct weir_error *err)
{
    bool shown = !s->store_options.quiet;

    return weir_error_set(
        err, -EINVAL, "%s: option lanes: expected %s%s%.*s%s%s%s%s",
        s->connector->name, expected, shown ? ", got \"" : "",
        shown ? (int)len : 0, got, shown ? "\"" : "",
        near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static struct lane *add_lane(struct weir_store *s, uint32_t ops,
                             uint32_t workers)
{
    struct lane *l = &s->lanes[s->n_lanes++];

    lane_init(l, &s->config, &s->slice);
    l->ops = ops;
    l->n_workers = workers;
    s->n_workers += workers;
    return l;
}

/* Reads "get=4,set=2": makes a lane for each op that is named. */
static int parse_lanes(struct weir_store *s, const char *words,
                       struct weir_error *err)
{
    uint32_t taken = 0;

    while (words != NULL && *words != '\0') {
        size_t len = strcspn(words, ","), name = strcspn(words, "=:,");
        uint32_t op = op_find(words, name);
        char *end = NULL;
        long workers = 0;

        if (op == 0)
            return bad_lanes(s, words, name, "OP=WORKERS,... as in get=4,set=2",
                             op_nearest(words, name), err);
        if (taken & 1u << op)
            return bad_lanes(s, words, name, "each op once", NULL, err);
        if (name < len)
            workers = strtol(words + name + 1, &end, 10);
        if (workers < 1 || workers > 256 || end != words + len)
            return bad_lanes(s, words, len, "OP=WORKERS with 1 to 256 workers",
                             NULL, err);
        taken |= 1u << op;
        add_lane(s, 1u << op, (uint32_t)workers);
        words += len + (words[len] == ',');
    }
    return 0;
}

static uint32_t default_workers(const struct weir_store *s)
{
    long cores;

    if (s->config.workers > 0)
        return (uint32_t)s->config.workers;
    if (s->connector->workers == 0)
        return s->connector->one_worker ? 1 : 2;
    if (s->connector->workers <= 2)
        return s->connector->workers;
    /* More threads than cores only take turns. */
    cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores >= s->connector->workers)
        return s->connector->workers;
    return cores < 2 ? 2 : (uint32_t)cores;
}

static void limit(struct weir_slice *out, int64_t items, uint64_t bytes,
                  const struct weir_slice *hint, struct weir_slice fallback)
{
    out->items = items         ? (uint32_t)items
                 : hint->items ? hint->items
                               : fallback.items;
    out->bytes = bytes ? bytes : hint->bytes ? hint->bytes : fallback.bytes;
}

static int check_one_worker(const struct weir_store *s, struct weir_error *err)
{
    const char *lanes = s->config.lanes;
    const char *name = s->connector->name;

    if (!s->connector->one_worker)
        return 0;
    if (s->config.workers > 1)
        return weir_error_set(err, -EINVAL,
                              "%s: option workers: expected 1, got %lld: this "
                              "connector runs on one thread",
                              name, (long long)s->config.workers);
    if (lanes != NULL && *lanes != '\0')
        return weir_error_set(err, -EINVAL,
                              "%s: option lanes: this connector runs on one "
                              "thread, which serves all ops",
                              name);
    return 0;
}

static int configure(struct weir_store *s, struct weir_error *err)
{
    const struct weir_connector *c = s->connector;
    const struct store_config *config = &s->config;

    if (config->inline_choice == INLINE_TRUE && !c->is_inline)
        return weir_error_set(err, -EINVAL,
                              "%s: option inline: this connector blocks, it "
                              "needs workers",
                              c->name);
    if (check_one_worker(s, err) < 0)
        return -EINVAL;
    s->is_inline = c->is_inline && config->inline_choice != INLINE_FALSE;
    s->max_key = c->max_key ? c->max_key : WEIR_KEY_MAX;
    if (c->max_value != 0 && c->max_value < s->config.max_value)
        s->config.max_value = c->max_value;
    limit(&s->slice, config->slice_items, config->slice_bytes, &c->slice,
          (struct weir_slice){64, 1 << 20});
    limit(&s->window, config->window_items, config->window_bytes, &c->window,
          (struct weir_slice){1024, 8 << 20});
    snprintf(s->name, sizeof s->name, "%s", c->name);
    if (c->label != NULL)
        c->label(s->state, s->name, sizeof s->name);
    if (s->is_inline)
        return 0;
    if (parse_lanes(s, config->lanes, err) < 0)
        return -EINVAL;
    add_lane(s, ~0u, default_workers(s));
    return 0;
}

static int make_workers(struct weir_store *s)
{
    uint32_t made = 0;
    int rc = 0;

    s->n_shards = s->is_inline ? INLINE_SHARDS : s->n_workers;
    s->shards = calloc(s->n_shards, sizeof *s->shards);
    s->workers = calloc(s->n_workers + 1, sizeof *s->workers);
    if (s->shards == NULL || s->workers == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < s->n_lanes; i++) {
        struct lane *l = &s->lanes[i];

        for (uint32_t k = 0; k < l->n_workers && rc == 0; k++, made++)
            rc = worker_init(&s->workers[made], s, l, &s->shards[made]);
    }
    return rc;
}

static int start_threads(struct weir_store *s)
{
    int rc = 0;

    if (s->is_inline)
        return 0;
    s->running = s->n_workers;
    while (s->n_started < s->n_workers && rc == 0) {
        rc = worker_start(&s->workers[s->n_started]);
        s->n_started += rc == 0;
    }
    if (rc < 0) {
        pthread_mutex_lock(&s->lock);
        s->running -= s->n_workers - s->n_started;
        pthread_mutex_unlock(&s->lock);
    }
    return rc < 0 ? rc : reaper_start(&s->reaper);
}

static _Thread_local int opening_dry;

int weir_open_dry(int dry)
{
    int was = opening_dry;

    opening_dry = dry;
    return was;
}

bool weir_opening_dry(void)
{
    return opening_dry != 0;
}

int weir_open(struct weir_store **out, const char *target,
              const struct weir_setting *settings, size_t n,
              struct weir_error *err)
{
    struct weir_error unseen;
    struct weir_store *s = calloc(1, sizeof *s);
    int rc;

    if (err == NULL)
        err = &unseen;
    err->code = 0;
    *out = NULL;
    if (s == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    rc = options_init(&s->store_options, STORE_OPTIONS, sizeof s->config, err);
    if (rc < 0)
        goto free_store;
    rc = target_open(target, settings, n, &s->options, &s->store_options,
                     &s->connector, &s->state, err);
    if (rc < 0)
        goto free_store_options;
    memcpy(&s->config, s->store_options.base, sizeof s->config);
    store_init_locks(s);
    reaper_init(&s->reaper, finish_expired, s);
    s->forks = forks_seen();
    rc = configure(s, err);
    if (rc == 0)
        rc = make_workers(s);
    if (rc == 0)
        rc = start_threads(s);
    if (rc < 0) {
        if (err->code == 0)
            weir_error_set(err, rc, "%s: cannot start: %s", s->connector->name,
                           strerror(-rc));
        weir_store_free(s);
        return rc;
    }
    *out = s;
    return 0;

free_store_options:
    options_free(&s->store_options);
free_store:
    free(s);
    return rc;
}
