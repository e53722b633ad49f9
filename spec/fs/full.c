/* full.c -- a disk that fills up, a filesystem turned read-only, no descriptors
 * left: each is told for what it is, leaves no temporary and passes. Mounting
 * needs root: without it this is skipped. */

#include <sys/mount.h>
#include <sys/resource.h>

#include "harness.h"

static char value[300 << 10];

static unsigned files;

static int count_file(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    files += flag == FTW_F && strstr(path, "/.weir/") == NULL;
    return 0;
}

static unsigned count_files(void)
{
    files = 0;
    nftw(folder_sub("disk"), count_file, 16, FTW_PHYS);
    return files;
}

static void full(struct client *c)
{
    unsigned stored = 0;
    char key[16];
    int status;

    for (;; stored++) {
        snprintf(key, sizeof key, "key-%u", stored);
        status = client_set(c, key, value, sizeof value);
        if (status != WEIR_OK)
            break;
    }
    CHECK(status == WEIR_NOSPACE && stored >= 4);
    CHECK(strstr(c->batch->error.message, "No space") != NULL);
    CHECK(count_files() == stored);
    CHECK(client_is(c, "key-0", value, sizeof value));

    /* An overwrite that fails leaves what was there. */
    value[0] = 'V';
    CHECK(client_set(c, "key-0", value, sizeof value) == WEIR_NOSPACE);
    value[0] = 'v';
    CHECK(client_is(c, "key-0", value, sizeof value));
    client_start(c, WEIR_APPEND, "key-0", 5);
    c->item->data = value;
    c->item->size = sizeof value;
    CHECK(client_run(c) == WEIR_NOSPACE);
    CHECK(client_is(c, "key-0", value, sizeof value));
    CHECK(client_do(c, WEIR_TAKE, "key-1") == WEIR_OK);
    CHECK(client_set(c, "key-0", "w", 1) == WEIR_OK);
    CHECK(client_do(c, WEIR_DELETE, "key-2") == WEIR_OK);
    CHECK(client_set(c, key, value, sizeof value) == WEIR_OK);
}

static void remount(unsigned long flags)
{
    CHECK(mount("none", folder_sub("disk"), NULL, MS_REMOUNT | flags,
                "size=2m") == 0);
}

static void read_only(struct client *c)
{
    struct weir_error err;
    struct client other;

    remount(MS_RDONLY);
    CHECK(client_set(c, "key-0", "x", 1) == WEIR_DENIED);
    CHECK(client_do(c, WEIR_DELETE, "key-0") == WEIR_DENIED);
    CHECK(client_do(c, WEIR_TOUCH, "key-0") == WEIR_DENIED);
    CHECK(client_do(c, WEIR_TOUCH, "none") == WEIR_MISS);
    CHECK(client_do(c, WEIR_TAKE, "key-0") == WEIR_DENIED);
    CHECK(client_is(c, "key-0", "w", 1));

    /* It can be opened so, too, and served from. */
    other = open_fs(folder_sub("disk/kv"), "capacity=1MiB", NULL);
    CHECK(client_is(&other, "key-0", "w", 1));
    CHECK(client_set(&other, "key-0", "x", 1) == WEIR_DENIED);
    close_fs(&other);
    CHECK(open_error(&err, folder_sub("disk/new"), NULL) == -EROFS);
    CHECK(strstr(err.message, "disk/new") != NULL);
    remount(0);
    CHECK(client_set(c, "key-0", "x", 1) == WEIR_OK);
}

static void no_descriptors(struct client *c)
{
    struct rlimit was, none;

    CHECK(getrlimit(RLIMIT_NOFILE, &was) == 0);
    none = was;
    none.rlim_cur = 3;
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(client_do(c, WEIR_GET, "key-0") == WEIR_BUSY);
    CHECK(client_set(c, "key-0", "y", 1) == WEIR_BUSY);
    CHECK(setrlimit(RLIMIT_NOFILE, &was) == 0);
    CHECK(client_is(c, "key-0", "x", 1));
}

static void unmount(void)
{
    umount2(folder_sub("disk"), MNT_DETACH);
}

int main(void)
{
    struct client c;

    folder_make();
    CHECK(mkdir(folder_sub("disk"), 0700) == 0);
    if (mount("none", folder_sub("disk"), "tmpfs", 0, "size=2m") < 0) {
        printf("cannot mount a tmpfs here: %s\n", strerror(errno));
        return 77;
    }
    atexit(unmount); /* before the folder goes */
    memset(value, 'v', sizeof value);
    c = open_fs(folder_sub("disk/kv"), NULL);
    full(&c);
    read_only(&c);
    no_descriptors(&c);
    close_fs(&c);
    return 0;
}
