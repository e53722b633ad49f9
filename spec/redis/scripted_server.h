/* scripted_server.h -- a Redis of a hundred lines that answers what a script
 * says: right, or wrong in one place.
 *
 * It holds no data: the value of a key is its name in a sentence, so that a get
 * can be verified by its key alone. */
#ifndef REDIS_SCRIPTED_SERVER_H
#define REDIS_SCRIPTED_SERVER_H

#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "server.h"

struct script_server {
    int listener, port;
    pthread_t thread;
    _Atomic int stop;

    /* The script, set while nothing is on its way; atomic, since a connection
     * that nobody reads from any more may be late. */
    const char *_Atomic nonsense; /* what comes in place of a reply, or NULL */
    _Atomic int element; /* of an MGET's array; -1: of the replies themselves */
    _Atomic int position;   /* instead of which, by count; -1: of all */
    _Atomic int after;      /* the right reply comes first */
    _Atomic int hang_up;    /* the connection ends there */
    _Atomic int half_close; /* our half of the connection ends there */
    _Atomic int silent;     /* nothing more comes there */
    const char
        *_Atomic late; /* comes 5 ms after the next replies, once; or NULL */
    const char
        *_Atomic turn_away; /* said, slowly, to who connects; then it ends */
    bool (*_Atomic play)(int fd); /* sends the reply to a GET or SCAN, its way;
                                     false: the connection ends; or NULL */
    const char *_Atomic hated; /* a command that ends the connection, or NULL */
    const char *_Atomic slots; /* the reply to CLUSTER SLOTS, or NULL */
    const char *_Atomic endless; /* said to who connects, again and again */
    _Atomic int commands;        /* counted since then */
    _Atomic int accepted;        /* connections so far */
    _Atomic int open;            /* of them, now */
};

/* true_value writes the value of a key. */
static inline int true_value(char *out, size_t cap, const char *key, int len)
{
    return snprintf(out, cap, "this is the value of %.*s, and of no other", len,
                    key);
}

struct script_words {
    int n;
    char *word[600];
    int len[600];
};

/* Reads one command from text; returns the bytes it takes, 0: not all there. */
static inline size_t script_parse(char *text, size_t len,
                                  struct script_words *w)
{
    char *at = text, *end = text + len, *line;
    int n;

    line = memchr(at, '\n', (size_t)(end - at));
    if (line == NULL)
        return 0;
    n = atoi(at + 1);
    at = line + 1;
    for (w->n = 0; w->n < n; w->n++) {
        line = memchr(at, '\n', (size_t)(end - at));
        if (line == NULL)
            return 0;
        w->len[w->n] = atoi(at + 1);
        w->word[w->n] = line + 1;
        at = line + 1 + w->len[w->n] + 2;
        if (at > end)
            return 0;
    }
    return (size_t)(at - text);
}

static inline int script_bulk(char *out, size_t cap, const char *key, int len)
{
    char value[256];
    int n = true_value(value, sizeof value, key, len);

    return snprintf(out, cap, "$%d\r\n%s\r\n", n, value);
}

/* A page of one key: what the pattern is without its star, and ":1". */
static inline int script_page(char *out, size_t cap, const char *pattern,
                              int len)
{
    return snprintf(out, cap, "*2\r\n$1\r\n0\r\n*1\r\n$%d\r\n%.*s:1\r\n",
                    len + 1, len - 1, pattern);
}

/* The reply to an MGET, right but for the words in place of, or after, one
 * element; or it ends there. */
static inline int script_array(char *out, size_t cap, struct script_words *w,
                               int element, int after, int ends,
                               const char *words)
{
    int n = snprintf(out, cap, "*%d\r\n", w->n - 1);

    for (int i = 1; i < w->n && !(ends && i - 1 > element); i++) {
        if (i - 1 != element || after)
            n += script_bulk(out + n, cap - (size_t)n, w->word[i], w->len[i]);
        if (i - 1 == element)
            n += snprintf(out + n, cap - (size_t)n, "%s", words);
    }
    return n;
}

/* The right reply to a command. */
static inline int script_right(char *out, size_t cap, struct script_words *w)
{
    if (strncmp(w->word[0], "MGET", 4) == 0)
        return script_array(out, cap, w, -1, 0, 0, "");
    if (strncmp(w->word[0], "GET", 3) == 0)
        return script_bulk(out, cap, w->word[1], w->len[1]);
    if (strncmp(w->word[0], "SCAN", 4) == 0)
        return script_page(out, cap, w->word[3], w->len[3]);
    if (strncmp(w->word[0], "SET", 3) == 0 ||
        strncmp(w->word[0], "MSET", 4) == 0)
        return snprintf(out, cap, "+OK\r\n");
    if (strncmp(w->word[0], "PING", 4) == 0)
        return snprintf(out, cap, "+PONG\r\n");
    if (strncmp(w->word[0], "CLIENT", 6) == 0 ||
        strncmp(w->word[0], "ASKING", 6) == 0)
        return snprintf(out, cap, "+OK\r\n");
    return snprintf(out, cap, ":1\r\n");
}

/* The reply to one command by the script; -1: hang up, -2: say nothing more. */
static inline int script_reply(struct script_server *s, char *out, size_t cap,
                               struct script_words *w)
{
    int n = 0, greeting = strncmp(w->word[0], "PING", 4) == 0 ||
                          strncmp(w->word[0], "CLIENT", 6) == 0 ||
                          strncmp(w->word[0], "ASKING", 6) == 0;

    const char *nonsense = s->nonsense, *slots = s->slots;

    if (slots != NULL && strncmp(w->word[0], "CLUSTER", 7) == 0)
        return snprintf(out, cap, "%s", slots);
    if (greeting || nonsense == NULL ||
        (atomic_fetch_add(&s->commands, 1) != s->position && s->position >= 0))
        return script_right(out, cap, w);
    if (s->element >= 0 && strncmp(w->word[0], "MGET", 4) == 0) {
        n = script_array(out, cap, w, s->element, s->after,
                         s->hang_up || s->silent, nonsense);
    } else {
        if (s->after)
            n = script_right(out, cap, w);
        n += snprintf(out + n, cap - (size_t)n, "%s", nonsense);
    }
    if (!s->hang_up && !s->silent)
        return n;
    out[n] = '\0';
    return s->hang_up ? -1 : -2;
}

/* Serves what has come on one connection; false: it is over. */
static inline int script_serve(struct script_server *s, int fd, char *in,
                               size_t *have)
{
    char out[32768];
    struct script_words words;
    size_t used, put = 0, at = 0;
    const char *late = s->late;
    int half_close = s->half_close;
    bool (*play)(int fd) = s->play;

    while ((used = script_parse(in + at, *have - at, &words)) > 0) {
        const char *hated = s->hated;
        int n;

        if (hated != NULL && strncmp(words.word[0], hated, strlen(hated)) == 0)
            return 0;
        if (play != NULL && (strncmp(words.word[0], "GET", 3) == 0 ||
                             strncmp(words.word[0], "SCAN", 4) == 0)) {
            if (send(fd, out, put, MSG_NOSIGNAL) != (ssize_t)put || !play(fd))
                return 0;
            put = 0;
            at += used;
            continue;
        }
        n = script_reply(s, out + put, sizeof out - put, &words);

        at += used;
        put += n > 0 ? (size_t)n : strlen(out + put);
        if (n < 0)
            send(fd, out, put, MSG_NOSIGNAL);
        if (n < 0 && half_close)
            shutdown(fd, SHUT_WR);
        if (n == -1)
            return 0;
        if (n == -2)
            return -1;
    }
    memmove(in, in + at, *have - at);
    *have -= at;
    if (put > 0 && send(fd, out, put, MSG_NOSIGNAL) != (ssize_t)put)
        return 0;
    if (put > 0 && half_close)
        shutdown(fd, SHUT_WR);
    if (put > 0 && late != NULL) {
        nap_ms(5);
        send(fd, late, strlen(late), MSG_NOSIGNAL);
        s->late = NULL;
    }
    return 1;
}

/* What is said to who connects, before it says anything; false: then it ends.
 */
static inline int script_welcome(struct script_server *s, int fd)
{
    const char *words;

    while ((words = s->endless) != NULL && !atomic_load(&s->stop) &&
           send(fd, words, strlen(words), MSG_NOSIGNAL) > 0)
        ;
    words = s->turn_away;
    for (const char *at = words; at != NULL && *at != '\0'; at++) {
        send(fd, at, 1, MSG_NOSIGNAL);
        nap_ms(1);
    }
    return words == NULL;
}

/* One connection at a time is not enough: a store may hold several. */
static inline void *script_connection(void *arg)
{
    struct script_server *s = ((void **)arg)[0];
    int fd = (int)(intptr_t)((void **)arg)[1], serving;
    char *in = malloc(1 << 20);
    size_t have = 0;

    free(arg);
    serving = script_welcome(s, fd);
    while (serving != 0 && !atomic_load(&s->stop)) {
        ssize_t n = recv(fd, in + have, (1 << 20) - have, 0);

        if (n <= 0)
            break;
        have += (size_t)n;
        if (serving == 1)
            serving = script_serve(s, fd, in, &have);
        if (serving == 0)
            break;
        if (serving < 0)
            have = 0;
    }
    close(fd);
    free(in);
    atomic_fetch_sub(&s->open, 1);
    return NULL;
}

static inline void *script_main(void *arg)
{
    struct script_server *s = arg;

    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        void **both = calloc(2, sizeof *both);
        pthread_t thread;
        int yes = 1;

        if (fd < 0 || atomic_load(&s->stop)) {
            free(both);
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        atomic_fetch_add(&s->accepted, 1);
        atomic_fetch_add(&s->open, 1);
        both[0] = s;
        both[1] = (void *)(intptr_t)fd;
        pthread_create(&thread, NULL, script_connection, both);
        pthread_detach(thread);
    }
}

static inline void script_start(struct script_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    *s = (struct script_server){
        .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        .element = -1};
    CHECK(bind(s->listener, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(listen(s->listener, 16) == 0);
    CHECK(getsockname(s->listener, (struct sockaddr *)&a, &len) == 0);
    s->port = ntohs(a.sin_port);
    CHECK(pthread_create(&s->thread, NULL, script_main, s) == 0);
}

/* script_stop ends it, once the stores that talk to it are freed. */
static inline void script_stop(struct script_server *s)
{
    atomic_store(&s->stop, 1);
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    CHECK(EVENTUALLY(atomic_load(&s->open) == 0));
}

#endif
