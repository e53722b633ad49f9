/* greet.c -- AUTH, CLIENT SETNAME, SELECT, READONLY, PING, in one round trip.
 *
 * hiredis formats the commands and parses the replies, since speed does not
 * matter here. The PING shows before the first batch whether the server needs a
 * password, accepts no more clients, or is not Redis. */
#include "greet.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "refusal.h"

/* The most bytes of the replies to all greetings. */
enum { GREET_MAX = 64 << 10 };

enum greeting {
    GREET_AUTH,
    GREET_NAME,
    GREET_SELECT,
    GREET_READONLY,
    GREET_PING,
    GREETINGS
};

struct greet {
    struct link *link;
    struct attempt *at;
    char *text; /* the commands */
    size_t len;
    uint8_t sent[GREETINGS]; /* enum greeting, in order */
    unsigned n;
    redisReader *reader;
    size_t received; /* bytes */
    bool named;      /* the server accepted the client name */
};

static int greet_add(struct greet *g, enum greeting what, int argc,
                     const char **argv)
{
    char *command, *text;
    int len = redisFormatCommandArgv(&command, argc, argv, NULL);

    if (len < 0)
        return -ENOMEM;
    text = realloc(g->text, g->len + (size_t)len);
    if (text != NULL) {
        memcpy(text + g->len, command, (size_t)len);
        g->text = text;
        g->len += (size_t)len;
        g->sent[g->n++] = (uint8_t)what;
    }
    redisFreeCommand(command);
    return text != NULL ? 0 : -ENOMEM;
}

static int greet_write(struct greet *g)
{
    const struct attempt *at = g->at;
    const struct redis_config *c = at->config;
    char db[24];
    int rc = 0;

    snprintf(db, sizeof db, "%lld", (long long)at->db);
    if (at->password != NULL && at->user != NULL)
        rc = greet_add(g, GREET_AUTH, 3,
                       (const char *[]){"AUTH", at->user, at->password});
    else if (at->password != NULL && *at->password != '\0')
        rc =
            greet_add(g, GREET_AUTH, 2, (const char *[]){"AUTH", at->password});
    if (rc == 0 && at->named)
        rc = greet_add(g, GREET_NAME, 3,
                       (const char *[]){"CLIENT", "SETNAME", c->client_name});
    if (rc == 0 && at->db != 0)
        rc = greet_add(g, GREET_SELECT, 2, (const char *[]){"SELECT", db});
    if (rc == 0 && at->readonly)
        rc = greet_add(g, GREET_READONLY, 1, (const char *[]){"READONLY"});
    if (rc == 0 && c->ping)
        rc = greet_add(g, GREET_PING, 1, (const char *[]){"PING"});
    return rc;
}

static int greet_send(struct greet *g)
{
    struct iovec iov = {g->text, g->len};

    while (iov.iov_len > 0) {
        ssize_t n = g->link->send(g->link, &iov, 1);

        if (n == -EAGAIN)
            n = attempt_wait(g->at, g->link->fd, link_events(g->link, true),
                             UINT64_MAX);
        else if (n > 0)
            iov = (struct iovec){(char *)iov.iov_base + n,
                                 iov.iov_len - (size_t)n};
        if (n < 0)
            return (int)n;
    }
    return 0;
}

/* Whether the bytes can be the reply to a greeting: a status or an error. A
 * check before hiredis sees them, since it allocates an array of any size that
 * the head announces. */
static bool greet_can_be(const struct greet *g)
{
    const redisReader *r = g->reader;

    return g->received <= GREET_MAX &&
           (r->ridx >= 0 || r->pos == r->len ||
            r->buf[r->pos] == REPLY_STATUS || r->buf[r->pos] == REPLY_ERROR);
}

/* Receives once, or waits for data. */
static int greet_receive(struct greet *g)
{
    char bytes[4096];
    struct iovec iov = {bytes, sizeof bytes};
    ssize_t n = g->link->receive(g->link, &iov, 1);

    if (n == -EAGAIN)
        return attempt_wait(g->at, g->link->fd, link_events(g->link, false),
                            UINT64_MAX);
    if (n < 0)
        return (int)n;
    g->received += (size_t)n;
    if (redisReaderFeed(g->reader, bytes, (size_t)n) != REDIS_OK)
        return -ENOMEM;
    return attempt_stopped(g->at);
}

/* Returns the next reply, or NULL and a negative errno in *rc. Without a byte
 * to read the reader is not asked: it would begin a reply (ridx 0), and the
 * check would miss its first byte. */
static redisReply *greet_reply(struct greet *g, int *rc)
{
    const redisReader *r = g->reader;
    void *reply = NULL;

    *rc = 0;
    while (*rc >= 0) {
        if (r->pos == r->len)
            *rc = greet_receive(g);
        else if (!greet_can_be(g) ||
                 redisReaderGetReply(g->reader, &reply) != REDIS_OK)
            *rc = -EPROTO;
        else if (reply != NULL)
            return reply;
        else
            *rc = greet_receive(g);
    }
    return NULL;
}

/* Returns 0 if the connection can be used after this reply to a greeting. */
static int greet_judge(struct greet *g, enum greeting what,
                       const redisReply *reply)
{
    struct reply error = {.text = reply->str, .length = (size_t)reply->len};
    int status;

    if (reply->type == REDIS_REPLY_STATUS) {
        g->named |= what == GREET_NAME;
        return 0;
    }
    status = refusal_status(&error);
    /* An error for the name or the PING is accepted: the server may be busy or
     * loading, or may not know or allow the command. Except errors that reject
     * the client, which the first command gets, whichever it is. */
    if ((what == GREET_NAME || what == GREET_PING) &&
        (refusal_of_command(&error) ||
         (status != WEIR_DENIED && status != WEIR_UNAVAILABLE)))
        return 0;
    attempt_fail(g->at, status == WEIR_DENIED ? WEIR_DENIED : WEIR_UNAVAILABLE,
                 "the server rejects the connection: -%.*s%s",
                 (int)refusal_length(&error), error.text,
                 refusal_advice(&error));
    return -EACCES;
}

static int greet_listen(struct greet *g)
{
    int rc = 0;

    for (unsigned i = 0; i < g->n && rc == 0; i++) {
        redisReply *reply = greet_reply(g, &rc);

        if (reply == NULL)
            return rc;
        rc = greet_judge(g, g->sent[i], reply);
        freeReplyObject(reply);
    }
    if (rc == 0 && g->reader->pos != g->reader->len)
        rc = -EPROTO;
    return rc;
}

/* Whether a server hung up before it sent anything. One that expects TLS takes
 * a greeting without TLS for nonsense. */
static bool is_hung_up(const struct greet *g, int rc)
{
    return (rc == -ECONNRESET || rc == -EPIPE) && g->received == 0 &&
           g->link->tls == NULL && g->at->host != NULL;
}

static void greet_explain(const struct greet *g, int rc)
{
    struct attempt *at = g->at;

    if (is_hung_up(g, rc))
        attempt_fail(at, WEIR_UNAVAILABLE,
                     "no greeting: %s; if it expects TLS, set tls=true",
                     strerror(-rc));
    else if (rc == -ETIMEDOUT)
        attempt_fail(at, WEIR_UNAVAILABLE,
                     NO_CONNECTION
                     ": the server does not reply to the greeting");
    else if (rc == -EKEYREJECTED)
        attempt_fail(at, WEIR_DENIED,
                     "the server rejects the client's certificate, or "
                     "requires one");
    else
        attempt_fail(at, WEIR_UNAVAILABLE,
                     rc == -EPROTO    ? "no Redis answers there"
                     : rc == -EBADMSG ? "TLS failed"
                                      : "no greeting: %s",
                     strerror(-rc));
}

int greet(struct link *l, struct attempt *at)
{
    struct greet g = {.link = l, .at = at, .reader = redisReaderCreate()};
    int rc = g.reader != NULL ? greet_write(&g) : -ENOMEM;

    if (rc == 0)
        rc = greet_send(&g);
    if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
        rc = greet_listen(&g); /* the server may have sent the reason */
    if (rc < 0 && rc != -EACCES)
        greet_explain(&g, rc);
    if (g.reader != NULL)
        redisReaderFree(g.reader);
    free(g.text);
    if (at->named && !g.named && (rc == -EPIPE || rc == -ECONNRESET))
        return -ENOTSUP;
    return rc;
}
