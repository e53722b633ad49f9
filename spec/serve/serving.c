/* serving.c -- the listener with a host in C: every way of a batch (an inline
 * store, a store with workers, the host, a fast path before the host), commands
 * in pieces of every size, clients that go in the middle, replies that nobody
 * reads. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../check.h"
#include "serve/serve.h"

enum { INLINE, QUEUED, HOST, FAST, DATABASES };
enum { UNREAD = SANITIZED ? 300 : 2000 }; /* gets whose replies nobody reads */

/* FAST is of the host, with a fast path: a store that has some of the keys. */
static struct weir_store *fast;
static struct weir_fast_path fast_counts;
static uint32_t n_rests; /* batches that it answered in part */

static struct weir_command commands[] = {
    {.name = "ping", .arity = -1, .form = WEIR_FORM_PING},
    {.name = "get", .arity = 2, .op = WEIR_GET, .form = WEIR_FORM_VALUE},
    {.name = "mget", .arity = -2, .op = WEIR_GET, .form = WEIR_FORM_VALUES},
    {.name = "set", .arity = -3, .op = WEIR_SET, .form = WEIR_FORM_SET},
    {.name = "mset", .arity = -3, .op = WEIR_SET, .form = WEIR_FORM_MSET},
    {.name = "del", .arity = -2, .op = WEIR_DELETE, .form = WEIR_FORM_COUNT},
    {.name = "exists", .arity = -2, .op = WEIR_EXISTS, .form = WEIR_FORM_COUNT},
    {.name = "strlen", .arity = 2, .op = WEIR_STAT, .form = WEIR_FORM_LENGTH},
    {.name = "expire", .arity = -3, .op = WEIR_TOUCH, .form = WEIR_FORM_EXPIRE},
    {.name = "setnx", .arity = 3, .op = WEIR_ADD, .form = WEIR_FORM_SETNX},
    {.name = "append", .arity = 3, .op = WEIR_APPEND, .form = WEIR_FORM_APPEND},
    {.name = "incr", .arity = 2, .op = WEIR_INCR, .form = WEIR_FORM_INCR},
    {.name = "incrby", .arity = 3, .op = WEIR_INCR, .form = WEIR_FORM_INCR},
    {.name = "decr",
     .arity = 2,
     .op = WEIR_INCR,
     .form = WEIR_FORM_INCR,
     .flags = WEIR_COMMAND_MINUS},
    {.name = "getex", .arity = -2, .op = WEIR_GAT, .form = WEIR_FORM_GETEX},
    {.name = "getdel", .arity = 2, .op = WEIR_TAKE, .form = WEIR_FORM_VALUE},
    {.name = "multi", .arity = 1, .form = WEIR_FORM_MULTI},
    {.name = "exec", .arity = 1, .form = WEIR_FORM_EXEC},
    {.name = "discard", .arity = 1, .form = WEIR_FORM_DISCARD},
    {.name = "select", .arity = 2, .form = WEIR_FORM_HOST},
};

static struct weir_server *server;
static struct weir_store *stores[DATABASES];
static int port;

static void start(const struct weir_server_limits *limits)
{
    static const char *const TARGETS[DATABASES] = {
        "memory://?capacity=256MiB", "memory://?capacity=256MiB&inline=false",
        "memory://?capacity=256MiB", "memory://?capacity=256MiB"};
    struct weir_error err;

    CHECK(weir_server_new(&server, limits) == 0);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        CHECK(weir_server_command(server, &commands[i]) == (int)i);
    for (int i = 0; i < DATABASES; i++) {
        CHECK(weir_open(&stores[i], TARGETS[i], NULL, 0, &err) == 0);
        if (i < HOST)
            CHECK(weir_server_bind(server, (uint32_t)i, stores[i]) == 0);
    }
    CHECK(weir_open(&fast, "memory://?capacity=256MiB", NULL, 0, &err) == 0);
    CHECK(weir_server_fast_path(server, FAST, stores[QUEUED], &fast_counts) ==
          -EINVAL);
    CHECK(weir_server_fast_path(server, FAST, fast, &fast_counts) == 0);
    port = weir_server_listen(server, "127.0.0.1:0", 0, &err);
    CHECK(port > 0);
}

static void stop(void)
{
    weir_server_free(server);
    weir_store_free(fast);
    for (int i = 0; i < DATABASES; i++)
        weir_store_free(stores[i]);
}

/* Copies some of the values that a batch sets into the fast store, and deletes
 * there what it writes otherwise: by the hash of the key. */
static void keep_fast(const struct weir_batch *batch)
{
    struct weir_batch *copy = weir_batch_new(1);

    for (uint32_t i = 0; i < batch->n; i++) {
        const struct weir_item *item = &batch->items[i];
        bool sets = batch->op == WEIR_SET &&
                    weir_hash(item->key, item->key_len, 0) % 3 != 0;

        CHECK(weir_batch_reset(copy, sets ? WEIR_SET : WEIR_DELETE, 1) == 0);
        copy->items[0].key = item->key;
        copy->items[0].key_len = item->key_len;
        copy->items[0].data = sets ? item->data : NULL;
        copy->items[0].size = sets ? item->size : 0;
        if (sets && item->value != NULL)
            copy->items[0].value = weir_value_ref(item->value);
        CHECK(weir_submit(fast, NULL, copy) == 1);
    }
    weir_batch_free(copy);
}

/* Answers what a fast path has left of a get. */
static void answer_rest(struct weir_request *r)
{
    struct weir_batch *one = weir_batch_new(1);
    uint32_t left = 0;

    for (uint32_t i = 0; i < r->batch->n; i++) {
        struct weir_item *item = &r->batch->items[i];

        CHECK(item->status == WEIR_PENDING || item->status == WEIR_OK);
        if (item->status == WEIR_OK)
            continue;
        left++;
        CHECK(weir_batch_reset(one, WEIR_GET, 1) == 0);
        one->items[0].key = item->key;
        one->items[0].key_len = item->key_len;
        CHECK(weir_submit(stores[FAST], NULL, one) == 1);
        item->status = one->items[0].status;
        item->value = one->items[0].value;
        one->items[0].value = NULL;
    }
    CHECK(left == r->batch->n - r->hits && left > 0);
    weir_batch_free(one);
    n_rests++;
}

static void host_answer(struct weir_request *r)
{
    if (r->batch != NULL && r->hits > 0) {
        answer_rest(r);
    } else if (r->batch != NULL) {
        if (r->client->db == FAST && r->batch->op != WEIR_GET)
            keep_fast(r->batch);
        CHECK(weir_submit(stores[r->client->db], NULL, r->batch) == 1);
    } else {
        r->client->db = (uint32_t)(r->args[1].data[0] - '0');
        CHECK(weir_server_reply(server, r, "+OK\r\n", 5) == 0);
    }
    weir_server_done(server, r);
}

static void turn(int timeout)
{
    struct pollfd p = {.fd = weir_server_fd(server), .events = POLLIN};
    struct weir_request *r;

    poll(&p, 1, timeout);
    while (weir_server_turn(server) > 0) {
        while ((r = weir_server_next(server)) != NULL)
            host_answer(r);
    }
}

/* ---- clients ---- */

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

/* Sends bytes in pieces and reads until as many as expected have come. */
static void talk(int fd, const char *bytes, size_t n, size_t piece,
                 const char *expected, size_t expected_n)
{
    size_t sent = 0, got = 0;
    char *reply = malloc(expected_n + 1);

    CHECK(reply != NULL);
    while (got < expected_n) {
        ssize_t rc;

        if (sent < n) {
            size_t part = n - sent < piece ? n - sent : piece;

            rc = send(fd, bytes + sent, part, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (rc > 0)
                sent += (size_t)rc;
        }
        turn(sent < n ? 0 : 10);
        rc = recv(fd, reply + got, expected_n - got, MSG_DONTWAIT);
        CHECK(rc > 0 || (rc < 0 && errno == EAGAIN));
        if (rc > 0)
            got += (size_t)rc;
    }
    if (memcmp(reply, expected, expected_n) != 0) {
        reply[expected_n] = '\0';
        fprintf(stderr, "expected\n%s\ngot\n%s\n", expected, reply);
        exit(1);
    }
    free(reply);
}

static void say(int fd, const char *bytes, const char *expected)
{
    talk(fd, bytes, strlen(bytes), strlen(bytes), expected, strlen(expected));
}

static void select_db(int fd, int db)
{
    char line[32];

    snprintf(line, sizeof line, "select %d\r\n", db);
    say(fd, line, "+OK\r\n");
}

/* ---- what is promised ---- */

static const char PIPELINE[] =
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\none\r\n"
    "*3\r\n$3\r\nset\r\n$1\r\na\r\n$3\r\ntwo\r\n"
    "*5\r\n$4\r\nMSET\r\n$1\r\nb\r\n$0\r\n\r\n$1\r\nc\r\n$2\r\n\r\n\r\n"
    "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
    "get b\r\nget nope\r\n\r\n"
    "*5\r\n$4\r\nMGET\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nx\r\n$1\r\nc\r\n"
    "*1\r\n$4\r\nPING\r\n*0\r\n"
    "*4\r\n$6\r\nEXISTS\r\n$1\r\na\r\n$1\r\na\r\n$1\r\nx\r\n"
    "bogus \"it\\x41s\"\r\n"
    "*2\r\n$6\r\nSTRLEN\r\n$1\r\na\r\n"
    "expire a 100\r\nexpire a 200\r\nexpire b -1\r\nget b\r\n"
    "*4\r\n$3\r\nDEL\r\n$1\r\na\r\n$1\r\na\r\n$1\r\nc\r\n"
    "del a\r\nget\r\nset a b nx\r\nset a c nx\r\nset x c xx\r\nset a c xx\r\n"
    "incr n\r\nincr n\r\nincrby n 40\r\ndecr n\r\nappend l ab\r\nappend l "
    "ab\r\n"
    "setnx s 1\r\nsetnx s 2\r\ngetex l ex 100\r\ngetdel l\r\ngetdel l\r\n"
    "getex a persist\r\ndel a n s\r\n"
    "multi\r\nset q 1\r\nget q\r\nexec\r\nget q\r\ndel q\r\n";

static const char REPLIES[] =
    "+OK\r\n+OK\r\n+OK\r\n$3\r\ntwo\r\n$0\r\n\r\n$-1\r\n"
    "*4\r\n$2\r\n\r\n\r\n$3\r\ntwo\r\n$-1\r\n$2\r\n\r\n\r\n"
    "+PONG\r\n:2\r\n"
    "-ERR unknown command 'bogus', with args beginning with: 'itAs' \r\n"
    ":3\r\n:1\r\n:1\r\n:1\r\n$-1\r\n:2\r\n:0\r\n"
    "-ERR wrong number of arguments for 'get' command\r\n"
    "+OK\r\n$-1\r\n$-1\r\n+OK\r\n:1\r\n:2\r\n:42\r\n:41\r\n:2\r\n"
    ":4\r\n:1\r\n:0\r\n$4\r\nabab\r\n$4\r\nabab\r\n$-1\r\n$1\r\nc\r\n:3\r\n"
    "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n1\r\n$1\r\n1\r\n:1\r\n";

static void answers_in_order_in_pieces_of_any_size(void)
{
    for (int db = 0; db < DATABASES; db++) {
        int fd = dial();

        select_db(fd, db);
        for (size_t piece = 1; piece <= 64; piece++)
            talk(fd, PIPELINE, sizeof PIPELINE - 1, piece, REPLIES,
                 sizeof REPLIES - 1);
        talk(fd, PIPELINE, sizeof PIPELINE - 1, sizeof PIPELINE, REPLIES,
             sizeof REPLIES - 1);
        close(fd);
    }
}

/* Makes "SET k <size bytes>", "GET k" and what they answer. */
static void moves_values_of_any_size(void)
{
    static const size_t SIZES[] = {
        0, 1, 4095, 4096, 8191, 8192, 8193, 16384, 65536, 1u << 20u, 5u << 20u};
    char *out = malloc(6 << 20), *in = malloc(6 << 20);

    CHECK(out != NULL && in != NULL);
    for (int db = 0; db < DATABASES; db++) {
        int fd = dial();

        select_db(fd, db);
        for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
            size_t size = SIZES[i];
            size_t n = (size_t)sprintf(
                out, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", size);
            size_t m = (size_t)sprintf(in, "+OK\r\n$%zu\r\n", size);

            for (size_t b = 0; b < size; b++)
                out[n + b] = in[m + b] = (char)(b * 31 + size);
            n += size;
            m += size;
            n += (size_t)sprintf(out + n, "\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
            m += (size_t)sprintf(in + m, "\r\n");
            talk(fd, out, n, n, in, m);
            talk(fd, out, n, 7777, in, m);
        }
        close(fd);
    }
    free(out);
    free(in);
}

static uint64_t count_sets(int db)
{
    struct weir_op_stats stats;

    CHECK(weir_store_op_stats(stores[db], WEIR_SET, &stats) == 0);
    return stats.batches;
}

/* A client's buffer is shorter than this pipeline, at first. */
static void makes_long_runs_of_a_long_pipeline(void)
{
    enum { SETS = 16, SIZE = 4096, TIMES = 20 };
    char *out = malloc(2 * SETS * SIZE), *value = malloc(SIZE);
    char replies[SETS * 5 + 1] = "";
    size_t n = 0;
    uint64_t before;
    int fd = dial();

    CHECK(out != NULL && value != NULL);
    memset(value, 'v', SIZE);
    for (int i = 0; i < SETS; i++) {
        n += (size_t)sprintf(out + n, "*3\r\n$3\r\nSET\r\n$3\r\nk%02d\r\n", i);
        n += (size_t)sprintf(out + n, "$%d\r\n%.*s\r\n", SIZE, SIZE, value);
        strcat(replies, "+OK\r\n");
    }
    select_db(fd, QUEUED);
    before = count_sets(QUEUED);
    for (int i = 0; i < TIMES; i++)
        talk(fd, out, n, n, replies, strlen(replies));
    /* With a short buffer a run has at most four of them. */
    CHECK(count_sets(QUEUED) - before <= TIMES * 3);
    close(fd);
    free(out);
    free(value);
}

/* A socket of another program may block, and a turn must not. */
static void accepts_at_a_given_socket(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int given = socket(AF_INET, SOCK_STREAM, 0), before = port, fd;
    struct weir_error err;
    char address[16];

    CHECK(bind(given, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(listen(given, 8) == 0);
    snprintf(address, sizeof address, "fd:%d", given);
    port = weir_server_listen(server, address, 0, &err);
    CHECK(port > 0);
    alarm(60);
    fd = dial();
    say(fd, "ping\r\n", "+PONG\r\n");
    alarm(0);
    close(fd);
    port = before;
}

static void refuses_what_is_no_protocol(void)
{
    static const char *const CASES[][2] = {
        {"*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"},
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$99999999999\r\n",
         "-ERR Protocol error: invalid bulk length\r\n"},
        {"get \"a\r\n",
         "-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"*2000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\n$4\r\nPINGxx",
         "-ERR Protocol error: expected a newline after a bulk string\r\n"},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int fd = dial();
        char byte;

        say(fd, CASES[i][0], CASES[i][1]);
        turn(10);
        CHECK(recv(fd, &byte, 1, 0) == 0);
        close(fd);
    }
}

static uint64_t count_clients(void)
{
    struct weir_server_stats stats;

    weir_server_stats(server, &stats);
    return stats.clients;
}

static void forgets_clients_that_go_in_the_middle(void)
{
    static const char HALF[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$900000\r\nabc";
    struct weir_server_stats before, after;

    weir_server_stats(server, &before);
    for (int i = 0; i < 300; i++) {
        int fd = dial();
        struct linger now = {.l_onoff = 1, .l_linger = 0};

        if (i % 3 != 0)
            select_db(fd, i % 3);
        CHECK(send(fd, PIPELINE, sizeof PIPELINE - 1, 0) > 0);
        CHECK(send(fd, HALF, sizeof HALF - 1, 0) > 0);
        if (i % 2 == 0)
            turn(0);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd);
    }
    for (int i = 0; i < 1000 && count_clients() > 0; i++)
        turn(10);
    weir_server_stats(server, &after);
    CHECK(after.clients == 0);
    CHECK(after.memory == before.memory);
}

static void stops_reading_when_replies_wait(void)
{
    static const char HEAD[] = "*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$1048576\r\n";
    size_t n = sizeof HEAD - 1 + (1 << 20) + 2, sent = 0, got = 0;
    char *set = malloc(n);
    struct weir_server_stats stats;
    char reply[65536];
    int fd = dial();

    CHECK(set != NULL);
    memset(set, 'v', n);
    memcpy(set, HEAD, sizeof HEAD - 1);
    memcpy(set + n - 2, "\r\n", 2);
    talk(fd, set, n, n, "+OK\r\n", 5);
    /* Gets of a mebibyte, unread. */
    for (int i = 0; i < UNREAD; i++) {
        sent += (size_t)(send(fd, "get v\r\n", 7, MSG_DONTWAIT) == 7);
        turn(0);
    }
    CHECK(sent > 100);
    for (int i = 0; i < 1000; i++) {
        turn(5);
        weir_server_stats(server, &stats);
        if (stats.blocked == 1 && i > 20)
            break;
    }
    CHECK(stats.blocked == 1);
    CHECK(stats.memory < 64 << 20);
    while (got < sent * ((1 << 20) + 12)) {
        ssize_t rc = recv(fd, reply, sizeof reply, MSG_DONTWAIT);

        CHECK(rc > 0 || (rc < 0 && errno == EAGAIN));
        if (rc > 0)
            got += (size_t)rc;
        else
            turn(10);
    }
    CHECK(got == sent * ((1 << 20) + 12));
    close(fd);
    free(set);
}

/* A client that always asks for more than it has read: the server always holds
 * replies for it, but none that were sent. */
static void keeps_no_reply_that_was_sent(size_t size)
{
    enum { TOTAL = SANITIZED ? 16 << 20 : 48 << 20, ASK = 7, ASKS = 7000 };
    static char set[10000], asks[ASKS + 1], expected[10000], reply[32 << 10];
    size_t n =
        (size_t)snprintf(set, sizeof set, "set v %0*d\r\n", (int)size, 1);
    size_t m = (size_t)snprintf(expected, sizeof expected, "$%zu\r\n%s", size,
                                set + strlen("set v "));
    size_t got = 0, asked = 0;
    struct weir_server_stats stats;
    int fd = dial();

    for (size_t i = 0; i < ASKS; i += ASK)
        memcpy(asks + i, "get v\r\n", ASK);
    talk(fd, set, n, n, "+OK\r\n", 5);
    while (got < TOTAL) {
        size_t at = asked % ASKS;
        ssize_t rc = send(fd, asks + at, ASKS - at, MSG_DONTWAIT);

        asked += rc > 0 ? (size_t)rc : 0;
        turn(0);
        rc = recv(fd, reply, sizeof reply, MSG_DONTWAIT);
        CHECK(rc > 0 || (rc < 0 && errno == EAGAIN));
        for (ssize_t i = 0; i < rc; i++)
            CHECK(reply[i] == expected[got++ % m]);
        weir_server_stats(server, &stats);
        CHECK(stats.memory < 8 << 20);
    }
    close(fd);
}

/* After a large reply a client that stays busy gives the memory back. */
static void keeps_little_memory_after_a_large_reply(void)
{
    enum { KEYS = 2000, SIZE = 4000 };
    static char set[5000], mget[8 + 2 * KEYS + 3], reply[32 << 10];
    size_t n = (size_t)snprintf(set, sizeof set, "set v %0*d\r\n", SIZE, 1);
    size_t expected = 7 + (size_t)KEYS * (7 + SIZE + 2), got = 0;
    struct weir_server_stats stats;
    int fd = dial();

    talk(fd, set, n, n, "+OK\r\n", 5);
    strcpy(mget, "mget");
    for (int i = 0; i < KEYS; i++)
        strcat(mget, " v");
    strcat(mget, "\r\n");
    CHECK(send(fd, mget, strlen(mget), 0) == (ssize_t)strlen(mget));
    while (got < expected) {
        ssize_t rc;

        turn(1);
        rc = recv(fd, reply, sizeof reply, MSG_DONTWAIT);
        CHECK(rc > 0 || (rc < 0 && errno == EAGAIN));
        got += rc > 0 ? (size_t)rc : 0;
    }
    say(fd, "ping\r\n", "+PONG\r\n");
    weir_server_stats(server, &stats);
    CHECK(stats.memory < 2 << 20);
    close(fd);
}

static void refuses_fds_that_do_not_listen(void)
{
    struct weir_error err;
    char address[16];
    int ends[2];

    CHECK(weir_server_listen(server, "fd:1000000", 0, &err) == -EBADF);
    CHECK(strstr(err.message, "cannot listen at fd:1000000") != NULL);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    snprintf(address, sizeof address, "fd:%d", ends[0]);
    CHECK(weir_server_listen(server, address, 0, &err) == -EINVAL);
    CHECK(strstr(err.message, "not a socket that listens") != NULL);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct weir_server_limits limits = {
        .max_clients = 1000,
        .max_memory = 0,
        .max_value = 8 << 20,
        .databases = DATABASES,
        .open = WEIR_CLIENT_USER,
    };

    start(&limits);
    answers_in_order_in_pieces_of_any_size();
    moves_values_of_any_size();
    makes_long_runs_of_a_long_pipeline();
    refuses_what_is_no_protocol();
    forgets_clients_that_go_in_the_middle();
    stops_reading_when_replies_wait();
    keeps_no_reply_that_was_sent(1000);
    keeps_no_reply_that_was_sent(6000);
    keeps_little_memory_after_a_large_reply();
    accepts_at_a_given_socket();
    refuses_fds_that_do_not_listen();
    /* Some batches were answered in part, some as a whole. */
    CHECK(n_rests > 10 && fast_counts.batches > n_rests);
    CHECK(fast_counts.keys >= fast_counts.batches);
    CHECK(fast_counts.bytes > 0 && fast_counts.total_ns > 0);
    stop();
    return 0;
}
