/* greet.c -- AUTH, CLIENT SETNAME, SELECT, PING, in one round trip.
 *
 * hiredis formats the commands and parses the replies: nothing here is hot. The
 * PING finds out before the first batch does that the other side wants a
 * password, has no place for us, or is no Redis at all. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dial.h"
#include "greet.h"
#include "refusal.h"

/* More than all greetings together are answered with. */
#define GREET_MAX (64u << 10)

enum greeting { GREET_AUTH, GREET_NAME, GREET_SELECT, GREET_PING, GREETINGS };

struct greet {
    struct link *link;
    struct weir_call *call;
    char *text; /* the commands */
    size_t len;
    uint8_t sent[GREETINGS]; /* enum greeting, in order */
    unsigned n;
    redisReader *reader;
    size_t came; /* bytes */
    bool named;  /* the server took our name */
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

static int greet_write(struct greet *g, const struct redis_config *c,
                       bool named)
{
    char db[24];
    int rc = 0;

    snprintf(db, sizeof db, "%lld", (long long)c->db);
    if (c->password != NULL && c->user != NULL)
        rc = greet_add(g, GREET_AUTH, 3,
                       (const char *[]){"AUTH", c->user, c->password});
    else if (c->password != NULL && *c->password != '\0')
        rc = greet_add(g, GREET_AUTH, 2, (const char *[]){"AUTH", c->password});
    if (rc == 0 && named)
        rc = greet_add(g, GREET_NAME, 3,
                       (const char *[]){"CLIENT", "SETNAME", c->client_name});
    if (rc == 0 && c->db != 0)
        rc = greet_add(g, GREET_SELECT, 2, (const char *[]){"SELECT", db});
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
            n = weir_call_wait(g->call, g->link->fd, link_events(g->link, 1),
                               UINT64_MAX);
        else if (n > 0)
            iov = (struct iovec){(char *)iov.iov_base + n,
                                 iov.iov_len - (size_t)n};
        if (n < 0)
            return (int)n;
    }
    return 0;
}

/* Whether what has come can be a greeting's answer, a status or an error;
 * hiredis would make room for as large an array as it is told of. */
static bool greet_can_be(const struct greet *g)
{
    const redisReader *r = g->reader;

    return g->came <= GREET_MAX &&
           (r->ridx >= 0 || r->pos == r->len ||
            r->buf[r->pos] == REPLY_STATUS || r->buf[r->pos] == REPLY_ERROR);
}

/* Receives once, or waits. */
static int greet_receive(struct greet *g)
{
    char bytes[4096];
    struct iovec iov = {bytes, sizeof bytes};
    ssize_t n = g->link->receive(g->link, &iov, 1);

    if (n == -EAGAIN)
        return weir_call_wait(g->call, g->link->fd, link_events(g->link, 0),
                              UINT64_MAX);
    if (n < 0)
        return (int)n;
    g->came += (size_t)n;
    if (redisReaderFeed(g->reader, bytes, (size_t)n) != REDIS_OK)
        return -ENOMEM;
    return weir_call_stopped(g->call);
}

/* The next reply, or NULL with a negative errno. */
static redisReply *greet_reply(struct greet *g, int *rc)
{
    void *reply = NULL;

    *rc = 0;
    while (*rc >= 0) {
        if (!greet_can_be(g) ||
            redisReaderGetReply(g->reader, &reply) != REDIS_OK)
            *rc = -EPROTO;
        else if (reply != NULL)
            return reply;
        else
            *rc = greet_receive(g);
    }
    return NULL;
}

/* Whether a connection is of use after this answer to a greeting. */
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
    /* A server that is busy, loading or cannot save says so to each command;
     * one that lacks PING or forbids it has answered; a name is a courtesy. But
     * one that turns us away says so to the first command, whichever it is. */
    if ((what == GREET_NAME || what == GREET_PING) &&
        (refusal_of_command(&error) ||
         (status != WEIR_DENIED && status != WEIR_UNAVAILABLE)))
        return 0;
    weir_call_fail(g->call, NULL,
                   status == WEIR_DENIED ? WEIR_DENIED : WEIR_UNAVAILABLE,
                   "the server does not take the connection: -%.*s",
                   (int)error.length, error.text);
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

static void greet_explain(struct weir_call *call, int rc)
{
    if (rc == -ETIMEDOUT)
        weir_call_fail(call, NULL, WEIR_UNAVAILABLE,
                       NO_CONNECTION ": the server answers no greeting");
    else if (rc == -EKEYREJECTED)
        weir_call_fail(call, NULL, WEIR_DENIED,
                       "the server does not take the client's certificate, or "
                       "wants one");
    else
        weir_call_fail(call, NULL, WEIR_UNAVAILABLE,
                       rc == -EPROTO    ? "no Redis answers there"
                       : rc == -EBADMSG ? "TLS failed"
                                        : "no greeting: %s",
                       strerror(-rc));
}

int greet(struct link *l, const struct redis_config *config, bool named,
          struct weir_call *call)
{
    struct greet g = {.link = l, .call = call, .reader = redisReaderCreate()};
    int rc = g.reader != NULL ? greet_write(&g, config, named) : -ENOMEM;

    if (rc == 0)
        rc = greet_send(&g);
    if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
        rc = greet_listen(&g); /* who turned us away said why */
    if (rc < 0 && rc != -EACCES)
        greet_explain(call, rc);
    if (g.reader != NULL)
        redisReaderFree(g.reader);
    free(g.text);
    if (named && !g.named && (rc == -EPIPE || rc == -ECONNRESET))
        return -ENOTSUP;
    return rc;
}
