/* dispatch.c -- one parsed command: found in the table, checked, and put into
 * the open request, or answered with an error. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "state.h"

enum { NAMES = 1024 }; /* places of the table of names, a power of two */

/* ---- the table of commands ---- */

static size_t lower(char *out, size_t room, const char *name, size_t n)
{
    if (n >= room)
        return 0;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];

        out[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    out[n] = '\0';
    return n;
}

static uint32_t hash_name(const char *name, size_t n)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)name[i]) * 16777619u;
    return h ^ h >> 15;
}

/* The place of a name in the table, or where it would be. */
static uint32_t find_place(const struct weir_server *s, const char *name,
                           size_t n)
{
    uint32_t at = hash_name(name, n) & (NAMES - 1);

    while (s->names[at] != 0 &&
           strcmp(s->commands[s->names[at] - 1]->name, name) != 0)
        at = (at + 1) & (NAMES - 1);
    return at;
}

static struct weir_command *find_command(const struct weir_server *s,
                                         const char *name, size_t n,
                                         uint32_t *number)
{
    char word[sizeof s->commands[0]->name];
    uint32_t at;

    if (s->names == NULL || lower(word, sizeof word, name, n) == 0)
        return NULL;
    at = find_place(s, word, n);
    if (s->names[at] == 0)
        return NULL;
    *number = s->names[at] - 1u;
    return s->commands[*number];
}

int weir_server_command(struct weir_server *s, struct weir_command *row)
{
    struct weir_command **grown;
    uint32_t at;

    if (s->names == NULL)
        s->names = calloc(NAMES, sizeof *s->names);
    grown = realloc(s->commands, (s->n_commands + 1) * sizeof *grown);
    if (grown != NULL)
        s->commands = grown;
    if (grown == NULL || s->names == NULL)
        return -ENOMEM;
    if (s->n_commands == NAMES / 2)
        return -ENOSPC;
    at = find_place(s, row->name, strlen(row->name));
    if (s->names[at] != 0)
        return -EEXIST;
    s->commands[s->n_commands] = row;
    s->names[at] = (uint16_t)++s->n_commands;
    return (int)s->n_commands - 1;
}

/* ---- into the open request ---- */

static void put_value(struct request *r, struct weir_item *item,
                      struct client *c, uint32_t i, int64_t ms)
{
    struct parse_arg *arg = &c->parser.args[i];

    weir_value_unref(item->value); /* the key came twice: the last one counts */
    item->value = arg->value;
    item->data = arg->value != NULL ? NULL : c->buffer + c->start + arg->at;
    item->size = arg->size;
    item->ttl_ms = (uint64_t)ms;
    arg->value = NULL;
    r->bytes += arg->size;
}

static struct weir_item *put_key(struct weir_server *s, struct request *r,
                                 struct client *c, uint32_t i)
{
    return request_key(s, r, &c->parser.args[i], wish_bytes(c, i));
}

/* How keys and values lie among the arguments of a form. */
static void put_items(struct weir_server *s, struct request *r,
                      struct client *c, struct weir_command *row,
                      const struct wish *wish)
{
    uint32_t n = c->parser.n_args, keys = 1;
    struct weir_item *item;

    switch (row->form) {
    case WEIR_FORM_SET:
    case WEIR_FORM_SETNX:
    case WEIR_FORM_APPEND:
        item = put_key(s, r, c, 1);
        if (weir_op_info(wish->op)->sends) /* not a SET in the past */
            put_value(r, item, c, 2, wish->ms);
        break;
    case WEIR_FORM_SETEX:
        put_value(r, put_key(s, r, c, 1), c, 3, wish->ms);
        break;
    case WEIR_FORM_MSET:
        keys = (n - 1) / 2;
        for (uint32_t i = 1; i < n; i += 2)
            put_value(r, put_key(s, r, c, i), c, i + 1, 0);
        break;
    case WEIR_FORM_VALUES:
    case WEIR_FORM_COUNT:
        keys = n - 1;
        for (uint32_t i = 1; i < n; i++)
            put_key(s, r, c, i);
        break;
    case WEIR_FORM_INCR:
        item = put_key(s, r, c, 1);
        item->number = wish->number;
        break;
    default:
        item = put_key(s, r, c, 1);
        item->ttl_ms = (uint64_t)wish->ms;
    }
    request_part(r, row, keys, c->pub.flags);
}

static uint32_t count_items(const struct client *c,
                            const struct weir_command *row)
{
    uint32_t n = c->parser.n_args;

    switch (row->form) {
    case WEIR_FORM_MSET:
        return (n - 1) / 2;
    case WEIR_FORM_VALUES:
    case WEIR_FORM_COUNT:
        return n - 1;
    default:
        return 1;
    }
}

/* Whether the open request has the key of an op that may be done only once for
 * each command. Then the command begins a request of its own. */
static bool comes_again(const struct request *r, const struct client *c,
                        uint32_t op)
{
    return weir_op_info(op)->atomic &&
           request_has(r, wish_bytes(c, 1), (size_t)c->parser.args[1].size);
}

static bool put_data(struct weir_server *s, struct client *c,
                     struct weir_command *row, const struct wish *wish)
{
    struct request *r = request_open(s, c, wish->op, count_items(c, row));

    if (r == NULL && s->open != NULL)
        return false;
    if (r != NULL && comes_again(r, c, wish->op))
        return false;
    if (r == NULL)
        reply_refuse(s, c, row, "OOM out of memory for the command");
    else
        put_items(s, r, c, row, wish);
    return true;
}

/* ---- one command ---- */

static bool has_arity(const struct weir_command *row, uint32_t n)
{
    return row->arity < 0 ? n >= (uint32_t)-row->arity
                          : n == (uint32_t)row->arity;
}

static void unknown(struct weir_server *s, struct client *c)
{
    char args[160];
    size_t at = 0;

    for (uint32_t i = 1; i < c->parser.n_args && at + 40 < sizeof args; i++) {
        uint64_t size = c->parser.args[i].size;

        at += (size_t)snprintf(args + at, sizeof args - at, "'%.*s' ",
                               (int)(size < 32 ? size : 32), wish_bytes(c, i));
    }
    args[at] = '\0';
    reply_error(
        s, c, "ERR unknown command '%.*s', with args beginning with: %s",
        (int)(c->parser.args[0].size < 128 ? c->parser.args[0].size : 128),
        wish_bytes(c, 0), args);
}

static bool is_command(const struct client *c, const char *name)
{
    return c->parser.args[0].size == strlen(name) &&
           strncasecmp(wish_bytes(c, 0), name, strlen(name)) == 0;
}

/* A web page can make a browser send a POST to any port. Its body would be run
 * as commands, so the request's first line ends the client. Other methods end
 * at the line of their host, which every browser sends before a body. */
static bool is_http(const struct client *c)
{
    return is_command(c, "POST") || is_command(c, "Host:");
}

static void hang_up_http(struct weir_server *s, struct client *c)
{
    s->stats.protocol_errors++;
    reply_error(s, c, "ERR Protocol error: this is HTTP, not RESP");
    c->pub.flags |= WEIR_CLIENT_CLOSE;
}

/* Whether the client may run a command; if not, it has been told. */
static bool is_allowed(struct weir_server *s, struct client *c,
                       const struct weir_command *row)
{
    uint32_t flags = c->pub.flags;

    if (!(flags & WEIR_CLIENT_USER) && !(row->flags & WEIR_COMMAND_NO_AUTH))
        reply_refuse(s, c, row, "NOAUTH Authentication required.");
    else if (row->flags & WEIR_COMMAND_ADMIN && !(flags & WEIR_CLIENT_ADMIN))
        reply_refuse(s, c, row,
                     "NOPERM '%s' is for admins: AUTH with the admin password",
                     row->name);
    else if (row->flags & WEIR_COMMAND_WRITES && s->limits.read_only)
        reply_refuse(s, c, row,
                     "READONLY You can't write against a read only replica.");
    else
        return true;
    return false;
}

static void pong(struct client *c)
{
    if (c->parser.n_args != 2)
        reply_text(c, "+PONG\r\n");
    else if (!reply_is_muted(c))
        outbox_bulk(&c->out, wish_bytes(c, 1), c->parser.args[1].size);
}

/* Runs a command that is no data command, or says what is wrong with it. The
 * replies of those before it have been written. */
static void run_alone(struct weir_server *s, struct client *c,
                      struct weir_command *row, uint32_t number,
                      const char *fault)
{
    bool spoils = c->pub.flags & WEIR_CLIENT_MULTI;

    if (row == NULL && is_http(c)) {
        hang_up_http(s, c);
    } else if (row == NULL) {
        unknown(s, c);
    } else if (!has_arity(row, c->parser.n_args)) {
        row->errors++;
        reply_refuse(s, c, row, WISH_BAD_COUNT, row->name);
    } else if (!is_allowed(s, c, row)) {
        row->errors++;
    } else if (!cluster_owns(s, c, row)) {
        row->errors++;
        cluster_refuse(s, c, row);
    } else if (fault != NULL) {
        row->errors++;
        reply_refuse(s, c, row, fault, row->name);
    } else if (row->form >= WEIR_FORM_MULTI) {
        multi_run(s, c, row->form);
        return;
    } else if (c->pub.flags & WEIR_CLIENT_MULTI &&
               !(row->flags & WEIR_COMMAND_UNQUEUED)) {
        multi_queue(s, c);
        return;
    } else if (row->form == WEIR_FORM_PING) {
        pong(c);
    } else {
        request_host(s, c, number);
    }
    if (spoils && c->pub.flags & WEIR_CLIENT_MULTI && c->request == NULL)
        c->pub.flags |= WEIR_CLIENT_SPOILT;
}

/* Whether the command can go into a run at once: the common case. */
static bool is_plain_data(const struct weir_server *s, const struct client *c,
                          const struct weir_command *row)
{
    return row != NULL && row->op != 0 && has_arity(row, c->parser.n_args) &&
           (c->pub.flags & (WEIR_CLIENT_USER | WEIR_CLIENT_MULTI)) ==
               WEIR_CLIENT_USER &&
           !(row->flags & WEIR_COMMAND_ADMIN) &&
           !(row->flags & WEIR_COMMAND_WRITES && s->limits.read_only) &&
           cluster_owns(s, c, row);
}

bool dispatch(struct weir_server *s, struct client *c)
{
    uint32_t number = 0;
    struct weir_command *row;
    const char *fault = NULL;
    struct wish wish = {0};
    bool done = true;

    if (c->parser.n_args == 0)
        return true;
    row = find_command(s, wish_bytes(c, 0), c->parser.args[0].size, &number);
    if (row != NULL && has_arity(row, c->parser.n_args)) {
        wish.op = row->op;
        fault = wish_read(c, row, &wish);
    }
    if (fault == NULL && is_plain_data(s, c, row))
        done = put_data(s, c, row, &wish);
    else if (s->open != NULL)
        return false;
    else
        run_alone(s, c, row, number, fault);
    if (!done)
        return false;
    if (row != NULL) {
        row->calls++;
        c->pub.command = (int32_t)number;
    }
    c->pub.commands++;
    s->stats.commands++;
    c->pub.flags &= ~(uint32_t)WEIR_CLIENT_SKIP;
    return true;
}
