/* greeting.c -- servers that answer the first commands in other ways than most:
 * who they turn away learns why, who they serve is served, and none of them
 * keeps a worker. */
#include "scripted_server.h"

static struct weir_cq *cq;
static struct weir_batch *b;

/* What a get says on a store of its own. */
static int first_get(const char *url)
{
    struct weir_store *s =
        open_redis(url, "workers=1", "connect_timeout=60s", NULL);
    int status = ask(s, cq, b, WEIR_GET, "key");

    weir_store_free(s);
    return status;
}

static void command(const struct server *server, const char *words)
{
    char line[256];

    snprintf(line, sizeof line, "redis-cli -p %d %s >/dev/null 2>&1",
             server->port, words);
    CHECK(system(line) == 0);
}

/* One that cannot save its data refuses to be written to, and to be pinged. */
static void cannot_save(void)
{
    struct server server;
    char path[64];

    server_start(&server, "--save", "3600 1", NULL);
    command(&server, "set key value");
    snprintf(path, sizeof path, "%s/dump.rdb", server.folder);
    CHECK(mkdir(path, 0700) == 0);
    command(&server, "bgsave");
    snprintf(path, sizeof path, "redis-cli -p %d ping | grep -q MISCONF",
             server.port);
    CHECK(EVENTUALLY(system(path) == 0));
    CHECK(first_get(server.url) == WEIR_OK);
    server_stop(&server);
}

static void full_house(void)
{
    struct server server;
    struct weir_store *s;

    server_start(&server, "--maxclients", "1", NULL);
    s = open_redis(server.url, "workers=1", NULL);
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_GET, "key") == WEIR_MISS));
    for (int i = 0; i < 20; i++) {
        CHECK(first_get(server.url) == WEIR_UNAVAILABLE);
        CHECK(strstr(b->error.message, "max number of clients") != NULL);
    }
    weir_store_free(s);
    server_stop(&server);
}

static void turned_away(struct script_server *server, const char *url)
{
    server->turn_away = "-DENIED Redis is running in protected mode\r\n";
    for (int i = 0; i < 5; i++) {
        CHECK(first_get(url) == WEIR_DENIED);
        CHECK(strstr(b->error.message, "protected mode") != NULL);
    }
    server->turn_away = NULL;
    CHECK(first_get(url) == WEIR_OK);
}

/* The head of a huge array that comes alone, after a right reply. */
static void huge_array(struct script_server *server, const char *url)
{
    server->turn_away = "+OK\r\n*1000000000\r\n";
    CHECK(first_get(url) == WEIR_UNAVAILABLE);
    CHECK(strstr(b->error.message, "no Redis answers") != NULL);
    server->turn_away = NULL;
    CHECK(first_get(url) == WEIR_OK);
}

static long peak(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (kib == 0 && fgets(line, sizeof line, f) != NULL)
        sscanf(line, "VmHWM: %ld", &kib);
    fclose(f);
    return kib;
}

/* A greeting without end is no Redis, however fast it comes. */
static void endless(struct script_server *server, const char *url)
{
    static char words[65537];
    static const char *const BEGINS[] = {"+", "$90000000\r\n",
                                         "*2147483647\r\n:1\r\n", "*1\r\n"};
    long before = peak();

    for (size_t i = 0; i < sizeof BEGINS / sizeof *BEGINS; i++) {
        memset(words, 'a', sizeof words - 1);
        memcpy(words, BEGINS[i], strlen(BEGINS[i]));
        server->endless = words;
        CHECK(first_get(url) == WEIR_UNAVAILABLE);
        CHECK(strstr(b->error.message, "no Redis answers") != NULL);
        server->endless = NULL;
        CHECK(EVENTUALLY(atomic_load(&server->open) == 0));
    }
    CHECK(peak() - before < 64 << 10);
    CHECK(first_get(url) == WEIR_OK);
}

/* What a get says on a store of its own, opened with one option more. */
static int first_get_with(const char *url, const char *option)
{
    struct weir_store *s = open_redis(url, "workers=1", "connect_timeout=60s",
                                      "backoff=1ms", option, NULL);
    int status = ask(s, cq, b, WEIR_GET, "key");

    weir_store_free(s);
    return status;
}

/* A proxy that hangs up on what it does not know. The name is done without,
 * unless it is not sent; PING can be left out. */
static void fussy(struct script_server *server, const char *url)
{
    int accepted = atomic_load(&server->accepted);

    server->hated = "CLIENT";
    CHECK(first_get_with(url, "client_name=") == WEIR_OK);
    CHECK(atomic_load(&server->accepted) == accepted + 1);
    CHECK(first_get_with(url, NULL) == WEIR_OK);
    CHECK(atomic_load(&server->accepted) == accepted + 3);
    server->hated = "PING";
    CHECK(first_get_with(url, NULL) == WEIR_UNAVAILABLE);
    CHECK(first_get_with(url, "ping=false") == WEIR_OK);
    server->hated = NULL;
}

/* It has hung up on the name once: the next connections do without. */
static void nameless(struct script_server *server, const char *url)
{
    struct weir_store *s =
        open_redis(url, "workers=1", "backoff=1ms", "max_backoff=2ms", NULL);
    int accepted;

    server->hated = "CLIENT";
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    server->hated = "GET";
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_RESET);
    server->hated = "CLIENT";
    accepted = atomic_load(&server->accepted);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    CHECK(atomic_load(&server->accepted) == accepted + 1);
    server->hated = NULL;
    weir_store_free(s);
}

static void odd_urls(struct script_server *server)
{
    char url[64];

    server->hated = "AUTH";
    snprintf(url, sizeof url, "redis://:@127.0.0.1:%d", server->port);
    CHECK(first_get(url) == WEIR_OK);
    server->hated = NULL;
    snprintf(url, sizeof url, "REDIS://127.0.0.1:%d/0", server->port);
    CHECK(first_get(url) == WEIR_OK);
}

int main(void)
{
    struct script_server server;
    char url[64];

    deadline_s(200);
    cq = new_cq();
    b = weir_batch_new(1);
    script_start(&server);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", server.port);
    endless(&server, url);
    turned_away(&server, url);
    huge_array(&server, url);
    fussy(&server, url);
    nameless(&server, url);
    odd_urls(&server);
    script_stop(&server);
    full_house();
    cannot_save();
    weir_batch_free(b);
    weir_cq_free(cq);
    return 0;
}
