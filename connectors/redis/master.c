/* master.c -- the server of a store: that of the options, or the master that
 * sentinels know by a name.
 *
 * Each connect asks the sentinels, one after the other, beginning with the one
 * that answered last. Each gets an equal share of the time left. The server
 * that they name must say itself that it is a master: a sentinel may be late.
 * So a failed connect, a closed connection and READONLY, after which a session
 * is replaced, all lead to the new master.
 *
 * An old master that hangs closes no connection. A thread listens to a
 * sentinel, which tells of a new master (+switch-master). Then sessions from
 * before are replaced as soon as they are idle. It begins with the first
 * session. */
#include "master.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "endpoint.h"
#include "query.h"
#include "refusal.h"
#include "thread.h"

enum { SENTINEL_PORT = 26379, NAME_MAX_LEN = 128 };

#define LISTEN_AGAIN_NS ((uint64_t)500000000)
#define LISTEN_BEGIN_NS ((uint64_t)1000000000)

struct master {
    struct endpoints sentinels;
    char name[NAME_MAX_LEN + 1];
    char question[NAME_MAX_LEN + 96];
    _Atomic uint32_t good;   /* the sentinel that answered last */
    _Atomic uint32_t turn;   /* changes with the master */
    _Atomic uint64_t asked;  /* sentinels were asked so often */
    int end;                 /* an eventfd: the store is closed */
    struct endpoint current; /* as the thread knows it */

    pthread_mutex_t lock; /* guards what follows */
    pthread_t thread;
    bool started;
};

/* ---- one sentinel ---- */

static bool is_text(const struct reply *r, const char *text)
{
    return r->length == strlen(text) && memcmp(r->text, text, r->length) == 0;
}

/* Reads an address of two texts. */
static bool read_address(const struct reply *host, const struct reply *port,
                         struct endpoint *out)
{
    char text[8];

    if (host->length == 0 || host->length >= sizeof out->host ||
        port->length == 0 || port->length >= sizeof text)
        return false;
    memcpy(out->host, host->text, host->length);
    out->host[host->length] = '\0';
    memcpy(text, port->text, port->length);
    text[port->length] = '\0';
    out->port = atoi(text);
    return out->port > 0 && out->port <= 65535;
}

static int take_address(struct query *q, const struct master *m,
                        const struct answer *a, struct endpoint *out)
{
    const struct reply *error = &a->element[0];

    if (a->is_error)
        attempt_fail(&q->at,
                     refusal_of_user(error) ? WEIR_DENIED : WEIR_UNAVAILABLE,
                     "%s -%.*s",
                     refusal_of_command(error) && !refusal_of_user(error)
                         ? "expected a sentinel, but the server says"
                         : "the sentinel says",
                     (int)refusal_length(error), error->text);
    else if (a->n < 0)
        attempt_fail(&q->at, WEIR_UNAVAILABLE,
                     "the sentinel knows no master named \"%s\"", m->name);
    else if (a->n == 2 && read_address(&a->element[0], &a->element[1], out))
        return 0;
    else
        attempt_fail(&q->at, WEIR_UNAVAILABLE,
                     "the sentinel sends no address of the master");
    return -ENOENT;
}

/* The user and the password of the URL are for the master. */
static void advise_password(struct attempt *at)
{
    char why[sizeof at->why];

    if (at->password != NULL || strstr(at->why, "-NOAUTH") == NULL)
        return;
    memcpy(why, at->why, sizeof why);
    attempt_fail(at, at->status, "%s; set sentinel_password", why);
}

/* Connects to a sentinel and asks for the master. */
static int ask_sentinel(struct redis *r, struct query *q,
                        const struct endpoint *sentinel, struct endpoint *out)
{
    struct master *m = r->master;
    struct answer a;
    int rc;

    q->at.host = sentinel->host;
    q->at.port = sentinel->port;
    q->at.user = r->config->sentinel_user;
    q->at.password = r->config->sentinel_password;
    q->at.db = 0;
    q->at.status = 0;
    atomic_fetch_add(&m->asked, 1);
    rc = open_link(&q->link, r, &q->at);
    if (rc == -EACCES)
        advise_password(&q->at);
    if (rc == 0)
        rc = query_send(q, m->question);
    if (rc == 0)
        rc = query_answer(q, &a);
    if (rc == 0)
        rc = take_address(q, m, &a, out);
    if (rc < 0 && q->at.status == 0)
        attempt_fail(&q->at, WEIR_UNAVAILABLE,
                     "the sentinel does not answer: %s", strerror(-rc));
    query_next(q);
    return rc;
}

/* ---- the master ---- */

static uint64_t share(const struct attempt *at, size_t n)
{
    uint64_t deadline = attempt_deadline(at), now = weir_now();

    return deadline > now ? now + (deadline - now) / n : deadline;
}

/* Asks the sentinels until one knows the master. One more share of the time is
 * for the master itself. */
static int find(struct redis *r, struct attempt *at, struct endpoint *out)
{
    struct master *m = r->master;
    size_t n = m->sentinels.n, first = atomic_load(&m->good);
    struct reasons reasons = {0};
    int rc = -ENOENT;

    for (size_t i = 0; i < n && rc < 0 && attempt_stopped(at) == 0; i++) {
        const struct endpoint *sentinel = &m->sentinels.at[(first + i) % n];
        struct query q = {.at = *at};

        q.at.deadline_ns = share(at, n - i + 1);
        rc = ask_sentinel(r, &q, sentinel, out);
        query_end(&q);
        if (rc < 0) {
            reasons_add(&reasons, sentinel, q.at.why);
            attempt_fail(at, q.at.status, "sentinel %s", reasons.text);
        } else {
            atomic_store(&m->good, (uint32_t)((first + i) % n));
        }
    }
    return rc;
}

/* Checks that a server says that it is a master. A user may have no right to
 * ask. */
static int check_role(struct link *l, struct attempt *at)
{
    static const char INFO[] = "*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n";
    static const char MASTER[] = "role:master";
    struct query q = {.at = *at, .link = *l};
    struct answer a;
    int rc = query_send(&q, INFO);

    if (rc == 0)
        rc = query_answer(&q, &a);
    if (rc < 0)
        attempt_fail(at, WEIR_UNAVAILABLE, "no answer about its role: %s",
                     strerror(-rc));
    if (rc == 0 && !a.is_error &&
        memmem(a.element[0].text, a.element[0].length, MASTER,
               sizeof MASTER - 1) == NULL) {
        attempt_fail(at, WEIR_UNAVAILABLE,
                     "%.80s:%d, which the sentinel names, is no master",
                     at->host, at->port);
        rc = -EREMCHG;
    }
    *l = q.link;
    free(q.bytes);
    return rc;
}

/* Connects to a server that a sentinel named, and says which it is if it
 * fails. */
static int open_named(struct link *l, struct redis *r, struct attempt *at,
                      const struct endpoint *server)
{
    char address[ENDPOINT_HOST + 16], why[sizeof at->why];
    int rc;

    at->host = server->host;
    at->port = server->port;
    at->status = 0;
    rc = open_link(l, r, at);
    if (rc == 0 || at->status == 0)
        return rc;
    endpoint_write(server, address, sizeof address);
    memcpy(why, at->why, sizeof why);
    attempt_fail(at, at->status, "master %.80s: %s", address, why);
    return rc;
}

int master_open(struct link *l, struct redis *r, struct attempt *at)
{
    struct endpoint server;
    int rc;

    if (r->master == NULL)
        return open_link(l, r, at);
    rc = find(r, at, &server);
    if (rc < 0)
        return rc;
    rc = open_named(l, r, at, &server);
    if (rc == 0)
        rc = check_role(l, at);
    at->host = r->config->host;
    return rc;
}

const struct endpoints *master_sentinels(const struct redis *r)
{
    return &r->master->sentinels;
}

uint32_t master_turn(const struct redis *r)
{
    return r->master != NULL
               ? atomic_load_explicit(&r->master->turn, memory_order_relaxed)
               : 0;
}

size_t master_gauges(struct redis *r, struct weir_gauge *out, size_t max)
{
    const struct weir_gauge gauges[] = {
        {.name = "masters",
         .help = "changes of the master that sentinels told of",
         .value = atomic_load(&r->master->turn),
         .counter = 1},
        {.name = "asked",
         .help = "times that a sentinel was asked for the master",
         .value = atomic_load(&r->master->asked),
         .counter = 1},
    };
    size_t n = sizeof gauges / sizeof *gauges;

    for (size_t i = 0; i < n && i < max; i++)
        out[i] = gauges[i];
    return n;
}

/* ---- the thread ---- */

static void take_master(struct master *m, const struct endpoint *e)
{
    bool known = m->current.port != 0;
    bool same = known && m->current.port == e->port &&
                strcmp(m->current.host, e->host) == 0;

    m->current = *e;
    if (known && !same)
        atomic_fetch_add(&m->turn, 1);
}

/* Reads "NAME OLD-HOST OLD-PORT HOST PORT". */
static void take_message(struct master *m, const struct reply *text)
{
    struct reply word[5];
    const char *at = text->text, *end = at + text->length;
    struct endpoint e;
    int n = 0;

    for (; n < 5 && at < end; n++) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        const char *stop = blank != NULL ? blank : end;

        word[n] = (struct reply){.text = at, .length = (size_t)(stop - at)};
        at = stop + 1;
    }
    if (n == 5 && is_text(&word[0], m->name) &&
        read_address(&word[3], &word[4], &e))
        take_master(m, &e);
}

/* Listens to a sentinel until the connection ends. */
static void listen_to(struct redis *r, const struct endpoint *sentinel)
{
    struct master *m = r->master;
    struct query q = {.at = open_attempt(r, NULL)};
    struct endpoint e;
    struct answer a;
    int rc;

    q.at.end = m->end;
    q.at.deadline_ns = weir_now() + LISTEN_BEGIN_NS;
    rc = ask_sentinel(r, &q, sentinel, &e);
    if (rc == 0) {
        take_master(m, &e);
        rc = query_send(&q,
                        "*2\r\n$9\r\nSUBSCRIBE\r\n$14\r\n+switch-master\r\n");
    }
    q.at.deadline_ns = 0;
    while (rc == 0) {
        rc = query_answer(&q, &a);
        if (rc == 0 && a.n == 3 && is_text(&a.element[0], "message"))
            take_message(m, &a.element[2]);
        query_next(&q);
    }
    query_end(&q);
}

static void *master_main(void *arg)
{
    struct redis *r = arg;
    struct master *m = r->master;
    struct pollfd end = {.fd = m->end, .events = POLLIN};

    for (size_t i = 0; poll(&end, 1, 0) == 0; i++) {
        listen_to(r, &m->sentinels.at[i % m->sentinels.n]);
        poll(&end, 1, (int)(LISTEN_AGAIN_NS / 1000000u));
    }
    return NULL;
}

void master_listen(struct redis *r)
{
    struct master *m = r->master;

    if (m == NULL)
        return;
    pthread_mutex_lock(&m->lock);
    if (!m->started)
        m->started = thread_start(&m->thread, master_main, r) == 0;
    pthread_mutex_unlock(&m->lock);
}

/* ---- the options ---- */

/* Reads "NAME/DB". */
static int read_name(struct redis *r, struct master *m, struct weir_error *err)
{
    const char *text = r->config->master, *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char *end = NULL;
    long long db;

    if (len == 0 || len > NAME_MAX_LEN)
        return weir_error_set(err, -EINVAL,
                              "redis: option master: expected the master's "
                              "name, at most %d bytes",
                              NAME_MAX_LEN);
    memcpy(m->name, text, len);
    if (slash == NULL || slash[1] == '\0')
        return 0;
    db = strtoll(slash + 1, &end, 10);
    if (*end != '\0' || db < 0 || db > INT32_MAX)
        return weir_error_set(err, -EINVAL,
                              "redis: option master: expected NAME/DB, got "
                              "\"%.64s\"",
                              text);
    r->db = db;
    return 0;
}

static struct master *master_new(struct redis *r, struct weir_error *err)
{
    struct master *m = calloc(1, sizeof *m);

    if (m == NULL) {
        weir_error_set(err, -ENOMEM, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&m->lock, NULL);
    m->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->master = m;
    return m;
}

int master_init(struct redis *r, bool sentinels, struct weir_error *err)
{
    const struct redis_config *c = r->config;
    int port = c->port != 6379 ? (int)c->port : SENTINEL_PORT, rc;
    struct master *m;

    r->db = c->db;
    if (c->master == NULL)
        return sentinels
                   ? weir_error_set(err, -EINVAL,
                                    "redis: option master: expected the name "
                                    "of the master, as in "
                                    "redis+sentinel://s1,s2/mymaster/0")
                   : 0;
    m = master_new(r, err);
    if (m == NULL)
        return -ENOMEM;
    rc = endpoints_read(&m->sentinels, c->host, port, err);
    if (rc == 0)
        rc = read_name(r, m, err);
    if (rc == 0 && m->end < 0)
        rc = weir_error_set(err, -EMFILE, "redis: no eventfd");
    snprintf(
        m->question, sizeof m->question,
        "*3\r\n$8\r\nSENTINEL\r\n$23\r\nget-master-addr-by-name\r\n$%zu\r\n"
        "%s\r\n",
        strlen(m->name), m->name);
    return rc;
}

void master_destroy(struct redis *r)
{
    struct master *m = r->master;

    if (m == NULL)
        return;
    if (m->started) {
        eventfd_write(m->end, 1);
        pthread_join(m->thread, NULL);
    }
    if (m->end >= 0)
        close(m->end);
    pthread_mutex_destroy(&m->lock);
    free(m);
    r->master = NULL;
}
