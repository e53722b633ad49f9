/* listen.c -- addresses, and clients that come in. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "state.h"

enum {
    BACKLOG = 1024,
    ACCEPTS = 64,    /* most for one event */
    KEEPALIVE = 300, /* seconds, as Redis has it */
};

static int say(struct weir_error *err, int rc, const char *address,
               const char *what)
{
    err->code = rc;
    snprintf(err->message, sizeof err->message, "cannot listen at %.100s: %s",
             address, what);
    return rc;
}

/* ---- addresses ---- */

/* Splits "host:port" or "[host]:port"; false: it is neither. */
static bool split(const char *address, char *host, size_t room, long *port)
{
    const char *colon = strrchr(address, ':');
    const char *from = address, *to = colon;
    char *end;

    if (colon == NULL || colon[1] == '\0')
        return false;
    *port = strtol(colon + 1, &end, 10);
    if (*end != '\0' || *port < 0 || *port > 65535)
        return false;
    if (*from == '[') {
        from++;
        to = colon - 1;
        if (to < from || *to != ']')
            return false;
    } else if (memchr(from, ':', (size_t)(to - from)) != NULL) {
        return false;
    }
    if (to == from || (size_t)(to - from) >= room)
        return false;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    return true;
}

static int bind_tcp(const struct addrinfo *a)
{
    int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1, rc;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

static int listen_tcp(const char *address, struct weir_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    char host[256], port[8];
    long number;
    int rc;

    if (!split(address, host, sizeof host, &number))
        return say(err, -EINVAL, address,
                   "expected HOST:PORT, [IPV6]:PORT or unix:/PATH");
    snprintf(port, sizeof port, "%ld", number);
    rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return say(err, -EADDRNOTAVAIL, address, gai_strerror(rc));
    rc = bind_tcp(found);
    freeaddrinfo(found);
    return rc >= 0 ? rc : say(err, rc, address, strerror(-rc));
}

/* Whether somebody answers at a unix socket. */
static bool is_alive(const struct sockaddr_un *un)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive =
        fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof *un) == 0;

    if (fd >= 0)
        close(fd);
    return alive;
}

static int listen_unix(const char *address, const char *path, uint32_t mode,
                       struct weir_error *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat st;
    int fd, rc = 0;

    if (path[0] != '/' || strlen(path) >= sizeof un.sun_path)
        return say(err, -EINVAL, address,
                   "expected a full path of at most 107 "
                   "bytes");
    memcpy(un.sun_path, path, strlen(path) + 1);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        if (is_alive(&un))
            return say(err, -EADDRINUSE, address, "another server is there");
        unlink(path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return say(err, -errno, address, strerror(errno));
    if (bind(fd, (struct sockaddr *)&un, sizeof un) < 0 ||
        (mode != 0 && chmod(path, (mode_t)mode) < 0) || listen(fd, BACKLOG) < 0)
        rc = -errno;
    if (rc == 0)
        return fd;
    close(fd);
    return say(err, rc, address, strerror(-rc));
}

int weir_serve_port(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;

    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return 0;
    if (a.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&a)->sin_port);
    if (a.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&a)->sin6_port);
    return 0;
}

static void watch(struct weir_server *s, struct listener *l, bool on)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = l};

    epoll_ctl(s->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, l->fd, &e);
}

int weir_serve_socket(const char *address, uint32_t mode,
                      struct weir_error *err)
{
    if (strncmp(address, "unix:", 5) == 0)
        return listen_unix(address, address + 5, mode, err);
    return listen_tcp(address, err);
}

/* The socket of "fd:5"; -1: the address is another one. */
static int given_socket(const char *address)
{
    char *end;
    long fd;

    if (strncmp(address, "fd:", 3) != 0)
        return -1;
    fd = strtol(address + 3, &end, 10);
    return *end == '\0' && end > address + 3 && fd >= 0 && fd <= INT_MAX
               ? (int)fd
               : -1;
}

/* Makes sure that a given socket listens, and that accept does not block. */
static int take_given(int fd, const char *address, struct weir_error *err)
{
    int listens = 0, flags;
    socklen_t len = sizeof listens;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 &&
        errno != ENOTSOCK)
        return say(err, -errno, address, strerror(errno));
    if (!listens)
        return say(err, -EINVAL, address, "it is not a socket that listens");
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return say(err, -errno, address, strerror(errno));
    return fd;
}

int weir_server_listen(struct weir_server *s, const char *address,
                       uint32_t mode, struct weir_error *err)
{
    struct listener *l = &s->listeners[s->n_listeners];
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    int fd = given_socket(address);

    if (s->n_listeners == LISTENERS)
        return say(err, -ENOSPC, address, "there are 16 addresses already");
    fd = fd >= 0 ? take_given(fd, address, err)
                 : weir_serve_socket(address, mode, err);
    if (fd < 0)
        return fd;
    *l = (struct listener){.kind = KIND_LISTENER, .fd = fd, .is_unix = is_unix};
    snprintf(l->address, sizeof l->address, "%s", address);
    l->is_tls = !is_unix && s->tls != NULL;
    l->path = is_unix ? strdup(address + 5) : NULL;
    s->n_listeners++;
    watch(s, l, true);
    return weir_serve_port(fd);
}

void weir_server_deaf(struct weir_server *s)
{
    while (s->n_listeners > 0) {
        struct listener *l = &s->listeners[--s->n_listeners];

        close(l->fd);
        if (l->path != NULL)
            unlink(l->path);
        free(l->path);
    }
}

/* ---- clients ---- */

static void name_address(char *out, size_t room, int fd,
                         int (*name)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    char text[INET6_ADDRSTRLEN] = "?";

    if (name(fd, (struct sockaddr *)&a, &len) < 0)
        return;
    if (a.ss_family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&a;

        inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        snprintf(out, room, "%s:%u", text, ntohs(in->sin_port));
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a;

        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
        snprintf(out, room, "[%s]:%u", text, ntohs(in6->sin6_port));
    }
}

static void set_options(int fd)
{
    int yes = 1, idle = KEEPALIVE;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
}

static void refuse(struct weir_server *s, int fd)
{
    static const char WORDS[] = "-ERR max number of clients reached\r\n";

    s->stats.refused++;
    (void)!send(fd, WORDS, sizeof WORDS - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

static void admit(struct weir_server *s, struct listener *l, int fd)
{
    struct client *c;

    s->stats.accepted++;
    if (s->stats.clients >= s->limits.max_clients ||
        (c = client_new(s, fd)) == NULL) {
        refuse(s, fd);
        return;
    }
    if (l->is_unix) {
        c->pub.flags |= WEIR_CLIENT_UNIX;
        snprintf(c->pub.address, sizeof c->pub.address, "%.61s:0",
                 l->address + 5);
        snprintf(c->pub.local, sizeof c->pub.local, "%.61s:0", l->address + 5);
        return;
    }
    set_options(fd);
    if (l->is_tls) {
        c->pub.flags |= WEIR_CLIENT_TLS;
        if (!link_begin(&c->link, s->tls)) {
            client_close(s, c);
            return;
        }
    }
    name_address(c->pub.address, sizeof c->pub.address, fd, getpeername);
    name_address(c->pub.local, sizeof c->pub.local, fd, getsockname);
}

static void let_accept(struct weir_server *s, bool accepts)
{
    if (s->accepts == accepts)
        return;
    s->accepts = accepts;
    for (uint32_t i = 0; i < s->n_listeners; i++)
        watch(s, &s->listeners[i], accepts);
}

void listen_event(struct weir_server *s, struct listener *l)
{
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            admit(s, l, fd);
            continue;
        }
        /* Without descriptors the event would come again and again. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
            errno == ENOMEM) {
            s->stats.pauses++;
            s->stats.lacking = (uint64_t)errno;
            let_accept(s, false);
            return;
        }
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

void listen_again(struct weir_server *s)
{
    let_accept(s, true);
}
