/* window.h -- limits the bytes of values in flight on a session. */
#ifndef WEIR_REDIS_WINDOW_H
#define WEIR_REDIS_WINDOW_H

#include "session.h"

/* window_sends returns whether the items of an op carry values. */
static inline bool window_sends(uint32_t op)
{
    return op == WEIR_SET || op == WEIR_ADD || op == WEIR_REPLACE ||
           op == WEIR_APPEND || op == WEIR_CAS;
}

/* window_value_size returns the bytes of the value that an item sends. */
static inline uint64_t window_value_size(const struct weir_item *item)
{
    return item->value != NULL ? item->value->size : item->size;
}

/* window_weight guesses the bytes of a get's reply. After misses the guess
 * falls, so that more gets are in flight, but not below an eighth of the size
 * of a value: the next keys may be found, and then the server must hold the
 * replies that we have not read. */
uint64_t window_weight(const struct redis_session *s);

/* window_room returns how many bytes of replies may still be requested. */
uint64_t window_room(const struct redis_session *s);

/* window_open returns whether a call may put its next command. After the window
 * was full, it is closed until enough has been received or sent. */
bool window_open(struct redis_session *s, const struct progress *p);

/* window_add and window_remove count the weight of a command that comes into
 * flight, or leaves it. */
void window_add(struct redis_session *s, const struct progress *p,
                uint64_t weight);
void window_remove(struct redis_session *s, uint64_t weight);

#endif
