/* tls.c -- the same bytes under TLS, and the certificates that are not taken:
 * of another name, of an authority that nobody named, of no client. */
#include "server.h"

/* OpenSSL is not instrumented: what it orders by atomics looks like a race. */
const char *__tsan_default_suppressions(void);

__attribute__((visibility("default"))) const char *
__tsan_default_suppressions(void)
{
    return "called_from_lib:libcrypto.so\ncalled_from_lib:libssl.so\n";
}

static struct weir_cq *cq;
static struct weir_batch *b;
static char url[96], ca[80], cert[80], key[80];

static void openssl(const char *folder, const char *format, ...)
{
    char command[512], line[700];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(line, sizeof line, "cd %s && openssl %s >/dev/null 2>&1", folder,
             command);
    CHECK(system(line) == 0);
}

/* An authority and a certificate of it for "cache.internal". */
static void certificates(const char *folder)
{
    openssl(folder, "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
                    "-nodes -keyout ca.key -out ca.pem -subj /CN=authority "
                    "-days 2");
    openssl(folder, "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                    "-keyout key.pem -out request -subj /CN=weir "
                    "-addext subjectAltName=DNS:cache.internal");
    openssl(folder, "x509 -req -in request -CA ca.pem -CAkey ca.key "
                    "-CAcreateserial -days 2 -copy_extensions copy "
                    "-out cert.pem");
}

/* Sets and gets values of each size, so that records are cut everywhere. */
static void bytes(struct weir_store *s)
{
    for (size_t size = 1; size <= 4 << 20; size = size * 5 + 3) {
        struct weir_batch *many = keyed_batch(WEIR_SET, 20, "tls");
        char *value = malloc(size);

        for (size_t i = 0; i < size; i++)
            value[i] = (char)(i * 31 + (i >> 8) + size);
        for (uint32_t i = 0; i < 20; i++) {
            many->items[i].data = value;
            many->items[i].size = size;
        }
        go(s, cq, many);
        CHECK(count_status(many, WEIR_OK) == 20);
        weir_batch_free(many);
        many = keyed_batch(WEIR_GET, 20, "tls");
        go(s, cq, many);
        for (uint32_t i = 0; i < 20; i++) {
            CHECK(many->items[i].status == WEIR_OK);
            CHECK(many->items[i].size == size);
            CHECK(memcmp(many->items[i].value->data, value, size) == 0);
        }
        weir_batch_free(many);
        free(value);
    }
}

/* What a first operation says with these options on top. */
static int first(const char *one_more, const char *another, const char *third)
{
    struct weir_store *s =
        open_redis(url, "connect_timeout=2s", one_more, another, third, NULL);
    int status;

    one(b, WEIR_GET, "key");
    go(s, cq, b);
    status = b->items->status;
    weir_store_free(s);
    return status;
}

static void refused(void)
{
    struct weir_setting bad[] = {{"ca", "/no/such/file"}};
    struct weir_store *s;
    struct weir_error err;

    CHECK(first(cert, key, NULL) ==
          WEIR_DENIED); /* an authority nobody named */
    CHECK(strstr(b->error.message, "certificate") != NULL);
    CHECK(first(ca, cert, key) == WEIR_DENIED); /* not the name of the host */
    CHECK(strstr(b->error.message, "mismatch") != NULL);
    CHECK(first(ca, "server_name=cache.internal", NULL) ==
          WEIR_DENIED); /* no client's certificate */
    CHECK(strstr(b->error.message, "client's certificate") != NULL);
    CHECK(weir_open(&s, url, bad, 1, &err) == -EINVAL);
    CHECK(strstr(err.message,
                 "option ca: cannot use /no/such/file: No such file") != NULL);
}

/* TLS to a server that does not speak it ends in time, and says so. */
static void plain_server(const struct server *server)
{
    char plain[64];
    struct weir_store *s;

    snprintf(plain, sizeof plain, "rediss://127.0.0.1:%d", server->port);
    s = open_redis(plain, "verify=false", "connect_timeout=1s", NULL);
    one(b, WEIR_GET, "key");
    go(s, cq, b);
    CHECK(b->items->status == WEIR_UNAVAILABLE);
    CHECK(strstr(b->error.message,
                 "; if the server expects no TLS, use redis://") != NULL);
    weir_store_free(s);
}

/* A server that speaks TLS hangs up on a client that does not. */
static void plain_client(int tls_port)
{
    char plain[64];
    struct weir_store *s;

    snprintf(plain, sizeof plain, "redis://127.0.0.1:%d", tls_port);
    s = open_redis(plain, NULL);
    one(b, WEIR_GET, "key");
    go(s, cq, b);
    CHECK(b->items->status == WEIR_UNAVAILABLE);
    CHECK(strstr(b->error.message, "; if it expects TLS, set tls=true") !=
          NULL);
    weir_store_free(s);
}

/* When the server was killed. */
enum moment { TOO_EARLY, BETWEEN, TOO_LATE };

/* A small value comes and then a large one, while the server is killed: the
 * end of a stream is no reason not to believe what came before. */
static enum moment killed_between(struct server *server, unsigned after_ms,
                                  char **options)
{
    struct weir_store *s = open_redis(url, ca, cert, key, "workers=1",
                                      "server_name=cache.internal", NULL);
    struct weir_batch *two = weir_batch_new(2);
    char line[128];
    int small, large;

    snprintf(line, sizeof line,
             "redis-cli -p %d setrange large 200000000 x >/dev/null && "
             "redis-cli -p %d set small x >/dev/null",
             server->port, server->port);
    CHECK(system(line) == 0);
    CHECK(ask(s, cq, b, WEIR_GET, "small") == WEIR_OK);
    CHECK(weir_batch_reset(two, WEIR_GET, 2) == 0);
    two->items[0].key = "small";
    two->items[1].key = "large";
    two->items[0].key_len = two->items[1].key_len = 5;
    CHECK(weir_submit(s, cq, two) == 0);
    nap_ms(after_ms);
    server_kill(server);
    CHECK(next_done(cq) == two);
    small = two->items[0].status;
    large = two->items[1].status;
    CHECK(small == WEIR_OK || small == WEIR_RESET);
    CHECK(large == WEIR_OK || large == WEIR_RESET);
    CHECK(large == WEIR_OK ||
          strstr(two->error.message, "closed the connection") != NULL);
    weir_batch_free(two);
    weir_store_free(s);
    server_run(server, options);
    if (small != WEIR_OK)
        return TOO_EARLY;
    return large == WEIR_OK ? TOO_LATE : BETWEEN;
}

/* The moment in between is not always met at once. */
static void killed(struct server *server, char **options)
{
    unsigned after_ms = 10, tries = 0;
    enum moment moment;

    while ((moment = killed_between(server, after_ms, options)) != BETWEEN) {
        CHECK(++tries < 40);
        after_ms = moment == TOO_EARLY ? after_ms * 3 / 2 + 1 : after_ms / 2;
    }
}

static void stopped(const struct server *server)
{
    struct weir_store *s =
        open_redis(url, ca, cert, key, "workers=1", "read_timeout=100ms",
                   "server_name=cache.internal", "backoff=1ms", NULL);

    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_SET, "key") == WEIR_OK));
    kill(server->pid, SIGSTOP);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_TIMEOUT);
    kill(server->pid, SIGCONT);
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK));
    weir_store_free(s);
}

int main(void)
{
    struct server server;
    struct weir_store *s;
    char port[8], folder[] = "/tmp/weir-tls-XXXXXX";
    char *options[] = {(char *)"--tls-port",
                       port,
                       (char *)"--tls-ca-cert-file",
                       ca + 3,
                       (char *)"--tls-cert-file",
                       cert + 5,
                       (char *)"--tls-key-file",
                       key + 4,
                       NULL};
    int tls_port = free_port();

    deadline_s(200);
    if (system("command -v openssl >/dev/null 2>&1") != 0) {
        printf("no openssl here\n");
        return 77;
    }
    CHECK(mkdtemp(folder) != NULL);
    certificates(folder);
    snprintf(port, sizeof port, "%d", tls_port);
    snprintf(ca, sizeof ca, "ca=%s/ca.pem", folder);
    snprintf(cert, sizeof cert, "cert=%s/cert.pem", folder);
    snprintf(key, sizeof key, "key=%s/key.pem", folder);
    server_start(&server, options[0], options[1], options[2], options[3],
                 options[4], options[5], options[6], options[7], NULL);
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d", tls_port);
    cq = new_cq();
    b = weir_batch_new(1);
    s = open_redis(url, ca, cert, key, "server_name=cache.internal", NULL);
    bytes(s);
    CHECK(s != NULL);
    weir_store_free(s);
    refused();
    stopped(&server);
    killed(&server, options);
    plain_server(&server);
    plain_client(tls_port);
    weir_batch_free(b);
    weir_cq_free(cq);
    server_stop(&server);
    nftw(folder, server_remove, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
