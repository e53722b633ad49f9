/* server.h -- what the test programs of redis share: a real redis-server of
 * their own, stores on it, single operations that wait for their answer. */
#ifndef REDIS_SERVER_H
#define REDIS_SERVER_H

#include <arpa/inet.h>
#include <ftw.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../runtime/harness.h"

struct server {
    pid_t pid;
    int port;
    char folder[32];
    char socket[48];
    char url[64], unix_url[80];
};

/* free_port returns a port of 127.0.0.1 where nobody listens just now, chosen
 * at random from 10000 to 19999. The kernel gives clients higher ones, so no
 * client takes it while a server is restarted. */
static inline int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint16_t random;
    int fd, rc;

    do {
        CHECK(getrandom(&random, sizeof random, 0) == sizeof random);
        a.sin_port = htons(10000 + random % 10000);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(fd >= 0);
        rc = bind(fd, (struct sockaddr *)&a, sizeof a);
        close(fd);
    } while (rc != 0);
    return ntohs(a.sin_port);
}

/* can_connect says whether somebody listens on that port. */
static inline int can_connect(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc = connect(fd, (struct sockaddr *)&a, sizeof a);

    close(fd);
    return rc == 0;
}

static inline void server_exec(const struct server *s, char **options)
{
    char port[8], *argv[40] = {(char *)"redis-server"};
    char *usual[] = {(char *)"--port",       port,
                     (char *)"--bind",       (char *)"127.0.0.1 -::1",
                     (char *)"--dir",        (char *)s->folder,
                     (char *)"--unixsocket", (char *)s->socket,
                     (char *)"--save",       (char *)"",
                     (char *)"--loglevel",   (char *)"warning",
                     (char *)"--logfile",    (char *)"log"};
    int n = 1;

    snprintf(port, sizeof port, "%d", s->port);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        argv[n++] = usual[i];
    for (; *options != NULL; options++)
        argv[n++] = *options;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a failed check */
    execvp(argv[0], argv);
    _exit(127);
}

/* server_run starts a server on the port and in the folder of s. */
static inline void server_run(struct server *s, char **options)
{
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0)
        server_exec(s, options);
    if (!EVENTUALLY(can_connect(s->port) && access(s->socket, F_OK) == 0)) {
        char line[64];

        snprintf(line, sizeof line, "cat %s/log", s->folder);
        CHECK(system(line) == 0);
        CHECK(!"redis-server does not start");
    }
}

/* server_start makes a new one; options as on redis-server's command line,
 * ended by NULL. Without redis-server the program is skipped. */
static inline void server_start(struct server *s, ...)
{
    char *options[24];
    va_list args;
    int n = 0;

    if (system("command -v redis-server >/dev/null 2>&1") != 0) {
        printf("no redis-server here\n");
        exit(77);
    }
    va_start(args, s);
    while ((options[n] = va_arg(args, char *)) != NULL)
        n++;
    va_end(args);
    strcpy(s->folder, "/tmp/weir-redis-XXXXXX");
    CHECK(mkdtemp(s->folder) != NULL);
    snprintf(s->socket, sizeof s->socket, "%s/socket", s->folder);
    s->port = free_port();
    snprintf(s->url, sizeof s->url, "redis://127.0.0.1:%d", s->port);
    snprintf(s->unix_url, sizeof s->unix_url, "redis+unix://%s", s->socket);
    server_run(s, options);
}

/* server_kill ends it as a crash would. */
static inline void server_kill(struct server *s)
{
    kill(s->pid, SIGKILL);
    CHECK(waitpid(s->pid, NULL, 0) == s->pid);
    unlink(s->socket);
}

static inline int server_remove(const char *path, const struct stat *st,
                                int flag, struct FTW *at)
{
    (void)st, (void)flag, (void)at;
    return remove(path);
}

static inline void server_stop(struct server *s)
{
    kill(s->pid, SIGCONT);
    server_kill(s);
    nftw(s->folder, server_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- stores ---- */

/* open_redis opens a store; "name=value" options may follow, ended by NULL. */
static inline struct weir_store *open_redis(const char *url, ...)
{
    struct weir_setting settings[16];
    struct weir_store *store;
    va_list args;

    va_start(args, url);
    store = open_words(url, settings, 0, args);
    va_end(args);
    return store;
}

/* go submits a batch and waits for it. */
static inline void go(struct weir_store *s, struct weir_cq *cq,
                      struct weir_batch *b)
{
    CHECK(weir_submit(s, cq, b) == 0);
    CHECK(next_done(cq) == b);
}

/* one resets b to one item with that key. */
static inline struct weir_item *one(struct weir_batch *b, uint32_t op,
                                    const char *key)
{
    CHECK(weir_batch_reset(b, op, 1) == 0);
    b->items[0].key = key;
    b->items[0].key_len = (uint32_t)strlen(key);
    return b->items;
}

/* ask runs op on one key ("value" is what a set stores) and returns its
 * status. */
static inline int ask(struct weir_store *s, struct weir_cq *cq,
                      struct weir_batch *b, uint32_t op, const char *key)
{
    struct weir_item *item = one(b, op, key);

    if (op == WEIR_SET) {
        item->data = (char *)"value";
        item->size = 5;
    }
    go(s, cq, b);
    return item->status;
}

#endif
