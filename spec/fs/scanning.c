/* scanning.c -- a scan meets every key that stays, once, page by page, while
 * other keys come and go; a prefix is literal; pages keep to their bound. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "harness.h"

enum { STAYING = 700 };

static unsigned met[STAYING];
static atomic_bool stop;

static void *churn(void *arg)
{
    struct client c = client_new(arg);
    uint64_t random = 1;
    char key[32];

    while (!stop) {
        snprintf(key, sizeof key, "pass-%u",
                 (unsigned)random_below(&random, 99));
        client_set(&c, key, key, 8);
        snprintf(key, sizeof key, "pass-%u",
                 (unsigned)random_below(&random, 99));
        client_do(&c, WEIR_DELETE, key);
    }
    client_free(&c);
    return NULL;
}

static void staying_key(char *out, unsigned i)
{
    sprintf(out, i % 3 ? "Stay/%u" : "Stay/%u-%0150d", i, 0);
}

/* Calls each(key, entry) for all keys with a prefix; returns how many pages. */
static unsigned scan(struct client *c, const char *prefix, uint64_t page,
                     void (*each)(const char *, const struct weir_scan_entry *))
{
    uint64_t cursor = 0;
    unsigned pages = 0;

    do {
        uint64_t keys = 0;

        client_start(c, WEIR_SCAN, prefix, strlen(prefix));
        c->item->cap = page;
        c->item->cursor = cursor;
        CHECK(client_run(c) == WEIR_OK);
        cursor = c->item->cursor;
        for (uint64_t at = 0; at < c->item->value->size; keys++) {
            struct weir_scan_entry entry;
            char key[256] = "";

            memcpy(&entry, c->item->value->data + at, sizeof entry);
            CHECK(entry.key_len < sizeof key);
            memcpy(key, c->item->value->data + at + sizeof entry,
                   entry.key_len);
            each(key, &entry);
            at += sizeof entry + ((entry.key_len + 7) & ~7u);
        }
        CHECK(keys <= page);
        pages++;
    } while (cursor != 0);
    return pages;
}

static void meet(const char *key, const struct weir_scan_entry *entry)
{
    unsigned i;

    if (key[0] == 'p')
        return;
    CHECK(sscanf(key, "Stay/%u", &i) == 1 && i < STAYING);
    CHECK(entry->size == i || entry->size == UINT64_MAX);
    CHECK(entry->ttl_ms == 0);
    met[i]++;
}

static unsigned counted;

static void count(const char *key, const struct weir_scan_entry *entry)
{
    (void)key;
    (void)entry;
    counted++;
}

static void all_met(struct client *c, const char *prefix, uint64_t page)
{
    memset(met, 0, sizeof met);
    scan(c, prefix, page, meet);
    for (unsigned i = 0; i < STAYING; i++)
        CHECK(met[i] == 1);
}

static void literal(struct client *c)
{
    static const char *const keys[] = {"a*", "a*b", "ab", "a%2a", "A*", "a"};

    for (unsigned i = 0; i < 6; i++)
        CHECK(client_set(c, keys[i], "v", 1) == WEIR_OK);
    counted = 0;
    scan(c, "a*", 100, count);
    CHECK(counted == 2);
    counted = 0;
    scan(c, "", 1, count);
    CHECK(counted == 6);
}

/* What a get has not found, or would not find because it has expired, is not
 * listed. */
static void unsound(struct client *c)
{
    char path[512];

    snprintf(path, sizeof path, "%s", only_file(folder_sub("c")));
    file_write(path, "foreign", 7);
    CHECK(client_do(c, WEIR_GET, "k") == WEIR_CORRUPT);
    client_start(c, WEIR_SET, "expires", 7);
    c->item->data = (char *)"v";
    c->item->size = 1;
    c->item->ttl_ms = 1;
    CHECK(client_run(c) == WEIR_OK);
    usleep(5000);
    counted = 0;
    scan(c, "", 100, count);
    CHECK(counted == 0);
    CHECK(gauge(c->store, "quarantined") == 1);
}

/* A link or a file in the place of a directory hides no other key. */
static void directory_replaced(struct client *c)
{
    char path[512];

    for (int i = 0; i < 2; i++) {
        CHECK(client_set(c, "hidden", "v", 1) == WEIR_OK);
        snprintf(path, sizeof path, "%s", only_file(folder_sub("d")));
        *strrchr(path, '/') = '\0';
        for (char k[2] = "a"; k[0] <= 'z'; k[0]++)
            CHECK(client_set(c, k, "v", 1) == WEIR_OK);
        CHECK(rename(path, folder_sub("elsewhere")) == 0);
        if (i == 0)
            CHECK(symlink(folder_sub("elsewhere"), path) == 0);
        else
            file_write(path, "x", 1);
        counted = 0;
        scan(c, "", 100, count);
        CHECK(counted > 20 && counted <= 26);
        CHECK(unlink(path) == 0);
        CHECK(rename(folder_sub("elsewhere"), path) == 0);
        counted = 0;
        scan(c, "", 100, count);
        CHECK(counted == 27);
        for (char k[2] = "a"; k[0] <= 'z'; k[0]++)
            CHECK(client_do(c, WEIR_DELETE, k) == WEIR_OK);
    }
}

int main(void)
{
    static char value[STAYING];
    struct client c;
    pthread_t thread;
    char key[256];

    folder_make();
    c = open_fs(folder_sub("a"), "fanout=16", NULL);
    for (unsigned i = 0; i < STAYING; i++) {
        staying_key(key, i);
        CHECK(client_set(&c, key, value, i) == WEIR_OK);
    }
    CHECK(pthread_create(&thread, NULL, churn, c.store) == 0);
    all_met(&c, "", 1000);
    all_met(&c, "", 7);
    all_met(&c, "Stay/", 64);
    stop = true;
    pthread_join(thread, NULL);
    close_fs(&c);

    c = open_fs(folder_sub("b"), NULL);
    literal(&c);
    close_fs(&c);
    c = open_fs(folder_sub("c"), NULL);
    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    unsound(&c);
    close_fs(&c);
    c = open_fs(folder_sub("d"), NULL);
    directory_replaced(&c);
    close_fs(&c);
    return 0;
}
