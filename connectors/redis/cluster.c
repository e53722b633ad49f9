/* cluster.c -- a Redis Cluster: the options, the shared state, and the loop
 * that drives the sessions of a worker with all nodes.
 *
 * In finish a worker receives and answers what has come from any node, sends
 * waiting items on (errand.c), sends to every node, and then waits for all of
 * them at once: on an epoll, in which each connection stays from its begin to
 * its end, or on the connection itself if there is only one to wait for. A call
 * that is done ends at once (weir_call_end), so a node that hangs delays only
 * the calls with keys of it. */
#include "cluster.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "answer.h"
#include "errand.h"
#include "exchange.h"
#include "fail.h"
#include "late.h"
#include "peer.h"
#include "scout.h"
#include "sweep.h"

enum { EVENTS = 64 };

/* A reply that is overdue for so long may be due to a failover. */
#define SUSPECT_NS ((uint64_t)1000000000)

/* ---- the shared state ---- */

int cluster_open(struct redis *r, struct weir_error *err)
{
    struct cluster *c = calloc(1, sizeof *c);
    int rc;

    if (c == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    c->redis = r;
    map_init(&c->map);
    rc = scout_init(c);
    if (rc < 0)
        weir_error_set(err, rc, "redis: cannot open: %s", strerror(-rc));
    else
        rc = endpoints_read(&c->seeds, r->config->host, (int)r->config->port,
                            err);
    if (rc < 0)
        cluster_close(c);
    else
        r->cluster = c;
    return rc;
}

void cluster_close(struct cluster *c)
{
    scout_destroy(c);
    free(c->probe);
    map_destroy(&c->map);
    free(c);
}

size_t cluster_gauges(struct cluster *c, struct weir_gauge *out, size_t max)
{
    const struct weir_gauge gauges[] = {
        {.name = "nodes",
         .help = "of the cluster",
         .value = map_count(&c->map, false)},
        {.name = "masters",
         .help = "of its nodes",
         .value = map_count(&c->map, true)},
        {.name = "slots",
         .help = "of 16384 that have a node",
         .value = map_slots(&c->map)},
        {.name = "maps",
         .help = "maps of slots fetched",
         .value = atomic_load(&c->scout.maps),
         .counter = 1},
        {.name = "moved",
         .help = "redirections by MOVED that were followed",
         .value = atomic_load(&c->moved),
         .counter = 1},
        {.name = "asked",
         .help = "redirections by ASK that were followed",
         .value = atomic_load(&c->asked),
         .counter = 1},
        {.name = "delayed",
         .help = "commands sent again after TRYAGAIN, CLUSTERDOWN or LOADING",
         .value = atomic_load(&c->delayed),
         .counter = 1},
    };
    size_t n = sizeof gauges / sizeof *gauges;

    for (size_t i = 0; i < n && i < max; i++)
        out[i] = gauges[i];
    return n;
}

/* ---- connect and disconnect ---- */

static const struct routing ROUTING = {
    .redirect = errand_redirect,
    .same_slot = errand_same_slot,
    .ended = errand_part_ended,
    .put = sweep_put,
    .keep = sweep_keep,
    .listed = sweep_listed,
};

static bool has_map(const struct cluster *c)
{
    return atomic_load(&c->scout.maps) > 0;
}

/* Waits for the first map of the store. */
static int await_map(struct cluster_session *s, struct weir_call *call)
{
    struct cluster *c = s->cluster;
    char why[SCOUT_WHY];
    uint64_t round = 0;
    eventfd_t rings;
    int rc = 0, status;

    if (!has_map(c))
        round = scout_ask(c);
    while (!has_map(c) && atomic_load(&c->scout.rounds) < round && rc >= 0) {
        rc = weir_call_wait(call, s->bell, POLLIN, UINT64_MAX);
        eventfd_read(s->bell, &rings);
    }
    if (has_map(c))
        return 0;
    status = scout_status(c, why);
    weir_call_fail(call, NULL, status != 0 ? status : WEIR_UNAVAILABLE, "%s",
                   status != 0 ? why : "no node of the cluster has answered");
    return rc < 0 ? rc : -EHOSTUNREACH;
}

static int begin(struct cluster_session *s)
{
    struct epoll_event event = {.events = EPOLLIN};
    int rc;

    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->epoll < 0 || s->bell < 0 ||
        epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->bell, &event) < 0)
        rc = -errno;
    else
        rc = scout_listen(s->cluster, s->bell);
    return rc;
}

int cluster_connect(struct cluster_session *s, struct redis *r,
                    struct weir_call *call)
{
    int rc;

    s->redis = r;
    s->cluster = r->cluster;
    s->routing = &ROUTING;
    s->connect_ns = call->deadline_ns - weir_now();
    rc = begin(s);
    if (rc == 0)
        rc = await_map(s, call);
    if (rc < 0)
        cluster_disconnect(s);
    return rc;
}

void cluster_disconnect(struct cluster_session *s)
{
    scout_deafen(s->cluster, s->bell);
    peers_close(s);
    while (s->errands != NULL)
        errand_end(s, s->errands);
    if (s->bell >= 0)
        close(s->bell);
    if (s->epoll >= 0)
        close(s->epoll);
}

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

static int await_any(struct cluster_session *cs, struct weir_call *call,
                     uint64_t limit)
{
    int rc;

    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        if (p->s == NULL)
            continue;
        link_await(&p->s->link, 0);
        peer_watch(p);
    }
    rc = weir_call_wait(call, cs->epoll, POLLIN, limit);
    if (rc > 0)
        look(cs);
    return rc;
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

/* ---- start and finish ---- */

int cluster_start(struct cluster_session *cs, struct weir_call *call)
{
    call->link =
        call->op == WEIR_SCAN ? sweep_start(cs, call) : errand_start(cs, call);
    if (call->link == NULL)
        weir_call_no_memory(call, NULL, "a call");
    return 0;
}

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

/* ---- expire ---- */

/* Answers the parts that wait for a connection. */
static void expire_waiting(struct peer *p, struct errand *e)
{
    struct progress **at = &p->waiting;

    p->last_waiting = NULL;
    while (*at != NULL) {
        struct progress *part = *at;

        if (part->errand != e) {
            p->last_waiting = part;
            at = &part->next;
            continue;
        }
        *at = part->next;
        fail_items(part, 0, part->n, WEIR_SKIPPED,
                   "deadline passed while it waited for a connection");
        e->parts--;
        free(part->part);
        free(part);
    }
}

/* Answers the parts in flight. false: one cannot end early. */
static bool expire_sent(struct peer *p, struct errand *e)
{
    struct progress *next;
    bool ended = true;

    for (struct progress *part = p->s->calls; part != NULL; part = next) {
        int rc;

        next = part->next;
        if (part->errand != e)
            continue;
        peer_suspect(p);
        rc = late_expire(p->s, part);
        ended &= rc != -EBUSY;
        if (rc < 0 && rc != -EBUSY) {
            peer_drop(p, rc);
            break;
        }
    }
    return ended;
}

int cluster_expire(struct cluster_session *cs, struct weir_call *call)
{
    struct errand *e = call->link;
    bool ended = true;

    if (e == NULL)
        return 0;
    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        expire_waiting(p, e);
        if (p->s != NULL)
            ended &= expire_sent(p, e);
    }
    if (!ended)
        return -EBUSY;
    weir_call_fail(call, NULL, WEIR_SKIPPED,
                   "deadline passed while it waited for the cluster");
    errand_end(cs, e);
    return 0;
}
