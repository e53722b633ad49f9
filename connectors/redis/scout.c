/* scout.c -- keeps the map of a cluster up to date, on a thread of its own.
 *
 * Workers ask for a map when there is none, when a node answers MOVED or cannot
 * be reached, and when a reply is overdue. The thread fetches one at a time,
 * and pauses after each: 100 ms, and twice as long after each fetch that is
 * asked for within a second of the one before, up to 1 s. So a reshard or a
 * failover costs the nodes few CLUSTER SLOTS, however many workers and keys
 * notice it.
 *
 * It asks the nodes of the map first, another one each time, and then the
 * seeds, so that a dead node or seed costs only its own time. A map with all
 * slots is taken at once. Otherwise the others are asked, too, and the map with
 * the most slots is taken. An empty one never is.
 *
 * The thread ends when the store is closed, which makes the eventfd end
 * readable and thereby ends every wait of an attempt. */
#include "scout.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "open.h"
#include "query.h"
#include "refusal.h"
#include "slots_reply.h"
#include "thread.h"

#define PAUSE_MIN_NS ((uint64_t)100000000)
#define PAUSE_MAX_NS ((uint64_t)1000000000)
#define NODE_NS ((uint64_t)1000000000) /* the longest time for one node */
#define SILENT_NS                                                              \
    ((uint64_t)5000000000) /* a silent node is left out so long                \
                            */

static const char QUESTION[] = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n";

/* ---- one node ---- */

static int map_refused(struct query *q, const char *error, size_t len)
{
    static const char OFF[] = "ERR This instance has cluster support disabled";
    const struct reply reply = {.text = error, .length = len};

    if (refusal_of_user(&reply))
        attempt_fail(&q->at, WEIR_DENIED, "CLUSTER SLOTS: -%.*s", (int)len,
                     error);
    else if (refusal_of_command(&reply))
        attempt_fail(&q->at, WEIR_UNSUPPORTED,
                     "the server knows no command CLUSTER: leave out "
                     "cluster=true%s",
                     REFUSAL_SENTINEL);
    else if (len >= sizeof OFF - 1 && memcmp(error, OFF, sizeof OFF - 1) == 0)
        attempt_fail(&q->at, WEIR_UNSUPPORTED,
                     "the server is not part of a cluster: leave out "
                     "cluster=true");
    else
        attempt_fail(&q->at, WEIR_UNAVAILABLE, "CLUSTER SLOTS: -%.*s", (int)len,
                     error);
    return -EACCES;
}

static int map_receive(struct query *q, const struct endpoint *node,
                       struct draft *out)
{
    ptrdiff_t used = 0;
    int rc = 0;

    while (rc >= 0) {
        const char *error;
        size_t len;

        draft_init(out);
        used = q->len > 0
                   ? slots_reply_read(q->bytes, q->len, node, out, &error, &len)
                   : 0;
        if (used > 0)
            return error != NULL ? map_refused(q, error, len) : 0;
        if (used < 0)
            return (int)used;
        rc = query_receive(q);
    }
    return rc;
}

/* Asks a node for its map. */
static int map_fetch(struct cluster *c, struct query *q,
                     const struct endpoint *node, struct draft *out)
{
    int rc = open_link(&q->link, c->redis, &q->at);

    if (rc == 0) {
        rc = query_send(q, QUESTION);
        if (rc == 0)
            rc = map_receive(q, node, out);
        if (rc < 0 && q->at.status == 0)
            attempt_fail(&q->at, WEIR_UNAVAILABLE, "CLUSTER SLOTS: %s",
                         rc == -EPROTO ? "a reply against the protocol"
                                       : strerror(-rc));
    }
    if (rc == 0 && out->n_slots == 0) {
        attempt_fail(&q->at, WEIR_UNAVAILABLE, "the node knows no slots");
        rc = -ENOENT;
    }
    query_end(q);
    return rc;
}

/* ---- all nodes ---- */

/* Notes the outcome of a round. */
static void scout_note(struct scout *s, int status)
{
    pthread_mutex_lock(&s->lock);
    s->status = status;
    s->why[0] = '\0';
    if (status != WEIR_OK)
        snprintf(s->why, sizeof s->why, "no map of the cluster: %s",
                 s->reasons.text);
    pthread_mutex_unlock(&s->lock);
}

/* Asks a node, and keeps its map in *best if it has more slots. */
static void try_node(struct cluster *c, const struct endpoint *node,
                     struct draft **best, struct draft **spare)
{
    struct query q = {.at = open_attempt(c->redis, NULL)};
    struct draft *fetched = *spare;
    int rc;

    q.at.host = node->host;
    q.at.port = node->port;
    q.at.end = c->scout.end;
    q.at.deadline_ns = weir_now() + NODE_NS;
    rc = map_fetch(c, &q, node, fetched);
    if (rc < 0) {
        reasons_add(&c->scout.reasons, node, q.at.why);
        c->scout.failure = q.at.status;
        return;
    }
    if (fetched->n_slots <= (*best)->n_slots)
        return;
    *spare = *best;
    *best = fetched;
}

static bool is_ended(const struct scout *s)
{
    struct pollfd p = {.fd = s->end, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

/* Whether a node will probably reply. */
static bool is_fit(const struct node *n)
{
    uint64_t now = weir_now(), silent = atomic_load(&n->silent_ns);

    return atomic_load(&n->retry_ns) <= now &&
           (silent == 0 || now - silent > SILENT_NS);
}

/* Asks nodes until one knows the owners of all slots. */
static void ask_nodes(struct cluster *c, struct draft **best,
                      struct draft **spare)
{
    uint32_t n = atomic_load(&c->map.n_nodes), first = c->scout.turn++;
    struct endpoint node;

    for (uint32_t i = 0; i < n && (*best)->n_slots < SLOTS; i++) {
        uint16_t at = (uint16_t)((first + i) % n);

        if (map_address(&c->map, at, &node) && is_fit(&c->map.nodes[at]) &&
            !is_ended(&c->scout))
            try_node(c, &node, best, spare);
    }
    for (size_t i = 0; i < c->seeds.n && (*best)->n_slots < SLOTS; i++) {
        if (!is_ended(&c->scout))
            try_node(c, &c->seeds.at[i], best, spare);
    }
}

/* Ends a round. */
static void ring(struct scout *s)
{
    pthread_mutex_lock(&s->lock);
    atomic_fetch_add(&s->rounds, 1);
    s->running = false;
    for (uint32_t i = 0; i < s->n_bells; i++)
        eventfd_write(s->bells[i], 1);
    pthread_mutex_unlock(&s->lock);
}

static void run_round(struct cluster *c, struct draft *drafts)
{
    struct draft *best = &drafts[0], *spare = &drafts[1];
    struct scout *s = &c->scout;

    pthread_mutex_lock(&s->lock);
    s->wanted = false;
    s->running = true;
    pthread_mutex_unlock(&s->lock);
    s->reasons = (struct reasons){0};
    draft_init(best);
    ask_nodes(c, &best, &spare);
    scout_note(s, best->n_slots > 0 ? WEIR_OK : s->failure);
    if (best->n_slots > 0) {
        map_install(&c->map, best);
        atomic_fetch_add(&s->maps, 1);
    }
    ring(s);
}

/* ---- the thread ---- */

static bool is_wanted(struct scout *s)
{
    bool wanted;

    pthread_mutex_lock(&s->lock);
    wanted = s->wanted;
    pthread_mutex_unlock(&s->lock);
    return wanted;
}

/* Waits until a map is wanted and the pause is over. false: the store ends. */
static bool scout_wait(struct scout *s)
{
    struct pollfd p[2] = {{.fd = s->end, .events = POLLIN},
                          {.fd = s->bell, .events = POLLIN}};
    uint64_t now, until = s->ended_ns + s->pause_ns;
    eventfd_t rings;

    while (!is_wanted(s)) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return false;
        if (p[0].revents != 0)
            return false;
        if (p[1].revents != 0)
            eventfd_read(s->bell, &rings);
    }
    now = weir_now();
    s->pause_ns = now >= s->ended_ns + PAUSE_MAX_NS ? PAUSE_MIN_NS
                  : s->pause_ns < PAUSE_MAX_NS / 2  ? 2 * s->pause_ns
                                                    : PAUSE_MAX_NS;
    for (; now < until; now = weir_now()) {
        struct timespec left = {.tv_sec = (time_t)((until - now) / 1000000000u),
                                .tv_nsec = (long)((until - now) % 1000000000u)};

        if (ppoll(p, 1, &left, NULL) > 0)
            return false;
    }
    return !is_ended(s);
}

static void *scout_main(void *arg)
{
    struct cluster *c = arg;
    struct draft *drafts = malloc(2 * sizeof *drafts);

    while (drafts != NULL && scout_wait(&c->scout)) {
        run_round(c, drafts);
        c->scout.ended_ns = weir_now();
    }
    free(drafts);
    return NULL;
}

/* Under the lock. */
static int scout_start(struct cluster *c)
{
    int rc = 0;

    if (!c->scout.started)
        rc = thread_start(&c->scout.thread, scout_main, c);
    c->scout.started |= rc == 0;
    return rc;
}

/* ---- its users ---- */

int scout_init(struct cluster *c)
{
    struct scout *s = &c->scout;

    pthread_mutex_init(&s->lock, NULL);
    s->pause_ns = PAUSE_MIN_NS;
    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->bell < 0 || s->end < 0 ? -errno : 0;
}

void scout_destroy(struct cluster *c)
{
    struct scout *s = &c->scout;

    if (s->started) {
        eventfd_write(s->end, 1);
        pthread_join(s->thread, NULL);
    }
    if (s->bell >= 0)
        close(s->bell);
    if (s->end >= 0)
        close(s->end);
    free(s->bells);
    pthread_mutex_destroy(&s->lock);
}

int scout_listen(struct cluster *c, int bell)
{
    struct scout *s = &c->scout;
    int *grown, rc;

    pthread_mutex_lock(&s->lock);
    grown = realloc(s->bells, (s->n_bells + 1) * sizeof *grown);
    rc = grown != NULL ? scout_start(c) : -ENOMEM;
    if (grown != NULL)
        s->bells = grown;
    if (rc == 0)
        s->bells[s->n_bells++] = bell;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void scout_deafen(struct cluster *c, int bell)
{
    struct scout *s = &c->scout;

    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->n_bells; i++) {
        if (s->bells[i] == bell)
            s->bells[i--] = s->bells[--s->n_bells];
    }
    pthread_mutex_unlock(&s->lock);
}

uint64_t scout_ask(struct cluster *c)
{
    struct scout *s = &c->scout;
    uint64_t round;
    bool asked;

    pthread_mutex_lock(&s->lock);
    asked = s->wanted;
    s->wanted = true;
    round = atomic_load(&s->rounds) + (s->running ? 2 : 1);
    pthread_mutex_unlock(&s->lock);
    if (!asked)
        eventfd_write(s->bell, 1);
    return round;
}

int scout_status(struct cluster *c, char *why)
{
    int status;

    pthread_mutex_lock(&c->scout.lock);
    status = c->scout.status;
    memcpy(why, c->scout.why, SCOUT_WHY);
    pthread_mutex_unlock(&c->scout.lock);
    return status;
}
