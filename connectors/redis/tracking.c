/* tracking.c -- a connection on which a server tells which keys have changed:
 * HELLO 3, CLIENT TRACKING ON BCAST PREFIX.
 *
 * In broadcast mode the server keeps no table of keys for us, and tells of
 * every change below the store's prefix, whoever made it. So it also tells of
 * our own writes: NOLOOP would leave out only those of this very connection,
 * which makes none. To leave out others by guess would be wrong, because Redis
 * tells once of several changes of a key that it made in one turn of its event
 * loop, and one of these may be another client's. A host sees its own write as
 * a change, and drops a copy that was still right.
 *
 * The connection may break without a sign. A ping shows that it works: one is
 * sent every quarter of tracking_timeout, and the connection is lost when one
 * has no answer for three quarters. To a node of a cluster the ping is CLUSTER
 * INFO. Its answer also tells whether the node still sees a majority of the
 * masters, and an epoch that grows when a slot gets another owner. */
#include "tracking.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master.h"
#include "refusal.h"

/* Longest time to connect and to begin: 5 s. */
#define BEGIN_NS 5000000000u

#define ADVICE                                                                 \
    "tracking needs Redis 6 or later, and no proxy in between: connect to "    \
    "such a server, or take out tracking=true"

/* Receives in a row: the other nodes' turn comes after them. */
enum { READS_MAX = 64 };

/* Tells why, after the name of the node. */
static void __attribute__((format(printf, 3, 4)))
tracking_fail(struct tracking *t, int status, const char *format, ...)
{
    char node[ENDPOINT_HOST + 16] = "", why[200];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    if (t->node != NULL)
        endpoint_write(t->node, node, sizeof node);
    weir_call_fail(t->call, NULL, status, "%.60s%s%s", node,
                   t->node != NULL ? ": " : "", why);
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

static int send_ping(struct tracking *t)
{
    const char *ping = t->node != NULL ? "CLUSTER INFO\r\n" : "PING\r\n";

    return tracking_send(t, ping, strlen(ping));
}

static int send_commands(struct tracking *t)
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
    return rc == 0 && t->node != NULL ? send_ping(t) : rc;
}

/* The server refuses: for now, or because it cannot. */
static int tracking_refused(struct tracking *t, const char *text, size_t len)
{
    struct reply error = {.type = REPLY_ERROR, .text = text, .length = len};
    int status = refusal_status(&error), shown = (int)refusal_length(&error);

    if (status == WEIR_UNAVAILABLE || status == WEIR_BUSY) {
        tracking_fail(t, WEIR_UNAVAILABLE, "no tracking now: -%.*s", shown,
                      text);
        return -EAGAIN;
    }
    if (refusal_of_user(&error))
        tracking_fail(t, WEIR_UNSUPPORTED,
                      "-%.*s; let the user run %s, or take out tracking=true",
                      shown < 90 ? shown : 90, text,
                      t->node != NULL
                          ? "HELLO, CLIENT TRACKING and CLUSTER INFO"
                          : "HELLO and CLIENT TRACKING");
    else
        tracking_fail(t, WEIR_UNSUPPORTED, "-%.*s; " ADVICE,
                      shown < 60 ? shown : 60, text);
    return -ENOTSUP;
}

/* Receives once. Returns 0 or a negative errno, -EAGAIN: nothing is there. */
static int tracking_receive(struct tracking *t)
{
    struct iovec iov;
    ssize_t n;

    iov.iov_base = pushes_room(&t->pushes, &iov.iov_len);
    if (iov.iov_len == 0)
        return -EPROTO;
    n = t->link.receive(&t->link, &iov, 1);
    if (n < 0)
        return (int)n;
    t->pushes.end += (size_t)n;
    return 0;
}

/* Receives, and waits for it. */
static int tracking_await(struct tracking *t)
{
    int rc = tracking_receive(t);

    if (rc == 0)
        return weir_call_stopped(t->call);
    if (rc == -EAGAIN)
        rc = weir_call_wait(t->call, t->link.fd, link_events(&t->link, false),
                            UINT64_MAX);
    return rc < 0 ? rc : 0;
}

/* Reads what a node of a cluster answers to a ping. text is followed by a line
 * end. */
static int read_info(struct tracking *t, const char *text, size_t len)
{
    static const char STATE[] = "cluster_state:ok",
                      EPOCH[] = "cluster_current_epoch:";
    const char *at;

    if (t->node == NULL)
        return 0;
    if (text == NULL)
        return -EPROTO;
    if (memmem(text, len, STATE, strlen(STATE)) == NULL)
        return -EHOSTDOWN;
    at = memmem(text, len, EPOCH, strlen(EPOCH));
    if (at == NULL)
        return -EPROTO;
    t->epoch = strtoull(at + strlen(EPOCH), NULL, 10);
    return 0;
}

/* Waits for the replies to HELLO, CLIENT TRACKING and, from a node, the ping.
 * Pushes may come between them, and are of no use yet. */
static int tracking_granted(struct tracking *t)
{
    int replies = 0, all = t->node != NULL ? 3 : 2, rc = 0;
    const char *text;
    size_t len;

    while (replies < all && rc >= 0) {
        switch (pushes_next(&t->pushes, &text, &len)) {
        case PUSHED_NOTHING:
            rc = tracking_await(t);
            break;
        case PUSHED_REPLY:
            rc = ++replies == 3 ? read_info(t, text, len) : 0;
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
    return rc;
}

static int tracking_open(struct tracking *t)
{
    struct attempt at = open_attempt(t->redis, t->call);
    int rc;

    if (t->node == NULL) {
        rc = master_open(&t->link, t->redis, &at);
        if (rc == 0)
            master_listen(t->redis);
        return rc;
    }
    at.host = t->node->host;
    at.port = t->node->port;
    return open_link(&t->link, t->redis, &at);
}

static void begin_failed(struct tracking *t, int rc)
{
    if (rc == -ECONNRESET || rc == -EPROTO)
        tracking_fail(t, WEIR_UNAVAILABLE,
                      "the server answers no HELLO 3; " ADVICE);
    else if (rc == -EHOSTDOWN)
        tracking_fail(t, WEIR_UNAVAILABLE, "the cluster is down");
}

int tracking_begin(struct tracking *t, struct redis *r, struct weir_call *call,
                   const struct endpoint *node)
{
    int rc = pushes_init(&t->pushes);

    t->redis = r;
    t->call = call;
    t->node = node;
    call->deadline_ns = weir_now() + BEGIN_NS;
    if (rc == 0)
        rc = tracking_open(t);
    if (rc < 0)
        return rc;
    rc = send_commands(t);
    if (rc == 0)
        rc = tracking_granted(t);
    if (rc < 0)
        begin_failed(t, rc);
    call->deadline_ns = 0;
    return rc;
}

void tracking_end(struct tracking *t)
{
    link_close(&t->link);
    pushes_free(&t->pushes);
}

/* ---- watching ---- */

static int tracking_lost(struct tracking *t, int rc)
{
    if (rc < 0)
        tracking_fail(t, WEIR_UNAVAILABLE,
                      "the tracking connection is lost: %s",
                      rc == -ETIMEDOUT   ? "no answer to PING"
                      : rc == -EPROTO    ? "the server sends no valid pushes"
                      : rc == -EHOSTDOWN ? "the cluster is down"
                                         : strerror(-rc));
    return rc;
}

int tracking_ping(struct tracking *t, uint64_t *wait_ns)
{
    uint64_t timeout = t->redis->config->tracking_timeout, now = weir_now();
    uint64_t until;
    int rc = 0;

    if (t->asked_ns == 0 && now >= t->next_ns) {
        rc = send_ping(t);
        t->asked_ns = now;
        t->next_ns = now + timeout / 4;
    }
    until = t->asked_ns == 0 ? t->next_ns : t->asked_ns + timeout / 4 * 3;
    if (rc == 0 && now >= until)
        rc = -ETIMEDOUT;
    if (rc == 0 && until - now < *wait_ns)
        *wait_ns = until - now;
    return tracking_lost(t, rc);
}

static void tell_key(struct tracking *t, const char *key, size_t len)
{
    size_t front = t->redis->prefix_len;

    if (len > front && len - front <= WEIR_KEY_MAX &&
        memcmp(key, t->redis->config->prefix, front) == 0)
        weir_tell_changed(t->call, key + front, (uint32_t)(len - front));
}

/* Reads the pushes in the buffer and tells the runtime of each changed key.
 * Returns 0 or a negative errno. */
static int tell(struct tracking *t)
{
    const char *text;
    size_t len;
    int rc = 0;

    while (rc == 0) {
        switch (pushes_next(&t->pushes, &text, &len)) {
        case PUSHED_NOTHING:
            return 0;
        case PUSHED_KEY:
            tell_key(t, text, len);
            break;
        case PUSHED_ALL:
            weir_tell_lost(t->call);
            weir_tell_regained(t->call);
            break;
        case PUSHED_REPLY:
            rc = t->asked_ns != 0 ? read_info(t, text, len) : -EPROTO;
            t->asked_ns = 0;
            break;
        default:
            return -EPROTO;
        }
    }
    return rc;
}

int tracking_read(struct tracking *t)
{
    int rc = tell(t);

    for (int i = 0; i < READS_MAX && rc == 0; i++) {
        rc = tracking_receive(t);
        if (rc == -EAGAIN)
            return 0;
        if (rc == 0)
            rc = tell(t);
    }
    return rc < 0 ? tracking_lost(t, rc) : 1;
}
