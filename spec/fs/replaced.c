/* replaced.c -- a sound value that takes the place of a damaged or expired file
 * between the judgement and the removal is not removed for it, even where the
 * filesystem gives it the inode number of the one before at once. */

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "harness.h"

static char path[512], sound[4096], damaged[4096];
static size_t sound_size;
static atomic_bool replace;

/* A new file, which gets the inode number of the one before if it is free. */
static void put(const char *bytes, size_t size)
{
    unlink(path);
    file_write(path, bytes, size);
}

/* Stands in front of libc's: fs looks a last time before it removes a file. */
__attribute__((visibility("default"))) int fstatat(int dir, const char *name,
                                                   struct stat *st, int flags)
{
    if (strstr(name, "/key") != NULL && atomic_exchange(&replace, false))
        put(sound, sound_size);
    return (int)syscall(SYS_newfstatat, dir, name, st, flags);
}

static void expect_kept(struct client *c, int status)
{
    replace = true;
    CHECK(client_do(c, WEIR_GET, "key") == status);
    CHECK(!replace);
    CHECK(client_is(c, "key", "sound", 5));
}

int main(void)
{
    struct client c;

    folder_make();
    c = open_fs(folder_sub("a"), NULL);
    CHECK(client_set(&c, "key", "sound", 5) == WEIR_OK);
    snprintf(path, sizeof path, "%s", only_file(folder_sub("a")));
    sound_size = file_read(path, sound, sizeof sound);

    put(sound, sound_size - 1); /* found out by its trailer */
    expect_kept(&c, WEIR_CORRUPT);
    memcpy(damaged, sound, sound_size);
    damaged[0] ^= 1;
    put(damaged, sound_size); /* by its checksum */
    expect_kept(&c, WEIR_CORRUPT);
    put(sound, sound_size);
    client_start(&c, WEIR_TOUCH, "key", 3);
    c.item->ttl_ms = 1;
    CHECK(client_run(&c) == WEIR_OK);
    usleep(5000);
    expect_kept(&c, WEIR_MISS);
    close_fs(&c);
    return 0;
}
