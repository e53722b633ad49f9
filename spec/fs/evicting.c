/* evicting.c -- a folder that holds far more than its capacity takes long to
 * clear: closing does not wait for that, nor does a set whose time is up. */

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "harness.h"

enum { FILES = 1000, SLOW_MS = 5 };

static atomic_bool slow;

/* Stands in front of libc's: a disk on which removing all takes 5 s. */
__attribute__((visibility("default"))) int unlinkat(int dir, const char *name,
                                                    int flags)
{
    if (slow)
        usleep(SLOW_MS * 1000);
    return (int)syscall(SYS_unlinkat, dir, name, flags);
}

static void fill(void)
{
    struct client c = open_fs(folder_sub("a"), "fanout=16", NULL);
    char key[16];

    for (int i = 0; i < FILES; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        CHECK(client_set(&c, key, "v", 1) == WEIR_OK);
    }
    close_fs(&c);
}

static void starts_to_evict(struct client *c)
{
    uint64_t until = weir_now() + 60 * SECOND;

    while (gauge(c->store, "evictions") < 3 && weir_now() < until)
        usleep(1000);
    CHECK(gauge(c->store, "evictions") >= 3);
}

static void close_does_not_wait(void)
{
    struct client c = open_fs(folder_sub("a"), "capacity=16KiB", NULL);
    uint64_t started;

    starts_to_evict(&c);
    started = weir_now();
    close_fs(&c);
    CHECK(weir_now() - started < 4 * SECOND);
}

/* Its room is not kept: the next set finds all of it. */
static void a_set_ends_at_its_deadline(void)
{
    struct client c = open_fs(folder_sub("a"), "capacity=16KiB", NULL);
    uint64_t started;

    starts_to_evict(&c);
    started = weir_now();
    client_start(&c, WEIR_SET, "new", 3);
    c.item->data = (char *)"v";
    c.item->size = 1;
    c.batch->deadline_ns = started + SECOND / 10;
    CHECK(client_run(&c) == WEIR_SKIPPED);
    CHECK(weir_now() - started < 4 * SECOND);
    CHECK(strstr(c.batch->error.message, "no time was left") != NULL);
    CHECK(client_do(&c, WEIR_GET, "new") == WEIR_MISS);
    slow = false;
    recovered(c.store);
    CHECK(gauge(c.store, "bytes") == 16 << 10);
    CHECK(client_set(&c, "new", "v", 1) == WEIR_OK);
    CHECK(gauge(c.store, "bytes") == 16 << 10);
    close_fs(&c);
}

int main(void)
{
    folder_make();
    fill();
    slow = true;
    close_does_not_wait();
    a_set_ends_at_its_deadline();
    return 0;
}
