/* read.c -- get, stat (also used for exists), touch and gat.
 *
 * A value is read directly into its final place, one piece at a time. Each
 * piece is hashed while it is still in a core's own cache, which makes the
 * checksum cheap: 19 us a mebibyte (55 GB/s), beside 90 us or more for the
 * read, with AVX2 and AVX-512 alike. Pieces of 128 KiB to 512 KiB are alike,
 * too, where such a cache has 1 MiB, and those of 1 MiB take 17 us more.
 * io_uring is not used: it did not help with warm files, and for cold files the
 * workers option sets how many reads are in flight (direct.c). */

#include "read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "direct.h"
#include "evict.h"
#include "features.h"
#include "folder.h"
#include "hold.h"
#include "ops.h"
#include "trust.h"
#include "watch.h"

enum { READ_USED_SECONDS = 600 };

static const struct timespec read_now[2] = {{.tv_nsec = UTIME_OMIT},
                                            {.tv_nsec = UTIME_NOW}};

/* Marks a file as used. Its modification time records the last use to within
 * READ_USED_SECONDS, so that the order of eviction survives a restart. */
static void read_mark(struct fs_session *s, const struct fs_name *name,
                      const struct fs_entry *e)
{
    uint64_t size = fs_index_footprint((uint64_t)e->st.st_size), counted;

    if (s->fs->index == NULL)
        return;
    counted = fs_index_hit(s->fs->index, name);
    /* Another process may have replaced it. */
    if (counted != 0 && counted != size &&
        counted != fs_footprint(s->fs, name->path, &e->st))
        fs_recount(s->fs, name);
    if (fs_read_is_unused((uint64_t)e->st.st_mtime))
        futimens(e->fd, read_now);
}

/* Reads a value to its place and, with verify, hashes it. -EBADMSG: the file is
 * too short. -ECANCELED: the caller has abandoned the batch. */
static int read_pieces(struct fs_session *s, struct weir_call *call,
                       const struct weir_item *item, int fd, uint64_t size,
                       char *to)
{
    bool verify = s->fs->config->verify == 0;
    bool direct = fs_direct_begin(s, fd, size);
    size_t piece = verify && !direct ? FS_PIECE_HASHED : FS_PIECE;

    if (verify)
        XXH3_64bits_reset(s->hash);
    for (uint64_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        ssize_t got;

        if (item->data != NULL && !weir_call_lend(call))
            return -ECANCELED;
        got = direct ? fs_direct_read(s, fd, to + at, n, at)
                     : fs_read(fd, to + at, n, at);
        if (got == (ssize_t)n && verify)
            XXH3_64bits_update(s->hash, to + at, n);
        if (item->data != NULL)
            weir_call_unlend(call);
        if (got < 0)
            return (int)got;
        if ((size_t)got < n)
            return -EBADMSG;
    }
    return 0;
}

/* Reads the value of an entry and checks it. Returns as read_pieces does. */
static int read_value(struct fs_session *s, struct weir_call *call,
                      const struct weir_item *item, const struct fs_entry *e,
                      char *to)
{
    uint64_t size = e->trailer.value_len;
    size_t rest = fs_trailer_span(size, e->trailer.key_len) - sizeof e->trailer;
    int rc;

    /* The kernel then reads twice as far ahead in a cold file. */
    posix_fadvise(e->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    rc = read_pieces(s, call, item, e->fd, size, to);
    if (rc < 0 || s->fs->config->verify != 0)
        return rc;
    XXH3_64bits_update(s->hash, e->key, rest);
    return XXH3_64bits_digest(s->hash) == e->trailer.hash ? 0 : -EBADMSG;
}

/* Answers with a value that was read together with its trailer. */
static int read_small(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct fs_entry *e)
{
    const char *value = e->key - e->trailer.value_len;
    size_t n = (size_t)(s->tail + e->have - value) - sizeof e->trailer;

    if (s->fs->config->verify == 0 && XXH3_64bits(value, n) != e->trailer.hash)
        return -EBADMSG;
    weir_call_answer(call, item, value, e->trailer.value_len);
    return 0;
}

/* A sparse file may have any length without using the disk, so the size is
 * checked before there is a place. */
static int read_large(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct fs_entry *e)
{
    char *to;
    int rc;

    if (weir_call_place(call, item, e->trailer.value_len, &to) != 0)
        return 0;
    rc = read_value(s, call, item, e, to);
    if (rc == 0)
        item->status = WEIR_OK;
    return rc;
}

/* ---- files whose facts are known ---- */

/* A known file that is being read. */
struct read_known {
    struct fs_fact fact;
    struct fs_open *open; /* NULL: fd was opened for this read */
    int fd;
    uint64_t used_s;
};

/* Returns whether the facts are those of an open file, by its trailer. */
static bool known_is(int fd, const struct weir_item *item,
                     const struct fs_fact *fact)
{
    struct fs_trailer t;
    uint64_t end = fact->size + fs_trailer_span(fact->size, item->key_len);

    return fs_read(fd, (char *)&t, sizeof t, end - sizeof t) == sizeof t &&
           t.value_len == fact->size && t.hash == fact->hash;
}

/* Opens the file. Another process may have replaced it without our knowledge,
 * because the kernel reports a rename only after others can see it. A checksum
 * of the value finds the wrong file. Without one the trailer is compared. */
static bool known_open(struct fs_session *s, const struct weir_item *item,
                       const struct fs_name *name, struct read_known *k)
{
    struct stat st;

    if (k->open != NULL) {
        k->fd = k->open->fd;
        k->used_s = k->open->used_s;
        return true;
    }
    k->fd = fs_openat(s->fs, name->path, O_RDONLY | O_NONBLOCK, 0);
    k->used_s = UINT64_MAX / 2;
    if (k->fd >= 0 && s->fs->index != NULL && fstat(k->fd, &st) == 0)
        k->used_s = (uint64_t)st.st_mtime;
    if (k->fd < 0 || s->fs->config->verify == 0 ||
        known_is(k->fd, item, &k->fact))
        return k->fd >= 0;
    close(k->fd);
    return false;
}

bool fs_read_is_sound(XXH3_state_t *hash, const struct weir_item *item,
                      const struct fs_fact *fact)
{
    static const char zeros[FS_TRAILER_ALIGN];
    size_t span = fs_trailer_span(fact->size, item->key_len);

    XXH3_64bits_update(hash, item->key, item->key_len);
    XXH3_64bits_update(hash, zeros,
                       span - item->key_len - sizeof(struct fs_trailer));
    return XXH3_64bits_digest(hash) == fact->hash;
}

bool fs_read_is_expired(const struct fs_fact *fact)
{
    return fact->expires_ms != 0 && fact->expires_ms <= fs_now_ms();
}

bool fs_read_is_unused(uint64_t used_s)
{
    return used_s + READ_USED_SECONDS < fs_now_ms() / 1000;
}

bool fs_read_hit(struct fs *fs, const struct fs_name *name,
                 const struct weir_item *item, const struct fs_fact *fact)
{
    size_t span = fs_trailer_span(fact->size, item->key_len);
    uint64_t counted = fs_index_hit(fs->index, name);

    return counted == 0 || counted == fs_index_footprint(fact->size + span);
}

static void known_used(struct fs_session *s, const struct fs_name *name,
                       const struct weir_item *item, struct read_known *k)
{
    if (s->fs->index == NULL)
        return;
    if (!fs_read_hit(s->fs, name, item, &k->fact))
        fs_recount(s->fs, name);
    if (!fs_read_is_unused(k->used_s))
        return;
    futimens(k->fd, read_now);
    if (k->open != NULL)
        k->open->used_s = fs_now_ms() / 1000;
}

/* Keeps the file open for the next read, or closes it. */
static void known_close(struct fs_session *s, const struct fs_name *name,
                        struct read_known *k, struct fs_ticket ticket, int rc)
{
    uint64_t most = FS_KEEP - sizeof(struct fs_trailer);

    if (k->open != NULL)
        fs_open_put(k->open);
    else if (rc < 0 || k->fact.size > most ||
             !fs_known_learn(s->fs->known, name, ticket, &k->fact, k->fd,
                             k->used_s))
        close(k->fd);
}

/* Reads a known file. 0: the item is answered. */
static int known_read(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct read_known *k)
{
    char *to;
    int rc;

    if (weir_call_place(call, item, k->fact.size, &to) != 0)
        return 0;
    rc = read_pieces(s, call, item, k->fd, k->fact.size, to);
    if (rc == 0 && s->fs->config->verify == 0 &&
        !fs_read_is_sound(s->hash, item, &k->fact))
        rc = -EBADMSG;
    if (rc == 0) {
        item->status = WEIR_OK;
    } else if (rc == -ECANCELED) {
        weir_call_taken_back(call, item);
        rc = 0;
    } else {
        weir_value_unref(item->value);
        item->value = NULL;
    }
    return rc;
}

/* Answers a get of a file whose facts are known. False: it must be read as one
 * of which nothing is known, which also tells what is wrong with it. */
static bool read_known(struct fs_session *s, struct weir_call *call,
                       struct weir_item *item, const struct fs_name *name)
{
    struct fs_known *known = s->fs->known;
    struct fs_ticket ticket;
    struct read_known k;
    int rc;

    if (known == NULL)
        return false;
    ticket = fs_known_ticket(known, name);
    if (fs_known_find(known, name, &k.fact, &k.open) != FS_KNOWN_FILE)
        return false;
    if (fs_read_is_expired(&k.fact) || !known_open(s, item, name, &k)) {
        fs_open_put(k.open);
        return false;
    }
    rc = known_read(s, call, item, &k);
    if (item->status == WEIR_OK)
        known_used(s, name, item, &k);
    known_close(s, name, &k, ticket, rc);
    return rc == 0;
}

/* ---- the operations ---- */

bool fs_read_value(struct fs_session *s, struct weir_call *call,
                   struct weir_item *item, const struct fs_name *name,
                   struct fs_entry *e)
{
    int rc;

    if (e->trailer.value_len <= (uint64_t)(e->key - s->tail))
        rc = read_small(s, call, item, e);
    else
        rc = read_large(s, call, item, e);
    if (rc == -EBADMSG) {
        fs_entry_corrupt(s, call, item, name, e, "does not match its checksum");
        return false;
    }
    if (rc == -ECANCELED)
        weir_call_taken_back(call, item);
    else if (rc < 0)
        fs_fail(call, item, -rc, "reading", name->path);
    else
        read_mark(s, name, e);
    return true;
}

static void read_unknown(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item)
{
    struct fs_name name;
    struct fs_entry e;

    if (fs_entry_for(s, call, item, &name, O_RDONLY, FS_SMALL, &e) &&
        fs_read_value(s, call, item, &name, &e))
        fs_entry_learn(s, &name, &e, true);
}

void fs_get(struct fs_session *s, struct weir_call *call,
            struct weir_item *item)
{
    struct fs_name name;

    fs_name_of_key(&name, s->fs->digits, item->key, item->key_len);
    if (read_known(s, call, item, &name))
        return;
    read_unknown(s, call, item);
    fs_watch_miss(s->fs, &name);
}

void fs_stat(struct fs_session *s, struct weir_call *call,
             struct weir_item *item)
{
    struct fs_name name;
    struct fs_entry e;

    if (fs_entry_for(s, call, item, &name, O_RDONLY,
                     fs_trailer_max(item->key_len), &e)) {
        item->size = e.trailer.value_len;
        item->ttl_ms = fs_entry_ttl(e.trailer.expires_ms);
        item->status = WEIR_OK;
        fs_entry_learn(s, &name, &e, false);
    }
    fs_watch_miss(s->fs, &name);
}

/* Rewrites the lease with one write; the kernel runs the writes of one file one
 * after the other. */
static int touch_write(struct fs *fs, const struct fs_name *name,
                       struct fs_entry *e, uint64_t ttl_ms)
{
    struct fs_trailer *t = &e->trailer;
    size_t n = sizeof *t - FS_TRAILER_LEASE;
    int rc = ttl_ms != 0 ? fs_trust_timed(fs, name) : 0;

    if (rc < 0)
        return rc;
    t->expires_ms = fs_expiry_ms(ttl_ms);
    fs_trailer_seal(t);
    errno = 0; /* a short write sets no errno */
    if (pwrite(e->fd, (char *)t + FS_TRAILER_LEASE, n,
               e->st.st_size - (off_t)n) != (ssize_t)n)
        return errno ? -errno : -EIO;
    if (fs->config->sync == FS_SYNC_NONE)
        return 0;
    return fs_sync(fs, e->fd, FS_FILE_SYNC);
}

/* Opens the file of a key, gives it its new time and, for a gat, reads it. */
static void touch_file(struct fs_session *s, struct weir_call *call,
                       struct weir_item *item)
{
    bool gat = call->op == WEIR_GAT;
    size_t span = gat ? FS_SMALL : fs_trailer_max(item->key_len);
    struct fs_name name;
    struct fs_entry e;
    int rc;

    if (!fs_entry_for(s, call, item, &name, O_RDWR, span, &e))
        return;
    rc = touch_write(s->fs, &name, &e, item->ttl_ms);
    if (rc < 0)
        fs_fail(call, item, -rc, "writing", name.path);
    else if (!gat)
        item->status = WEIR_OK;
    else if (!fs_read_value(s, call, item, &name, &e))
        return;
    fs_entry_close(&e);
}

/* An atomic op must not replace the file meanwhile, with the old time. On a
 * filesystem that is read-only there is none. */
void fs_touch(struct fs_session *s, struct weir_call *call,
              struct weir_item *item)
{
    struct fs_held held;
    struct fs_name name;
    int rc;

    fs_name_of_key(&name, s->fs->digits, item->key, item->key_len);
    rc = fs_hold(s->fs, call, FS_HOLD_KEY, name.hash, &held);
    if (rc < 0 && rc != -EROFS) {
        fs_hold_failed(call, item, rc);
        return;
    }
    touch_file(s, call, item);
    if (rc == 0)
        fs_release(s->fs, &held);
}
