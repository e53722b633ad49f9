/* sparse.c -- files that say a great length and take no disk: no value is
 * evicted for them, and a get allocates no memory for what is over max_value.
 */

#define XXH_INLINE_ALL
#include "../../connectors/fs/name.c"
#include "../../connectors/fs/trailer.c"

#include <sys/resource.h>

#include "harness.h"

enum { KEYS = 20, SIZE = 10000 };

#define GIB ((uint64_t)1 << 30)

static const char value[SIZE];

/* Makes the file of a key in a store of 256 directories. */
static int make_file(const char *store, const char *key)
{
    struct fs_name name;
    char path[512];
    int fd;

    fs_name_of_key(&name, 2, key, strlen(key));
    snprintf(path, sizeof path, "%s/%.2s", folder_sub(store), name.path);
    CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/%s", folder_sub(store), name.path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    return fd;
}

static void hole(const char *store, const char *key, uint64_t size)
{
    int fd = make_file(store, key);

    CHECK(ftruncate(fd, (off_t)size) == 0);
    close(fd);
}

/* A hole for a value, and a trailer that is right in all but its checksum. */
static void forge(const char *store, const char *key, uint64_t size)
{
    size_t key_len = strlen(key),
           span = fs_trailer_span(size, (uint32_t)key_len);
    int fd = make_file(store, key);
    struct fs_trailer t;
    char tail[256] = "";

    fs_trailer_init(&t, size, (uint32_t)key_len, 0);
    fs_trailer_seal(&t);
    memcpy(tail, key, key_len);
    memcpy(tail + span - sizeof t, &t, sizeof t);
    CHECK(pwrite(fd, tail, span, (off_t)size) == (ssize_t)span);
    close(fd);
}

static void set_keys(struct client *c)
{
    char key[16];

    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        CHECK(client_set(c, key, value, SIZE) == WEIR_OK);
    }
}

static void expect_keys(struct client *c)
{
    char key[16];

    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        CHECK(client_is(c, key, value, SIZE));
    }
}

static void nothing_is_evicted(void)
{
    struct client c = open_fs(folder_sub("a"), "capacity=1MiB", NULL);
    uint64_t bytes;

    set_keys(&c);
    bytes = gauge(c.store, "bytes");
    close_fs(&c);
    hole("a", "hole", GIB << 10);
    forge("a", "forged", GIB << 10);
    c = open_fs(folder_sub("a"), "capacity=1MiB", NULL);
    recovered(c.store);
    CHECK(gauge(c.store, "evictions") == 0);
    CHECK(gauge(c.store, "items") == KEYS + 2);
    CHECK(gauge(c.store, "bytes") <= bytes + 16384);
    expect_keys(&c);
    CHECK(client_do(&c, WEIR_GET, "hole") == WEIR_CORRUPT);
    CHECK(gauge(c.store, "items") == KEYS + 1);
    close_fs(&c);
}

static uint64_t memory_used(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (uint64_t)usage.ru_maxrss << 10;
}

static void expect_toobig(struct client *c, const char *key, uint64_t size)
{
    CHECK(client_do(c, WEIR_GET, key) == WEIR_TOOBIG);
    CHECK(c->item->size == size);
    CHECK(strstr(c->batch->error.message, "max_value") != NULL);
    /* It is where it was, and can be deleted or replaced. */
    CHECK(client_do(c, WEIR_STAT, key) == WEIR_OK);
}

static void too_big_to_read(void)
{
    struct client c = open_fs(folder_sub("b"), "max_value=1MiB", NULL);
    static char full[1 << 20], buffer[8192];
    uint64_t before = memory_used();

    forge("b", "forged", 4 * GIB);
    expect_toobig(&c, "forged", 4 * GIB);
    client_start(&c, WEIR_GET, "forged", 6);
    c.item->data = buffer;
    c.item->cap = sizeof buffer;
    CHECK(client_run(&c) == WEIR_TOOBIG && c.item->size == 4 * GIB);
    CHECK(memory_used() < before + (64 << 20));
    CHECK(client_set(&c, "forged", "v", 1) == WEIR_OK);
    CHECK(client_is(&c, "forged", "v", 1));
    CHECK(client_set(&c, "most", full, sizeof full) == WEIR_OK);
    CHECK(client_is(&c, "most", full, sizeof full));
    close_fs(&c);

    /* Also what is read together with its trailer. */
    c = open_fs(folder_sub("b"), "max_value=100B", NULL);
    expect_toobig(&c, "most", sizeof full);
    CHECK(client_set(&c, "small", full, 100) == WEIR_OK);
    CHECK(client_is(&c, "small", full, 100));
    close_fs(&c);
    c = open_fs(folder_sub("b"), "max_value=99B", NULL);
    expect_toobig(&c, "small", 100);
    close_fs(&c);
}

int main(void)
{
    folder_make();
    nothing_is_evicted();
    too_big_to_read();
    return 0;
}
