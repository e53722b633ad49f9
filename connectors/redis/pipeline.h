/* pipeline.h -- the calls of a session and their commands in flight. */
#ifndef WEIR_REDIS_PIPELINE_H
#define WEIR_REDIS_PIPELINE_H

#include "session.h"

/* pipeline_start adds a call to the session and to the queue of calls with
 * commands to put. NULL: out of memory. */
struct progress *pipeline_start(struct redis_session *s,
                                struct weir_call *call);

/* pipeline_add_progress does the same with a progress that was made for a part
 * of a call, and owns it from now on. */
void pipeline_add_progress(struct redis_session *s, struct progress *p);

/* pipeline_queue puts a call at the end of the queue of calls with commands to
 * put. pipeline_unqueue removes it from the queue if it is there. */
void pipeline_queue(struct redis_session *s, struct progress *p);
void pipeline_unqueue(struct redis_session *s, const struct progress *p);

/* pipeline_add notes the command that was just put in the outbox. There is room
 * for it: the caller has checked REDIS_COMMANDS. */
void pipeline_add(struct redis_session *s, struct progress *p,
                  enum expect expects, uint32_t first, uint32_t n,
                  uint64_t weight);

/* pipeline_at returns command i in flight, 0 is the oldest. */
static inline struct command *pipeline_at(struct redis_session *s, uint32_t i)
{
    return &s->commands[(s->first_command + i) % REDIS_COMMANDS];
}

/* pipeline_oldest returns the command that the next reply belongs to. */
static inline struct command *pipeline_oldest(struct redis_session *s)
{
    return &s->commands[s->first_command];
}

/* pipeline_replied removes the oldest command, whose reply was read. After the
 * last command of a call it calls pipeline_advance. */
void pipeline_replied(struct redis_session *s);

/* pipeline_withdraw removes command i, which is not in the outbox any more. */
void pipeline_withdraw(struct redis_session *s, uint32_t i);

/* pipeline_advance moves a call with no commands to put and none in flight to
 * its next pass, or marks it as done. A late call and a part of a cluster's
 * errand are freed then. */
void pipeline_advance(struct redis_session *s, struct progress *p);

/* pipeline_end frees a call that has no commands in flight. */
void pipeline_end(struct redis_session *s, struct progress *p);

/* pipeline_clear frees all calls when the session ends. */
void pipeline_clear(struct redis_session *s);

#endif
