/* url.c -- splits a store's URL (RFC 3986, as far as stores need it). */
#include "url.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "connector.h"
#include "registry.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place. Refuses %00, which would end the string. */
static int percent_decode(char *s)
{
    char *out = s;

    for (; *s != '\0'; s++) {
        int high, low;

        if (*s != '%') {
            *out++ = *s;
            continue;
        }
        high = hex_digit(s[1]);
        low = high < 0 ? -1 : hex_digit(s[2]);
        if (low < 0 || (high | low) == 0)
            return -EINVAL;
        *out++ = (char)(high << 4 | low);
        s += 2;
    }
    *out = '\0';
    return 0;
}

static int parse_query(struct url *u, char *query, struct weir_error *err)
{
    char *rest = NULL;

    for (char *pair = strtok_r(query, "&", &rest); pair != NULL;
         pair = strtok_r(NULL, "&", &rest)) {
        char *value = strchr(pair, '=');

        if (value == NULL)
            /* Not repeated: it may be the rest of a secret with a & in it. */
            return weir_error_set(err, -EINVAL,
                                  "URL: an option has no value: write "
                                  "NAME=VALUE, and %%26 for a & in a value");
        *value++ = '\0';
        if (percent_decode(pair) < 0 || percent_decode(value) < 0)
            return weir_error_set(err, -EINVAL,
                                  "URL: a %% must be followed by two "
                                  "hexadecimal digits other than 00");
        if (u->n_settings == URL_SETTINGS)
            return weir_error_set(err, -EINVAL, "URL: more than %d options",
                                  URL_SETTINGS);
        u->settings[u->n_settings++] = (struct weir_setting){pair, value};
    }
    return 0;
}

/* authority is user:password@host:port, each part optional, or
 * user:password@host:port,host:port,... */
static int parse_authority(struct url *u, char *authority,
                           struct weir_error *err)
{
    char *at = strrchr(authority, '@');
    char *host = authority;
    char *colon;

    if (at != NULL) {
        *at = '\0';
        host = at + 1;
        colon = strchr(authority, ':');
        if (colon != NULL) {
            *colon = '\0';
            u->part[WEIR_URL_PASSWORD] = colon + 1;
        }
        if (*authority != '\0')
            u->part[WEIR_URL_USER] = authority;
    }
    if (strchr(host, ',') != NULL) {
        /* A list of hosts, each with its own port, is the connector's. */
        u->part[WEIR_URL_HOST] = host;
        return 0;
    }
    if (*host == '[') {
        char *end = strchr(++host, ']');

        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return weir_error_set(
                err, -EINVAL,
                "URL: an IPv6 host is written [::1] or [::1]:6379");
        colon = end[1] == ':' ? end + 1 : NULL;
        *end = '\0';
    } else {
        colon = strchr(host, ':');
    }
    if (colon != NULL) {
        *colon++ = '\0';
        /* Not repeated: a password may begin so. */
        if (colon[strspn(colon, "0123456789")] != '\0')
            return weir_error_set(err, -EINVAL,
                                  "URL: the port is no number; in a password "
                                  "write %%2F for a / and %%3F for a ?");
        if (*colon != '\0')
            u->part[WEIR_URL_PORT] = colon;
    }
    if (*host != '\0')
        u->part[WEIR_URL_HOST] = host;
    return 0;
}

static int decode_parts(struct url *u, struct weir_error *err)
{
    for (size_t i = 0; i <= WEIR_URL_PATH; i++) {
        if (u->part[i] != NULL && percent_decode((char *)u->part[i]) < 0)
            return weir_error_set(err, -EINVAL,
                                  "URL: a %% must be followed by two "
                                  "hexadecimal digits other than 00");
    }
    return 0;
}

/* Whether a / in a user or password ended the authority before its @. An @
 * before the / proves nothing, because the password may have one, too. */
static bool is_cut(const char *authority, const char *path)
{
    return path != authority && strchr(path, '@') != NULL;
}

static int parse_parts(struct url *u, char *rest, struct weir_error *err)
{
    char *query = strchr(rest, '?');
    char *path;
    int rc = 0;

    if (query != NULL) {
        *query++ = '\0';
        if (strchr(rest, '@') != NULL && strchr(query, '@') != NULL)
            return weir_error_set(err, -EINVAL,
                                  "URL: an @ in front of the ? and one after "
                                  "it; write %%3F for a ? in a user or "
                                  "password, %%40 for an @ in an option");
        rc = parse_query(u, query, err);
    }
    path = strchr(rest, '/');
    if (path != NULL && is_cut(rest, path))
        return weir_error_set(err, -EINVAL,
                              "URL: the path has an @; write %%2F for a / in a "
                              "user or password, %%40 for an @ in a path");
    if (path != NULL && path[1] != '\0') {
        /* The authority ends where the path begins: keep the slash by moving
         * the authority one byte down, over the "//" before it. */
        size_t len = (size_t)(path - rest);

        memmove(rest - 1, rest, len);
        rest[len - 1] = '\0';
        rest--;
        u->part[WEIR_URL_PATH] = path;
    } else if (path != NULL) {
        *path = '\0';
    }
    if (rc == 0)
        rc = parse_authority(u, rest, err);
    return rc < 0 ? rc : decode_parts(u, err);
}

/* NAME:PATH, for connectors whose path is a file. */
static int parse_path(struct url *u, char *path, struct weir_error *err)
{
    char *query = strchr(path, '?');
    int rc = 0;

    if (query != NULL) {
        *query++ = '\0';
        rc = parse_query(u, query, err);
    }
    u->part[WEIR_URL_PATH] = path;
    u->is_path = true;
    return rc < 0 ? rc : decode_parts(u, err);
}

static void lower(char *scheme)
{
    for (char *c = scheme; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c); /* RFC 3986, 3.1 */
}

int url_parse(struct url *u, const char *target, struct weir_error *err)
{
    char *mark;
    int rc = 0;

    *u = (struct url){0};
    /* NULL is what getenv returns for a URL that was not set. */
    u->text = strdup(target != NULL ? target : "");
    if (u->text == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    u->scheme = u->text;
    u->has_at = strchr(u->text, '@') != NULL;
    mark = strchr(u->text, ':');
    if (mark != NULL) {
        *mark++ = '\0';
        lower(u->text);
    }
    /* user:password@host is no NAME:PATH. */
    if (!scheme_valid(u->scheme) || (mark != NULL && u->has_at && *mark != '/'))
        rc = weir_error_set(err, -EINVAL,
                            "neither a URL (NAME://...) nor the name of a "
                            "connector");
    else if (mark != NULL && strncmp(mark, "//", 2) == 0)
        rc = parse_parts(u, mark + 2, err);
    else if (mark != NULL)
        rc = parse_path(u, mark, err);
    if (rc < 0)
        url_free(u);
    return rc;
}

void url_free(struct url *u)
{
    free(u->text);
    u->text = NULL;
}
