/* slots_reply.c -- reads the reply to CLUSTER SLOTS.
 *
 * It is an array of ranges. A range is an array: first slot, last slot, master,
 * replicas. A node is an array: host, port, id, and with Redis 7 a list of
 * names and values, such as "ip". The host is an address or a name, nil or ""
 * for the node that was asked, or "?" if the node has no name. */
#include "slots_reply.h"

#include <errno.h>
#include <string.h>

#include "reply.h"

enum { DEPTH = 8 };

/* The part of a reply that was not read. rc: 0, 1: its end is missing, or a
 * negative errno. After the first error all reads do nothing. */
struct reader {
    const char *at, *end;
    int rc;
};

static void read_element(struct reader *r, struct reply *out)
{
    ptrdiff_t used =
        r->rc == 0 ? reply_element(r->at, (size_t)(r->end - r->at), out) : 0;

    if (used > 0) {
        r->at += used;
        return;
    }
    *out = (struct reply){.type = REPLY_STATUS};
    if (r->rc == 0)
        r->rc = used < 0 ? -EPROTO : 1;
}

static void skip(struct reader *r, int depth)
{
    struct reply line;

    read_element(r, &line);
    if (line.type != REPLY_ARRAY || r->rc != 0)
        return;
    if (depth == DEPTH)
        r->rc = -EPROTO;
    for (int64_t i = 0; i < line.number && r->rc == 0; i++)
        skip(r, depth + 1);
}

/* Returns the number of an array's elements, at least that many. */
static int64_t read_array(struct reader *r, int64_t least)
{
    struct reply line;

    read_element(r, &line);
    if (r->rc == 0 && (line.type != REPLY_ARRAY || line.number < least))
        r->rc = -EPROTO;
    return r->rc == 0 ? line.number : 0;
}

static int64_t read_integer(struct reader *r, int64_t most)
{
    struct reply line;

    read_element(r, &line);
    if (r->rc == 0 &&
        (line.type != REPLY_INTEGER || line.number < 0 || line.number > most))
        r->rc = -EPROTO;
    return r->rc == 0 ? line.number : 0;
}

static bool is_text(const struct reply *line, const char *text)
{
    return line->type == REPLY_BULK && line->number >= 0 &&
           line->length == strlen(text) &&
           memcmp(line->text, text, line->length) == 0;
}

static void take_host(struct reader *r, struct endpoint *e,
                      const struct reply *host)
{
    if (host->number >= ENDPOINT_HOST) {
        r->rc = -EPROTO;
        return;
    }
    memcpy(e->host, host->text, (size_t)host->number);
    e->host[host->number] = '\0';
}

/* Reads the list of names and values: "ip" stands in for a host "?". */
static void read_names(struct reader *r, struct endpoint *e, bool nameless)
{
    int64_t n = read_array(r, 0);

    for (int64_t i = 0; i + 1 < n && r->rc == 0; i += 2) {
        struct reply name, value;

        read_element(r, &name);
        read_element(r, &value);
        if (r->rc == 0 && nameless && is_text(&name, "ip") &&
            value.type == REPLY_BULK && value.number > 0)
            take_host(r, e, &value);
    }
}

static void read_node(struct reader *r, const struct endpoint *asked,
                      struct endpoint *e)
{
    int64_t n = read_array(r, 2);
    struct reply host;
    bool nameless;

    read_element(r, &host);
    if (r->rc == 0 && host.type != REPLY_BULK)
        r->rc = -EPROTO;
    *e = *asked;
    if (r->rc == 0 && host.number > 0 && !is_text(&host, "?"))
        take_host(r, e, &host);
    nameless = r->rc == 0 && is_text(&host, "?");
    e->port = (int)read_integer(r, 65535);
    if (n > 2)
        skip(r, 0);
    if (n > 3)
        read_names(r, e, nameless);
    for (int64_t i = 4; i < n && r->rc == 0; i++)
        skip(r, 0);
}

static void own(struct draft *d, int64_t first, int64_t last, uint16_t node)
{
    for (int64_t slot = first; slot <= last; slot++) {
        d->n_slots += d->owner[slot] == NO_NODE;
        d->owner[slot] = node;
    }
}

static void read_range(struct reader *r, const struct endpoint *asked,
                       struct draft *out)
{
    int64_t n = read_array(r, 3);
    int64_t first = read_integer(r, SLOTS - 1);
    int64_t last = read_integer(r, SLOTS - 1);
    uint16_t master = NO_NODE;

    for (int64_t i = 2; i < n && r->rc == 0; i++) {
        struct endpoint e;
        uint16_t node;

        read_node(r, asked, &e);
        node = r->rc == 0 && e.port > 0 ? draft_node(out, &e) : NO_NODE;
        if (i == 2)
            master = node;
        if (node != NO_NODE && master != NO_NODE)
            out->nodes[node].master = master;
    }
    if (r->rc == 0 && master != NO_NODE)
        own(out, first, last, master);
}

ptrdiff_t slots_reply_read(const char *bytes, size_t len,
                           const struct endpoint *asked, struct draft *out,
                           const char **error, size_t *error_len)
{
    struct reader r = {.at = bytes, .end = bytes + len};
    struct reply line;
    int64_t n;

    *error = NULL;
    if (len > 0 && bytes[0] == REPLY_ERROR) {
        read_element(&r, &line);
        *error = line.text;
        *error_len = line.length;
        return r.rc > 0 ? 0 : r.rc < 0 ? r.rc : r.at - bytes;
    }
    n = read_array(&r, 0);
    for (int64_t i = 0; i < n && r.rc == 0; i++)
        read_range(&r, asked, out);
    return r.rc > 0 ? 0 : r.rc < 0 ? r.rc : r.at - bytes;
}
