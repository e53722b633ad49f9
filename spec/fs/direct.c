/* direct.c -- with the option direct, large values that are not in the page
 * cache are read from the disk without it; others as ever. */

#include "harness.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define KIB 1024u
#define MIB 1048576u

static char *value, *buffer;
static atomic_bool refuse; /* direct reads */

/* This stands in front of libc's. */
__attribute__((visibility("default"))) ssize_t pread(int fd, void *to, size_t n,
                                                     off_t at)
{
    if (refuse && (fcntl(fd, F_GETFL) & O_DIRECT) != 0) {
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_pread64, fd, to, n, at);
}

/* Drops a file from the page cache. */
static void cool(const char *path)
{
    int fd = open(path, O_RDONLY);

    CHECK(fd >= 0 && fsync(fd) == 0);
    CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    close(fd);
}

/* Returns how many pages of a file are in the page cache. */
static unsigned pages_cached(const char *path)
{
    int fd = open(path, O_RDONLY);
    static unsigned char cached[4096];
    unsigned n = 0;
    struct stat st;
    void *map;

    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    CHECK((size_t)st.st_size / 4096 < sizeof cached);
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED && mincore(map, (size_t)st.st_size, cached) == 0);
    for (off_t at = 0; at < st.st_size; at += 4096)
        n += cached[at / 4096] & 1;
    munmap(map, (size_t)st.st_size);
    close(fd);
    return n;
}

/* Returns whether the folder's filesystem reads directly, as this program can
 * tell without the store. */
static int can_be_direct(void)
{
    const char *path = folder_sub("probe");
    void *block = aligned_alloc(4096, 4096);
    int fd, can;

    memset(block, 0, 4096);
    file_write(path, block, 4096);
    cool(path);
    fd = open(path, O_RDONLY | O_DIRECT);
    can =
        fd >= 0 && pread(fd, block, 4096, 0) == 4096 && pages_cached(path) == 0;
    if (fd >= 0)
        close(fd);
    free(block);
    return can;
}

static void get(struct client *c, size_t size, size_t misalign)
{
    memset(buffer, 'x', size + 64);
    client_start(c, WEIR_GET, "key", 3);
    if (misalign > 0) {
        c->item->data = buffer + misalign;
        c->item->cap = size;
    }
    CHECK(client_run(c) == WEIR_OK);
    CHECK(c->item->size == size);
    CHECK(memcmp(misalign ? buffer + misalign : c->item->value->data, value,
                 size) == 0);
    CHECK(buffer[misalign + size] == 'x');
}

/* Gets a value of a size often, cold; returns the most pages that a get left
 * in the cache. The first gets read a file of which nothing is known. */
static unsigned pages_left(struct client *c, size_t size)
{
    const char *path;
    unsigned most = 0, n;

    CHECK(client_set(c, "key", value, size) == WEIR_OK);
    path = only_file(folder_sub("a"));
    for (size_t i = 0; i < 8; i++) {
        cool(path);
        get(c, size, i % 2 ? 7 : 0);
        n = pages_cached(path);
        most = n > most ? n : most;
    }
    return most;
}

static void sizes(struct client *c, int direct)
{
    static const size_t large[] = {MIB,     MIB - 1,     MIB + 1, 256 * KIB,
                                   3 * MIB, 3 * MIB + 9, 300001};

    for (unsigned i = 0; i < sizeof large / sizeof *large; i++) {
        /* The trailer is read through the cache, with what is read ahead. */
        if (direct)
            CHECK(pages_left(c, large[i]) <= large[i] / 4096 / 2);
        else
            CHECK(pages_left(c, large[i]) >= large[i] / 4096);
    }
    CHECK(pages_left(c, 255 * KIB) >= 255 * KIB / 4096);
}

/* Returns how many bytes this process has read from disks. */
static unsigned long long disk_reads(void)
{
    char text[1024] = "", *at;

    file_read("/proc/self/io", text, sizeof text - 1);
    at = strstr(text, "\nread_bytes: ");
    CHECK(at != NULL);
    return strtoull(at + strlen("\nread_bytes: "), NULL, 10);
}

/* A file that is in the page cache is read from there. */
static void warm(struct client *c)
{
    unsigned long long before;

    CHECK(client_set(c, "key", value, MIB) == WEIR_OK);
    before = disk_reads();
    for (int i = 0; i < 8; i++)
        get(c, MIB, 0);
    CHECK(disk_reads() - before < MIB);
}

/* A filesystem that takes the flag and then refuses to read: the page cache
 * serves. */
static void refused(struct client *c)
{
    refuse = true;
    CHECK(pages_left(c, 3 * MIB + 9) >= 3 * MIB / 4096);
    refuse = false;
}

/* A cold file that was cut short or changed is found damaged. */
static void damaged(struct client *c, int cut)
{
    const char *path;
    int fd;

    CHECK(client_set(c, "key", value, MIB) == WEIR_OK);
    path = only_file(folder_sub("a"));
    for (int i = 0; i < 8; i++)
        get(c, MIB, 0);
    fd = open(path, O_WRONLY);
    CHECK(fd >= 0);
    if (cut)
        CHECK(ftruncate(fd, MIB / 2 + 5) == 0);
    else
        CHECK(pwrite(fd, "\0\1\2\3", 4, MIB / 2) == 4);
    close(fd);
    cool(path);
    CHECK(client_do(c, WEIR_GET, "key") == WEIR_CORRUPT);
    CHECK(client_do(c, WEIR_GET, "key") == WEIR_MISS);
}

int main(void)
{
    struct client c;
    int direct;

    folder_make();
    direct = can_be_direct();
    CHECK(unlink(folder_sub("probe")) == 0);
    value = malloc(4 * MIB);
    buffer = malloc(4 * MIB);
    for (unsigned i = 0; i < 4 * MIB; i++)
        value[i] = (char)(i * 2654435761u >> 13);
    c = open_fs(folder_sub("a"), "direct=256KiB", "workers=1", NULL);
    if (direct)
        sizes(&c, 1);
    warm(&c);
    refused(&c);
    damaged(&c, 0);
    damaged(&c, 1);
    close_fs(&c);
    c = open_fs(folder_sub("a"), NULL);
    if (direct)
        sizes(&c, 0);
    close_fs(&c);
    free(value);
    free(buffer);
    return 0;
}
