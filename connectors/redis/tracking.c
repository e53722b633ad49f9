/* tracking.c -- learns from the server which keys have changed, on a connection
 * of its own: HELLO 3, CLIENT TRACKING ON BCAST PREFIX.
 *
 * In broadcast mode the server keeps no table of keys for us, and tells of
 * every change below the store's prefix, whoever made it. So it also tells of
 * our own writes: NOLOOP would leave out only those of this very connection,
 * which makes none. To leave out others by guess would be wrong, because Redis
 * tells once of several changes of a key that it made in one turn of its event
 * loop, and one of these may be another client's. A host sees its own write as
 * a change, and drops a copy that was still right.
 *
 * The connection may break without a sign. A PING shows that it works: one is
 * sent every quarter of tracking_timeout, and sight is lost when one has no
 * answer for three quarters. An old master may answer after a failover: what
 * sentinels tell ends the sight, too. */
#include "tracking.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "master.h"
#include "pushes.h"
#include "refusal.h"

/* Longest time to connect and to begin: 5 s. */
#define BEGIN_NS 5000000000u

/* How often it looks whether sentinels tell of another master: 100 ms. */
#define LOOK_NS 100000000u

#define ADVICE                                                                 \
    "tracking needs Redis 6 or later, and no proxy in between: connect to "    \
    "such a server, or take out tracking=true"

struct tracking {
    struct redis *redis;
    struct weir_call *call;
    struct link link;
    struct pushes pushes;
    uint64_t asked_ns; /* the PING without an answer, 0: none */
    uint64_t next_ns;  /* of the next PING */
    uint32_t turn;     /* master_turn when it connected */
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

/* ---- beginning ---- */

/* Sends a command that fits the socket's buffer. */
static int tracking_send(struct tracking *t, const char *text, size_t len)
{
    while (len > 0) {
        struct iovec iov = {(char *)text, len};
        ssize_t n = t->link.send(&t->link, &iov, 1);

        if (n == -EAGAIN)
            n = weir_call_wait(t->call, t->link.fd, link_events(&t->link, true),
                               UINT64_MAX);
        else if (n > 0)
            text += n, len -= (size_t)n;
        if (n < 0)
            return (int)n;
    }
    return 0;
}

static int tracking_ask(struct tracking *t)
{
    const struct redis *r = t->redis;
    const char *argv[] = {"CLIENT", "TRACKING", "ON",
                          "BCAST",  "PREFIX",   r->config->prefix};
    char *hello, *track;
    int hello_len = redisFormatCommand(&hello, "HELLO 3"), track_len, rc;

    if (hello_len < 0)
        return -ENOMEM;
    track_len =
        redisFormatCommandArgv(&track, r->prefix_len > 0 ? 6 : 4, argv, NULL);
    rc = tracking_send(t, hello, (size_t)hello_len);
    if (rc == 0 && track_len >= 0)
        rc = tracking_send(t, track, (size_t)track_len);
    redisFreeCommand(hello);
    if (track_len < 0)
        return -ENOMEM;
    redisFreeCommand(track);
    return rc;
}

/* The server refuses: for now, or because it cannot. */
static int tracking_refused(struct tracking *t, const char *text, size_t len)
{
    struct reply error = {.type = REPLY_ERROR, .text = text, .length = len};
    int status = refusal_status(&error);

    if (status == WEIR_UNAVAILABLE || status == WEIR_BUSY) {
        weir_call_fail(t->call, NULL, WEIR_UNAVAILABLE,
                       "no tracking now: -%.*s", (int)len, text);
        return -EAGAIN;
    }
    weir_call_fail(t->call, NULL, WEIR_UNSUPPORTED, "-%.*s; " ADVICE,
                   len < 60 ? (int)len : 60, text);
    return -ENOTSUP;
}

/* Receives once, or waits. */
static int tracking_receive(struct tracking *t, uint64_t wait_ns)
{
    struct iovec iov;
    ssize_t n;
    int rc;

    iov.iov_base = pushes_room(&t->pushes, &iov.iov_len);
    if (iov.iov_len == 0)
        return -EPROTO;
    n = t->link.receive(&t->link, &iov, 1);
    if (n > 0)
        t->pushes.end += (size_t)n;
    if (n != -EAGAIN)
        return n < 0 ? (int)n : weir_call_stopped(t->call);
    rc = weir_call_wait(t->call, t->link.fd, link_events(&t->link, false),
                        wait_ns);
    return rc < 0 ? rc : 0;
}

/* Waits for the replies to HELLO and CLIENT TRACKING. Pushes may come between
 * them, and are of no use yet. */
static int tracking_granted(struct tracking *t)
{
    const char *text;
    size_t len;
    int rc = 0;

    for (int replies = 0; replies < 2 && rc >= 0;) {
        switch (pushes_next(&t->pushes, &text, &len)) {
        case PUSHED_NOTHING:
            rc = tracking_receive(t, UINT64_MAX);
            break;
        case PUSHED_REPLY:
            replies++;
            break;
        case PUSHED_ERROR:
            return tracking_refused(t, text, len);
        case PUSHED_KEY:
        case PUSHED_ALL:
            break;
        default:
            return -EPROTO;
        }
    }
    if (rc == -ECONNRESET || rc == -EPROTO)
        weir_call_fail(t->call, NULL, WEIR_UNAVAILABLE,
                       "the server answers no HELLO 3; " ADVICE);
    return rc;
}

/* ---- watching ---- */

/* Sends a PING when it is time. -ETIMEDOUT: the last one has no answer. Sets
 * *wait_ns to the time until the next call. It is called when all that has come
 * was read, so a thread that got no CPU time finds the answer first. */
static int tracking_ping(struct tracking *t, uint64_t *wait_ns)
{
    uint64_t timeout = t->redis->config->tracking_timeout, now = weir_now();
    int rc = 0;

    if (t->turn != master_turn(t->redis))
        return -ESTALE;
    if (t->asked_ns == 0 && now >= t->next_ns) {
        rc = tracking_send(t, "PING\r\n", strlen("PING\r\n"));
        t->asked_ns = now;
        t->next_ns = now + timeout / 4;
    }
    if (t->asked_ns == 0) {
        *wait_ns = t->next_ns - now;
        return rc;
    }
    if (now - t->asked_ns >= timeout / 4 * 3)
        return -ETIMEDOUT;
    *wait_ns = timeout / 4 * 3 - (now - t->asked_ns);
    return rc;
}

static void tracking_tell(struct tracking *t, const char *key, size_t len)
{
    size_t front = t->redis->prefix_len;

    if (len > front && len - front <= WEIR_KEY_MAX &&
        memcmp(key, t->redis->config->prefix, front) == 0)
        weir_tell_changed(t->call, key + front, (uint32_t)(len - front));
}

/* Reads what there is. Returns 0 or a negative errno. */
static int tracking_read(struct tracking *t)
{
    const char *text;
    size_t len;

    for (;;) {
        switch (pushes_next(&t->pushes, &text, &len)) {
        case PUSHED_NOTHING:
            return 0;
        case PUSHED_KEY:
            tracking_tell(t, text, len);
            break;
        case PUSHED_ALL:
            weir_tell_lost(t->call);
            weir_tell_regained(t->call);
            break;
        case PUSHED_REPLY:
            if (t->asked_ns == 0)
                return -EPROTO;
            t->asked_ns = 0;
            break;
        default:
            return -EPROTO;
        }
    }
}

static int tracking_run(struct tracking *t)
{
    uint64_t wait_ns = 0;
    int rc = 0;

    t->call->deadline_ns = 0;
    weir_tell_regained(t->call);
    while (rc == 0) {
        rc = tracking_ping(t, &wait_ns);
        if (t->redis->master != NULL && wait_ns > LOOK_NS)
            wait_ns = LOOK_NS;
        if (rc == 0) {
            rc = tracking_receive(t, wait_ns);
            rc = rc == -ETIMEDOUT ? 0 : rc;
        }
        if (rc == 0)
            rc = tracking_read(t);
    }
    weir_call_fail(t->call, NULL, WEIR_UNAVAILABLE,
                   rc == -ETIMEDOUT ? "the tracking connection is lost: no "
                                      "answer to PING"
                   : rc == -EPROTO  ? "the tracking connection is lost: the "
                                      "server sends no valid pushes"
                   : rc == -ESTALE  ? "there is another master now"
                                    : "the tracking connection is lost: %s",
                   strerror(-rc));
    return rc;
}

int redis_watch(void *state, struct weir_call *call)
{
    struct tracking t = {
        .redis = state, .call = call, .turn = master_turn(state)};
    struct attempt at = open_attempt(t.redis, call);
    int rc = pushes_init(&t.pushes);

    call->deadline_ns = weir_now() + BEGIN_NS;
    if (rc == 0)
        rc = master_open(&t.link, t.redis, &at);
    if (rc == 0)
        master_listen(t.redis);
    if (rc == 0)
        rc = tracking_ask(&t);
    if (rc == 0)
        rc = tracking_granted(&t);
    if (rc == 0)
        rc = tracking_run(&t);
    link_close(&t.link);
    pushes_free(&t.pushes);
    return rc;
}
