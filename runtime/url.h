/* url.h -- scheme://user:password@host:port/path?name=value&... in its parts.
 */
#ifndef WEIR_URL_H
#define WEIR_URL_H

#include <stdbool.h>

#include "weir.h"

#define URL_SETTINGS 64

/* The parts point into text, percent-decoded; absent ones are NULL. */
struct url {
    char *text;
    const char *scheme;
    const char *part[WEIR_URL_PATH + 1]; /* by enum weir_url_part */
    struct weir_setting settings[URL_SETTINGS];
    size_t n_settings;
    bool has_at; /* an @ somewhere: a password may be in front of it */
};

/* url_parse takes a URL apart; a word without "://" is a scheme alone. err
 * never repeats the URL, which may hold a password. */
int url_parse(struct url *u, const char *target, struct weir_error *err);
void url_free(struct url *u);

#endif
