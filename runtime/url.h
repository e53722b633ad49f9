/* url.h -- splits scheme://user:password@host:port/path?name=value&..., and
 * scheme:path?name=value&... */
#ifndef WEIR_URL_H
#define WEIR_URL_H

#include <stdbool.h>

#include "weir.h"

enum { URL_SETTINGS = 64 };

/* The parts point into text and are decoded. An absent one is NULL. */
struct url {
    char *text;
    const char *scheme;
    const char *part[WEIR_URL_PATH + 1]; /* by enum weir_url_part */
    struct weir_setting settings[URL_SETTINGS];
    size_t n_settings;
    bool is_path; /* it is NAME:PATH */
    bool has_at;  /* there is an @: a password may come before it */
};

/* url_parse splits a URL, or NAME:PATH. A word without a colon is a scheme
 * only. err never repeats the URL, which may contain a password. */
int url_parse(struct url *u, const char *target, struct weir_error *err);
void url_free(struct url *u);

#endif
