/* watch.c -- tells which keys have changed: tracks the server of the store, or
 * each master of a cluster (tracking.c).
 *
 * Every change comes to our notice only while each node that takes writes is
 * tracked. So sight ends when a connection breaks, and when other nodes own the
 * slots than those that are tracked. It begins anew with the owners of then. A
 * slot that moves between two tracked nodes ends nothing.
 *
 * How a new owner is noticed: a worker's command is answered with MOVED, which
 * changes the map at once. Or a node answers a ping with another epoch, and a
 * new map is fetched. An old master that the others have given up no longer
 * sees a majority, and says so in answer to a ping. Of a single server,
 * sentinels tell that there is another master. */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cluster_state.h"
#include "master.h"
#include "scout.h"
#include "tracking.h"

/* How often it looks for other masters: 100 ms. */
#define LOOK_NS 100000000u

struct watch {
    struct redis *redis;
    struct weir_call *call;
    int epoll, bell; /* bell: the scout has fetched a map */
    uint32_t turn;   /* master_turn when it connected */
    uint64_t epoch;  /* the sum of the nodes' epochs, when last compared */
    uint32_t n;
    struct tracked {
        struct tracking tracking;
        struct endpoint at;
        uint16_t node;
        uint32_t generation; /* of the node's place in the map */
    } * of;
};

int redis_can_watch(void *state, struct weir_error *err)
{
    const struct redis_config *c = ((struct redis *)state)->config;

    if (c->tracking)
        return 0;
    return weir_error_set(err, -ENOTSUP,
                          "tells of no changes: set tracking=true "
                          "(needs Redis 6 or later)");
}

/* ---- which nodes ---- */

/* Waits for a map that is fetched from now on. */
static int await_map(struct watch *w)
{
    struct cluster *c = w->redis->cluster;
    uint64_t round = scout_ask(c);
    eventfd_t rings;
    char why[SCOUT_WHY];
    int rc = 0;

    while (rc >= 0 && atomic_load(&c->scout.rounds) < round) {
        rc = weir_call_wait(w->call, w->bell, POLLIN, UINT64_MAX);
        eventfd_read(w->bell, &rings);
    }
    if (rc < 0)
        return rc;
    if (scout_status(c, why) == WEIR_OK)
        return 0;
    weir_call_fail(w->call, NULL, WEIR_UNAVAILABLE, "%s", why);
    return -EHOSTUNREACH;
}

/* Whether the nodes that own slots are those that are tracked. */
static bool is_complete(const struct watch *w)
{
    const struct map *m = &w->redis->cluster->map;
    uint16_t owners[MAP_NODES];

    if (map_owners(m, owners) != w->n)
        return false;
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->of[i].node != owners[i] ||
            w->of[i].generation != atomic_load(&m->nodes[owners[i]].generation))
            return false;
    }
    return true;
}

static int choose_owners(struct watch *w)
{
    struct map *m = &w->redis->cluster->map;
    uint16_t owners[MAP_NODES];

    w->n = map_owners(m, owners);
    w->of = calloc(w->n > 0 ? w->n : 1, sizeof *w->of);
    if (w->of == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < w->n; i++) {
        w->of[i].node = owners[i];
        w->of[i].generation = atomic_load(&m->nodes[owners[i]].generation);
        map_address(m, owners[i], &w->of[i].at);
    }
    return 0;
}

static int choose_server(struct watch *w)
{
    w->n = 1;
    w->of = calloc(1, sizeof *w->of);
    return w->of != NULL ? 0 : -ENOMEM;
}

/* ---- beginning ---- */

static int track(struct watch *w, struct tracked *one)
{
    struct epoll_event event = {.events = EPOLLIN};
    bool cluster = w->redis->cluster != NULL;
    int rc = tracking_begin(&one->tracking, w->redis, w->call,
                            cluster ? &one->at : NULL);

    if (rc == 0 &&
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, one->tracking.link.fd, &event) < 0)
        rc = -errno;
    w->epoch += one->tracking.epoch;
    return rc;
}

/* The owners may have changed before they were tracked, so a map is fetched
 * when they are. */
static int begin(struct watch *w)
{
    struct cluster *c = w->redis->cluster;
    int rc;

    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->epoll < 0 || w->bell < 0)
        return -errno;
    rc = c != NULL ? scout_listen(c, w->bell) : 0;
    if (rc == 0 && c != NULL && atomic_load(&c->scout.maps) == 0)
        rc = await_map(w);
    if (rc == 0)
        rc = c != NULL ? choose_owners(w) : choose_server(w);
    for (uint32_t i = 0; i < w->n && rc == 0; i++)
        rc = track(w, &w->of[i]);
    if (rc == 0 && c != NULL)
        rc = await_map(w);
    return rc;
}

static void end(struct watch *w)
{
    for (uint32_t i = 0; i < w->n && w->of != NULL; i++)
        tracking_end(&w->of[i].tracking);
    free(w->of);
    if (w->redis->cluster != NULL)
        scout_deafen(w->redis->cluster, w->bell);
    if (w->bell >= 0)
        close(w->bell);
    if (w->epoll >= 0)
        close(w->epoll);
}

/* ---- watching ---- */

/* Returns 0, or -ESTALE: other nodes take writes now. */
static int look(struct watch *w)
{
    bool stays;

    if (w->redis->cluster != NULL)
        stays = is_complete(w);
    else
        stays = w->turn == master_turn(w->redis);
    if (stays)
        return 0;
    weir_call_fail(w->call, NULL, WEIR_UNAVAILABLE,
                   w->redis->cluster != NULL ? "slots have a new owner"
                                             : "there is another master now");
    return -ESTALE;
}

/* Asks for a new map if a node knows of another epoch. */
static void compare_epochs(struct watch *w)
{
    uint64_t epoch = 0;

    if (w->redis->cluster == NULL)
        return;
    for (uint32_t i = 0; i < w->n; i++)
        epoch += w->of[i].tracking.epoch;
    if (epoch != w->epoch)
        scout_ask(w->redis->cluster);
    w->epoch = epoch;
}

/* Reads from each node, then pings each. Sets *wait_ns to the time until the
 * next turn. */
static int watch_turn(struct watch *w, uint64_t *wait_ns)
{
    const struct redis *r = w->redis;
    int rc = 0, more = 0;

    *wait_ns = r->cluster != NULL || r->master != NULL ? LOOK_NS : UINT64_MAX;
    for (uint32_t i = 0; i < w->n && rc >= 0; i++) {
        rc = tracking_read(&w->of[i].tracking);
        more |= rc > 0;
        if (rc == 0)
            rc = tracking_ping(&w->of[i].tracking, wait_ns);
    }
    if (more)
        *wait_ns = 0;
    compare_epochs(w);
    return rc < 0 ? rc : look(w);
}

static int watch_run(struct watch *w)
{
    uint64_t wait_ns;
    int rc = look(w);

    if (rc == 0)
        weir_tell_regained(w->call);
    while (rc == 0) {
        rc = watch_turn(w, &wait_ns);
        if (rc < 0)
            return rc;
        rc = weir_call_wait(w->call, w->epoll, POLLIN, wait_ns);
        if (rc > 0 || rc == -ETIMEDOUT)
            rc = 0;
    }
    return rc;
}

int redis_watch(void *state, struct weir_call *call)
{
    struct watch w = {.redis = state,
                      .call = call,
                      .epoll = -1,
                      .bell = -1,
                      .turn = master_turn(state)};
    int rc = begin(&w);

    if (rc == 0)
        rc = watch_run(&w);
    /* The map may name a node that has left: the next attempt has a new one. */
    if (w.redis->cluster != NULL && rc != -ECANCELED)
        scout_ask(w.redis->cluster);
    end(&w);
    return rc;
}
