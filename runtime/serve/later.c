/* later.c -- the clients that go on at the next turn. */
#include "state.h"

void later_add(struct weir_server *s, struct client *c)
{
    if (c->is_later)
        return;
    c->is_later = true;
    c->later = NULL;
    if (s->later.last != NULL)
        s->later.last->later = c;
    else
        s->later.first = c;
    s->later.last = c;
}

struct client *later_take_all(struct weir_server *s)
{
    struct client *first = s->later.first;

    s->later = (struct list){NULL, NULL};
    return first;
}
