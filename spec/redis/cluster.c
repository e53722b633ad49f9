/* cluster.c -- clusters whose nodes say what a script tells them: maps that are
 * empty or lie, redirections without end or to nowhere, names and addresses. */
#include "scripted_server.h"

static struct weir_cq *cq;
static struct weir_batch *b;
static struct script_server one_node, other;
static char words[4][256];

/* A map in which the node at a port has all slots. */
static const char *map_of(char *out, const char *host, int port)
{
    snprintf(out, sizeof words[0],
             "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n%s\r\n:%d\r\n$1\r\nx\r\n", host,
             port);
    return out;
}

static const char *say(char *out, const char *word, const char *host, int port)
{
    snprintf(out, sizeof words[0], "-%s 1 %s:%d\r\n", word, host, port);
    return out;
}

static struct weir_store *open_cluster(int port)
{
    char url[80];

    snprintf(url, sizeof url, "redis://127.0.0.1:%d/?cluster=true", port);
    return open_redis(url, "workers=1", NULL);
}

/* Both nodes answer right, and the map says that the one has all slots. */
static void calm(void)
{
    one_node.nonsense = other.nonsense = NULL;
    one_node.position = other.position = -1;
    one_node.commands = other.commands = 0;
    one_node.slots = map_of(words[0], "$9\r\n127.0.0.1", one_node.port);
    other.slots = one_node.slots;
}

static void get_is(struct weir_store *s, int status, const char *sentence)
{
    struct weir_item *item = one(b, WEIR_GET, "key");

    b->deadline_ns = weir_now() + 8ull * SECOND;
    go(s, cq, b);
    if (item->status != status)
        fprintf(stderr, "%d: %s\n", item->status, b->error.message);
    CHECK(item->status == status);
    CHECK(sentence == NULL || strstr(b->error.message, sentence) != NULL);
}

/* The same for a key that waits for a better answer until its deadline, ms from
 * now. On a busy machine the deadline may find a command in flight, which has
 * timed out then, or come before a worker does: then it is asked for again. */
static void get_is_late(struct weir_store *s, uint64_t ms, int status,
                        const char *sentence)
{
    do {
        one(b, WEIR_GET, "key");
        one_node.commands = 0;
        b->deadline_ns = weir_now() + ms * MS;
        go(s, cq, b);
        ms += ms / 2;
    } while ((b->items->status == WEIR_TIMEOUT ||
              b->items->status == WEIR_SKIPPED) &&
             ms < PATIENCE / MS);
    if (b->items->status != status)
        fprintf(stderr, "%d: %s\n", b->items->status, b->error.message);
    CHECK(b->items->status == status);
    CHECK(strstr(b->error.message, sentence) != NULL);
}

/* ---- maps ---- */

static void maps(void)
{
    struct weir_store *s;
    char url[96];

    calm();
    s = open_cluster(one_node.port);
    get_is(s, WEIR_OK, NULL);
    weir_store_free(s);

    one_node.slots = "*0\r\n";
    s = open_cluster(one_node.port);
    get_is(s, WEIR_UNAVAILABLE, "knows no slots");
    weir_store_free(s);

    one_node.slots = "-ERR This instance has cluster support disabled\r\n";
    s = open_cluster(one_node.port);
    get_is(s, WEIR_UNSUPPORTED, "leave out cluster=true");
    weir_store_free(s);

    one_node.slots = "*1\r\n*3\r\n:0\r\n:99999\r\n";
    s = open_cluster(one_node.port);
    get_is(s, WEIR_UNAVAILABLE, "against the protocol");
    weir_store_free(s);

    /* No end of line after a host. */
    snprintf(words[0], sizeof words[0],
             "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1xx"
             ":%d\r\n$1\r\nx\r\n",
             one_node.port);
    one_node.slots = words[0];
    s = open_cluster(one_node.port);
    get_is(s, WEIR_UNAVAILABLE, "against the protocol");
    weir_store_free(s);

    /* A dead seed, one with an empty map, and a good one. */
    one_node.slots = "*0\r\n";
    other.slots = map_of(words[0], "$9\r\n127.0.0.1", other.port);
    snprintf(url, sizeof url,
             "redis://127.0.0.1:1,127.0.0.1:%d,127.0.0.1:%d/?cluster=true",
             one_node.port, other.port);
    s = open_redis(url, NULL);
    get_is(s, WEIR_OK, NULL);
    weir_store_free(s);
}

/* A map that names no host means the node that was asked; "?" is no host, and
 * "ip" stands in for it. */
static void hosts(void)
{
    static const char *const HOSTS[] = {"$-1", "$0\r\n", "$9\r\nlocalhost"};
    struct weir_store *s;

    for (size_t i = 0; i < sizeof HOSTS / sizeof *HOSTS; i++) {
        calm();
        one_node.slots = map_of(words[0], HOSTS[i], one_node.port);
        s = open_cluster(one_node.port);
        get_is(s, WEIR_OK, NULL);
        weir_store_free(s);
    }
    snprintf(words[0], sizeof words[0],
             "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$1\r\n?\r\n:%d\r\n$1\r\nx\r\n"
             "*2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n",
             one_node.port);
    one_node.slots = words[0];
    s = open_cluster(one_node.port);
    get_is(s, WEIR_OK, NULL);
    weir_store_free(s);
}

/* ---- redirections ---- */

/* The map lies: the other node has the slot. It is learnt at once. */
static void moved(const char *host)
{
    struct weir_store *s;
    int asked;

    calm();
    s = open_cluster(one_node.port);
    one_node.nonsense = say(words[1], "MOVED", host, other.port);
    get_is(s, WEIR_OK, NULL);
    asked = one_node.commands;
    CHECK(asked == 1);
    other.slots = map_of(words[2], "$9\r\n127.0.0.1", other.port);
    one_node.slots = other.slots;
    for (int i = 0; i < 20; i++)
        get_is(s, WEIR_OK, NULL);
    CHECK(one_node.commands <= asked + 1); /* the old map came once more */
    weir_store_free(s);
}

static void moved_without_end(const char *word)
{
    struct weir_store *s;

    calm();
    s = open_cluster(one_node.port);
    one_node.nonsense = say(words[1], word, "127.0.0.1", other.port);
    other.nonsense = say(words[2], word, "127.0.0.1", one_node.port);
    get_is(s, WEIR_UNAVAILABLE, "redirected too often");
    CHECK(one_node.commands + other.commands == 17);
    weir_store_free(s);
}

/* To where nobody listens: the item comes back, is sent there again, and so on.
 * To no address at all: it waits for a better map until its deadline. */
static void moved_to_nowhere(void)
{
    struct weir_store *s;

    calm();
    s = open_cluster(one_node.port);
    one_node.nonsense = "-MOVED 1 127.0.0.1:1\r\n";
    get_is(s, WEIR_UNAVAILABLE, NULL);
    CHECK(one_node.commands <= 17);
    one_node.nonsense = "-MOVED 1 nowhere\r\n";
    get_is_late(s, 300, WEIR_UNAVAILABLE, "-MOVED 1 nowhere");
    one_node.nonsense = NULL;
    get_is(s, WEIR_OK, NULL);
    weir_store_free(s);
}

/* ASK is for one command: the next one begins at the owner again. */
static void ask_is_once(void)
{
    struct weir_store *s;

    calm();
    s = open_cluster(one_node.port);
    one_node.nonsense = say(words[1], "ASK", "127.0.0.1", other.port);
    for (int i = 1; i <= 3; i++) {
        get_is(s, WEIR_OK, NULL);
        CHECK(one_node.commands == i);
    }
    weir_store_free(s);
}

/* Errors that pass are waited out, once or until the deadline. */
static void later(const char *error, int status)
{
    struct weir_store *s;

    calm();
    s = open_cluster(one_node.port);
    one_node.position = 0;
    one_node.nonsense = error;
    get_is(s, WEIR_OK, NULL);
    one_node.position = -1;
    get_is_late(s, 200, status, "node 127.0.0.1:");
    CHECK(one_node.commands <= 20);
    weir_store_free(s);
}

/* The pauses between repetitions become shorter again before the deadline, so
 * that a cluster that comes back late is still noticed. */
static void later_until_the_end(void)
{
    struct weir_store *s;
    uint64_t begun;

    calm();
    s = open_cluster(one_node.port);
    get_is(s, WEIR_OK, NULL);
    one_node.nonsense = "-CLUSTERDOWN The cluster is down\r\n";
    one_node.commands = 0;
    one(b, WEIR_GET, "key");
    begun = weir_now();
    b->deadline_ns = begun + SECOND;
    go(s, cq, b);
    CHECK(weir_now() - begun >= 800 * MS);
    CHECK(one_node.commands <= 20);
    weir_store_free(s);
}

/* A node that hangs up costs the calls on it at once, and the next ones
 * nothing. */
static void hangs_up(void)
{
    struct weir_store *s;

    calm();
    s = open_cluster(one_node.port);
    get_is(s, WEIR_OK, NULL);
    one_node.hang_up = 1;
    one_node.nonsense = "$5\r\nhal";
    get_is(s, WEIR_RESET, "node 127.0.0.1:");
    one_node.hang_up = 0;
    one_node.nonsense = NULL;
    get_is(s, WEIR_OK, NULL);
    weir_store_free(s);
    CHECK(EVENTUALLY(atomic_load(&one_node.open) == 0));
}

/* One slot in a batch that is redirected does not touch the others, and each
 * answer is that of its key. */
static void batch(void)
{
    struct weir_store *s;
    char keys[64][8], value[80];

    calm();
    s = open_cluster(one_node.port);
    one_node.nonsense = say(words[1], "MOVED", "", other.port);
    one_node.position = 5;
    CHECK(weir_batch_reset(b, WEIR_GET, 64) == 0);
    for (int i = 0; i < 64; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        b->items[i].key = keys[i];
        b->items[i].key_len = (uint32_t)strlen(keys[i]);
    }
    go(s, cq, b);
    CHECK(one_node.commands == 64);
    for (int i = 0; i < 64; i++) {
        int n = true_value(value, sizeof value, keys[i], (int)strlen(keys[i]));

        CHECK(b->items[i].status == WEIR_OK);
        CHECK(b->items[i].value->size == (uint64_t)n);
        CHECK(memcmp(b->items[i].value->data, value, (size_t)n) == 0);
    }
    weir_store_free(s);
}

int main(void)
{
    deadline_s(200);
    cq = new_cq();
    b = weir_batch_new(64);
    CHECK(b != NULL);
    script_start(&one_node);
    script_start(&other);
    maps();
    hosts();
    moved("127.0.0.1");
    moved("localhost");
    moved("");
    moved("?");
    moved_without_end("MOVED");
    moved_without_end("ASK");
    moved_to_nowhere();
    ask_is_once();
    later("-TRYAGAIN not all keys here\r\n", WEIR_BUSY);
    later("-CLUSTERDOWN The cluster is down\r\n", WEIR_UNAVAILABLE);
    later("-LOADING Redis is loading\r\n", WEIR_BUSY);
    later_until_the_end();
    hangs_up();
    batch();
    weir_batch_free(b);
    script_stop(&one_node);
    script_stop(&other);
    weir_cq_free(cq);
    return 0;
}
