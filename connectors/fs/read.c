/* read.c -- get, stat (which is exists, too), touch.
 *
 * A value is read straight into where it stays, a piece at a time, and each
 * piece is hashed while it is still in the cache of the core that read it: the
 * checksum costs a few per cent that way. io_uring is not used: on warm files
 * it was measured as no help, and for cold ones the workers option says how
 * many reads are on their way. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"

enum { READ_USED_SECONDS = 600 };

/* A file's time of change tells when it was last used, to some minutes, so that
 * the order of eviction outlives the process. */
static void read_mark(struct fs_session *s, const struct fs_name *name,
                      const struct fs_entry *e)
{
    static const struct timespec now[2] = {{.tv_nsec = UTIME_OMIT},
                                           {.tv_nsec = UTIME_NOW}};

    uint64_t size = fs_index_footprint((uint64_t)e->st.st_size), counted;

    if (s->fs->index == NULL)
        return;
    counted = fs_index_hit(s->fs->index, name);
    /* Another process may have replaced it. */
    if (counted != 0 && counted != size &&
        counted != fs_footprint(s->fs, name->path, &e->st))
        fs_recount(s->fs, name);
    if ((uint64_t)e->st.st_mtime + READ_USED_SECONDS < fs_now_ms() / 1000)
        futimens(e->fd, now);
}

/* Reads the value and checks it. 0, a positive errno, EBADMSG: it is damaged,
 * ECANCELED: the caller took its memory back. */
static int read_value(struct fs_session *s, struct weir_call *call,
                      const struct fs_entry *e, char *to, bool lent)
{
    uint64_t size = e->trailer.value_len;
    size_t rest = fs_trailer_span(size, e->trailer.key_len) - sizeof e->trailer;
    bool verify = s->fs->config->verify == 0;

    /* Costs nothing when warm; when cold the kernel reads twice as far ahead.
     */
    posix_fadvise(e->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    XXH3_64bits_reset(s->hash);
    for (uint64_t at = 0; at < size; at += FS_CHUNK) {
        size_t n = size - at < FS_CHUNK ? size - at : FS_CHUNK;
        ssize_t got;

        if (lent && !weir_call_lend(call))
            return ECANCELED;
        got = fs_read(e->fd, to + at, n, at);
        if (got == (ssize_t)n && verify)
            XXH3_64bits_update(s->hash, to + at, n);
        if (lent)
            weir_call_unlend(call);
        if (got < 0)
            return errno;
        if ((size_t)got < n)
            return EBADMSG;
    }
    if (!verify)
        return 0;
    XXH3_64bits_update(s->hash, e->key, rest);
    return XXH3_64bits_digest(s->hash) == e->trailer.hash ? 0 : EBADMSG;
}

/* Answers with a value that came along with its trailer. */
static int read_small(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct fs_entry *e)
{
    const char *value = e->key - e->trailer.value_len;
    size_t n = (size_t)(s->tail + e->have - value) - sizeof e->trailer;

    if (s->fs->config->verify == 0 && XXH3_64bits(value, n) != e->trailer.hash)
        return EBADMSG;
    weir_call_answer(call, item, value, e->trailer.value_len);
    return 0;
}

static int read_large(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct fs_entry *e)
{
    uint64_t size = e->trailer.value_len;
    struct weir_value *v = NULL;
    char *to = item->data;
    int err;

    item->size = size;
    if (to == NULL) {
        v = weir_value_new(size, &to);
        if (v == NULL)
            return ENOMEM;
    } else if (item->cap < size) {
        weir_call_fail(call, item, WEIR_TOOBIG,
                       "the value has %llu bytes, the buffer %llu",
                       (unsigned long long)size, (unsigned long long)item->cap);
        return 0;
    }
    err = read_value(s, call, e, to, v == NULL);
    if (err != 0) {
        weir_value_unref(v);
        return err;
    }
    item->value = v;
    item->status = WEIR_OK;
    return 0;
}

/* A file may say any length, and take no disk for it. */
static int read_refuse(struct weir_call *call, struct weir_item *item,
                       const struct fs_entry *e, uint64_t most)
{
    item->size = e->trailer.value_len;
    weir_call_fail(call, item, WEIR_TOOBIG,
                   "a value of %llu bytes: max_value is %llu",
                   (unsigned long long)item->size, (unsigned long long)most);
    return 0;
}

void fs_get(struct fs_session *s, struct weir_call *call,
            struct weir_item *item)
{
    size_t span = fs_trailer_max(item->key_len);
    uint64_t most = weir_call_max_value(call);
    struct fs_name name;
    struct fs_entry e;
    int err;

    if (span < FS_SMALL)
        span = FS_SMALL;
    if (!fs_entry_for(s, call, item, &name, O_RDONLY, span, &e))
        return;
    if (e.trailer.value_len > most)
        err = read_refuse(call, item, &e, most);
    else if (e.trailer.value_len <= (uint64_t)(e.key - s->tail))
        err = read_small(s, call, item, &e);
    else
        err = read_large(s, call, item, &e);
    if (err == EBADMSG) {
        fs_entry_corrupt(s, call, item, &name, &e,
                         "does not match its checksum");
        return;
    }
    if (err == ECANCELED)
        weir_call_fail(call, item, WEIR_SKIPPED,
                       "the caller took its buffer back");
    else if (err != 0)
        fs_fail(call, item, err, "reading", name.path);
    else
        read_mark(s, &name, &e);
    fs_entry_close(&e);
}

void fs_stat(struct fs_session *s, struct weir_call *call,
             struct weir_item *item)
{
    struct fs_name name;
    struct fs_entry e;

    if (!fs_entry_for(s, call, item, &name, O_RDONLY,
                      fs_trailer_max(item->key_len), &e))
        return;
    item->size = e.trailer.value_len;
    item->ttl_ms = fs_entry_ttl(&e);
    item->status = WEIR_OK;
    fs_entry_close(&e);
}

/* One write of the lease, which writers of the same file take turns at. */
static int touch_write(struct fs *fs, struct fs_entry *e, uint64_t ttl_ms)
{
    struct fs_trailer *t = &e->trailer;
    size_t n = sizeof *t - FS_TRAILER_LEASE;

    t->expires_ms = fs_expiry_ms(ttl_ms);
    fs_trailer_seal(t);
    if (pwrite(e->fd, (char *)t + FS_TRAILER_LEASE, n,
               e->st.st_size - (off_t)n) != (ssize_t)n)
        return -1;
    if (fs->config->sync == FS_SYNC_NONE)
        return 0;
    return fs_sync(fs, e->fd, FS_FILE_SYNC);
}

void fs_touch(struct fs_session *s, struct weir_call *call,
              struct weir_item *item)
{
    struct fs_name name;
    struct fs_entry e;

    if (!fs_entry_for(s, call, item, &name, O_RDWR,
                      fs_trailer_max(item->key_len), &e))
        return;
    if (touch_write(s->fs, &e, item->ttl_ms) == 0)
        item->status = WEIR_OK;
    else
        fs_fail(call, item, errno, "writing", name.path);
    fs_entry_close(&e);
}
