/* options.c -- one table parses, checks and documents a store's options.
 *
 * Every error names the option, repeats the value and says what was expected.
 * It never repeats a secret, or any value of a URL that contains one. */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "connector.h"
#include "secret.h"

static size_t table_length(const struct weir_option *table)
{
    size_t n = 0;

    while (table[n].name != NULL)
        n++;
    return n;
}

int options_init(struct options *o, const struct weir_option *table,
                 size_t size, struct weir_error *err)
{
    size_t n = table_length(table);
    int rc = 0;

    *o = (struct options){.table = table};
    o->base = calloc(1, size ? size : 1);
    o->given = calloc(n + 1, 1);
    if (o->base == NULL || o->given == NULL)
        rc = weir_error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (table[i].value != NULL)
            rc = options_set(o, &table[i], table[i].value, "default", err);
    }
    if (rc < 0)
        options_free(o);
    else
        memset(o->given, 0, n + 1);
    return rc;
}

void options_free(struct options *o)
{
    for (size_t i = 0; i < o->n_strings; i++)
        free(o->strings[i]);
    free(o->strings);
    free(o->given);
    free(o->base);
    *o = (struct options){0};
}

const struct weir_option *options_find(const struct options *o,
                                       const char *name)
{
    for (const struct weir_option *row = o->table; row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

static char *keep_string(struct options *o, const char *words)
{
    char **grown = realloc(o->strings, (o->n_strings + 1) * sizeof *grown);
    char *copy;

    if (grown == NULL)
        return NULL;
    o->strings = grown;
    copy = strdup(words);
    if (copy != NULL)
        o->strings[o->n_strings++] = copy;
    return copy;
}

static int expected(const struct options *o, const struct weir_option *row,
                    const char *value, const char *where, const char *what,
                    struct weir_error *err)
{
    if (o->quiet)
        return weir_error_set(err, -EINVAL,
                              "%s: option %s: expected %s (the URL's value "
                              "is not repeated, it may be part of a password)",
                              where, row->name, what);
    return weir_error_set(err, -EINVAL,
                          "%s: option %s: expected %s, got \"%s\"", where,
                          row->name, what, value);
}

static int set_boolean(bool *out, const char *value)
{
    static const char *const YES[] = {"true", "yes", "on", "1"};
    static const char *const NO[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < sizeof YES / sizeof *YES; i++) {
        if (strcasecmp(value, YES[i]) == 0 || strcasecmp(value, NO[i]) == 0) {
            *out = strcasecmp(value, YES[i]) == 0;
            return 0;
        }
    }
    return -EINVAL;
}

static int set_enum(int *out, const char *choices, const char *value)
{
    size_t len = strlen(value);

    for (int i = 0; choices != NULL; i++) {
        const char *bar = strchr(choices, '|');
        size_t n = bar ? (size_t)(bar - choices) : strlen(choices);

        if (n == len && memcmp(choices, value, n) == 0) {
            *out = i;
            return 0;
        }
        choices = bar ? bar + 1 : NULL;
    }
    return -EINVAL;
}

/* Writes a size in the largest unit that it is a whole number of. */
static void size_words(int64_t bound, char *out, size_t cap)
{
    static const char *const UNITS[] = {"", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (unit + 1 < sizeof UNITS / sizeof *UNITS && bound % 1024 == 0) {
        bound /= 1024;
        unit++;
    }
    snprintf(out, cap, "%" PRId64 "%s", bound, UNITS[unit]);
}

/* Writes a bound in the units of its option. */
static void bound_words(const struct weir_option *row, int64_t bound, char *out,
                        size_t cap)
{
    if (row->type == WEIR_DURATION && bound % 1000000000 == 0)
        snprintf(out, cap, "%" PRId64 "s", bound / 1000000000);
    else if (row->type == WEIR_DURATION && bound % 1000000 == 0)
        snprintf(out, cap, "%" PRId64 "ms", bound / 1000000);
    else if (row->type == WEIR_DURATION)
        snprintf(out, cap, "%" PRId64 "ns", bound);
    else if (row->type == WEIR_SIZE && bound != 0)
        size_words(bound, out, cap);
    else
        snprintf(out, cap, "%" PRId64, bound);
}

/* Complains about a number outside the bounds of its option. */
static int out_of_range(const struct options *o, const struct weir_option *row,
                        const char *value, const char *where,
                        struct weir_error *err)
{
    char what[96], min[32], max[32];

    bound_words(row, row->min, min, sizeof min);
    bound_words(row, row->max, max, sizeof max);
    if (row->max == 0)
        snprintf(what, sizeof what, "at least %s", min);
    else
        snprintf(what, sizeof what, "%s to %s", min, max);
    return expected(o, row, value, where, what, err);
}

static bool in_range(const struct weir_option *row, int64_t number)
{
    return (row->min == 0 && row->max == 0) ||
           (number >= row->min && (row->max == 0 || number <= row->max));
}

/* What a number of an option looks like. */
struct numeral {
    const char *is, *fits; /* what it is; what it is at the most */
};

static const struct numeral INTEGER = {"a whole number",
                                       "a whole number of 63 bits"};
static const struct numeral SIZE = {
    "a size (a number of bytes, or with B, KiB, MiB, GiB, TiB, KB, MB, GB, TB)",
    "a size less than 8388608TiB"};
static const struct numeral DURATION = {
    "a duration (a number of seconds, or with ns, us, ms, s, m, h, d)",
    "a duration less than 106752d"};

/* Returns 0, -EINVAL or, for one that is too large for any option, -ERANGE. */
static int read_integer(const char *value, int64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoll(value, &end, 10);
    if (end == value || *end != '\0')
        return -EINVAL;
    return errno != 0 ? -ERANGE : 0;
}

static int set_number(const struct options *o, const struct weir_option *row,
                      void *out, const char *value, const char *where,
                      struct weir_error *err)
{
    const struct numeral *numeral = &INTEGER;
    int64_t number = 0;
    int rc;

    if (row->type == WEIR_INTEGER) {
        rc = read_integer(value, &number);
    } else if (row->type == WEIR_SIZE) {
        numeral = &SIZE;
        rc = weir_size(value, (uint64_t *)&number);
    } else {
        numeral = &DURATION;
        rc = weir_duration(value, (uint64_t *)&number);
    }
    if (rc == -EINVAL)
        return expected(o, row, value, where, numeral->is, err);
    if (rc == -ERANGE && row->max == 0)
        return expected(o, row, value, where, numeral->fits, err);
    if (rc == -ERANGE || !in_range(row, number))
        return out_of_range(o, row, value, where, err);
    memcpy(out, &number, sizeof number);
    return 0;
}

/* Keeps a string, or the value of a secret, and points the field at it. */
static int set_string(struct options *o, const struct weir_option *row,
                      const char *value, const char *where,
                      struct weir_error *err)
{
    char line[SECRET_MAX + 1];
    char *copy;
    int rc = 0;

    if (row->type == WEIR_SECRET) {
        rc = secret_value(&value, row->name, where, err);
    } else if (row->type == WEIR_SECRET_FILE) {
        rc = secret_read(value, line, row->name, where, err);
        value = line;
        o->given[row - 1 - o->table] = 1;
    }
    if (rc < 0)
        return rc;
    copy = keep_string(o, value);
    explicit_bzero(line, sizeof line);
    if (copy == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    memcpy(o->base + row->offset, &copy, sizeof copy);
    return 0;
}

int options_set(struct options *o, const struct weir_option *row,
                const char *value, const char *where, struct weir_error *err)
{
    void *out = o->base + row->offset;

    o->given[row - o->table] = 1;
    switch (row->type) {
    case WEIR_INTEGER:
    case WEIR_SIZE:
    case WEIR_DURATION:
        return set_number(o, row, out, value, where, err);
    case WEIR_BOOLEAN:
        if (set_boolean(out, value) < 0)
            return expected(o, row, value, where, "true or false", err);
        return 0;
    case WEIR_ENUM:
        if (set_enum(out, row->choices, value) < 0)
            return expected(o, row, value, where, row->choices, err);
        return 0;
    default:
        return set_string(o, row, value, where, err);
    }
}

int options_check(const struct options *o, const char *where,
                  struct weir_error *err)
{
    for (size_t i = 0; o->table[i].name != NULL; i++) {
        if (o->table[i].required && !o->given[i])
            return weir_error_set(err, -EINVAL, "%s: option %s is missing: %s",
                                  where, o->table[i].name, o->table[i].help);
    }
    return 0;
}
