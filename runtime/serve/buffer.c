/* buffer.c -- the buffer of a client for what it sends. A client has one only
 * while bytes in it have not been dispatched. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

void buffer_give(struct weir_server *s, struct client *c)
{
    if (c->buffer == NULL)
        return;
    if (c->room == BUFFER && s->n_buffers < BUFFERS_KEPT)
        s->buffers[s->n_buffers++] = c->buffer;
    else
        free(c->buffer);
    c->buffer = NULL;
    c->start = c->end = c->room = 0;
}

/* A client that fills its buffer gets a longer one, so that its pipeline
 * becomes one run and not several, while clients have half of their memory
 * left. */
static bool buffer_take(struct weir_server *s, struct client *c)
{
    uint64_t most = s->limits.max_memory;

    if (c->fills > 0 && (most == 0 || s->stats.memory < most / 2)) {
        c->room = BUFFER_LONG;
        c->buffer = malloc(BUFFER_LONG);
    } else {
        c->room = BUFFER;
        c->buffer =
            s->n_buffers > 0 ? s->buffers[--s->n_buffers] : malloc(BUFFER);
    }
    return c->buffer != NULL;
}

bool buffer_room(struct weir_server *s, struct client *c)
{
    size_t used = c->end - c->start;
    char *grown;

    if (c->buffer == NULL)
        return buffer_take(s, c);
    if (c->start > 0) {
        memmove(c->buffer, c->buffer + c->start, used);
        c->start = 0;
        c->end = used;
    }
    if (c->room - c->end >= BUFFER / 4)
        return true;
    if (c->room >= BUFFER_MAX)
        return false;
    grown = realloc(c->buffer, 2 * c->room);
    if (grown == NULL)
        return false;
    c->buffer = grown;
    c->room *= 2;
    return true;
}
