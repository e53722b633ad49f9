/* pipeline.c -- the calls of a session and their commands in flight.
 *
 * A worker gives a session several calls (slices of batches). Each call becomes
 * RESP commands, which leave one after the other without a wait for replies.
 *
 * Promise. Every item of every call gets one answer, from the reply to its own
 * command. An item is OK or MISS only if its reply was read completely and had
 * the type that its command expects.
 *
 * Order. RESP replies carry no number: the n-th reply belongs to the n-th
 * command. So commands are kept in a ring in the order in which they were put
 * in the outbox, and a reply always answers the oldest one. Calls queue for the
 * outbox in order of start, and a call puts the commands of a whole pass before
 * the next call does. It goes to the end of the queue for its next pass and for
 * the next command of a scan, so calls may end in another order.
 *
 * Windows. The ring holds REDIS_COMMANDS commands and the outbox 64 KiB of
 * copied bytes. window.c limits the bytes of values in flight. A call waits in
 * the queue until there is room. Nothing here blocks.
 *
 * Late calls. At its deadline a call is answered at once (redis_expire), but
 * its replies still come and must be read, or the next command would get them.
 * So its progress stays, with a call of its own that has nothing pending, until
 * its last reply was read and discarded (late.c).
 *
 * End of a session. A reply against the protocol, a timeout, a closed
 * connection and a command that was sent half and cannot be completed end the
 * session: fail_session answers every pending item. It tells items whose
 * command was sent completely (RESET or TIMEOUT, may have been applied) from
 * the others (UNAVAILABLE or SKIPPED, can be retried safely). Then the worker
 * disconnects. An error reply ends nothing: it answers the items of its
 * command. Errors that say that this server cannot serve us set renew, and the
 * session is replaced when its calls are finished.
 *
 * Threads. A session belongs to one worker: all of its functions run on that
 * thread, without locks. Sessions share only struct redis, whose counters are
 * atomic. The caller of a batch may take its memory back at any time
 * (weir_batch_abandon): lent memory is touched only between weir_call_lend and
 * weir_call_unlend, in command.c, outbox.c, inbox.c and the runtime. */
#include "pipeline.h"

#include <stdlib.h>

#include "window.h"

/* ---- calls ---- */

void pipeline_queue(struct redis_session *s, struct progress *p)
{
    p->next_to_send = NULL;
    if (s->to_send == NULL)
        s->to_send = p;
    else
        s->last_to_send->next_to_send = p;
    s->last_to_send = p;
}

void pipeline_unqueue(struct redis_session *s, const struct progress *p)
{
    struct progress **at = &s->to_send, *before = NULL;

    for (; *at != NULL && *at != p; at = &before->next_to_send)
        before = *at;
    if (*at == NULL)
        return;
    *at = p->next_to_send;
    if (s->last_to_send == p)
        s->last_to_send = before;
}

void pipeline_add_progress(struct redis_session *s, struct progress *p)
{
    if (s->calls == NULL)
        s->calls = p;
    else
        s->last_call->next = p;
    s->last_call = p;
    pipeline_queue(s, p);
}

struct progress *pipeline_start(struct redis_session *s, struct weir_call *call)
{
    struct progress *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    p->call = call;
    p->n = call->n;
    pipeline_add_progress(s, p);
    return p;
}

static void pipeline_free(struct progress *p)
{
    if (p->late)
        free(p->call);
    free(p->part);
    free(p->pattern);
    free(p->page.data);
    free(p);
}

void pipeline_end(struct redis_session *s, struct progress *p)
{
    struct progress **at = &s->calls, *before = NULL;

    for (; *at != p; at = &before->next)
        before = *at;
    *at = p->next;
    if (s->last_call == p)
        s->last_call = before;
    pipeline_free(p);
}

void pipeline_clear(struct redis_session *s)
{
    while (s->calls != NULL) {
        struct progress *p = s->calls;

        s->calls = p->next;
        pipeline_free(p);
    }
    window_remove(s, s->weight);
}

static bool has_pending(const struct progress *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        if (progress_item(p, i)->status == WEIR_PENDING)
            return true;
    }
    return false;
}

void pipeline_advance(struct redis_session *s, struct progress *p)
{
    if (p->late) {
        pipeline_end(s, p);
        return;
    }
    if (!has_pending(p)) {
        p->done = true;
        if (p->errand != NULL) {
            s->routing->ended(p);
            pipeline_end(s, p);
        }
        return;
    }
    p->repeated = true;
    p->pass = p->pass == PASS_FIRST && !p->refused ? PASS_COUNT : PASS_SINGLE;
    p->next_item = 0;
    pipeline_queue(s, p);
}

/* ---- commands ---- */

void pipeline_add(struct redis_session *s, struct progress *p,
                  enum expect expects, uint32_t first, uint32_t n,
                  uint64_t weight)
{
    *pipeline_at(s, s->n_commands++) = (struct command){
        .progress = p,
        .begin = s->commands_end,
        .end = s->out.put,
        .weight = weight,
        .first = first,
        .n = n,
        .expects = (uint8_t)expects,
    };
    s->commands_end = s->out.put;
    window_add(s, p, weight);
    p->in_flight++;
}

/* Takes a command out of the counts of its session and its call. */
static void pipeline_remove(struct redis_session *s,
                            const struct command *command)
{
    struct progress *p = command->progress;

    s->n_commands--;
    window_remove(s, command->weight);
    s->late_commands -= p->late;
    p->in_flight--;
    if (p->next_item < p->n) {
        /* A scan has left the queue until its cursor is known. */
        if (progress_is_scan(p))
            pipeline_queue(s, p);
    } else if (p->in_flight == 0) {
        pipeline_advance(s, p);
    }
}

void pipeline_replied(struct redis_session *s)
{
    struct command *command = pipeline_oldest(s);

    s->first_command = (s->first_command + 1) % REDIS_COMMANDS;
    pipeline_remove(s, command);
}

void pipeline_withdraw(struct redis_session *s, uint32_t i)
{
    struct command command = *pipeline_at(s, i);

    for (; i + 1 < s->n_commands; i++)
        *pipeline_at(s, i) = *pipeline_at(s, i + 1);
    pipeline_remove(s, &command);
}
