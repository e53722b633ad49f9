/* options.h -- parses words into a typed configuration, by an option table. */
#ifndef WEIR_OPTIONS_H
#define WEIR_OPTIONS_H

#include <stdbool.h>

#include "weir.h"

/* A configuration that is being filled in. The rows of the table say where in
 * base each value goes. Strings live until options_free. */
struct options {
    const struct weir_option *table;
    bool quiet; /* errors repeat no value: it may be part of a password */
    char *base;
    uint8_t *given; /* a flag a row */
    char **strings;
    size_t n_strings;
};

/* options_init makes a zeroed configuration of size bytes with the table's
 * defaults in it. -ENOMEM, or -EINVAL for a default that does not parse. */
int options_init(struct options *o, const struct weir_option *table,
                 size_t size, struct weir_error *err);
void options_free(struct options *o);

/* options_find returns the row of that name, or NULL. */
const struct weir_option *options_find(const struct options *o,
                                       const char *name);

/* options_set parses value by the row. An error begins with where. */
int options_set(struct options *o, const struct weir_option *row,
                const char *value, const char *where, struct weir_error *err);

/* options_check returns -EINVAL and names a required option that was not given,
 * if there is one. */
int options_check(const struct options *o, const char *where,
                  struct weir_error *err);

#endif
