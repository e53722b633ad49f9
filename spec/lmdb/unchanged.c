/* unchanged.c -- a write that changes nothing commits nothing: it leaves LMDB's
 * heads, the first two pages of the file, as they are. A commit writes one. */

#include <stdbool.h>

#include "harness.h"

enum { HEADS = 2 * 4096 };

static void heads_read(char heads[HEADS])
{
    char path[100];
    int fd;

    snprintf(path, sizeof path, "%s/data.mdb", folder_path);
    fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && pread(fd, heads, HEADS, 0) == HEADS);
    close(fd);
}

/* Whether an op on a key commits. It must answer that status. */
static bool commits(struct client *c, uint32_t op, const char *key,
                    const char *value, int status)
{
    static char before[HEADS], after[HEADS];

    heads_read(before);
    CHECK(client_do(c, op, key, value, value ? strlen(value) : 0) == status);
    heads_read(after);
    return memcmp(before, after, HEADS) != 0;
}

int main(void)
{
    struct client c;

    folder_make();
    c = open_lmdb("capacity=16MiB&sync=data");
    CHECK(commits(&c, WEIR_SET, "there", "value", WEIR_OK));
    CHECK(!commits(&c, WEIR_ADD, "there", "other", WEIR_REJECTED));
    CHECK(!commits(&c, WEIR_CAS, "there", "other", WEIR_REJECTED));
    CHECK(!commits(&c, WEIR_TOUCH, "there", NULL, WEIR_OK));
    CHECK(!commits(&c, WEIR_GAT, "there", NULL, WEIR_OK));
    CHECK(!commits(&c, WEIR_REPLACE, "nowhere", "value", WEIR_MISS));
    CHECK(!commits(&c, WEIR_TAKE, "nowhere", NULL, WEIR_MISS));
    CHECK(!commits(&c, WEIR_DELETE, "nowhere", NULL, WEIR_MISS));
    CHECK(commits(&c, WEIR_REPLACE, "there", "value", WEIR_OK));
    CHECK(commits(&c, WEIR_INCR, "number", NULL, WEIR_OK));
    CHECK(commits(&c, WEIR_TAKE, "there", NULL, WEIR_OK));
    CHECK(commits(&c, WEIR_DELETE, "number", NULL, WEIR_OK));
    close_lmdb(&c);
    return 0;
}
