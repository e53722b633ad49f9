/* format.c -- .weir/format, the file that says how many directories the values
 * are spread over.
 *
 * Values may be durable before this file is, so it is made durable at once,
 * with every directory above it, whatever the sync option says. A file that a
 * power cut left empty or torn is written again: the directories of the values
 * that are there say what it said. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"

enum { FORMAT_DIGITS = 2, FORMAT_DIGITS_MAX = 4, FORMAT_TEXT = 64 };

static const char format_path[] = ".weir/format";
static const char format_start[] = "weir fs 1\ndigits ";

enum format { FORMAT_NONE, FORMAT_TORN, FORMAT_SOUND, FORMAT_FOREIGN };

/* What a power cut leaves of a file: its start, or zeros, or both. */
static bool format_is_torn(const char *text, size_t n)
{
    size_t len = strnlen(text, n);

    for (size_t i = len; i < n; i++) {
        if (text[i] != '\0')
            return false;
    }
    return len < sizeof format_start && memcmp(text, format_start, len) == 0;
}

/* Reads the file; -1: errno. */
static int format_load(struct fs *fs, unsigned *digits)
{
    int fd = fs_openat(fs, format_path, O_RDONLY | O_NONBLOCK, 0);
    char text[FORMAT_TEXT];
    ssize_t n;
    int err;

    if (fd < 0)
        return errno == ENOENT ? FORMAT_NONE : -1;
    n = fs_read(fd, text, sizeof text - 1, 0);
    err = errno;
    close(fd);
    errno = err;
    if (n < 0)
        return -1;
    text[n] = '\0';
    if (sscanf(text, "weir fs 1\ndigits %u\n", digits) == 1 && *digits > 0 &&
        *digits <= FORMAT_DIGITS_MAX)
        return FORMAT_SOUND;
    return format_is_torn(text, (size_t)n) ? FORMAT_TORN : FORMAT_FOREIGN;
}

/* Is this file of a directory a value that belongs there? */
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
    int fd = fs_openat(fs, where, O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    bool found = false;

    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && !found && (entry = readdir(dir)) != NULL)
        found = format_is_value(dirfd(dir), where, entry->d_name);
    if (dir != NULL)
        closedir(dir);
    return found;
}

/* Returns the digits of the directories that values are in; 0: there are none.
 */
static unsigned format_of_values(struct fs *fs)
{
    int fd = fs_openat(fs, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    unsigned digits = 0;

    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && digits == 0 && (entry = readdir(dir)) != NULL) {
        size_t n = strspn(entry->d_name, "0123456789abcdef");

        if (n > 0 && n <= FORMAT_DIGITS_MAX && entry->d_name[n] == '\0' &&
            format_has_value(fs, entry->d_name))
            digits = (unsigned)n;
    }
    if (dir != NULL)
        closedir(dir);
    return digits;
}

/* The one who links first decides. Where links are refused a rename does it, if
 * it may be one that replaces nothing. */
static int format_publish(struct fs *fs, const char *temp)
{
    if (linkat(fs->root, temp, fs->root, format_path, 0) == 0 ||
        errno == EEXIST)
        return 0;
    fs_refused(fs, FS_LINKS);
    if (renameat2(fs->root, temp, fs->root, format_path, RENAME_NOREPLACE) ==
            0 ||
        errno == EEXIST)
        return 0;
    return renameat(fs->root, temp, fs->root, format_path);
}

/* The file's bytes are on the disk before it has its name. */
static int format_write_temp(struct fs *fs, const char *temp, unsigned digits)
{
    int fd = fs_openat(fs, temp, O_WRONLY | O_CREAT | O_EXCL, fs->file_mode);
    char text[FORMAT_TEXT];
    int n, rc = -1, err;

    if (fd < 0)
        return -1;
    n = snprintf(text, sizeof text, "%s%u\n", format_start, digits);
    if (fs_set_mode(fs, fd) == 0) {
        errno = ENOSPC; /* of a write that was cut short */
        if (write(fd, text, (size_t)n) == n)
            rc = fs_sync(fs, fd, FS_FILE_SYNC);
    }
    err = errno;
    if (close(fd) < 0 && rc == 0) {
        rc = -1;
        err = errno;
    }
    errno = err;
    return rc;
}

static int format_write(struct fs *fs, unsigned digits, bool replace)
{
    char temp[FS_TEMP_MAX];
    int rc, err;

    if (fs_mkdirs(fs, format_path, true) < 0)
        return -1;
    fs_owner_temp(fs, format_path, temp);
    rc = format_write_temp(fs, temp, digits);
    if (rc == 0 && replace)
        rc = renameat(fs->root, temp, fs->root, format_path);
    else if (rc == 0)
        rc = format_publish(fs, temp);
    err = errno;
    unlinkat(fs->root, temp, 0);
    errno = err;
    if (rc == 0)
        rc = fs_sync_directory(fs, format_path);
    if (rc == 0)
        rc = fs_sync_directory(fs, ".weir");
    return rc < 0 ? -1 : fs_sync_parent(fs, fs->config->path);
}

static int format_error(const struct fs *fs, struct weir_error *err)
{
    return weir_error_set(err, -errno, "%s/%s: %s", fs->config->path,
                          format_path, strerrordesc_np(errno));
}

int fs_format_read(struct fs *fs, bool *sound, struct weir_error *err)
{
    unsigned wanted = (unsigned)fs->config->fanout, digits = 0;
    int format = format_load(fs, &digits);

    if (format < 0)
        return format_error(fs, err);
    if (format == FORMAT_FOREIGN)
        return weir_error_set(err, -EINVAL,
                              "%s/%s is not of this version of fs",
                              fs->config->path, format_path);
    *sound = format == FORMAT_SOUND;
    fs->torn = format == FORMAT_TORN;
    if (!*sound)
        digits = format_of_values(fs);
    if (digits == 0)
        digits = wanted ? wanted : FORMAT_DIGITS;
    if (wanted != 0 && wanted != digits)
        return weir_error_set(
            err, -EINVAL,
            "option fanout: %s was made with %u, got %u; leave it out, or use "
            "another folder",
            fs->config->path, 1u << 4 * digits, 1u << 4 * wanted);
    fs->digits = digits;
    return 0;
}

int fs_format_settle(struct fs *fs, struct weir_error *err)
{
    bool sound;
    int rc = fs_format_read(fs, &sound, err);

    if (rc < 0 || sound)
        return rc;
    if (format_write(fs, fs->digits, fs->torn) < 0)
        return format_error(fs, err);
    /* Another process may have been first. */
    return fs_format_read(fs, &sound, err);
}
