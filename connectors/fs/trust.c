/* trust.c -- directories whose files a scan need not open.
 *
 * A scan lists the keys that a get would find. The names of the files tell most
 * keys, but only the trailer of a file tells whether it has expired, or was
 * torn by a power cut. To open a file takes ten times as long as to list its
 * name. So a directory is trusted if two things hold:
 *
 *   - It has a seal: all its files were written since this machine started, or
 *     have been opened since then by a scan that found them sound and without
 *     an expiry.
 *   - It has no mark: no file in it has ever got an expiry.
 *
 * Both are in the file .weir/locks (hold.c). The mark of a directory is a byte.
 * A set or touch writes it before its file with an expiry can be seen, and it
 * stays. A scan reads it after it has listed the directory: if the list has
 * such a file, the mark is there. A process that ends between the two leaves a
 * mark without a file, which only makes scans slower.
 *
 * A seal is a hash of the boot id of the machine and of the inode of the
 * directory. The process that makes a directory writes its seal, and so does a
 * scan that had to open all files in it. After a power cut the seal is of
 * another boot: the files are opened again, and lost marks do no harm. In a
 * copy of the folder it is of another inode.
 *
 * Versions before format 2 do not write marks. They refuse a folder of format
 * 2, and a folder of format 1 has no seals: scans open all of its files.
 *
 * Files that other programs put into a directory, or change in place, do not
 * end the trust. A scan lists them until something reads them. */

#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "folder.h"
#include "hold.h"

/* Where they are in .weir/locks. The marks of hold.c come before them, the
 * locked bytes after them. */
enum { TRUST_MARKS = FS_DIRECTORIES, TRUST_SEALS = 4 * FS_DIRECTORIES };

static const char trust_boot[] = "/proc/sys/kernel/random/boot_id";

void fs_trust_open(struct fs *fs)
{
    int fd = open(trust_boot, O_RDONLY | O_CLOEXEC);
    char id[64];
    ssize_t n;

    if (fd < 0)
        return;
    n = fs_read(fd, id, sizeof id, 0);
    close(fd);
    if (n > 0)
        fs->boot = XXH3_64bits(id, (size_t)n) | 1;
}

/* Returns whether all processes mark the directories of this folder, and this
 * process can read the marks. */
static bool trust_is_kept(struct fs *fs)
{
    return fs->keeps_marks && fs->boot != 0 && fs_hold_is_shared(fs);
}

static uint64_t trust_seal(const struct fs *fs, const struct stat *st)
{
    uint64_t of[3] = {fs->boot, st->st_dev, st->st_ino};

    return XXH3_64bits(of, sizeof of);
}

bool fs_trust_has(struct fs *fs, uint32_t directory, const struct stat *st)
{
    off_t at = TRUST_SEALS + (off_t)(directory * sizeof(uint64_t));
    uint64_t seal;
    uint8_t mark;

    return trust_is_kept(fs) &&
           pread(fs->marks_fd, &seal, sizeof seal, at) == sizeof seal &&
           seal == trust_seal(fs, st) &&
           pread(fs->marks_fd, &mark, 1, TRUST_MARKS + (off_t)directory) == 1 &&
           mark == 0;
}

void fs_trust_give(struct fs *fs, uint32_t directory, const struct stat *st)
{
    off_t at = TRUST_SEALS + (off_t)(directory * sizeof(uint64_t));
    uint64_t seal = trust_seal(fs, st);
    int fd;

    if (!trust_is_kept(fs))
        return;
    fd = fs_hold_file(fs);
    if (fd < 0)
        return;
    fs_hold_write(fd, &seal, sizeof seal, at);
    close(fd);
}

/* Remembers a mark, unless the folder has been replaced since. */
static void trust_remember(struct fs *fs, const struct fs_name *name,
                           uint64_t reopened)
{
    pthread_mutex_lock(&fs->root_lock);
    if (fs->counters.reopened == reopened)
        fs->timed[name->directory / 8] |= (uint8_t)(1u << name->directory % 8);
    pthread_mutex_unlock(&fs->root_lock);
}

/* Returns whether no process trusts a directory of this folder: it is of an
 * older format, is on a network filesystem, or a full disk had no room for the
 * file of the seals. */
static bool trust_is_out(struct fs *fs, int fd)
{
    return !fs->keeps_marks || fd == -ENOSPC || fd == -EDQUOT ||
           !fs_is_local(fs);
}

/* In any folder: another process may trust it, because the folder is local to
 * it, or had another format when it was opened. */
int fs_trust_timed(struct fs *fs, const struct fs_name *name)
{
    uint8_t bit = (uint8_t)(1u << name->directory % 8), mark = 1;
    uint64_t reopened = fs->counters.reopened;
    int fd, rc;

    if (fs->timed[name->directory / 8] & bit)
        return 0;
    fd = fs_hold_file(fs);
    rc = fd < 0 ? fd
                : fs_hold_write(fd, &mark, 1,
                                TRUST_MARKS + (off_t)name->directory);
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        trust_remember(fs, name, reopened);
    return rc < 0 && trust_is_out(fs, fd) ? 0 : rc;
}

void fs_trust_lose(struct fs *fs)
{
    for (size_t i = 0; i < sizeof fs->timed; i++)
        fs->timed[i] = 0;
}
