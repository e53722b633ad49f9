/* cluster_loop.c -- drives the sessions of a worker with all nodes.
 *
 * In finish a worker receives the replies of all nodes and answers their items.
 * It sends waiting items on (errand.c), sends to every node, and then waits for
 * all of them at once: on an epoll, in which each connection stays from its
 * begin to its end, or on the connection itself if there is only one to wait
 * for. A call that is done ends at once (weir_call_end), so a node that hangs
 * delays only the calls with keys of it. */
#include "cluster.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "answer.h"
#include "errand.h"
#include "exchange.h"
#include "fail.h"
#include "peer.h"
#include "sweep.h"

enum { EVENTS = 64 };

/* A reply that is overdue for so long may be due to a failover. */
#define SUSPECT_NS ((uint64_t)1000000000)

/* ---- receiving ---- */

/* Receives once and answers. */
static void receive(struct peer *p)
{
    struct redis_session *s = p->s;
    int rc = exchange_receive(s);

    if (rc == 0)
        rc = answer_replies(s, NULL);
    if (rc == 0 && s->n_commands == 0 && s->in.begin != s->in.end)
        rc = fail_unexpected(s, "nothing more");
    if (rc < 0)
        peer_drop(p, rc);
}

/* Notes which connections are readable, without waiting. */
static void look(struct cluster_session *cs)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(cs->epoll, events, EVENTS, 0);
    eventfd_t rings;

    for (int i = 0; i < n; i++) {
        struct peer *p = events[i].data.ptr;

        if (p == NULL)
            eventfd_read(cs->bell, &rings);
        else
            p->s->readable |= (events[i].events & ~(uint32_t)EPOLLOUT) != 0 ||
                              p->s->link.tls != NULL;
    }
}

static bool is_readable(const struct peer *p)
{
    return p->s != NULL && p->s->readable;
}

static void receive_all(struct cluster_session *cs)
{
    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        if (is_readable(p))
            receive(p);
    }
}

int cluster_check(struct cluster_session *cs)
{
    uint64_t now = weir_now();

    look(cs);
    receive_all(cs);
    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        if (p->s != NULL && p->s->n_commands > 0 &&
            exchange_limit(p->s, now) == 0)
            peer_drop(p, -ETIMEDOUT);
    }
    peers_tidy(cs);
    return 0;
}

/* ---- sending ---- */

static void send_all(struct cluster_session *cs, struct weir_call *call)
{
    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        int rc = p->s != NULL ? exchange_send(p->s) : 0;

        if (rc == -EPIPE || rc == -ECONNRESET)
            rc = exchange_drain(p->s, call, rc);
        if (rc < 0)
            peer_drop(p, rc);
    }
}

static void resume_all(struct cluster_session *cs)
{
    uint64_t now = 0;

    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        if (p->failed)
            errand_not_connected(p);
    }
    for (struct errand *e = cs->errands; e != NULL; e = e->next) {
        if (e->waiting > 0 && now == 0)
            now = weir_now();
        errand_resume(cs, e, now);
    }
}

/* ---- waiting ---- */

/* What a worker waits for. */
struct outlook {
    uint64_t limit;    /* how long at most */
    struct peer *busy; /* a peer with commands in flight */
    uint32_t n_busy;
    bool more; /* it also waits for something else */
};

static void shorten(struct outlook *o, uint64_t limit)
{
    if (limit < o->limit)
        o->limit = limit;
}

/* Returns how long to wait for a peer: until a timeout, or until the silence of
 * its node is suspect. */
static uint64_t patience(struct peer *p, uint64_t now)
{
    uint64_t limit = exchange_limit(p->s, now), silent;

    if (p->s->silent_since == 0)
        return limit;
    silent = now - p->s->silent_since;
    if (silent >= SUSPECT_NS)
        peer_suspect(p);
    else if (SUSPECT_NS - silent < limit)
        limit = SUSPECT_NS - silent;
    return limit;
}

static struct outlook outlook_of(struct cluster_session *cs)
{
    struct outlook o = {.limit = UINT64_MAX, .more = cs->opening > 0};
    uint64_t now = weir_now();

    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        if (p->s == NULL || p->s->calls == NULL)
            continue;
        shorten(&o, patience(p, now));
        o.busy = p;
        o.n_busy++;
    }
    for (const struct errand *e = cs->errands; e != NULL; e = e->next) {
        uint64_t due = errand_due(e);

        o.more |= e->waiting > 0;
        if (due != UINT64_MAX)
            shorten(&o, due > now ? due - now : 0);
    }
    return o;
}

/* Drops connections to nodes that were silent for too long. */
static void drop_silent(struct cluster_session *cs)
{
    uint64_t now = weir_now();

    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        if (p->s != NULL && p->s->calls != NULL &&
            exchange_limit(p->s, now) == 0)
            peer_drop(p, -ETIMEDOUT);
    }
}

/* Prepares the connections for a wait. Returns how long the wait may take at
 * most, because it does not see a few bytes of a long reply; 0: it sees all. */
static uint64_t watch_all(struct cluster_session *cs, uint64_t limit)
{
    uint64_t now = weir_now(), least = 0;

    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        uint64_t patience;

        if (p->s == NULL)
            continue;
        patience = exchange_await(p->s, limit, now);
        if (patience > 0 && (least == 0 || patience < least))
            least = patience;
        peer_watch(p);
    }
    return least;
}

static int await_any(struct cluster_session *cs, struct weir_call *call,
                     uint64_t limit)
{
    uint64_t patience = watch_all(cs, limit);
    int rc;

    rc = weir_call_wait(call, cs->epoll, POLLIN,
                        patience > 0 ? patience : limit);
    if (rc > 0)
        look(cs);
    /* The next wait sees all, since no byte has come. */
    return rc == -ETIMEDOUT && patience > 0 ? 0 : rc;
}

/* Waits until a node or a time calls for work. Returns 0 or a negative errno.
 */
static int await(struct cluster_session *cs, struct weir_call *call)
{
    struct outlook o = outlook_of(cs);
    int rc;

    if (o.limit == 0)
        rc = -ETIMEDOUT;
    else if (o.n_busy == 1 && !o.more)
        rc = exchange_wait(o.busy->s, call, o.limit);
    else
        rc = await_any(cs, call, o.limit);
    if (rc == -ETIMEDOUT) {
        drop_silent(cs);
        rc = weir_call_look(call);
    }
    return rc < 0 ? rc : 0;
}

/* ---- finish ---- */

/* Ends the calls that are done. */
static bool end_calls(struct cluster_session *cs)
{
    bool ended = false;

    for (struct errand *e = cs->errands, *next; e != NULL; e = next) {
        struct weir_call *call = e->call;

        next = e->next;
        if (!errand_is_done(e) || (e->sweep != NULL && !sweep_next(cs, e)))
            continue;
        errand_end(cs, e);
        weir_call_end(call);
        ended = true;
    }
    return ended;
}

/* The store is closed: answers all calls. */
static int cancel(struct cluster_session *cs, int rc)
{
    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        if (p->s != NULL)
            fail_session(p->s, NULL, rc);
    }
    for (struct errand *e = cs->errands; e != NULL; e = e->next)
        weir_call_fail(e->call, NULL, WEIR_SKIPPED, "closed");
    return rc;
}

/* Whether the next turn of the loop has work, without a wait. */
static bool has_work(const struct cluster_session *cs)
{
    for (const struct peer *p = cs->peers; p != NULL; p = p->next) {
        if (is_readable(p) || p->failed)
            return true;
    }
    /* A call may end while commands are sent: its connection broke, or its
     * memory was taken back. */
    for (const struct errand *e = cs->errands; e != NULL; e = e->next) {
        if (errand_is_done(e))
            return true;
    }
    return false;
}

int cluster_finish(struct cluster_session *cs, struct weir_call *call)
{
    if (call->link == NULL)
        return 0;
    for (;;) {
        int rc;

        receive_all(cs);
        peers_tidy(cs);
        resume_all(cs);
        if (end_calls(cs))
            return -EAGAIN;
        send_all(cs, call);
        rc = has_work(cs) ? weir_call_look(call) : await(cs, call);
        if (rc == -EAGAIN)
            return rc;
        if (rc < 0)
            return cancel(cs, rc);
    }
}
