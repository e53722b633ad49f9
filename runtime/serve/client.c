/* client.c -- a client's life: bytes in, commands run, replies out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "state.h"

enum {
    READS = 8, /* most reads for one event, so that others get their turn */
    READ_AT_ONCE = 512 << 10, /* bytes of a large argument for one event, */
    SENT_AT_ONCE = 128 << 10, /* and of replies */
};

static const uint64_t REST_NS = UINT64_C(2) * 1000000000;

/* ---- bookkeeping ---- */

/* Brings what the server counts of a client's memory up to date. */
static void count_memory(struct weir_server *s, struct client *c)
{
    uint64_t bytes = sizeof *c + c->room + c->out.room + c->out.held +
                     c->out.values_room * sizeof *c->out.values +
                     parse_held(&c->parser) + c->multi_room;

    if (c->request != NULL)
        bytes += c->request->bytes;
    s->stats.memory += bytes - c->counted;
    c->counted = c->pub.memory = bytes;
    c->pub.pending = c->out.pending;
}

static void watch(struct weir_server *s, struct client *c, bool reads,
                  bool sends)
{
    struct epoll_event e = {.data.ptr = c};

    if (c->deaf == !reads && c->sends == sends)
        return;
    c->deaf = !reads;
    c->sends = sends;
    e.events =
        (reads ? (uint32_t)EPOLLIN : 0) | (sends ? (uint32_t)EPOLLOUT : 0);
    epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->pub.fd, &e);
}

struct client *client_new(struct weir_server *s, int fd)
{
    struct client *c = calloc(1, sizeof *c);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

    if (c == NULL || epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
        free(c);
        return NULL;
    }
    c->kind = KIND_CLIENT;
    parse_init(&c->parser);
    c->run_most = RUN_FIRST;
    c->pub.id = ++s->ids;
    c->pub.fd = c->link.fd = fd;
    c->pub.protocol = 2;
    c->pub.command = -1;
    c->pub.flags = s->limits.open;
    c->pub.since_ns = c->pub.active_ns = s->now_ns;
    c->prev = s->last;
    if (s->last != NULL)
        s->last->next = c;
    else
        s->first = c;
    s->last = c;
    s->stats.clients++;
    count_memory(s, c);
    return c;
}

static void release(struct weir_server *s, struct client *c)
{
    if (c->request != NULL || c->is_later)
        return;
    parse_free(&c->parser);
    multi_end(c);
    buffer_give(s, c);
    free(c);
}

void client_close(struct weir_server *s, struct client *c)
{
    if (c->pub.fd < 0)
        return;
    link_end(&c->link);
    close(c->pub.fd);
    c->pub.fd = -1;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        s->last = c->prev;
    outbox_free(&c->out);
    if (c->blocked)
        s->stats.blocked--;
    s->stats.clients--;
    s->stats.memory -= c->counted;
    c->counted = 0;
    release(s, c);
}

/* ---- bytes in ---- */

/* Reads what is there into the large argument that is under way, or the rest
 * of it and the buffer behind it. Returns as link_receive does; *more: there
 * may be more to read now. */
static ssize_t receive(struct client *c, bool *more)
{
    struct parser *p = &c->parser;
    size_t part = p->left < READ_AT_ONCE ? (size_t)p->left : READ_AT_ONCE;
    struct iovec pieces[] = {{p->fill, part},
                             {c->buffer + c->end, c->room - c->end}};
    int first = part > 0 ? 0 : 1, n = part < p->left ? 1 : 2;
    ssize_t got = link_receive(&c->link, pieces + first, n - first);

    if (got <= 0)
        return got;
    if ((size_t)got < part)
        part = (size_t)got;
    if (part > 0)
        parse_filled(p, part);
    c->end += (size_t)got - part;
    if (c->end == c->room)
        c->fills = LONG_READS;
    else if (c->fills > 0 && (size_t)got < BUFFER)
        c->fills--;
    /* After a large argument others get their turn. */
    *more = part == 0 && c->end == c->room;
    return got;
}

/* ---- replies out ---- */

/* Shortens pieces to so many bytes; returns how many pieces. */
static int cut(struct iovec *pieces, int n, size_t most)
{
    for (int i = 0; i < n; i++) {
        if (pieces[i].iov_len >= most) {
            pieces[i].iov_len = most;
            return i + 1;
        }
        most -= pieces[i].iov_len;
    }
    return n;
}

/* Sends what can be sent; false: the client is gone. */
static bool send_replies(struct weir_server *s, struct client *c)
{
    size_t total = 0;

    while (c->out.pending > 0 && total < SENT_AT_ONCE) {
        struct iovec pieces[OUTBOX_PIECES];
        int n =
            cut(pieces, outbox_pieces(&c->out, pieces), SENT_AT_ONCE - total);
        ssize_t sent = link_send(&c->link, pieces, n);

        if (sent == -EINTR)
            continue;
        if (sent == -EAGAIN)
            break;
        if (sent <= 0)
            return false;
        outbox_sent(&c->out, (size_t)sent);
        total += (size_t)sent;
    }
    c->pub.bytes_out += total;
    s->stats.bytes_out += total;
    return true;
}

/* ---- commands ---- */

static void consume(struct client *c)
{
    c->start += c->parser.pos;
    c->has_command = false;
    parse_next(&c->parser);
    if (c->start == c->end)
        c->start = c->end = 0;
}

static void protocol_error(struct weir_server *s, struct client *c)
{
    s->stats.protocol_errors++;
    reply_error(s, c, "ERR Protocol error: %s", c->parser.error);
    c->pub.flags |= WEIR_CLIENT_CLOSE;
}

/* Parses the next command; false: there is none yet, or never will be. */
static bool next_command(struct weir_server *s, struct client *c)
{
    struct parse_limits limits = {
        .max_value = s->limits.max_value,
        .max_held = most_held(s),
        .stranger = !(c->pub.flags & WEIR_CLIENT_USER),
    };
    size_t n = c->end - c->start;
    enum parse_result rc;

    if (c->has_command)
        return true;
    if (n == 0 && c->parser.left == 0 && c->parser.pos == 0)
        return false;
    rc = parse_command(&c->parser, c->buffer + c->start, &n, &limits);
    c->end = c->start + n;
    c->has_command = rc == PARSE_COMMAND;
    if (rc == PARSE_BAD) {
        request_run(s);
        if (c->request == NULL)
            protocol_error(s, c);
    }
    return c->has_command;
}

static bool can_run(const struct client *c)
{
    return c->request == NULL && !(c->pub.flags & WEIR_CLIENT_CLOSE) &&
           c->out.pending <= REPLIES_MAX;
}

/* Runs the commands that are there. */
static void run_commands(struct weir_server *s, struct client *c)
{
    while (can_run(c) && next_command(s, c)) {
        if (!dispatch(s, c))
            request_run(s);
        else if (c->request == NULL)
            consume(c);
    }
    request_run(s);
}

/* A command of the host was answered: only now its arguments may go. */
static void consume_answered(struct client *c)
{
    if (c->has_command && c->answered)
        consume(c);
    c->answered = false;
}

/* Closes the client if it is at its end; else says what epoll is to tell. */
static void settle(struct weir_server *s, struct client *c)
{
    bool idle = c->request == NULL && c->out.pending == 0;

    if (c->out.failed || (idle && (c->pub.flags & WEIR_CLIENT_CLOSE)) ||
        (idle && c->ended)) {
        client_close(s, c);
        return;
    }
    if (c->blocked != (c->out.pending > REPLIES_MAX)) {
        c->blocked = !c->blocked;
        s->stats.blocked += c->blocked ? 1 : (uint64_t)-1;
    }
    if (c->request == NULL && c->start == c->end && c->parser.pos == 0 &&
        c->parser.left == 0)
        buffer_give(s, c);
    if (can_run(c) && link_has_unread(&c->link))
        later_add(s, c);
    watch(s, c, c->deaf ? can_run(c) && !c->ended : !c->ended && !c->blocked,
          c->out.pending > 0);
    count_memory(s, c);
}

void client_work(struct weir_server *s, struct client *c)
{
    if (c->pub.fd < 0) {
        release(s, c);
        return;
    }
    if (c->killed) {
        client_close(s, c);
        return;
    }
    consume_answered(c);
    for (;;) {
        uint64_t before;

        run_commands(s, c);
        before = c->out.pending;
        if (before > 0 && !send_replies(s, c)) {
            client_close(s, c);
            return;
        }
        /* Sending made room: there may be commands that waited for it. */
        if (before <= REPLIES_MAX || !can_run(c))
            break;
    }
    settle(s, c);
}

/* Reads and runs what comes. */
static void read_and_work(struct weir_server *s, struct client *c)
{
    bool more = true;

    for (int i = 0; i < READS && more && can_run(c); i++) {
        ssize_t n;

        if (!buffer_room(s, c)) {
            reply_error(s, c,
                        "ERR Protocol error: the command is longer than "
                        "%d bytes",
                        BUFFER_MAX);
            c->pub.flags |= WEIR_CLIENT_CLOSE;
            break;
        }
        n = receive(c, &more);
        if (n == -EAGAIN || n == -EINTR)
            break;
        if (n <= 0) {
            c->ended = true;
            if (n < 0)
                c->killed = true;
            break;
        }
        c->pub.bytes_in += (uint64_t)n;
        s->stats.bytes_in += (uint64_t)n;
        c->pub.active_ns = s->now_ns;
        run_commands(s, c);
    }
    client_work(s, c);
}

void client_resumed(struct weir_server *s, struct client *c)
{
    if (c->pub.fd >= 0 && !c->killed && link_has_unread(&c->link)) {
        consume_answered(c);
        read_and_work(s, c);
    } else {
        client_work(s, c);
    }
}

void client_event(struct weir_server *s, struct client *c, uint32_t events)
{
    if (c->pub.fd < 0)
        return;
    if (events & (EPOLLERR | EPOLLHUP) && (c->deaf || c->blocked)) {
        client_close(s, c);
        return;
    }
    if (events & EPOLLIN && can_run(c)) {
        read_and_work(s, c);
    } else {
        if (events & EPOLLIN)
            watch(s, c, false, c->sends);
        client_work(s, c);
    }
}

bool client_is_bulky(const struct client *c)
{
    return c->parser.left > 0 || c->out.held > 0;
}

void client_sweep(struct weir_server *s, struct client *c)
{
    uint64_t silent = s->now_ns - c->pub.active_ns;

    if (s->limits.idle_ns > 0 && silent >= s->limits.idle_ns &&
        c->request == NULL) {
        s->stats.closed_idle++;
        client_close(s, c);
    } else if (silent > REST_NS && c->out.room > 0 && c->out.pending == 0 &&
               c->request == NULL) {
        outbox_free(&c->out);
        count_memory(s, c);
    }
}

void weir_server_kill(struct weir_server *s, struct weir_client *pub, int later)
{
    struct client *c =
        (struct client *)((char *)pub - offsetof(struct client, pub));

    if (later)
        c->pub.flags |= WEIR_CLIENT_CLOSE;
    else
        c->killed = true;
    later_add(s, c);
}

struct weir_client *weir_server_clients(struct weir_server *s,
                                        struct weir_client *pub)
{
    struct client *c = s->first;

    if (pub != NULL)
        c = ((struct client *)((char *)pub - offsetof(struct client, pub)))
                ->next;
    return c != NULL ? &c->pub : NULL;
}

uint64_t weir_server_busy(struct weir_server *s)
{
    uint64_t n = 0;

    for (struct client *c = s->first; c != NULL; c = c->next)
        n += c->request != NULL || c->out.pending > 0;
    return n;
}
