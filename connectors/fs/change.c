/* change.c -- the atomic ops.
 *
 * An op holds the lock of its key from its look at the file to its change, so
 * it waits for other atomic ops. Sets and deletes take only the lock of the
 * name (hold.c). So the op renames over the file that it looked at, or where
 * there is none, under that lock, and otherwise looks again. The file that it
 * looked at stays open, so that its inode number cannot be used again
 * meanwhile.
 *
 * An add needs no look. It renames without replacing, which the kernel decides
 * for all processes that share the folder, and looks only when it was refused
 * whether an expired or a damaged file lies there. So it works on every
 * filesystem. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "aside.h"
#include "entry.h"
#include "folder.h"
#include "hold.h"
#include "ops.h"
#include "read.h"
#include "root.h"
#include "write.h"

/* Each look after the first means that another writer was faster. */
enum { ADD_LOOKS = 5, CHANGE_LOOKS = 1000 };

static void change_written(struct fs_session *s, struct weir_call *call,
                           struct weir_item *item, const struct write_job *job,
                           int rc)
{
    if (rc == 0)
        item->status = WEIR_OK;
    else
        write_failed(s, call, item, job, rc);
}

/* Unlike a set, an op leaves the old value where the new one has no room. */
static bool change_fits(struct fs_session *s, struct weir_call *call,
                        struct weir_item *item, const struct write_job *job)
{
    if (write_fits(s->fs, job))
        return true;
    weir_call_fail(call, item, WEIR_TOOBIG,
                   "a file of %llu bytes: the capacity is %llu",
                   (unsigned long long)job->bytes,
                   (unsigned long long)s->fs->config->capacity);
    return false;
}

static void change_busy(struct weir_call *call, struct weir_item *item)
{
    weir_call_fail(call, item, WEIR_BUSY, "others write this key");
}

/* ---- add ---- */

/* Looks whether there is a value. True: there is none. An expired file has been
 * removed then, and a damaged one moved aside. False: the item is answered. */
static bool add_may(struct fs_session *s, struct weir_call *call,
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
        item->status = WEIR_REJECTED;
    } else if (found < 0) {
        fs_fail(call, item, -found, "reading", name.path);
    } else if (found == FS_CORRUPT && e.kept < 0) {
        fs_fail(call, item, -e.kept, "moving aside", name.path);
    } else {
        return true;
    }
    return false;
}

void fs_add(struct fs_session *s, struct weir_call *call,
            struct weir_item *item)
{
    struct write_job job = write_job_of(item);
    int rc = -EEXIST;

    if (!change_fits(s, call, item, &job))
        return;
    job.adds = true;
    for (int looks = 0; looks < ADD_LOOKS && rc == -EEXIST; looks++) {
        if (!add_may(s, call, item))
            return;
        rc = write_persist(s, call, item, &job);
    }
    if (rc == -EEXIST)
        change_busy(call, item);
    else
        change_written(s, call, item, &job, rc);
}

/* ---- the others ---- */

/* A look at the value of a key. */
struct look {
    struct fs_name name;
    struct fs_entry e; /* open if there is a value */
    bool found;
    char *bytes;   /* the value, and room for `more` bytes; NULL if not read */
    uint64_t size; /* of the value */
};

static void look_end(struct look *l)
{
    free(l->bytes);
    if (l->found)
        fs_entry_close(&l->e);
}

/* Reads the value of an entry and checks it. False: the item is answered. */
static bool look_read(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, struct look *l, uint64_t more)
{
    uint64_t size = l->e.trailer.value_len;
    uint64_t hashed = (uint64_t)l->e.st.st_size - sizeof l->e.trailer;
    ssize_t got;

    if (size > weir_call_max_value(call)) {
        weir_call_too_big(call, item, size);
        return false;
    }
    l->size = size;
    l->bytes = malloc(hashed + more);
    if (l->bytes == NULL) {
        weir_call_no_memory(call, item, "a copy of the value");
        return false;
    }
    if (l->e.have == (uint64_t)l->e.st.st_size) {
        memcpy(l->bytes, s->tail, hashed);
        got = (ssize_t)hashed;
    } else {
        got = fs_read(l->e.fd, l->bytes, hashed, 0);
    }
    if (got == (ssize_t)hashed &&
        XXH3_64bits(l->bytes, hashed) == l->e.trailer.hash)
        return true;
    if (got < 0) {
        fs_fail(call, item, (int)-got, "reading", l->name.path);
        return false;
    }
    l->found = false; /* it is closed */
    fs_entry_corrupt(s, call, item, &l->name, &l->e,
                     "does not match its checksum");
    return false;
}

/* Opens the file of a key, which need not be there. False: the item is
 * answered. */
static bool look_open(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, struct look *l)
{
    *l = (struct look){.bytes = NULL};
    l->found = fs_entry_for(s, call, item, &l->name, O_RDONLY, FS_SMALL, &l->e);
    /* Room for the new file is made of others before this one. */
    if (l->found && s->fs->index != NULL)
        fs_index_hit(s->fs->index, &l->name);
    return l->found || item->status == WEIR_MISS;
}

/* Writes a new value where the look was. -ESTALE: look again. 0: the item is
 * answered. */
static int look_write(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct look *l,
                      struct write_job *job)
{
    int rc;

    if (!change_fits(s, call, item, job))
        return 0;
    item->status = WEIR_PENDING; /* it was a miss */
    job->adds = !l->found;
    job->old = l->found ? &l->e.st : NULL;
    rc = write_persist(s, call, item, job);
    if (rc == -ESTALE || rc == -EEXIST)
        return -ESTALE;
    change_written(s, call, item, job, rc);
    return 0;
}

/* Writes other bytes than the item's. A value that is there keeps its time. */
static int look_write_bytes(struct fs_session *s, struct weir_call *call,
                            struct weir_item *item, const struct look *l,
                            const char *bytes, uint64_t size)
{
    struct write_job job = {.fd = -1};

    write_bytes(&job, item, bytes, size);
    job.expires = l->found;
    if (l->found)
        job.expires_ms = l->e.trailer.expires_ms;
    return look_write(s, call, item, l, &job);
}

static int change_replace(struct fs_session *s, struct weir_call *call,
                          struct weir_item *item, struct look *l)
{
    struct write_job job = write_job_of(item);

    return l->found ? look_write(s, call, item, l, &job) : 0;
}

static int change_cas(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, struct look *l)
{
    struct write_job job = write_job_of(item);

    if (!l->found || !look_read(s, call, item, l, 0))
        return 0;
    if (weir_version_of(l->bytes, l->size) == (uint64_t)item->number)
        return look_write(s, call, item, l, &job);
    item->status = WEIR_REJECTED;
    return 0;
}

static int change_incr(struct fs_session *s, struct weir_call *call,
                       struct weir_item *item, struct look *l)
{
    int64_t delta = item->number;
    char sum[WEIR_NUMBER_MAX];
    uint32_t length;
    int rc;

    if (l->found && !look_read(s, call, item, l, 0))
        return 0;
    length = weir_call_incr(call, item, l->bytes, l->size, sum);
    if (length == 0)
        return 0;
    rc = look_write_bytes(s, call, item, l, sum, length);
    if (rc == -ESTALE)
        item->number = delta;
    return rc;
}

/* Adds the piece to the bytes of the look. */
static int append_piece(struct fs_session *s, struct weir_call *call,
                        struct weir_item *item, struct look *l,
                        const struct weir_value *piece)
{
    uint64_t size = l->size + piece->size;

    if (l->bytes == NULL)
        return look_write_bytes(s, call, item, l, piece->data, size);
    memcpy(l->bytes + l->size, piece->data, piece->size);
    return look_write_bytes(s, call, item, l, l->bytes, size);
}

static int change_append(struct fs_session *s, struct weir_call *call,
                         struct weir_item *item, struct look *l)
{
    uint64_t max = weir_call_max_value(call);
    struct weir_value *piece = weir_call_value(call, item);
    uint64_t size;
    int rc = 0;

    if (piece == NULL)
        return 0;
    if (l->found && !look_read(s, call, item, l, piece->size))
        goto unref;
    size = l->size + piece->size;
    if (size > max) {
        weir_call_fail(call, item, WEIR_TOOBIG,
                       "a value of %llu bytes: max_value is %llu",
                       (unsigned long long)size, (unsigned long long)max);
        goto unref;
    }
    rc = append_piece(s, call, item, l, piece);
    if (item->status == WEIR_OK)
        item->number = (int64_t)size;
unref:
    weir_value_unref(piece);
    return rc;
}

/* A value that the caller has no room for stays. */
static int change_take(struct fs_session *s, struct weir_call *call,
                       struct weir_item *item, struct look *l)
{
    int rc;

    if (!l->found)
        return 0;
    if (!fs_read_value(s, call, item, &l->name, &l->e)) {
        l->found = false; /* it is closed */
        return 0;
    }
    if (item->status != WEIR_OK)
        return 0;
    rc = fs_remove(s->fs, call, &l->name, &l->e.st);
    if (rc == 0)
        return 0;
    weir_value_unref(item->value);
    item->value = NULL;
    item->status = WEIR_PENDING;
    if (rc == -ENOENT)
        return -ESTALE;
    if (rc == -EAGAIN || rc == -ETIME)
        fs_hold_failed(call, item, rc);
    else
        fs_fail(call, item, -rc, "deleting", l->name.path);
    return 0;
}

typedef int change_op(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, struct look *l);

static void change_run(struct fs_session *s, struct weir_call *call,
                       struct weir_item *item)
{
    static change_op *const ops[] = {
        [WEIR_REPLACE] = change_replace, [WEIR_INCR] = change_incr,
        [WEIR_APPEND] = change_append,   [WEIR_CAS] = change_cas,
        [WEIR_TAKE] = change_take,
    };
    int rc = -ESTALE;

    for (int i = 0; i < CHANGE_LOOKS && rc == -ESTALE; i++) {
        struct look l;

        item->status = WEIR_PENDING;
        if (weir_call_stopped(call) < 0) {
            fs_hold_failed(call, item, -ETIME);
            return;
        }
        rc =
            look_open(s, call, item, &l) ? ops[call->op](s, call, item, &l) : 0;
        look_end(&l);
    }
    if (rc == -ESTALE)
        change_busy(call, item);
}

/* Makes ready for an op that needs the locks. 0, a negative errno of a lock, or
 * 1: the item is answered. */
static int change_ready(struct fs_session *s, struct weir_call *call,
                        struct weir_item *item, struct fs_name *name)
{
    int rc;

    s->why.code = 0;
    rc = fs_root_settle(s->fs, &s->why);
    if (rc < 0) {
        weir_call_fail(call, item, fs_status(-rc), "%s", s->why.message);
        return 1;
    }
    if (!fs_hold_is_shared(s->fs)) {
        weir_call_fail(call, item, WEIR_UNSUPPORTED,
                       "cannot %s here: it needs a filesystem of this machine "
                       "with locks of open files (F_OFD_SETLK)",
                       weir_op_info(call->op)->name);
        return 1;
    }
    fs_name_of_key(name, s->fs->digits, item->key, item->key_len);
    return 0;
}

void fs_change(struct fs_session *s, struct weir_call *call,
               struct weir_item *item)
{
    struct fs_held held;
    struct fs_name name;
    int rc = change_ready(s, call, item, &name);

    if (rc > 0)
        return;
    rc = fs_hold(s->fs, call, FS_HOLD_KEY, name.hash, &held);
    if (rc == 0) {
        rc = fs_hold_mark(s->fs, call, &name);
        if (rc == 0)
            change_run(s, call, item);
        fs_release(s->fs, &held);
    }
    if (rc < 0)
        fs_hold_failed(call, item, rc);
}
