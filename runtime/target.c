/* target.c -- opens the connector that a URL or a name describes. */
#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "registry.h"
#include "url.h"

enum { WORDS = 128 };

static const struct weir_option NO_OPTIONS[1];

struct target {
    const struct weir_connector *connector;
    struct options *options;
    struct options *store_options; /* or NULL */
};

static int unknown_option(const struct target *t, const char *name,
                          struct weir_error *err)
{
    const char *words[WORDS], *near;
    size_t n = 0;

    for (const struct weir_option *o = t->options->table;
         o->name != NULL && n < WORDS; o++)
        words[n++] = o->name;
    for (const struct weir_option *o =
             t->store_options ? t->store_options->table : NO_OPTIONS;
         o->name != NULL && n < WORDS; o++)
        words[n++] = o->name;
    near = weir_nearest(name, words, n);
    if (t->options->quiet)
        return weir_error_set(
            err, -EINVAL,
            "%s: no option has that name (it is not repeated, it may be part "
            "of a password)%s%s%s",
            t->connector->name, near ? "; did you mean " : "", near ? near : "",
            near ? "?" : "");
    return weir_error_set(
        err, -EINVAL, "%s: no option is named \"%.64s\"%s%s%s",
        t->connector->name, name, near ? "; did you mean " : "",
        near ? near : "", near ? "?" : "");
}

static int set_option(const struct target *t, const struct weir_setting *s,
                      struct weir_error *err)
{
    const struct weir_option *row;

    /* A host may pass on what getenv returned. */
    if (s->name == NULL)
        return weir_error_set(err, -EINVAL, "%s: an option has no name",
                              t->connector->name);
    if (s->value == NULL)
        return weir_error_set(err, -EINVAL, "%s: option %.64s has no value",
                              t->connector->name, s->name);
    row = options_find(t->options, s->name);
    if (row != NULL)
        return options_set(t->options, row, s->value, t->connector->name, err);
    if (t->store_options != NULL)
        row = options_find(t->store_options, s->name);
    if (row == NULL)
        return unknown_option(t, s->name, err);
    return options_set(t->store_options, row, s->value, t->connector->name,
                       err);
}

static const struct weir_option *url_option(const struct target *t,
                                            uint32_t part, const char *scheme)
{
    for (const struct weir_option *o = t->options->table; o->name != NULL;
         o++) {
        if (o->url == part &&
            (o->scheme == NULL || scheme_listed(o->scheme, scheme)))
            return o;
    }
    return NULL;
}

static int no_such_part(const struct target *t, const struct url *u,
                        uint32_t part, struct weir_error *err)
{
    static const char *const PARTS[] = {"",     "user", "password",
                                        "host", "port", "path"};
    const char *name = t->connector->name, *value = u->part[part];
    const char *path = u->part[WEIR_URL_PATH] ? u->part[WEIR_URL_PATH] : "";

    if (part == WEIR_URL_HOST && !t->options->quiet &&
        url_option(t, WEIR_URL_PATH, u->scheme) != NULL)
        return weir_error_set(err, -EINVAL,
                              "%s: \"%.64s\" stands where a URL has its host; "
                              "a path needs a third slash: %s:///%.64s%.64s",
                              name, value, u->scheme, value, path);
    return weir_error_set(err, -EINVAL,
                          "%s: the URL has a %s, which %s has not", name,
                          PARTS[part], u->scheme);
}

/* Whether the URL contains a secret, or may. A character of a password that
 * should have been escaped, such as &, makes the rest of it look like an
 * option. */
static bool holds_secret(const struct target *t, const struct url *u)
{
    for (size_t i = 0; i < u->n_settings; i++) {
        const struct weir_option *row =
            options_find(t->options, u->settings[i].name);

        if (row != NULL && row->type == WEIR_SECRET)
            return true;
    }
    return u->has_at;
}

static int set_url(const struct target *t, const struct url *u,
                   struct weir_error *err)
{
    int rc = 0;

    for (uint32_t part = WEIR_URL_USER; part <= WEIR_URL_PATH && rc == 0;
         part++) {
        const char *value = u->part[part];
        const struct weir_option *row = url_option(t, part, u->scheme);

        if (value == NULL)
            continue;
        if (u->is_path &&
            (row == NULL || row->type != WEIR_PATH || *value == '\0'))
            return weir_error_set(err, -EINVAL,
                                  "%s: expected a URL (%s://...), or NAME:PATH "
                                  "for a connector that opens a file",
                                  t->connector->name, t->connector->name);
        if (row != NULL && part == WEIR_URL_PATH && row->type != WEIR_PATH &&
            *++value == '\0')
            continue;
        rc = row == NULL
                 ? no_such_part(t, u, part, err)
                 : options_set(t->options, row, value, t->connector->name, err);
    }
    for (size_t i = 0; i < u->n_settings && rc == 0; i++)
        rc = set_option(t, &u->settings[i], err);
    return rc;
}

static int fill(const struct target *t, const struct url *u,
                const struct weir_setting *settings, size_t n,
                struct weir_error *err)
{
    int rc;

    t->options->quiet = holds_secret(t, u);
    if (t->store_options != NULL)
        t->store_options->quiet = t->options->quiet;
    rc = set_url(t, u, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = set_option(t, &settings[i], err);
    if (rc == 0)
        rc = options_check(t->options, t->connector->name, err);
    return rc;
}

int target_open(const char *target, const struct weir_setting *settings,
                size_t n, struct options *options,
                struct options *store_options,
                const struct weir_connector **connector, void **state,
                struct weir_error *err)
{
    struct target t = {.options = options, .store_options = store_options};
    struct url url;
    int rc = url_parse(&url, target, err);

    if (rc < 0)
        return rc;
    t.connector = registry_find(url.scheme, err);
    rc = t.connector == NULL
             ? err->code
             : options_init(options,
                            t.connector->options ? t.connector->options
                                                 : NO_OPTIONS,
                            t.connector->config_size, err);
    if (rc < 0)
        goto free_url;
    rc = fill(&t, &url, settings, n, err);
    if (rc == 0) {
        err->code = 0;
        rc = t.connector->open(options->base, url.scheme, state, err);
        if (rc > 0)
            rc = weir_error_set(err, -EPROTO,
                                "%s: open returned %d, expected 0 or a "
                                "negative errno",
                                t.connector->name, rc);
        if (rc < 0 && err->code == 0)
            weir_error_set(err, rc, "%s: cannot open: %s", t.connector->name,
                           strerror(-rc));
    }
    *connector = t.connector;
    if (rc < 0)
        options_free(options);
free_url:
    url_free(&url);
    return rc;
}
