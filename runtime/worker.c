/* worker.c -- the threads that run batches.
 *
 * A worker claims a slice of the oldest batch, runs it in its session, checks
 * and counts its items (finish.c). No lock is held while a connector runs. When
 * there is nothing to claim it sleeps (sleep.c). It ends when its lane stops
 * and the queue is empty. */
#include "worker.h"

#include <errno.h>

#include "finish.h"
#include "thread.h"

/* Claims a slice and starts it. false: there was none. */
static bool start_slice(struct worker *w)
{
    struct batch *late = NULL;
    struct claim claim;
    bool claimed = lane_claim(w->lane, &w->sleeper, &claim, &late);

    finish_late(late);
    if (claimed)
        pipeline_start(&w->pipeline, &claim);
    return claimed;
}

enum next { NEXT_AGAIN, NEXT_GO_ON, NEXT_STOP };

/* There is work: connects if need be, and starts a slice. */
static enum next do_work(struct worker *w)
{
    const struct failure *failure = &w->session.failure;

    switch (session_ready(&w->session, w->pipeline.n == 0)) {
    case READY_YES:
        return start_slice(w) ? NEXT_AGAIN : NEXT_GO_ON;
    case READY_FAIL:
        finish_list(lane_take_all(w->lane), failure->status,
                    failure->error.code, failure->error.message);
        return NEXT_GO_ON;
    case READY_LATER:
        /* On a stop the other workers empty the queue. */
        return sleep_until(&w->sleeper, health_retry_ns(&w->lane->health))
                   ? NEXT_GO_ON
                   : NEXT_STOP;
    }
    return NEXT_GO_ON;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct weir_store *store = w->session.store;

    for (;;) {
        if (pipeline_has_room(&w->pipeline) && sleeper_has_work(&w->sleeper)) {
            enum next next = do_work(w);

            if (next == NEXT_AGAIN)
                continue;
            if (next == NEXT_STOP)
                break;
        }
        if (w->pipeline.n > 0)
            pipeline_finish(&w->pipeline);
        else if (pipeline_has_idle(&w->pipeline) &&
                 !sleepers_is_stopping(&w->lane->sleepers))
            pipeline_idle(&w->pipeline);
        else if (!sleep_for_work(&w->sleeper))
            break;
    }
    session_drop(&w->session);
    store_worker_ended(store);
    return NULL;
}

int worker_init(struct worker *w, struct weir_store *store, struct lane *lane,
                struct stats *shard)
{
    int rc;

    w->lane = lane;
    rc = sleeper_init(&w->sleeper, &lane->sleepers, store->config.spin_ns);
    if (rc < 0)
        return rc;
    rc = session_init(&w->session, store, lane, &w->sleeper);
    return rc < 0 ? rc : pipeline_init(&w->pipeline, &w->session, shard);
}

int worker_start(struct worker *w)
{
    return thread_start(&w->thread, worker_main, w);
}

void worker_destroy(struct worker *w)
{
    if (w->lane == NULL)
        return;
    sleeper_destroy(&w->sleeper);
    if (w->session.store != NULL)
        session_destroy(&w->session);
    pipeline_destroy(&w->pipeline);
}
