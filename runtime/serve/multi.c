/* multi.c -- MULTI and EXEC as a queue: commands are kept and run one by one at
 * EXEC. They are not atomic: others run between them, and one that fails undoes
 * nothing. It serves clients that send MULTI by default and mean a pipeline. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* Forgets the commands in the queue. */
void multi_end(struct client *c)
{
    free(c->multi);
    c->multi = NULL;
    c->multi_len = c->multi_room = 0;
    c->pub.queued = 0;
    c->pub.flags &= ~(uint32_t)(WEIR_CLIENT_MULTI | WEIR_CLIENT_SPOILT);
}

static bool make_room(struct client *c, size_t n)
{
    size_t room = c->multi_room ? c->multi_room : 1024;
    char *grown;

    if (c->multi_len + n > BUFFER_MAX)
        return false;
    while (room < c->multi_len + n)
        room *= 2;
    if (room == c->multi_room)
        return true;
    grown = realloc(c->multi, room);
    if (grown == NULL)
        return false;
    c->multi = grown;
    c->multi_room = room;
    return true;
}

static void put(struct client *c, const void *bytes, size_t n)
{
    memcpy(c->multi + c->multi_len, bytes, n);
    c->multi_len += n;
}

void multi_queue(struct weir_server *s, struct client *c)
{
    size_t n = 32;

    for (uint32_t i = 0; i < c->parser.n_args; i++)
        n += 32 + (size_t)c->parser.args[i].size;
    if (!make_room(c, n)) {
        c->pub.flags |= WEIR_CLIENT_SPOILT;
        reply_error(s, c,
                    "OOM the commands after MULTI have more than %d bytes",
                    BUFFER_MAX);
        return;
    }
    c->multi_len +=
        outbox_line_at(c->multi + c->multi_len, '*', c->parser.n_args);
    for (uint32_t i = 0; i < c->parser.n_args; i++) {
        uint64_t size = c->parser.args[i].size;

        c->multi_len +=
            outbox_line_at(c->multi + c->multi_len, '$', (int64_t)size);
        put(c, wish_bytes(c, i), (size_t)size);
        put(c, "\r\n", 2);
    }
    c->pub.queued++;
    reply_text(c, "+QUEUED\r\n");
}

/* Puts the queued commands in front of what the client has sent since, as if it
 * had sent them now. */
static bool replay(struct client *c)
{
    size_t from = c->start + c->parser.pos, rest = c->end - from;
    size_t room = c->multi_len + rest < BUFFER ? BUFFER : c->multi_len + rest;
    char *joined = malloc(room);

    if (joined == NULL)
        return false;
    memcpy(joined, c->multi, c->multi_len);
    memcpy(joined + c->multi_len, c->buffer + from, rest);
    free(c->buffer);
    c->buffer = joined;
    c->start = 0;
    c->end = c->multi_len + rest;
    c->room = room;
    c->parser.pos = 0; /* of EXEC, which is not there any more */
    return true;
}

static void exec(struct weir_server *s, struct client *c)
{
    if (!(c->pub.flags & WEIR_CLIENT_MULTI)) {
        reply_error(s, c, "ERR EXEC without MULTI");
        return;
    }
    if (c->pub.flags & WEIR_CLIENT_SPOILT) {
        reply_error(s, c,
                    "EXECABORT Transaction discarded because of previous "
                    "errors.");
    } else if (c->multi_len > 0 && !replay(c)) {
        reply_error(s, c, "OOM out of memory for the command");
    } else if (!(c->pub.flags & WEIR_CLIENT_MUTE)) {
        /* A SKIP before EXEC does not reach the replies that follow. */
        outbox_line(&c->out, '*', c->pub.queued);
    }
    multi_end(c);
}

void multi_run(struct weir_server *s, struct client *c, uint32_t form)
{
    bool inside = c->pub.flags & WEIR_CLIENT_MULTI;

    if (form == WEIR_FORM_EXEC) {
        exec(s, c);
    } else if (form == WEIR_FORM_MULTI && inside) {
        reply_error(s, c, "ERR MULTI calls can not be nested");
    } else if (form == WEIR_FORM_DISCARD && !inside) {
        reply_error(s, c, "ERR DISCARD without MULTI");
    } else {
        multi_end(c);
        if (form == WEIR_FORM_MULTI)
            c->pub.flags |= WEIR_CLIENT_MULTI;
        reply_text(c, "+OK\r\n");
    }
}
