/* write.c -- set and delete, and the writing of files for all ops.
 *
 * A set writes a temporary beside the file that it replaces, then renames it.
 * No other set uses the same temporary, and a reader sees either the old value
 * or the new one, complete.
 *
 * It makes the four system calls of the simplest program that does so: open,
 * write, close, rename, and a short one that reads a mark (hold.c). The trailer
 * makes a value of 4 KiB a file of two pages instead of one, which is a quarter
 * of the cost of such a set in tmpfs (25 us CPU time, 19 without it). At 64 KiB
 * it is 4 %. O_TMPFILE with linkat takes 7 % less, but cannot replace a file.
 *
 * The rename of an atomic op (change.c) is done under the lock of the name, and
 * so is that of a set in a directory where there was such an op (hold.c). A
 * delete always takes the lock. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "aside.h"
#include "entry.h"
#include "evict.h"
#include "features.h"
#include "folder.h"
#include "hold.h"
#include "ops.h"
#include "owner.h"
#include "root.h"
#include "trust.h"
#include "write.h"

/* Attempts after the directory or the temporary was removed. */
enum { WRITE_AGAIN = 3 };

static int write_all(int fd, struct iovec *part, int n)
{
    while (n > 0) {
        ssize_t done = writev(fd, part, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        for (; n > 0 && (size_t)done >= part->iov_len; part++, n--)
            done -= (ssize_t)part->iov_len;
        if (n > 0) {
            part->iov_base = (char *)part->iov_base + done;
            part->iov_len -= (size_t)done;
        }
    }
    return 0;
}

/* Returns the bit that tells whether the name of the file's directory is known
 * to be on the disk. */
static _Atomic uint8_t *write_durable(struct fs *fs, const struct fs_name *name,
                                      uint8_t *bit)
{
    uint32_t directory = fs_name_directory(name->hash, fs->digits);

    *bit = (uint8_t)(1u << directory % 8);
    return &fs->durable[directory / 8];
}

/* Makes the directory of the file. Nothing is in it yet. */
static int write_mkdir(struct fs *fs, struct write_job *job)
{
    uint8_t bit;
    _Atomic uint8_t *durable = write_durable(fs, &job->name, &bit);
    char directory[FS_PATH_MAX];
    struct stat st;
    int rc;

    atomic_fetch_and(durable, (uint8_t)~bit);
    snprintf(directory, sizeof directory, "%.*s",
             (int)(job->name.name - job->name.path) - 1, job->name.path);
    rc = fs_mkdir(fs, directory, false);
    if (rc == 1 && fstatat(fs->root, directory, &st, AT_SYMLINK_NOFOLLOW) == 0)
        fs_trust_give(fs, job->name.directory, &st);
    return rc < 0 ? rc : 0;
}

static int write_create(struct fs *fs, struct write_job *job)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL;

    fs_owner_temp(fs, job->name.path, job->temp);
    job->fd = fs_openat(fs, job->temp, flags, fs->file_mode);
    if (job->fd == -ENOENT) {
        job->fd = write_mkdir(fs, job);
        if (job->fd == 0)
            job->fd = fs_openat(fs, job->temp, flags, fs->file_mode);
    }
    if (job->fd < 0)
        return job->fd;
    /* The umask must not change the mode of the options. */
    return (fs->file_mode & 077) != 0 ? fs_set_mode(fs, job->fd) : 0;
}

/* Writes the last piece of a value, then the key, the padding and the trailer.
 */
static int write_end(struct fs_session *s, struct weir_item *item,
                     struct write_job *job, const char *piece, size_t n)
{
    static char zeros[FS_TRAILER_ALIGN];
    size_t span = fs_trailer_span(job->size, item->key_len);
    size_t padding = span - item->key_len - sizeof(struct fs_trailer);
    uint64_t ttl_ms = item->ttl_ms;
    struct fs_trailer t;
    struct iovec part[] = {
        {(char *)piece, n},
        {(char *)item->key, item->key_len},
        {zeros, padding},
        {&t, sizeof t},
    };

    if (ttl_ms == 0)
        ttl_ms = (s->fs->config->ttl + 999999) / 1000000;
    if (!job->expires)
        job->expires_ms = fs_expiry_ms(ttl_ms);
    for (int i = 0; i < 3; i++)
        XXH3_64bits_update(s->hash, part[i].iov_base, part[i].iov_len);
    fs_trailer_init(&t, job->size, item->key_len, job->expires_ms);
    t.hash = XXH3_64bits_digest(s->hash);
    job->fact = (struct fs_fact){job->size, t.expires_ms, t.hash};
    fs_trailer_seal(&t);
    return write_all(job->fd, part, 4);
}

/* Writes a piece of the value that is not the last. */
static int write_piece(struct fs_session *s, struct write_job *job,
                       const char *piece, size_t n)
{
    struct iovec part = {(char *)piece, n};

    XXH3_64bits_update(s->hash, piece, n);
    return write_all(job->fd, &part, 1);
}

/* Writes the whole file. -ECANCELED: the caller has abandoned the batch. */
static int write_content(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item, struct write_job *job)
{
    size_t most = fs_write_piece(s->fs);
    uint64_t at = 0;
    int rc;

    XXH3_64bits_reset(s->hash);
    do {
        const char *piece = job->value + at;
        size_t n = job->size - at < most ? job->size - at : most;

        if (job->lent && !weir_call_lend(call))
            return -ECANCELED;
        at += n;
        if (at < job->size)
            rc = write_piece(s, job, piece, n);
        else
            rc = write_end(s, item, job, piece, n);
        if (job->lent)
            weir_call_unlend(call);
    } while (rc == 0 && at < job->size);
    if (rc < 0 || s->fs->config->sync == FS_SYNC_NONE)
        return rc;
    return fs_sync(s->fs, job->fd, FS_FILE_SYNC);
}

/* Gives the temporary its name if no file has it: -EEXIST. Filesystems that
 * cannot rename so may have links. */
static int write_name_new(struct fs *fs, const struct write_job *job)
{
    if (renameat2(fs->root, job->temp, fs->root, job->name.path,
                  RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (linkat(fs->root, job->temp, fs->root, job->name.path, 0) < 0)
        return -errno;
    unlinkat(fs->root, job->temp, 0);
    return 0;
}

static int write_name(struct fs *fs, const struct write_job *job)
{
    if (job->adds)
        return write_name_new(fs, job);
    if (job->old != NULL && !fs_is_still(fs, job->name.path, job->old))
        return -ESTALE;
    return renameat(fs->root, job->temp, fs->root, job->name.path) < 0 ? -errno
                                                                       : 0;
}

/* Renames the temporary and counts the new file. */
static int write_swap(struct fs *fs, struct write_job *job)
{
    struct fs_ticket ticket = {0};
    int rc;

    fs_lock(fs, job->name.hash);
    if (fs->known != NULL)
        ticket = fs_known_begin(fs->known, &job->name);
    rc = write_name(fs, job);
    if (fs->known != NULL)
        fs_known_end(fs->known, &job->name, ticket,
                     rc == 0 ? &job->fact : NULL);
    if (rc == 0) {
        job->published = true;
        if (fs->index != NULL) {
            job->reserved = false;
            rc = fs_index_put(fs->index, &job->name, job->bytes);
        }
        /* A file that is not counted could never be evicted. */
        if (rc < 0)
            unlinkat(fs->root, job->name.path, 0);
    }
    fs_unlock(fs, job->name.hash);
    return rc;
}

/* The temporary exists already. So if the folder is replaced after the mark was
 * written, the rename fails. */
static int write_rename(struct fs *fs, struct weir_call *call,
                        struct write_job *job)
{
    struct fs_held held;
    int rc = 0;

    if (job->fact.expires_ms != 0)
        rc = fs_trust_timed(fs, &job->name);
    if (rc < 0)
        return rc;
    if (!job->adds && job->old == NULL && !fs_hold_is_marked(fs, &job->name))
        return write_swap(fs, job);
    rc = fs_hold(fs, call, FS_HOLD_NAME, job->name.hash, &held);
    if (rc < 0)
        return rc;
    rc = write_swap(fs, job);
    fs_release(fs, &held);
    return rc;
}

/* Makes the file's name durable, and the name of its directory, which another
 * process may have made. */
static int write_sync_name(struct fs *fs, struct write_job *job)
{
    uint8_t bit;
    _Atomic uint8_t *durable = write_durable(fs, &job->name, &bit);
    char directory[FS_PATH_MAX];
    int rc = fs_sync_directory(fs, job->name.path);

    if (rc < 0 || *durable & bit)
        return rc;
    snprintf(directory, sizeof directory, "%.*s",
             (int)(job->name.name - job->name.path) - 1, job->name.path);
    rc = fs_sync_directory(fs, directory);
    if (rc == 0)
        atomic_fetch_or(durable, bit);
    return rc;
}

static int write_publish(struct fs *fs, struct weir_call *call,
                         struct write_job *job)
{
    int rc = write_rename(fs, call, job);

    if (rc == -EISDIR && fs_set_aside(fs, call, &job->name, NULL) == 0)
        rc = write_rename(fs, call, job);
    if (rc < 0 || fs->config->sync != FS_SYNC_FULL)
        return rc;
    return write_sync_name(fs, job);
}

static int write_file(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, struct write_job *job)
{
    int rc = write_create(s->fs, job);

    if (rc == 0)
        rc = write_content(s, call, item, job);
    /* Network filesystems may report a full disk only at close. */
    if (job->fd >= 0 && close(job->fd) < 0 && rc == 0 && errno != EINTR)
        rc = -errno;
    if (rc == 0)
        rc = write_publish(s->fs, call, job);
    if (!job->published && job->fd >= 0)
        unlinkat(s->fs->root, job->temp, 0);
    return rc;
}

/* Makes one attempt. -ETIME: the call had to end before there was room, or
 * while another writer held the lock. */
static int write_attempt(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item, struct write_job *job)
{
    struct fs *fs = s->fs;
    int rc;

    job->fd = -1;
    s->why.code = 0;
    rc = fs_root_settle(fs, &s->why);
    if (rc < 0)
        return rc;
    /* The number of digits may have been settled only now. */
    fs_name_of_key(&job->name, fs->digits, item->key, item->key_len);
    if (fs_make_room(fs, call, job->bytes) < 0)
        return -ETIME;
    job->reserved = fs->index != NULL;
    rc = write_file(s, call, item, job);
    if (job->reserved)
        fs_index_release(fs->index, job->bytes);
    return rc;
}

/* Writes the file, and tries again if the cause of a failure could be removed:
 * the disk was full of our values, or the folder or the temporary was gone. */
int write_persist(struct fs_session *s, struct weir_call *call,
                  struct weir_item *item, struct write_job *job)
{
    unsigned full = 0, gone = 0;
    int rc, again;

    while ((rc = write_attempt(s, call, item, job)) < 0 && !job->published) {
        if (rc == -ENOSPC || rc == -EDQUOT) {
            if (!fs_make_space(s->fs, call, job->bytes, full++))
                return rc;
        } else if (rc == -ENOENT && gone++ < WRITE_AGAIN) {
            again = fs_root_reopen(s->fs, &s->why);
            if (again < 0)
                return again;
        } else {
            return rc;
        }
    }
    return rc;
}

void write_failed(struct fs_session *s, struct weir_call *call,
                  struct weir_item *item, const struct write_job *job, int rc)
{
    if (rc == -ECANCELED)
        weir_call_taken_back(call, item);
    else if (rc == -ETIME)
        weir_call_fail(call, item, WEIR_SKIPPED,
                       "no time was left to make room for it, or to wait for "
                       "other writers");
    else if (rc == -EAGAIN)
        fs_hold_failed(call, item, rc);
    else if (s->why.code < 0)
        weir_call_fail(call, item, fs_status(-rc), "%s", s->why.message);
    else
        fs_fail(call, item, -rc, "writing", job->name.path);
}

void write_bytes(struct write_job *job, const struct weir_item *item,
                 const char *value, uint64_t size)
{
    job->lent = false;
    job->value = value;
    job->size = size;
    job->bytes =
        fs_index_footprint(size + fs_trailer_span(size, item->key_len));
}

struct write_job write_job_of(const struct weir_item *item)
{
    struct write_job job = {.fd = -1};
    bool lent = item->value == NULL;

    write_bytes(&job, item, lent ? item->data : item->value->data,
                lent ? item->size : item->value->size);
    job.lent = lent;
    return job;
}

bool write_fits(const struct fs *fs, const struct write_job *job)
{
    return fs->config->capacity == 0 || job->bytes <= fs->config->capacity;
}

static void delete_found(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item, const struct fs_name *name)
{
    int rc = fs_remove(s->fs, call, name, NULL);

    if (rc == 0)
        item->status = WEIR_OK;
    else if (rc == -ENOENT)
        item->status = WEIR_MISS;
    else if (rc == -EAGAIN || rc == -ETIME)
        fs_hold_failed(call, item, rc);
    else
        fs_fail(call, item, -rc, "deleting", name->path);
}

/* An older value must not outlive the one that replaced it. */
static void set_rejected(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item)
{
    struct fs_name name;

    fs_name_of_key(&name, s->fs->digits, item->key, item->key_len);
    delete_found(s, call, item, &name);
    if (item->status <= WEIR_MISS)
        item->status = WEIR_REJECTED;
}

void fs_set(struct fs_session *s, struct weir_call *call,
            struct weir_item *item)
{
    struct write_job job = write_job_of(item);
    int rc;

    if (!write_fits(s->fs, &job)) {
        set_rejected(s, call, item);
        return;
    }
    rc = write_persist(s, call, item, &job);
    if (rc == 0)
        item->status = WEIR_OK;
    else
        write_failed(s, call, item, &job, rc);
}

/* An expired value counts as absent. A corrupt one existed; when it has been
 * moved aside, it is deleted as requested. */
void fs_delete(struct fs_session *s, struct weir_call *call,
               struct weir_item *item)
{
    struct fs_name name;
    struct fs_entry e;
    int found;

    fs_name_of_key(&name, s->fs->digits, item->key, item->key_len);
    found =
        fs_entry_open(s, &name, O_RDONLY, fs_trailer_max(item->key_len), &e);
    if (found == FS_FOUND) {
        fs_entry_close(&e);
        delete_found(s, call, item, &name);
    } else if (found < 0) {
        fs_fail(call, item, -found, "reading", name.path);
    } else if (found == FS_CORRUPT && e.kept < 0) {
        fs_fail(call, item, -e.kept, "deleting", name.path);
    } else {
        item->status = found == FS_CORRUPT ? WEIR_OK : WEIR_MISS;
    }
}
