/* endpoint.c -- reads and writes addresses of servers. */
#include "endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_port(const char *text, size_t len, int *port)
{
    int number = 0;

    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = 10 * number + (text[i] - '0');
    }
    *port = number;
    return number > 0 && number <= 65535;
}

/* Redis also writes an IPv6 address without brackets, as in "::1:7000", so the
 * port follows the last colon. */
bool endpoint_read(struct endpoint *e, const char *text, size_t len, int port)
{
    const char *colon = memrchr(text, ':', len);
    const char *close = memrchr(text, ']', len);
    size_t host = len;

    e->port = port;
    if (colon != NULL && (close == NULL || colon > close)) {
        host = (size_t)(colon - text);
        if (!read_port(colon + 1, len - host - 1, &e->port))
            return false;
    }
    if (host >= 2 && text[0] == '[' && text[host - 1] == ']') {
        text++;
        host -= 2;
    }
    if (host >= sizeof e->host)
        return false;
    memcpy(e->host, text, host);
    e->host[host] = '\0';
    return true;
}

int endpoints_read(struct endpoints *list, const char *text, int port,
                   struct weir_error *err)
{
    list->n = 0;
    for (const char *at = text; at != NULL;) {
        size_t len = strcspn(at, ",");

        if (list->n == ENDPOINTS)
            return weir_error_set(err, -EINVAL,
                                  "redis: option host: expected at most %d "
                                  "addresses",
                                  ENDPOINTS);
        if (len == 0 || !endpoint_read(&list->at[list->n], at, len, port) ||
            list->at[list->n].host[0] == '\0')
            /* Not repeated: it may be a password whose host is missing. */
            return weir_error_set(err, -EINVAL,
                                  "redis: option host: expected addresses such "
                                  "as \"h1:7000,h2:7000\"");
        list->n++;
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    return 0;
}

void endpoint_write(const struct endpoint *e, char *out, size_t cap)
{
    snprintf(out, cap, strchr(e->host, ':') ? "[%s]:%d" : "%s:%d", e->host,
             e->port);
}

void endpoints_write(const struct endpoints *list, char *out, size_t cap)
{
    size_t len;

    endpoint_write(&list->at[0], out, cap);
    len = strlen(out);
    if (list->n > 1)
        snprintf(out + len, cap - len, " and %zu more", list->n - 1);
}
