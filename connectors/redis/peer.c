/* peer.c -- a worker's connection to one node of a cluster.
 *
 * A peer is made when the first command is for its node. A connect may take
 * long: the node hangs, or its name is not found. The worker serves other nodes
 * meanwhile, so each connect runs on a thread of its own, which ends with it.
 * It rings the session's bell, and peers_tidy takes the link over.
 *
 * A connect that fails starts a backoff for the node, for all workers of the
 * store. Until it is over, commands for the node wait for a new map once, in
 * which another node may have its slots, and then fail with the reason. */
#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fail.h"
#include "open.h"
#include "pipeline.h"
#include "scout.h"
#include "thread.h"

#define BACKOFF_MIN_NS ((uint64_t)50000000)
#define BACKOFF_MAX_NS ((uint64_t)2000000000)

/* A connect, on its thread. */
struct opening {
    struct redis *redis;
    struct endpoint to;
    struct attempt at;
    struct link link;
    int rc;
    uint64_t took_ns;
    int bell;          /* the session's */
    _Atomic bool done; /* the thread touches nothing any more but bell */
    pthread_t thread;
};

static struct node *node_of(const struct peer *p)
{
    return &p->cluster->cluster->map.nodes[p->node];
}

/* ---- connecting ---- */

static void *opening_main(void *arg)
{
    struct opening *o = arg;
    uint64_t begin = weir_now();

    o->rc = open_link(&o->link, o->redis, &o->at);
    o->took_ns = weir_now() - begin;
    atomic_store(&o->done, true);
    eventfd_write(o->bell, 1);
    return NULL;
}

static struct opening *opening_new(const struct peer *p)
{
    struct cluster_session *cs = p->cluster;
    struct opening *o = calloc(1, sizeof *o);

    if (o == NULL)
        return NULL;
    o->redis = cs->redis;
    o->to = p->at;
    o->bell = cs->bell;
    o->at = open_attempt(o->redis, NULL);
    o->at.host = o->to.host;
    o->at.port = o->to.port;
    o->at.readonly = cs->redis->config->read != READ_MASTER;
    o->at.deadline_ns = weir_now() + cs->connect_ns;
    o->at.end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (o->at.end >= 0 && thread_start(&o->thread, opening_main, o) == 0)
        return o;
    if (o->at.end >= 0)
        close(o->at.end);
    free(o);
    return NULL;
}

/* Ends the thread and takes the opening from its peer. The caller frees it. */
static struct opening *opening_end(struct peer *p)
{
    struct opening *o = p->opening;

    eventfd_write(o->at.end, 1);
    pthread_join(o->thread, NULL);
    close(o->at.end);
    p->opening = NULL;
    p->cluster->opening--;
    return o;
}

/* Starts a backoff. Those that wait hear of it by `failed`. */
static void peer_failed(struct peer *p, int status, const char *why)
{
    struct node *n = node_of(p);
    uint32_t failures = atomic_fetch_add(&n->failures, 1);
    uint64_t pause = failures < 6 ? BACKOFF_MIN_NS << failures : BACKOFF_MAX_NS;

    if (pause > BACKOFF_MAX_NS)
        pause = BACKOFF_MAX_NS;
    atomic_store(&n->retry_ns, weir_now() + pause);
    map_note(&p->cluster->cluster->map, p->node, status, why);
    scout_ask(p->cluster->cluster);
    p->failed = true;
}

static void peer_open(struct peer *p)
{
    if (p->s != NULL || p->opening != NULL)
        return;
    p->opening = opening_new(p);
    if (p->opening != NULL)
        p->cluster->opening++;
    else
        peer_failed(p, WEIR_UNAVAILABLE, "cannot start a thread to connect");
}

/* Makes a session of a link. false: out of memory. */
static bool peer_begin(struct peer *p, const struct link *l)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    struct redis_session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return false;
    if (session_begin(s, p->cluster->redis) < 0 ||
        epoll_ctl(p->cluster->epoll, EPOLL_CTL_ADD, l->fd, &event) < 0) {
        session_end(s);
        free(s);
        return false;
    }
    s->link = *l;
    s->peer = p;
    s->routing = p->cluster->routing;
    s->node = p->node_words;
    s->loaded = &node_of(p)->loaded;
    s->connected_ns = weir_now();
    p->events = EPOLLIN;
    p->s = s;
    return true;
}

static void peer_connected(struct peer *p)
{
    struct progress *part = p->waiting;

    p->waiting = p->last_waiting = NULL;
    while (part != NULL) {
        struct progress *next = part->next;

        part->next = NULL;
        pipeline_add_progress(p->s, part);
        part = next;
    }
}

/* Takes over what the thread has brought. */
static void peer_take(struct peer *p)
{
    struct opening *o = opening_end(p);

    if (o->rc == 0 && peer_begin(p, &o->link)) {
        atomic_store(&node_of(p)->failures, 0);
        atomic_store(&node_of(p)->retry_ns, 0);
        atomic_store(&node_of(p)->greeting_ns, o->took_ns);
        peer_connected(p);
    } else {
        link_close(&o->link);
        peer_failed(p, o->at.status != 0 ? o->at.status : WEIR_UNAVAILABLE,
                    o->at.status != 0 ? o->at.why : "out of memory");
    }
    free(o);
}

/* ---- the list ---- */

struct peer *peer_of(struct cluster_session *cs, uint16_t node)
{
    struct node *n = &cs->cluster->map.nodes[node];
    struct peer *p = cs->peer_of[node];

    if (p != NULL && p->generation == atomic_load(&n->generation))
        return p;
    if (p != NULL)
        p->leaves = true;
    p = calloc(1, sizeof *p);
    cs->peer_of[node] = p;
    if (p == NULL)
        return NULL;
    p->cluster = cs;
    p->node = node;
    p->generation = atomic_load(&n->generation);
    p->nobody.status = WEIR_SKIPPED;
    map_address(&cs->cluster->map, node, &p->at);
    endpoint_write(&p->at, p->name, sizeof p->name);
    snprintf(p->node_words, sizeof p->node_words, "node %.120s: ", p->name);
    p->next = cs->peers;
    cs->peers = p;
    return p;
}

void peer_add(struct peer *p, struct progress *part)
{
    if (p->s != NULL) {
        pipeline_add_progress(p->s, part);
        return;
    }
    if (p->waiting == NULL)
        p->waiting = part;
    else
        p->last_waiting->next = part;
    p->last_waiting = part;
    peer_open(p);
}

bool peer_is_down(const struct peer *p)
{
    return p->s == NULL && p->opening == NULL &&
           atomic_load(&node_of(p)->retry_ns) > weir_now();
}

/* Closes the connection. Its calls have their answers. */
static void peer_close(struct peer *p)
{
    if (p->s == NULL)
        return;
    for (struct progress *part = p->s->calls; part != NULL; part = part->next)
        if (part->errand != NULL)
            p->s->routing->ended(part);
    session_end(p->s);
    free(p->s);
    p->s = NULL;
}

void peer_drop(struct peer *p, int rc)
{
    fail_session(p->s, NULL, rc);
    peer_close(p);
    scout_ask(p->cluster->cluster);
}

void peer_suspect(struct peer *p)
{
    atomic_store(&node_of(p)->silent_ns, weir_now());
    scout_ask(p->cluster->cluster);
}

/* Ends a peer that has nothing in flight. */
static void peer_free(struct peer *p)
{
    struct cluster_session *cs = p->cluster;

    if (p->opening != NULL) {
        struct opening *o = opening_end(p);

        link_close(&o->link);
        free(o);
    }
    peer_close(p);
    while (p->waiting != NULL) {
        struct progress *part = p->waiting;

        p->waiting = part->next;
        free(part->part);
        free(part);
    }
    if (cs->peer_of[p->node] == p)
        cs->peer_of[p->node] = NULL;
    free(p);
}

static bool peer_is_idle(const struct peer *p)
{
    return p->opening == NULL && p->waiting == NULL &&
           (p->s == NULL || p->s->calls == NULL);
}

/* Notes which peers' nodes have left. */
static void peers_compare(struct cluster_session *cs)
{
    const struct map *m = &cs->cluster->map;
    uint32_t version = atomic_load(&m->version);

    if (version == cs->version)
        return;
    cs->version = version;
    for (struct peer *p = cs->peers; p != NULL; p = p->next)
        p->leaves = !atomic_load(&m->nodes[p->node].present) ||
                    p->generation != atomic_load(&m->nodes[p->node].generation);
}

void peers_tidy(struct cluster_session *cs)
{
    struct peer **at = &cs->peers;

    peers_compare(cs);
    while (*at != NULL) {
        struct peer *p = *at;

        if (p->opening != NULL && atomic_load(&p->opening->done))
            peer_take(p);
        if (p->s != NULL && p->s->renew && peer_is_idle(p))
            peer_close(p);
        if (!p->leaves || !peer_is_idle(p)) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        peer_free(p);
    }
}

void peers_close(struct cluster_session *cs)
{
    while (cs->peers != NULL) {
        struct peer *p = cs->peers;

        cs->peers = p->next;
        peer_free(p);
    }
}

void peer_watch(struct peer *p)
{
    uint32_t events = (uint32_t)link_events(&p->s->link, p->s->send_blocked);
    struct epoll_event event = {.events = events, .data.ptr = p};

    if (events == p->events)
        return;
    if (epoll_ctl(p->cluster->epoll, EPOLL_CTL_MOD, p->s->link.fd, &event) == 0)
        p->events = events;
}
