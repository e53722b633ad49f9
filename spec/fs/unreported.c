/* unreported.c -- another process has replaced a file, and the report of that
 * has not come yet. Without a check of its own a store serves a whole value
 * nevertheless. */
#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "harness.h"

/* So large that the store keeps neither open. */
enum { SMALL = 100000, LARGE = 300000 };

static _Atomic bool late; /* reports of inotify do not come */

static bool is_inotify(int fd)
{
    char path[64], to[64] = "";

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, to, sizeof to - 1) > 0 &&
           strcmp(to, "anon_inode:inotify") == 0;
}

/* This stands in for that of libc, for the connector too. */
__attribute__((visibility("default"))) ssize_t read(int fd, void *to, size_t n)
{
    if (late && is_inotify(fd)) {
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_read, fd, to, n);
}

static void set(struct client *c, char *value, size_t size, uint64_t number)
{
    telling_fill(value, size, number);
    client_start(c, WEIR_SET, "key", 3);
    c->item->data = value;
    c->item->size = size;
    CHECK(client_run(c) == WEIR_OK);
}

static uint64_t get(struct client *c)
{
    uint64_t number;

    CHECK(client_do(c, WEIR_GET, "key") == WEIR_OK);
    CHECK(telling_sound(c->item->value->data, c->item->size));
    memcpy(&number, c->item->value->data, 8);
    return number;
}

int main(void)
{
    static char value[LARGE];
    struct client ours, theirs;
    const char *folder;

    folder_make();
    folder = folder_sub("a");
    ours = open_fs(folder, "verify=never", NULL);
    theirs = open_fs(folder, NULL);
    set(&ours, value, SMALL, 1);
    for (int i = 0; i < 100; i++)
        CHECK(get(&ours) == 1); /* then the store knows its facts */
    late = true;
    set(&theirs, value, LARGE, 2);
    CHECK(get(&ours) == 2);
    set(&theirs, value, SMALL, 3);
    get(&ours);
    late = false;
    CHECK(get(&ours) == 3);
    close_fs(&ours);
    close_fs(&theirs);
    return 0;
}
