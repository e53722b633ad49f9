/* verbs.c -- every op on a real server, over TCP, a unix socket, IPv6 and a
 * name: what is set is what is got, of any size, with any bytes in the key. */
#include "server.h"

static struct weir_cq *cq;
static struct weir_batch *b;

/* The bytes of value i of size bytes, different for each i. */
static char *pattern(uint64_t i, size_t size)
{
    char *bytes = malloc(size + 1);

    CHECK(bytes != NULL);
    for (size_t at = 0; at < size; at++)
        bytes[at] = (char)((i * 131 + at * 7 + (at >> 9)) & 0xff);
    return bytes;
}

static int set(struct weir_store *s, const char *key, const char *value,
               uint64_t ttl_ms)
{
    struct weir_item *item = one(b, WEIR_SET, key);

    item->data = (char *)value;
    item->size = strlen(value);
    item->ttl_ms = ttl_ms;
    go(s, cq, b);
    return item->status;
}

/* Gets a value of at most 63 bytes; "" when there is none. */
static const char *get(struct weir_store *s, const char *key)
{
    static char text[64];
    struct weir_item *item = one(b, WEIR_GET, key);

    go(s, cq, b);
    if (item->status != WEIR_OK)
        return "";
    snprintf(text, sizeof text, "%.*s", (int)item->value->size,
             item->value->data);
    return text;
}

static int status_of(struct weir_store *s, uint32_t op, const char *key)
{
    one(b, op, key);
    go(s, cq, b);
    return b->items[0].status;
}

static void words(struct weir_store *s)
{
    CHECK(status_of(s, WEIR_GET, "word") == WEIR_MISS);
    CHECK(set(s, "word", "hello", 0) == WEIR_OK);
    CHECK(strcmp(get(s, "word"), "hello") == 0);
    CHECK(status_of(s, WEIR_EXISTS, "word") == WEIR_OK);
    CHECK(status_of(s, WEIR_DELETE, "word") == WEIR_OK);
    CHECK(status_of(s, WEIR_DELETE, "word") == WEIR_MISS);
    CHECK(status_of(s, WEIR_EXISTS, "word") == WEIR_MISS);
    CHECK(status_of(s, WEIR_STAT, "word") == WEIR_MISS);
    CHECK(set(s, "word", "", 0) == WEIR_OK);
    CHECK(status_of(s, WEIR_GET, "word") == WEIR_OK && b->items->size == 0);
    CHECK(status_of(s, WEIR_DELETE, "word") == WEIR_OK);
}

static void times_to_live(struct weir_store *s)
{
    struct weir_item *item;

    CHECK(set(s, "brief", "x", 60000) == WEIR_OK);
    CHECK(status_of(s, WEIR_STAT, "brief") == WEIR_OK);
    CHECK(b->items->size == 1 && b->items->ttl_ms > 50000 &&
          b->items->ttl_ms <= 60000);
    CHECK(status_of(s, WEIR_TOUCH, "brief") == WEIR_OK);
    CHECK(status_of(s, WEIR_STAT, "brief") == WEIR_OK && b->items->ttl_ms == 0);
    CHECK(status_of(s, WEIR_TOUCH, "brief") == WEIR_OK);
    item = one(b, WEIR_TOUCH, "brief");
    item->ttl_ms = 20;
    go(s, cq, b);
    CHECK(item->status == WEIR_OK);
    nap_ms(40);
    CHECK(status_of(s, WEIR_GET, "brief") == WEIR_MISS);
    CHECK(status_of(s, WEIR_TOUCH, "brief") == WEIR_MISS);
    item = one(b, WEIR_TOUCH, "brief");
    item->ttl_ms = 20;
    go(s, cq, b);
    CHECK(item->status == WEIR_MISS);
}

/* Longer than a server can count is as long as it can; shorter than it can
 * count is not for ever. */
static void extreme_times(struct weir_store *s, const char *url)
{
    static const uint64_t LONG[] = {UINT64_MAX, INT64_MAX, INT64_MAX - 1000};
    struct weir_store *brief = open_redis(url, "ttl=500us", NULL);

    for (int i = 0; i < 3; i++) {
        CHECK(set(s, "long", "x", LONG[i]) == WEIR_OK);
        one(b, WEIR_TOUCH, "long")->ttl_ms = LONG[i];
        go(s, cq, b);
        CHECK(b->items->status == WEIR_OK);
        CHECK(status_of(s, WEIR_STAT, "long") == WEIR_OK);
        CHECK(b->items->ttl_ms > (uint64_t)1 << 60);
    }
    CHECK(set(brief, "brief", "x", 0) == WEIR_OK);
    nap_ms(20);
    CHECK(status_of(brief, WEIR_GET, "brief") == WEIR_MISS);
    weir_store_free(brief);
}

/* A batch of many sizes: set from lent bytes and from values by turns, got into
 * buffers and as values by turns. */
static void sizes(struct weir_store *s, uint32_t n, size_t size)
{
    struct weir_batch *many = keyed_batch(WEIR_SET, n, "size");
    char **bytes = calloc(n, sizeof *bytes);

    for (uint32_t i = 0; i < n; i++) {
        size_t len = size + i % 3;

        bytes[i] = pattern(i, len);
        if (i % 2) {
            many->items[i].value = weir_value_copy(bytes[i], len);
        } else {
            many->items[i].data = bytes[i];
            many->items[i].size = len;
        }
    }
    go(s, cq, many);
    CHECK(count_status(many, WEIR_OK) == n);
    weir_batch_free(many);
    many = keyed_batch(WEIR_GET, n, "size");
    for (uint32_t i = 0; i < n; i += 2) {
        many->items[i].data = malloc(size + 3);
        many->items[i].cap = size + 3;
    }
    go(s, cq, many);
    CHECK(count_status(many, WEIR_OK) == n);
    for (uint32_t i = 0; i < n; i++) {
        struct weir_item *item = &many->items[i];
        const char *got = i % 2 ? item->value->data : item->data;

        CHECK(item->size == size + i % 3);
        CHECK(memcmp(got, bytes[i], item->size) == 0);
        free(item->data);
        free(bytes[i]);
    }
    free(bytes);
    weir_batch_free(many);
}

/* A buffer that is too small: the true size, the buffer untouched, and the
 * items around it unharmed. */
static void too_big(struct weir_store *s, size_t size)
{
    char *bytes = pattern(1, size), small[16] = "untouched";
    struct weir_batch *three = weir_batch_new(3);
    struct weir_item *item = one(b, WEIR_SET, "big");

    item->data = bytes;
    item->size = size;
    go(s, cq, b);
    CHECK(item->status == WEIR_OK && set(s, "w", "hello", 0) == WEIR_OK);
    CHECK(weir_batch_reset(three, WEIR_GET, 3) == 0);
    for (int i = 0; i < 3; i++) {
        three->items[i].key = i == 1 ? "big" : "w";
        three->items[i].key_len = i == 1 ? 3 : 1;
    }
    three->items[1].data = small;
    three->items[1].cap = sizeof small;
    go(s, cq, three);
    CHECK(three->items[1].status == WEIR_TOOBIG);
    CHECK(three->items[1].size == size && strcmp(small, "untouched") == 0);
    CHECK(three->items[0].status == WEIR_OK);
    CHECK(three->items[2].status == WEIR_OK);
    CHECK(memcmp(three->items[2].value->data, "hello", 5) == 0);
    weir_batch_free(three);
    free(bytes);
}

/* Keys of every byte, and the longest. */
static void keys(struct weir_store *s)
{
    static const uint32_t OPS[] = {WEIR_SET, WEIR_EXISTS, WEIR_GET};
    struct weir_batch *many = weir_batch_new(257);
    char bytes[256], *longest = pattern(3, WEIR_KEY_MAX);

    for (int op = 0; op < 3; op++) {
        CHECK(weir_batch_reset(many, OPS[op], 257) == 0);
        for (int i = 0; i < 257; i++) {
            struct weir_item *item = &many->items[i];

            if (i < 256)
                bytes[i] = (char)i;
            item->key = i < 256 ? &bytes[i] : longest;
            item->key_len = i < 256 ? 1 : WEIR_KEY_MAX;
            if (OPS[op] == WEIR_SET) {
                item->data = i < 256 ? &bytes[i] : longest;
                item->size = i < 256 ? 1 : 100;
            }
        }
        go(s, cq, many);
        CHECK(count_status(many, WEIR_OK) == 257);
    }
    for (int i = 0; i < 256; i++)
        CHECK(many->items[i].value->data[0] == (char)i);
    CHECK(many->items[256].value->size == 100);
    weir_batch_free(many);
    free(longest);
}

/* Hits, misses and keys of another type in one batch of many small keys, where
 * MGET tells the last two not apart. */
static void mixed(struct weir_store *s, struct server *server, int db)
{
    struct weir_batch *many = keyed_batch(WEIR_SET, 100, "mix");
    char command[128];

    for (uint32_t i = 0; i < 100; i++) {
        many->items[i].data = (char *)many->items[i].key;
        many->items[i].size = many->items[i].key_len;
    }
    go(s, cq, many);
    snprintf(command, sizeof command,
             "redis-cli -p %d -n %d del mix7 mix33 mix90 >/dev/null && "
             "redis-cli -p %d -n %d lpush mix33 a >/dev/null",
             server->port, db, server->port, db);
    CHECK(system(command) == 0);
    weir_batch_free(many);
    many = keyed_batch(WEIR_GET, 100, "mix");
    go(s, cq, many);
    CHECK(count_status(many, WEIR_OK) == 97);
    CHECK(many->items[7].status == WEIR_MISS);
    CHECK(many->items[90].status == WEIR_MISS);
    CHECK(many->items[33].status == WEIR_FAILED);
    CHECK(strstr(many->error.message, "-WRONGTYPE Operation against") != NULL);
    CHECK(memcmp(many->items[99].value->data, "mix99", 5) == 0);
    weir_batch_free(many);
    many = keyed_batch(WEIR_DELETE, 100, "mix");
    go(s, cq, many);
    CHECK(count_status(many, WEIR_OK) == 98);
    CHECK(count_status(many, WEIR_MISS) == 2);
    weir_batch_free(many);
}

static void exists(struct weir_store *s, const char *prefix, uint32_t there)
{
    struct weir_batch *many = keyed_batch(WEIR_EXISTS, 300, prefix);

    go(s, cq, many);
    CHECK(count_status(many, WEIR_OK) == there);
    CHECK(count_status(many, WEIR_MISS) == 300 - there);
    for (uint32_t i = 0; i < 300 && there > 0; i++)
        CHECK((many->items[i].status == WEIR_MISS) == (i == 7 && there < 300));
    weir_batch_free(many);
}

/* One command tells of many keys if all or none are there, else each is asked
 * for, now and for a while. */
static void existing(struct weir_store *s)
{
    struct weir_batch *many = keyed_batch(WEIR_SET, 300, "there");

    for (uint32_t i = 0; i < 300; i++) {
        many->items[i].data = (char *)many->items[i].key;
        many->items[i].size = many->items[i].key_len;
    }
    go(s, cq, many);
    weir_batch_free(many);
    for (int i = 0; i < 40; i++) {
        exists(s, "there", 300);
        exists(s, "nowhere", 0);
    }
    CHECK(status_of(s, WEIR_DELETE, "there7") == WEIR_OK);
    for (int i = 0; i < 40; i++)
        exists(s, "there", 299);
    CHECK(set(s, "there7", "again", 0) == WEIR_OK);
    for (int i = 0; i < 40; i++)
        exists(s, "there", 300);
}

/* Walks all pages of a prefix; returns how many keys there were. */
static uint32_t scan(struct weir_store *s, const char *prefix, uint64_t page)
{
    uint64_t cursor = 0;
    uint32_t n = 0;

    do {
        struct weir_item *item = one(b, WEIR_SCAN, prefix);
        uint64_t at = 0;

        item->cap = page;
        item->cursor = cursor;
        go(s, cq, b);
        CHECK(item->status == WEIR_OK);
        while (at < item->value->size) {
            struct weir_scan_entry entry;
            const char *key = item->value->data + at + sizeof entry;

            memcpy(&entry, item->value->data + at, sizeof entry);
            CHECK(strncmp(key, prefix, strlen(prefix)) == 0);
            at += (sizeof entry + entry.key_len + 7) / 8 * 8;
            n++;
        }
        cursor = item->cursor;
    } while (cursor != 0);
    return n;
}

static void scans(struct weir_store *s)
{
    for (int i = 0; i < 300; i++) {
        char key[32];

        snprintf(key, sizeof key, i < 250 ? "[a*?\\]%d" : "[ab]%d", i);
        CHECK(set(s, key, "v", 0) == WEIR_OK);
    }
    CHECK(scan(s, "[a*?\\]", 10) >= 250);
    CHECK(scan(s, "[a*?\\]1", 1000) == 111);
    CHECK(scan(s, "[ab]", 0) == 50);
    CHECK(scan(s, "nothing", 5) == 0);
}

/* A take into a buffer that is too small leaves the value. */
static void takes(struct weir_store *s)
{
    char buffer[8];
    struct weir_item *item;

    CHECK(set(s, "word", "too long for it", 0) == WEIR_OK);
    item = one(b, WEIR_TAKE, "word");
    item->data = buffer;
    item->cap = sizeof buffer;
    go(s, cq, b);
    CHECK(item->status == WEIR_TOOBIG && item->size == 15);
    CHECK(set(s, "short", "fits", 0) == WEIR_OK);
    item = one(b, WEIR_TAKE, "short");
    item->data = buffer;
    item->cap = sizeof buffer;
    go(s, cq, b);
    CHECK(item->status == WEIR_OK && item->size == 4);
    CHECK(memcmp(buffer, "fits", 4) == 0);
    CHECK(status_of(s, WEIR_TAKE, "short") == WEIR_MISS);
    CHECK(status_of(s, WEIR_TAKE, "word") == WEIR_OK);
    CHECK(status_of(s, WEIR_EXISTS, "word") == WEIR_MISS);
}

static void all(const char *url, struct server *server, int db)
{
    struct weir_store *s = open_redis(url, "prefix=n*s:", "workers=2", NULL);
    struct weir_store *plain = open_redis(url, NULL);

    words(s);
    words(plain);
    times_to_live(s);
    extreme_times(s, url);
    sizes(s, 2, 3);
    sizes(s, 300, 60);
    sizes(s, 100, 4096);
    sizes(s, 40, 65536);
    sizes(s, 6, 4 << 20);
    too_big(s, 100);
    too_big(s, 1 << 20);
    keys(s);
    mixed(plain, server, db);
    existing(s);
    takes(s);
    scans(s);
    scans(plain);
    weir_store_free(s);
    weir_store_free(plain);
}

int main(void)
{
    struct server server;
    char url[96];

    deadline_s(200);
    server_start(&server, NULL);
    cq = new_cq();
    b = weir_batch_new(1);
    all(server.url, &server, 0);
    all(server.unix_url, &server, 0);
    snprintf(url, sizeof url, "redis://localhost:%d/3", server.port);
    all(url, &server, 3);
    if (access("/proc/net/if_inet6", F_OK) == 0) {
        struct weir_store *six;

        snprintf(url, sizeof url, "redis://[::1]:%d", server.port);
        six = open_redis(url, NULL);
        words(six);
        weir_store_free(six);
    }
    weir_batch_free(b);
    weir_cq_free(cq);
    server_stop(&server);
    return 0;
}
