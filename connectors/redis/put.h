/* put.h -- the parts of a RESP command, put in a session's outbox. */
#ifndef WEIR_REDIS_PUT_H
#define WEIR_REDIS_PUT_H

#include <string.h>

#include "session.h"

enum { KEY_COPY = 1024 }; /* shorter keys are copied to the outbox */

static inline void put_text(struct outbox *o, const char *text)
{
    outbox_copy(o, text, strlen(text));
}

/* put_head puts the number of words of a command, and its name as the first
 * word: "$3\r\nGET\r\n". */
static inline void put_head(struct outbox *o, uint64_t words, const char *name)
{
    outbox_line(o, '*', words);
    put_text(o, name);
}

/* put_key puts an item's key, with the store's prefix. put_key_room returns the
 * most bytes of the outbox that it takes. */
void put_key(struct redis_session *s, const struct weir_item *item);
size_t put_key_room(const struct redis_session *s,
                    const struct weir_item *item);

/* put_value puts the value that an item sends. put_copies returns whether it is
 * copied, put_lends whether it lies in lent memory. */
void put_value(struct redis_session *s, const struct weir_item *item);
bool put_copies(const struct redis_session *s, const struct weir_item *item);
bool put_lends(const struct weir_item *item);

/* put_ttl returns the time to live of a value that is stored, in milliseconds;
 * 0: none. put_ttl_bounded returns one that the server can add to its clock. */
uint64_t put_ttl(const struct redis_session *s, const struct weir_item *item);
uint64_t put_ttl_bounded(uint64_t ms);

/* put_asking puts ASKING, which holds for one command, if the node must be told
 * that we come by an ASK. */
void put_asking(struct redis_session *s, struct progress *p);

#endif
