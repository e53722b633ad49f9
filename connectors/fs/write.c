/* write.c -- set and delete.
 *
 * A set writes a temporary that is nobody else's beside the file it becomes,
 * then renames it: whoever reads sees the old value or the new one, whole. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs.h"

enum { WRITE_AGAIN = 3 }; /* after a directory was gone */

/* A set on its way. */
struct write_job {
    struct fs_name name;
    char temp[FS_TEMP_MAX];
    int fd;
    const char *value;
    uint64_t size;
    bool lent; /* the value is the caller's memory */
};

static int write_all(int fd, struct iovec *part, int n)
{
    while (n > 0) {
        ssize_t done = writev(fd, part, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        for (; n > 0 && (size_t)done >= part->iov_len; part++, n--)
            done -= (ssize_t)part->iov_len;
        if (n > 0) {
            part->iov_base = (char *)part->iov_base + done;
            part->iov_len -= (size_t)done;
        }
    }
    return 0;
}

/* The bit that says whether the name of a path's directory is on the disk. */
static _Atomic uint8_t *write_durable(struct fs *fs, const struct fs_name *name,
                                      uint8_t *bit)
{
    uint32_t directory = fs_name_directory(name->hash, fs->digits);

    *bit = (uint8_t)(1u << directory % 8);
    return &fs->durable[directory / 8];
}

static int write_mkdirs(struct fs *fs, struct write_job *job)
{
    uint8_t bit;
    _Atomic uint8_t *durable = write_durable(fs, &job->name, &bit);

    atomic_fetch_and(durable, (uint8_t)~bit);
    return fs_mkdirs(fs, job->temp, false);
}

static int write_create(struct fs *fs, struct write_job *job)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL;

    fs_owner_temp(fs, job->name.path, job->temp);
    job->fd = fs_openat(fs, job->temp, flags, fs->file_mode);
    if (job->fd < 0 && errno == ENOENT && write_mkdirs(fs, job) == 0)
        job->fd = fs_openat(fs, job->temp, flags, fs->file_mode);
    if (job->fd < 0)
        return -1;
    /* The mode that was asked for, whatever the umask. */
    if ((fs->file_mode & 077) != 0)
        return fs_set_mode(fs, job->fd);
    return 0;
}

/* Writes the last piece of a value with all that follows it. */
static int write_end(struct fs_session *s, struct weir_item *item,
                     struct write_job *job, const char *piece, size_t n,
                     uint64_t expires_ms)
{
    static char zeros[FS_TRAILER_ALIGN];
    size_t span = fs_trailer_span(job->size, item->key_len);
    size_t padding = span - item->key_len - sizeof(struct fs_trailer);
    struct fs_trailer t;
    struct iovec part[] = {
        {(char *)piece, n},
        {(char *)item->key, item->key_len},
        {zeros, padding},
        {&t, sizeof t},
    };

    for (int i = 0; i < 3; i++)
        XXH3_64bits_update(s->hash, part[i].iov_base, part[i].iov_len);
    fs_trailer_init(&t, job->size, item->key_len, expires_ms);
    t.hash = XXH3_64bits_digest(s->hash);
    fs_trailer_seal(&t);
    return write_all(job->fd, part, 4);
}

/* Writes the whole file. -1: errno; ECANCELED: the caller took the value back.
 */
static int write_content(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item, struct write_job *job)
{
    uint64_t ttl_ms = item->ttl_ms;
    uint64_t at = 0;
    int rc;

    if (ttl_ms == 0)
        ttl_ms = (s->fs->config->ttl + 999999) / 1000000;
    XXH3_64bits_reset(s->hash);
    do {
        const char *piece = job->value + at;
        size_t n = job->size - at < FS_CHUNK ? job->size - at : FS_CHUNK;

        if (job->lent && !weir_call_lend(call)) {
            errno = ECANCELED;
            return -1;
        }
        at += n;
        if (at < job->size) {
            struct iovec part = {(char *)piece, n};

            XXH3_64bits_update(s->hash, piece, n);
            rc = write_all(job->fd, &part, 1);
        } else {
            rc = write_end(s, item, job, piece, n, fs_expiry_ms(ttl_ms));
        }
        if (job->lent)
            weir_call_unlend(call);
    } while (rc == 0 && at < job->size);
    if (rc < 0 || s->fs->config->sync == FS_SYNC_NONE)
        return rc;
    return fs_sync(s->fs, job->fd, FS_FILE_SYNC);
}

/* Puts the temporary in its place; counts it. */
static int write_rename(struct fs *fs, struct write_job *job, uint64_t bytes)
{
    int rc;

    fs_lock(fs, job->name.hash);
    rc = renameat(fs->root, job->temp, fs->root, job->name.path);
    if (rc == 0 && fs->index != NULL &&
        fs_index_put(fs->index, &job->name, bytes) < 0) {
        /* What cannot be counted cannot be evicted: better not to have it. */
        unlinkat(fs->root, job->name.path, 0);
        fs_unlock(fs, job->name.hash);
        errno = ENOMEM;
        return 1;
    }
    fs_unlock(fs, job->name.hash);
    return rc;
}

/* Makes the name last, and that of its directory, whoever made it. */
static int write_sync_name(struct fs *fs, struct write_job *job)
{
    uint8_t bit;
    _Atomic uint8_t *durable = write_durable(fs, &job->name, &bit);
    char directory[FS_PATH_MAX];

    if (fs_sync_directory(fs, job->name.path) < 0)
        return -1;
    if (*durable & bit)
        return 0;
    snprintf(directory, sizeof directory, "%.*s",
             (int)(job->name.name - job->name.path) - 1, job->name.path);
    if (fs_sync_directory(fs, directory) < 0)
        return -1;
    atomic_fetch_or(durable, bit);
    return 0;
}

/* 0; -1: errno, and the reservation is still there; 1: errno, it is gone. */
static int write_publish(struct fs *fs, struct write_job *job, uint64_t bytes)
{
    int rc = write_rename(fs, job, bytes);

    if (rc < 0 && errno == EISDIR && fs_set_aside(fs, &job->name, NULL) == 0)
        rc = write_rename(fs, job, bytes);
    if (rc != 0 || fs->config->sync != FS_SYNC_FULL)
        return rc;
    return write_sync_name(fs, job) < 0 ? 1 : 0;
}

static int write_file(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, struct write_job *job,
                      uint64_t bytes)
{
    struct fs *fs = s->fs;
    int rc, err;

    rc = write_create(fs, job);
    if (rc == 0)
        rc = write_content(s, call, item, job);
    err = errno;
    /* Network filesystems may say only here that the disk is full. */
    if (job->fd >= 0 && close(job->fd) < 0 && rc == 0 && errno != EINTR) {
        rc = -1;
        err = errno;
    }
    if (rc == 0) {
        rc = write_publish(fs, job, bytes);
        err = errno;
    }
    if (rc < 0 && job->fd >= 0)
        unlinkat(fs->root, job->temp, 0);
    if (rc < 0 && fs->index != NULL)
        fs_index_release(fs->index, bytes);
    errno = err;
    return rc;
}

/* One attempt. -1: errno; 1: errno, and the new value is there, or no time was
 * left (ETIME). */
static int write_attempt(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item, struct write_job *job,
                         uint64_t bytes)
{
    job->fd = -1;
    s->why.code = 0;
    if (fs_root_settle(s->fs, &s->why) < 0)
        return -1;
    /* How many digits there are may have been settled just now. */
    fs_name_of_key(&job->name, s->fs->digits, item->key, item->key_len);
    if (fs_make_room(s->fs, call, bytes) < 0) {
        errno = ETIME;
        return 1;
    }
    return write_file(s, call, item, job, bytes);
}

/* Writes the file, again if what stood in the way could be mended: the disk was
 * full of our values, or the folder was removed. 0, or -1: errno. */
static int write_persist(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item, struct write_job *job,
                         uint64_t bytes)
{
    unsigned full = 0, gone = 0;
    int rc, err;

    while ((rc = write_attempt(s, call, item, job, bytes)) < 0) {
        err = errno;
        if (err == ENOSPC || err == EDQUOT) {
            if (!fs_make_space(s->fs, call, bytes, full++)) {
                errno = err;
                return -1;
            }
        } else if (err == ENOENT && gone++ < WRITE_AGAIN) {
            if (fs_root_reopen(s->fs, &s->why) < 0)
                return -1;
        } else {
            return -1;
        }
    }
    return rc == 0 ? 0 : -1;
}

static void write_failed(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item, const struct write_job *job)
{
    if (errno == ECANCELED)
        weir_call_fail(call, item, WEIR_SKIPPED,
                       "the caller took its value back");
    else if (errno == ETIME)
        weir_call_fail(call, item, WEIR_SKIPPED,
                       "no time was left to make room for it");
    else if (s->why.code < 0)
        weir_call_fail(call, item, fs_status(errno), "%s", s->why.message);
    else
        fs_fail(call, item, errno, "writing", job->name.path);
}

void fs_set(struct fs_session *s, struct weir_call *call,
            struct weir_item *item)
{
    struct write_job job = {.fd = -1};
    uint64_t bytes, capacity = s->fs->config->capacity;

    job.lent = item->value == NULL;
    job.value = job.lent ? item->data : item->value->data;
    job.size = job.lent ? item->size : item->value->size;
    bytes =
        fs_index_footprint(job.size + fs_trailer_span(job.size, item->key_len));
    if (capacity > 0 && bytes > capacity) {
        /* An older value must not outlive the one that replaced it. */
        fs_name_of_key(&job.name, s->fs->digits, item->key, item->key_len);
        fs_drop(s->fs, &job.name, NULL);
        item->status = WEIR_REJECTED;
        return;
    }
    if (write_persist(s, call, item, &job, bytes) == 0)
        item->status = WEIR_OK;
    else
        write_failed(s, call, item, &job);
}

/* What has expired was not there. What is corrupt was, and is out of the way
 * now, as was asked, unless it stays. */
void fs_delete(struct fs_session *s, struct weir_call *call,
               struct weir_item *item)
{
    struct fs_name name;
    struct fs_entry e;

    fs_name_of_key(&name, s->fs->digits, item->key, item->key_len);
    switch (
        fs_entry_open(s, &name, O_RDONLY, fs_trailer_max(item->key_len), &e)) {
    case FS_FOUND:
        fs_entry_close(&e);
        if (fs_drop(s->fs, &name, NULL) == 0)
            item->status = WEIR_OK;
        else if (errno == ENOENT)
            item->status = WEIR_MISS;
        else
            fs_fail(call, item, errno, "deleting", name.path);
        break;
    case FS_ABSENT:
    case FS_EXPIRED:
        item->status = WEIR_MISS;
        break;
    case FS_CORRUPT:
        if (e.stays == 0)
            item->status = WEIR_OK;
        else
            fs_fail(call, item, e.stays, "deleting", name.path);
        break;
    case FS_ERRNO:
        fs_fail(call, item, errno, "reading", name.path);
        break;
    }
}
