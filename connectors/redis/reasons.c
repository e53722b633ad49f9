/* reasons.c -- see reasons.h. */
#include "reasons.h"

#include <stdio.h>
#include <string.h>

enum { ADDRESS_MAX = 60, TAIL = sizeof "; and 9999 more" };

static bool is_in(const struct reasons *r, const char *address)
{
    size_t len = strlen(address);
    const char *at = r->text;

    while (at != NULL && (strncmp(at, address, len) != 0 ||
                          strncmp(at + len, ": ", 2) != 0)) {
        at = strstr(at, "; ");
        at = at != NULL ? at + 2 : NULL;
    }
    return at != NULL;
}

void reasons_add(struct reasons *r, const struct endpoint *server,
                 const char *why)
{
    char address[ENDPOINT_HOST + 16], piece[2 * REASONS];
    bool same = r->len > 0 && strcmp(r->last, why) == 0;
    size_t most = r->len > 0 ? REASONS_SEVERAL : REASONS - TAIL, n;

    endpoint_write(server, address, sizeof address);
    address[ADDRESS_MAX] = '\0';
    if (is_in(r, address))
        return;
    snprintf(r->last, sizeof r->last, "%s", why);
    n = (size_t)snprintf(piece, sizeof piece, "%s%s: %s",
                         r->len > 0 ? "; " : "", address,
                         same ? "the same" : r->last);
    if (r->len == 0 && n > most)
        n = most;
    if (r->left_out > 0 || r->len + n > most) {
        r->left_out++;
        snprintf(r->text + r->len, TAIL, "; and %u more", r->left_out);
        return;
    }
    memcpy(r->text + r->len, piece, n);
    r->len += n;
    r->text[r->len] = '\0';
}
