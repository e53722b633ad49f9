/* bell.c -- a socket that rings for a completion queue.
 *
 * DESIGN
 * nginx's Lua can wait only for sockets that it has made. So the queue gets one
 * end of a connection, and the host's loop makes the other end: the bell
 * listens, the loop connects (which succeeds at once, thanks to the backlog),
 * and the bell accepts in the same thread and stops listening. The address
 * exists only meanwhile. Only this user can open it (mode 0600, and a random
 * name), and the bell closes a connection of another process.
 *
 * A unix socket comes first, because a wake costs a third of one over TCP. The
 * folder may be missing, read-only or have too long a name, so there are
 * several to try, and then a port of 127.0.0.1. A bell holds a reference on its
 * queue. The two may be freed in any order: a Lua state that closes does so. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cq.h"

struct weir_bell {
    struct weir_cq *cq;
    int listener; /* -1 once answered */
    int fd;       /* the queue's end; -1 until answered */
    char address[sizeof(struct sockaddr_un) + sizeof "unix:"];
};

/* The search for the other end of a connection looks at so many fds at most. */
enum { MAX_FDS = 1 << 20 };

static atomic_uint made;

static const char *unix_path(const struct weir_bell *bell)
{
    return bell->address + strlen("unix:");
}

static bool is_unix(const struct weir_bell *bell)
{
    return strncmp(bell->address, "unix:", strlen("unix:")) == 0;
}

/* Returns a listening socket, or a negative errno. */
static int listen_on(struct sockaddr *address, socklen_t len)
{
    int rc, fd;

    fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                0);
    if (fd < 0)
        return -errno;
    /* Linux gives the file of a unix socket the mode that its inode had. */
    if ((address->sa_family == AF_UNIX && fchmod(fd, 0600) < 0) ||
        bind(fd, address, len) < 0 || listen(fd, 8) < 0) {
        rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

static int listen_in(struct weir_bell *bell, const char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned long long name;
    int n;

    if (getrandom(&name, sizeof name, 0) != sizeof name)
        return -errno;
    n = snprintf(address.sun_path, sizeof address.sun_path, "%s/weir-%016llx",
                 folder, name);
    if (n >= (int)sizeof address.sun_path)
        return -ENAMETOOLONG;
    bell->listener = listen_on((struct sockaddr *)&address, sizeof address);
    if (bell->listener < 0)
        return bell->listener;
    snprintf(bell->address, sizeof bell->address, "unix:%s", address.sun_path);
    return 0;
}

static int listen_loopback(struct weir_bell *bell)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof address;

    bell->listener = listen_on((struct sockaddr *)&address, sizeof address);
    if (bell->listener < 0)
        return bell->listener;
    if (getsockname(bell->listener, (struct sockaddr *)&address, &len) < 0) {
        int rc = -errno;

        close(bell->listener);
        return rc;
    }
    snprintf(bell->address, sizeof bell->address, "127.0.0.1:%u",
             (unsigned)ntohs(address.sin_port));
    return 0;
}

static int listen_somewhere(struct weir_bell *bell, const char *folder,
                            struct weir_error *err)
{
    err->code = 0;
    err->message[0] = '\0';
    if (folder != NULL) {
        int rc = listen_in(bell, folder);

        if (rc == 0)
            return 0;
        err->code = rc;
        snprintf(err->message, sizeof err->message,
                 "no doorbell in %.180s: %s; taking another place", folder,
                 strerror(-rc));
    }
    if (listen_in(bell, "/dev/shm") == 0 || listen_in(bell, "/tmp") == 0)
        return 0;
    return listen_loopback(bell);
}

int weir_bell_new(struct weir_bell **out, struct weir_cq *cq,
                  const char *folder, struct weir_error *err)
{
    struct weir_bell *bell = calloc(1, sizeof *bell);
    struct weir_error unseen;
    int rc = -ENOMEM;

    if (err == NULL)
        err = &unseen;
    *out = NULL;
    if (bell != NULL)
        rc = listen_somewhere(bell, folder, err);
    if (rc < 0) {
        free(bell);
        err->code = rc;
        snprintf(err->message, sizeof err->message,
                 "no doorbell, not even on 127.0.0.1: %s", strerror(-rc));
        return rc;
    }
    bell->cq = cq;
    bell->fd = -1;
    cq_ref(cq);
    atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    *out = bell;
    return 0;
}

const char *weir_bell_address(const struct weir_bell *bell)
{
    return bell->address;
}

uint32_t weir_bells_made(void)
{
    return atomic_load_explicit(&made, memory_order_relaxed);
}

static void stop_listening(struct weir_bell *bell)
{
    if (bell->listener < 0)
        return;
    close(bell->listener);
    bell->listener = -1;
    if (is_unix(bell) && cq_is_own(bell->cq))
        unlink(unix_path(bell));
}

/* Whether the address of fd, if it is a socket, is peer. */
static bool is_named(int fd, const struct sockaddr_in *peer)
{
    struct sockaddr_in own = {0};
    socklen_t len = sizeof own;

    return getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
           own.sin_family == AF_INET && own.sin_port == peer->sin_port &&
           own.sin_addr.s_addr == peer->sin_addr.s_addr;
}

/* TCP does not tell which process has the other end, so this looks for it among
 * the fds of this process. */
static bool is_own_port(int fd)
{
    struct sockaddr_in peer = {0};
    socklen_t len = sizeof peer;
    long fds = sysconf(_SC_OPEN_MAX);

    /* With a limit of "infinity" the search would take minutes. New fds get the
     * lowest free number, so the end is found far below MAX_FDS. */
    if (fds < 0 || fds > MAX_FDS)
        fds = MAX_FDS;
    if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
        return false;
    for (int other = 0; other < fds; other++) {
        if (is_named(other, &peer))
            return true;
    }
    return false;
}

/* Whether the other end of a connection is in this process. */
static bool is_own(const struct weir_bell *bell, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (!is_unix(bell))
        return is_own_port(fd);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           peer.pid == getpid();
}

int weir_bell_answer(struct weir_bell *bell)
{
    int one = 1;
    int fd;

    if (bell->listener < 0)
        return -EISCONN;
    for (;;) {
        fd = accept4(bell->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return -errno;
        if (is_own(bell, fd))
            break;
        close(fd);
    }
    stop_listening(bell);
    if (!is_unix(bell))
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    bell->fd = fd;
    return weir_cq_notify_socket(bell->cq, fd);
}

int weir_bell_ring(struct weir_bell *bell)
{
    if (bell->fd < 0)
        return -ENOTCONN;
    if (send(bell->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
        return 0;
    /* A full socket has unread bytes, which wake the host. */
    return errno == EAGAIN ? 0 : -errno;
}

void weir_bell_free(struct weir_bell *bell)
{
    if (bell == NULL)
        return;
    stop_listening(bell);
    if (bell->fd >= 0) {
        weir_cq_notify_socket(bell->cq, -1);
        close(bell->fd);
    }
    cq_unref(bell->cq);
    free(bell);
}
