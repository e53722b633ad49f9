/* window.h -- how many bytes of values may be on the way through a session. */
#ifndef WEIR_REDIS_WINDOW_H
#define WEIR_REDIS_WINDOW_H

#include "session.h"

/* window_weight guesses what a get's reply weighs. Misses make it lighter, so
 * that more of them are asked for at once, but not by much: the next ones may
 * be there, and the server holds what we do not read. */
uint64_t window_weight(const struct redis_session *s);

/* window_room returns how many more bytes of replies may be asked for. */
uint64_t window_room(const struct redis_session *s);

/* window_open says whether a flight's next value may be asked for, or sent,
 * now; when it is shut it stays so until enough has come or gone. */
bool window_open(struct redis_session *s, const struct flight *f);

/* window_add and window_remove note the weight of a flight's values that are on
 * their way, or no longer. */
void window_add(struct redis_session *s, const struct flight *f,
                uint64_t weight);
void window_remove(struct redis_session *s, uint64_t weight);

#endif
