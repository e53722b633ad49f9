/* direct.c -- reads of cold files without the page cache (O_DIRECT).
 *
 * A read of a cold file through the page cache costs twice the CPU time of one
 * from the disk into our memory: the kernel makes room in the cache, and finds
 * the pages one by one. So a fast disk keeps all cores busy. A value that was
 * read directly is not in the page cache the next time, so this is an option,
 * for folders much larger than the memory.
 *
 * The disk may want aligned memory, and a read that ends inside of a block
 * fills all of it. So a piece is read into a buffer of the session and then
 * copied. io_uring, with up to 64 reads in flight, was no faster than the
 * workers' direct reads. */

#include "direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "folder.h"

enum { DIRECT_BLOCK = 4096 };

/* Returns whether the first block of a file is in the page cache. Trying to
 * read it with RWF_NOWAIT would put it there. The kernel says yes for the file
 * of another user. */
static bool direct_is_warm(int fd)
{
    unsigned char cached = 1;
    void *map = mmap(NULL, DIRECT_BLOCK, PROT_READ, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED)
        return true;
    mincore(map, 1, &cached);
    munmap(map, DIRECT_BLOCK);
    return cached & 1;
}

bool fs_direct_begin(struct fs_session *s, int fd, uint64_t size)
{
    uint64_t least = s->fs->config->direct;
    int flags;

    /* Smaller files may be kept open, and must stay as they are. */
    if (least == 0 || size < least || size <= FS_KEEP || s->fs->in_memory)
        return false;
    if (direct_is_warm(fd))
        return false;
    if (s->block == NULL)
        s->block = aligned_alloc(DIRECT_BLOCK, FS_PIECE);
    flags = fcntl(fd, F_GETFL);
    return s->block != NULL && flags >= 0 &&
           fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

/* Reads once, because a read that ends inside of a block cannot be followed by
 * another. */
static ssize_t direct_read_block(struct fs_session *s, int fd, size_t n,
                                 uint64_t offset)
{
    size_t blocks = (n + DIRECT_BLOCK - 1) / DIRECT_BLOCK * DIRECT_BLOCK;
    ssize_t got;

    do {
        got = pread(fd, s->block, blocks, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    return got;
}

ssize_t fs_direct_read(struct fs_session *s, int fd, void *to, size_t n,
                       uint64_t offset)
{
    ssize_t got = direct_read_block(s, fd, n, offset);

    if (got >= (ssize_t)n) {
        memcpy(to, s->block, n);
        return (ssize_t)n;
    }
    /* The file is too short, or the filesystem refuses such reads after all.
     * The page cache tells. */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT);
    return fs_read(fd, to, n, offset);
}
