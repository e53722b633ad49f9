/* tracking.c -- which keys others changed, told by a real server, and by one
 * that answers what a script says. */
#include "scripted_server.h"

static struct server server;
static struct weir_store *store;
static struct weir_cq *cq;
static struct weir_watch *watch;

/* ---- what is expected ---- */

static struct weir_event next_event(void)
{
    struct weir_event e;

    while (weir_watch_read(watch, &e, 1) == 0)
        next_done(cq);
    return e;
}

static void expect(uint32_t kind)
{
    uint32_t got = next_event().kind;

    if (got != kind)
        fprintf(stderr, "expected event %u, got %u\n", kind, got);
    CHECK(got == kind);
}

static void expect_change(const char *key)
{
    struct weir_event e = next_event();

    CHECK(e.kind == WEIR_EVENT_CHANGED && e.key_len == strlen(key));
    CHECK(memcmp(e.key, key, e.key_len) == 0);
}

/* The sight was short: its begin may have been dropped with its end. */
static void expect_sight_lost(void)
{
    uint32_t kind = next_event().kind;

    if (kind == WEIR_EVENT_REGAINED)
        kind = next_event().kind;
    CHECK(kind == WEIR_EVENT_LOST);
}

static void begin(const char *url, const char *timeout)
{
    char words[64];
    struct weir_error err;

    snprintf(words, sizeof words, "tracking_timeout=%s", timeout);
    store = open_redis(url, "tracking=true", "prefix=app:", "backoff=10ms",
                       "max_backoff=50ms", words, NULL);
    cq = new_cq();
    if (weir_watch_new(&watch, store, cq, 1, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
}

static void end(void)
{
    weir_watch_free(watch);
    weir_cq_free(cq);
    weir_store_free(store);
}

/* ---- a real server ---- */

/* Another client: sends a command and waits for the first bytes of its reply.
 */
static void other_len(const char *command, size_t len)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)server.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char reply[512];

    CHECK(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    while (len > 0) {
        ssize_t n = send(fd, command, len, 0);

        CHECK(n > 0);
        command += n;
        len -= (size_t)n;
    }
    CHECK(recv(fd, reply, sizeof reply, 0) > 0 && reply[0] != '-');
    close(fd);
}

static void other(const char *command)
{
    other_len(command, strlen(command));
}

static void tells_what_others_change(void)
{
    other("SET foreign 1\r\n");
    other("SET app:a 1\r\n");
    expect_change("a");
    other("DEL app:a\r\n");
    expect_change("a");
    other("MSET app:b 1 app:c 2\r\n");
    expect(WEIR_EVENT_CHANGED);
    expect(WEIR_EVENT_CHANGED);
    other("SET app:d 1 PX 30\r\n");
    expect_change("d");
    expect_change("d"); /* it expires */
}

static void tells_of_its_own_writes_too(void)
{
    struct weir_batch *b = keyed_batch(WEIR_SET, 1, "own");
    struct weir_cq *own = new_cq();

    b->items[0].data = (char *)"x";
    b->items[0].size = 1;
    CHECK(weir_submit(store, own, b) == 0);
    CHECK(next_done(own) == b && b->items[0].status == WEIR_OK);
    expect_change("own0");
    weir_batch_free(b);
    weir_cq_free(own);
}

static void leaves_out_keys_that_no_store_reads(void)
{
    size_t len = 300000;
    char *command = malloc(len + 64);
    int n = snprintf(command, 64, "*3\r\n$3\r\nSET\r\n$%zu\r\napp:", len);

    memset(command + n, 'k', len - 4);
    memcpy(command + n + len - 4, "\r\n$1\r\n1\r\n", 10);
    other_len(command, (size_t)n + len - 4 + 9);
    other("SET app: 1\r\n");
    other("SET app:e 1\r\n");
    expect_change("e");
    free(command);
}

static void tells_of_thousands_at_once(void)
{
    size_t cap = 1 << 20, n = 0;
    char *command = malloc(cap);

    n += (size_t)snprintf(command, cap, "*20001\r\n$4\r\nMSET\r\n");
    for (int i = 0; i < 10000; i++)
        n += (size_t)snprintf(command + n, cap - n,
                              "$9\r\napp:%05d\r\n$1\r\n1\r\n", i);
    other_len(command, n);
    for (int i = 0; i < 10000; i++)
        expect(WEIR_EVENT_CHANGED);
    free(command);
}

static void tells_of_flushes_as_all(void)
{
    other("FLUSHALL\r\n");
    expect(WEIR_EVENT_LOST);
    expect(WEIR_EVENT_REGAINED);
    other("SET app:f 1\r\n");
    expect_change("f");
}

static void comes_back_when_its_connection_is_killed(void)
{
    for (int i = 0; i < 3; i++) {
        other("CLIENT KILL TYPE NORMAL\r\n");
        expect(WEIR_EVENT_LOST);
        expect(WEIR_EVENT_REGAINED);
    }
    other("SET app:g 1\r\n");
    expect_change("g");
}

/* With a short timeout. On a machine that is busy, sight may be lost more than
 * once. */
static void notices_a_server_that_hangs(void)
{
    struct weir_error err;

    begin(server.url, "400ms");
    expect(WEIR_EVENT_REGAINED);
    kill(server.pid, SIGSTOP);
    expect_sight_lost();
    CHECK(EVENTUALLY(weir_store_sees(store, &err) == 0 && err.code != 0));
    CHECK(strstr(err.message, "no answer to PING") != NULL);
    kill(server.pid, SIGCONT);
    CHECK(EVENTUALLY(weir_store_sees(store, NULL) == 1));
    end();
}

static void comes_back_when_the_server_does(void)
{
    char *no_options[] = {NULL};

    server_kill(&server);
    expect(WEIR_EVENT_LOST);
    CHECK(weir_store_sees(store, NULL) == 0);
    server_run(&server, no_options);
    expect(WEIR_EVENT_REGAINED);
    other("SET app:i 1\r\n");
    expect_change("i");
}

static void a_store_without_tracking_says_so(void)
{
    struct weir_store *plain = open_redis(server.url, NULL);
    struct weir_error err;

    CHECK(weir_store_can_watch(plain, &err) == -ENOTSUP);
    CHECK(strstr(err.message, "set tracking=true") != NULL);
    weir_store_free(plain);
}

static void on_a_real_server(void)
{
    server_start(&server, NULL);
    begin(server.url, "20s");
    expect(WEIR_EVENT_REGAINED);
    tells_what_others_change();
    tells_of_its_own_writes_too();
    leaves_out_keys_that_no_store_reads();
    tells_of_thousands_at_once();
    tells_of_flushes_as_all();
    comes_back_when_its_connection_is_killed();
    comes_back_when_the_server_does();
    a_store_without_tracking_says_so();
    end();
    notices_a_server_that_hangs();
    begin(server.unix_url, "20s");
    expect(WEIR_EVENT_REGAINED);
    other("SET app:j 1\r\n");
    expect_change("j");
    end();
    server_stop(&server);
}

/* ---- a scripted one ---- */

static const char HELLO[] = "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n"
                            "$7\r\nmodules\r\n*1\r\n%1\r\n+a\r\n_\r\n";

/* What the server answers to HELLO and CLIENT TRACKING, and says after. */
static struct {
    const char *_Atomic hello, *_Atomic tracking, *_Atomic pushes;
    _Atomic int accepted, silent;
    int listener, port;
} fake;

static bool fake_reply(int fd, const struct script_words *w)
{
    const char *text = "+OK\r\n";
    bool tracking = w->n > 1 && strncmp(w->word[1], "TRACKING", 8) == 0;

    if (strncmp(w->word[0], "HELLO", 5) == 0)
        text = fake.hello;
    else if (tracking)
        text = fake.tracking;
    else if (strncmp(w->word[0], "PING", 4) == 0)
        text = "+PONG\r\n";
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return false;
    for (const char *at = fake.pushes; tracking && *at != '\0'; at++) {
        if (send(fd, at, 1, MSG_NOSIGNAL) < 0)
            return false;
    }
    return *text != '\0';
}

/* Serves one connection, and answers nothing once it has to be silent. */
static void fake_serve(int fd)
{
    char text[4096];
    size_t have = 0, used;
    ssize_t n;

    while ((n = recv(fd, text + have, sizeof text - have, 0)) > 0) {
        struct script_words w;
        char *ping;

        have += (size_t)n;
        /* PING comes inline from the watch, and as an array from greet. */
        while (have > 0) {
            used = text[0] == '*' ? script_parse(text, have, &w) : 0;
            ping = memmem(text, have, "PING\r\n", 6);
            if (used > 0 && !fake_reply(fd, &w))
                return;
            if (used == 0 && text[0] != '*' && ping == text) {
                used = 6;
                if (!fake.silent && send(fd, "+PONG\r\n", 7, MSG_NOSIGNAL) < 0)
                    return;
            }
            if (used == 0)
                break;
            memmove(text, text + used, have - used);
            have -= used;
        }
    }
}

static void *fake_main(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(fake.listener, NULL, NULL);

        if (fd < 0)
            return NULL;
        fake.accepted++;
        fake_serve(fd);
        close(fd);
    }
}

static void fake_start(pthread_t *thread)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    fake.listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(fake.listener, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(listen(fake.listener, 8) == 0);
    CHECK(getsockname(fake.listener, (struct sockaddr *)&a, &len) == 0);
    fake.port = ntohs(a.sin_port);
    CHECK(pthread_create(thread, NULL, fake_main, NULL) == 0);
}

static void begin_fake(const char *hello, const char *tracking,
                       const char *pushes, const char *timeout)
{
    char url[64];

    fake.hello = hello;
    fake.tracking = tracking;
    fake.pushes = pushes;
    fake.accepted = 0;
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", fake.port);
    begin(url, timeout);
}

static const char *const VALID[] = {
    ">2\r\n$10\r\ninvalidate\r\n*1\r\n$5\r\napp:x\r\n",
    ">3\r\n$3\r\nnew\r\n*2\r\n%1\r\n+a\r\n#t\r\n,1.5\r\n(12\r\n"
    ">2\r\n$10\r\ninvalidate\r\n*1\r\n$5\r\napp:x\r\n",
    ">2\r\n$10\r\ninvalidate\r\n*0\r\n"
    ">2\r\n$10\r\ninvalidate\r\n*2\r\n$3\r\nbpp\r\n$5\r\napp:x\r\n",
};

static const char *const INVALID[] = {
    "hello\r\n",
    "+PONG\r\n",
    "-ERR what\r\n",
    "*-2\r\n",
    ">0\r\n",
    ">2\r\n+new\r\n:1\r\n",
    ">-1\r\n",
    ">99999999\r\n",
    ">1\r\n$10\r\ninvalidate\r\n",
    ">3\r\n$10\r\ninvalidate\r\n*0\r\n:1\r\n",
    ">2\r\n$10\r\ninvalidate\r\n:1\r\n",
    ">2\r\n$10\r\ninvalidate\r\n*1\r\n:1\r\n",
    ">2\r\n$10\r\ninvalidate\r\n*1\r\n$-1\r\n",
    ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\napp:x\r\n",
    ">2\r\n$10\r\ninvalidate\r\n*99999999999999999999\r\n",
    ">2\r\n$10\r\ninvalidate\r\n*1\r\n$99999999999999\r\n",
    ">2\r\n$3\r\nnew\r\n*70000\r\n",
    ">2\r\n$3\r\nnew\r\n>1\r\n:1\r\n",
    ",0123456789012345678901234567890123456789012345678901234567890123456",
};

static void reads_valid_pushes_and_no_others(void)
{
    struct weir_error err;

    for (size_t i = 0; i < sizeof VALID / sizeof *VALID; i++) {
        begin_fake(HELLO, "+OK\r\n", VALID[i], "5s");
        expect(WEIR_EVENT_REGAINED);
        expect_change("x");
        end();
    }
    for (size_t i = 0; i < sizeof INVALID / sizeof *INVALID; i++) {
        begin_fake(HELLO, "+OK\r\n", INVALID[i], "5s");
        expect_sight_lost();
        CHECK(EVENTUALLY(weir_store_sees(store, &err) == 1 || err.code != 0));
        end();
    }
}

static void notices_silence(void)
{
    fake.silent = 1;
    begin_fake(HELLO, "+OK\r\n", "", "200ms");
    expect_sight_lost();
    end();
    fake.silent = 0;
}

static void says_once_that_a_server_cannot(void)
{
    static const char *const OLD[][2] = {
        {"-ERR unknown command 'HELLO', with args beginning with: '3' \r\n",
         "-ERR unknown subcommand\r\n"},
        {"-NOPROTO sorry\r\n", "-ERR\r\n"},
        {HELLO, "-ERR Unknown subcommand or wrong number of arguments\r\n"},
    };

    for (size_t i = 0; i < sizeof OLD / sizeof *OLD; i++) {
        struct weir_error err;

        begin_fake(OLD[i][0], OLD[i][1], "", "1s");
        CHECK(EVENTUALLY(weir_store_sees(store, &err) == 0 && err.code != 0));
        CHECK(strstr(err.message, "; tracking needs Redis 6 or later") != NULL);
        CHECK(strstr(err.message, "with args") == NULL);
        CHECK(strstr(err.message, "take out tracking=true") != NULL);
        nap_ms(120); /* the backoff is 50 ms, but the next try in a minute */
        CHECK(fake.accepted == 1);
        end();
    }
}

/* Another version of the server would not help. */
static void says_which_commands_a_user_needs(void)
{
    struct weir_error err;

    begin_fake(HELLO,
               "-NOPERM this user has no permissions to run the "
               "'client|tracking' command or its subcommand\r\n",
               "", "1s");
    CHECK(EVENTUALLY(weir_store_sees(store, &err) == 0 && err.code != 0));
    CHECK(strstr(err.message, "'client|tracking' command") != NULL);
    CHECK(strstr(err.message, "; let the user run HELLO and CLIENT TRACKING, "
                              "or take out tracking=true") != NULL);
    CHECK(strstr(err.message, "Redis 6") == NULL);
    nap_ms(120);
    CHECK(fake.accepted == 1);
    end();
}

static void tries_again_when_it_is_loading(void)
{
    begin_fake("-LOADING Redis is loading the dataset in memory\r\n",
               "-LOADING\r\n", "", "1s");
    CHECK(EVENTUALLY(fake.accepted >= 3));
    end();
    begin_fake("", "", "", "1s"); /* a proxy hangs up at HELLO */
    CHECK(EVENTUALLY(fake.accepted >= 3));
    end();
}

static void on_a_scripted_server(void)
{
    pthread_t thread;

    fake_start(&thread);
    reads_valid_pushes_and_no_others();
    notices_silence();
    says_once_that_a_server_cannot();
    says_which_commands_a_user_needs();
    tries_again_when_it_is_loading();
    shutdown(fake.listener, SHUT_RDWR);
    CHECK(pthread_join(thread, NULL) == 0);
    close(fake.listener);
}

int main(void)
{
    deadline_s(200);
    on_a_scripted_server();
    on_a_real_server();
    return 0;
}
