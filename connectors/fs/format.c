/* format.c -- the format of a folder, and the file .weir/format that names it.
 *
 * THE FORMAT
 *     .weir/format       "weir fs 2\ndigits 2\n"
 *     .weir/live/        one locked file for each process that has it open
 *     .weir/quarantine/  damaged and foreign files, kept for inspection
 *     .weir/locks        bytes to lock, marks and seals of directories (hold.c,
 *                        trust.c)
 *     3f/some-key        values
 *     3f/.OWNER-NUMBER   temporaries: sets that are being written
 *
 * The store leaves all other files in the folder alone.
 *
 * A value's file name is derived from its key (name.c). A 64-bit hash of that
 * name chooses the directory: its first `digits` hexadecimal digits. So the
 * number of directories is fixed when the folder is made, and every process
 * that opens the folder must use the same one. That is why the format file
 * exists. Its first line is the version of everything described here. A
 * folder of version 1 lacks the marks of directories in which values expire, so
 * no directory of it is trusted (trust.c). All else works there. It keeps its
 * version, since processes of older versions of weir may have it open.
 *
 * A value file holds the value at offset 0, then the key, padding, and a
 * trailer (trailer.h) with both lengths, a checksum, the expiry time, and a
 * check of the trailer itself. Readers believe nothing else: a file counts only
 * if its trailer is sound, its length is the one that the trailer implies, and
 * its key is the one that was requested. Anything else in its place is damaged
 * or foreign, is moved to the quarantine and never served.
 *
 * A set writes a temporary and renames it, so that readers in any process see
 * the old file or the new one. After a power cut without `sync`, a renamed file
 * may be empty, short or zeroed: its trailer shows that. The one change in
 * place is a touch, which rewrites the 16 bytes of the trailer's lease. They
 * never cross a page or sector boundary. A reader that still sees half of them
 * reads again.
 *
 * The name of a temporary contains its owner's name. Owners, and the detection
 * of dead ones, are explained in owner.c.
 *
 * Values may become durable before the format file, so this file is made
 * durable at once, with every directory above it, whatever the sync option
 * says. If a power cut leaves it empty or torn, it is written again with the
 * number of digits that the directories of existing values have, and then as
 * version 1. */

#include "format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "features.h"
#include "folder.h"
#include "owner.h"

enum {
    FORMAT_DIGITS = 2,
    FORMAT_DIGITS_MAX = 4,
    FORMAT_TEXT = 64,
    FORMAT_MARKS = 2, /* the version since which marks are kept */
};

static const char format_path[] = ".weir/format";
static const char *const format_starts[] = {"weir fs 1\ndigits ",
                                            "weir fs 2\ndigits "};

enum format { FORMAT_NONE, FORMAT_TORN, FORMAT_SOUND, FORMAT_FOREIGN };

/* A power cut leaves the start of a file, or zeros, or both. */
static bool format_is_torn(const char *text, size_t n)
{
    size_t len = strnlen(text, n);

    for (size_t i = len; i < n; i++) {
        if (text[i] != '\0')
            return false;
    }
    for (int i = 0; i < FORMAT_MARKS; i++) {
        if (strncmp(text, format_starts[i], len) == 0)
            return true;
    }
    return false;
}

/* Reads the file and returns an enum format, or a negative errno. */
static int format_load(struct fs *fs, unsigned *version, unsigned *digits)
{
    int fd = fs_openat(fs, format_path, O_RDONLY | O_NONBLOCK, 0);
    char text[FORMAT_TEXT];
    ssize_t n;

    if (fd < 0)
        return fd == -ENOENT ? FORMAT_NONE : fd;
    n = fs_read(fd, text, sizeof text - 1, 0);
    close(fd);
    if (n < 0)
        return (int)n;
    text[n] = '\0';
    if (sscanf(text, "weir fs %u\ndigits %u\n", version, digits) == 2 &&
        *version > 0 && *version <= FORMAT_MARKS && *digits > 0 &&
        *digits <= FORMAT_DIGITS_MAX)
        return FORMAT_SOUND;
    return format_is_torn(text, (size_t)n) ? FORMAT_TORN : FORMAT_FOREIGN;
}

/* Returns whether this file is a value that belongs in this directory. */
static bool format_is_value(int directory, const char *where, const char *file)
{
    unsigned digits = (unsigned)strlen(where);
    struct fs_trailer t;
    struct fs_name name;
    struct stat st;
    bool sound;
    int fd;

    if (fs_name_of_file(&name, digits, file) < 0 ||
        strncmp(name.path, where, digits) != 0)
        return false;
    fd =
        openat(directory, file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    sound = fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof t &&
            fs_read(fd, &t, sizeof t, (uint64_t)st.st_size - sizeof t) ==
                sizeof t &&
            fs_trailer_parse(&t, &t, sizeof t, (uint64_t)st.st_size) == NULL;
    close(fd);
    return sound;
}

static bool format_has_value(struct fs *fs, const char *where)
{
    struct dirent *entry;
    bool found = false;
    DIR *dir;

    if (fs_opendir(fs, where, &dir) < 0)
        return false;
    while (!found && (entry = readdir(dir)) != NULL)
        found = format_is_value(dirfd(dir), where, entry->d_name);
    closedir(dir);
    return found;
}

/* Returns the digits of the directories that contain values, or 0. */
static unsigned format_of_values(struct fs *fs)
{
    struct dirent *entry;
    unsigned digits = 0;
    DIR *dir;

    if (fs_opendir(fs, ".", &dir) < 0)
        return 0;
    while (digits == 0 && (entry = readdir(dir)) != NULL) {
        size_t n = strspn(entry->d_name, "0123456789abcdef");

        if (n > 0 && n <= FORMAT_DIGITS_MAX && entry->d_name[n] == '\0' &&
            format_has_value(fs, entry->d_name))
            digits = (unsigned)n;
    }
    closedir(dir);
    return digits;
}

/* The first process to link decides. Where the filesystem refuses links, a
 * rename does it, preferably one that replaces nothing. */
static int format_publish(struct fs *fs, const char *temp)
{
    if (linkat(fs->root, temp, fs->root, format_path, 0) == 0 ||
        errno == EEXIST)
        return 0;
    fs_refused(fs, FS_LINKS, errno);
    if (renameat2(fs->root, temp, fs->root, format_path, RENAME_NOREPLACE) ==
            0 ||
        errno == EEXIST)
        return 0;
    if (renameat(fs->root, temp, fs->root, format_path) == 0)
        return 0;
    return -errno;
}

/* The bytes must be on the disk before the file gets its name. */
static int format_write_temp(struct fs *fs, const char *temp)
{
    int fd = fs_openat(fs, temp, O_WRONLY | O_CREAT | O_EXCL, fs->file_mode);
    char text[FORMAT_TEXT];
    int n, rc;

    if (fd < 0)
        return fd;
    n = snprintf(text, sizeof text, "%s%u\n", format_starts[fs->keeps_marks],
                 fs->digits);
    rc = fs_set_mode(fs, fd);
    if (rc == 0) {
        errno = ENOSPC; /* a short write sets no errno */
        rc = write(fd, text, (size_t)n) == n ? fs_sync(fs, fd, FS_FILE_SYNC)
                                             : -errno;
    }
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

static int format_write(struct fs *fs, bool replace)
{
    char temp[FS_TEMP_MAX];
    int rc = fs_mkdirs(fs, format_path, true);

    if (rc < 0)
        return rc;
    fs_owner_temp(fs, format_path, temp);
    rc = format_write_temp(fs, temp);
    if (rc == 0 && !replace)
        rc = format_publish(fs, temp);
    else if (rc == 0 && renameat(fs->root, temp, fs->root, format_path) < 0)
        rc = -errno;
    unlinkat(fs->root, temp, 0);
    if (rc == 0)
        rc = fs_sync_directory(fs, format_path);
    if (rc == 0)
        rc = fs_sync_directory(fs, ".weir");
    return rc < 0 ? rc : fs_sync_parent(fs, fs->config->path);
}

static int format_error(const struct fs *fs, int rc, struct weir_error *err)
{
    return weir_error_set(err, rc, "%s/%s: %s", fs->config->path, format_path,
                          strerrordesc_np(-rc));
}

int fs_format_read(struct fs *fs, bool *sound, struct weir_error *err)
{
    unsigned wanted = (unsigned)fs->config->fanout, digits = 0;
    unsigned version = FORMAT_MARKS;
    int format = format_load(fs, &version, &digits);

    if (format < 0)
        return format_error(fs, format, err);
    if (format == FORMAT_FOREIGN)
        return weir_error_set(err, -EINVAL,
                              "%s/%s is not of this version of fs",
                              fs->config->path, format_path);
    *sound = format == FORMAT_SOUND;
    fs->torn = format == FORMAT_TORN;
    if (!*sound) {
        digits = format_of_values(fs);
        version = digits ? 1 : FORMAT_MARKS;
    }
    if (digits == 0)
        digits = wanted ? wanted : FORMAT_DIGITS;
    if (wanted != 0 && wanted != digits)
        return weir_error_set(
            err, -EINVAL,
            "option fanout: %s was made with %u, got %u; leave it out, or use "
            "another folder",
            fs->config->path, 1u << 4 * digits, 1u << 4 * wanted);
    fs->digits = digits;
    fs->keeps_marks = version >= FORMAT_MARKS;
    return 0;
}

int fs_format_settle(struct fs *fs, struct weir_error *err)
{
    bool sound;
    int rc = fs_format_read(fs, &sound, err);

    if (rc < 0 || sound)
        return rc;
    rc = format_write(fs, fs->torn);
    if (rc < 0)
        return format_error(fs, rc, err);
    /* Another process may have written it first, with other digits. */
    return fs_format_read(fs, &sound, err);
}
