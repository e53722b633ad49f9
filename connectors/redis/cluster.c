/* cluster.c -- a store that is a Redis Cluster: its state, its sessions, the
 * begin of calls and their end at the deadline. What happens in between is in
 * cluster_loop.c. */
#include "cluster.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "errand.h"
#include "fail.h"
#include "late.h"
#include "peer.h"
#include "redirect.h"
#include "scout.h"
#include "sweep.h"

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
    .redirect = redirect,
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
    errands_free(s);
    if (s->bell >= 0)
        close(s->bell);
    if (s->epoll >= 0)
        close(s->epoll);
}

/* ---- start ---- */

int cluster_start(struct cluster_session *cs, struct weir_call *call)
{
    call->link =
        call->op == WEIR_SCAN ? sweep_start(cs, call) : errand_start(cs, call);
    if (call->link == NULL)
        weir_call_no_memory(call, NULL, "a call");
    return 0;
}

/* ---- expire ---- */

/* Answers the parts that wait for a connection. */
static void expire_waiting(struct peer *p, struct errand *e)
{
    struct progress **at = &p->waiting;
    char why[192];

    snprintf(why, sizeof why,
             "%sdeadline passed while it waited for a connection",
             p->node_words);
    p->last_waiting = NULL;
    while (*at != NULL) {
        struct progress *part = *at;

        if (part->errand != e) {
            p->last_waiting = part;
            at = &part->next;
            continue;
        }
        *at = part->next;
        fail_items(part, 0, part->n, WEIR_SKIPPED, why);
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
