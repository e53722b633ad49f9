/* entry.c -- opens a file and decides whether it is an entry of ours.
 *
 * Anything may stand where a file is expected: a link, a pipe, a directory,
 * another program's file. Opening follows no link and waits for no pipe, and
 * what is not sound is moved aside, so that the next get is a miss and the next
 * set finds the place free. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"

ssize_t fs_read(int fd, void *to, size_t n, uint64_t offset)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got =
            pread(fd, (char *)to + done, n - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static enum fs_found entry_tail(struct fs_session *s, size_t span,
                                struct fs_entry *e)
{
    uint64_t size = (uint64_t)e->st.st_size;
    ssize_t got;

    e->have = size < span ? size : span;
    got = fs_read(e->fd, s->tail, e->have, size - e->have);
    if (got < 0)
        return FS_ERRNO;
    if ((size_t)got < e->have) {
        e->why = "was cut short while it was read";
        return FS_CORRUPT;
    }
    e->why = fs_trailer_parse(&e->trailer, s->tail, e->have, size);
    return e->why ? FS_CORRUPT : FS_FOUND;
}

static enum fs_found entry_read(struct fs_session *s, size_t span,
                                struct fs_entry *e)
{
    enum fs_found found = entry_tail(s, span, e);
    size_t need;

    /* A touch at this very moment may have been seen half done. */
    for (int again = 0; found == FS_CORRUPT && again < 3; again++) {
        sched_yield();
        found = entry_tail(s, span, e);
    }
    if (found != FS_FOUND)
        return found;
    need = fs_trailer_span(e->trailer.value_len, e->trailer.key_len);
    if (need > e->have) {
        found = entry_tail(s, need, e);
        if (found != FS_FOUND)
            return found;
    }
    e->key = s->tail + e->have - need;
    if (e->trailer.expires_ms != 0 && e->trailer.expires_ms <= fs_now_ms())
        return FS_EXPIRED;
    return FS_FOUND;
}

static void entry_set_aside(struct fs_session *s, const struct fs_name *name,
                            const struct stat *st, struct fs_entry *e)
{
    e->stays = fs_set_aside(s->fs, name, st) == 0 ? 0 : errno;
}

enum fs_found fs_entry_open(struct fs_session *s, const struct fs_name *name,
                            int flags, size_t span, struct fs_entry *e)
{
    enum fs_found found;
    int err;

    e->fd = fs_openat(s->fs, name->path, flags | O_NONBLOCK, 0);
    if (e->fd < 0) {
        if (errno == ENOENT) {
            /* Another process removed it. */
            if (s->fs->index != NULL && fs_index_has(s->fs->index, name))
                fs_recount(s->fs, name);
            return FS_ABSENT;
        }
        if (errno != ELOOP && errno != ENXIO && errno != EISDIR)
            return FS_ERRNO;
        e->why = "is not a file";
        entry_set_aside(s, name, NULL, e);
        return FS_CORRUPT;
    }
    if (fstat(e->fd, &e->st) < 0) {
        found = FS_ERRNO;
    } else if (!S_ISREG(e->st.st_mode)) {
        found = FS_CORRUPT;
        e->why = "is not a file";
    } else {
        found = entry_read(s, span, e);
    }
    if (found == FS_FOUND)
        return found;
    err = errno;
    /* Open until it is gone: no other file can have its inode number. */
    if (found == FS_CORRUPT) {
        entry_set_aside(s, name, &e->st, e);
    } else if (found == FS_EXPIRED) {
        if (fs_drop(s->fs, name, &e->st) == 0)
            s->fs->counts.expired++;
    }
    fs_entry_close(e);
    errno = err;
    return found;
}

void fs_entry_close(struct fs_entry *e)
{
    close(e->fd);
    e->fd = -1;
}

static void entry_answer(struct weir_call *call, struct weir_item *item,
                         const struct fs_name *name, const struct fs_entry *e)
{
    if (e->stays == 0)
        weir_call_fail(call, item, WEIR_CORRUPT, "%s %s; it was moved aside",
                       name->path, e->why);
    else
        weir_call_fail(call, item, WEIR_CORRUPT,
                       "%s %s; it cannot be moved aside: %s", name->path,
                       e->why, strerrordesc_np(e->stays));
}

bool fs_entry_for(struct fs_session *s, struct weir_call *call,
                  struct weir_item *item, struct fs_name *name, int flags,
                  size_t span, struct fs_entry *e)
{
    fs_name_of_key(name, s->fs->digits, item->key, item->key_len);
    switch (fs_entry_open(s, name, flags, span, e)) {
    case FS_FOUND:
        break;
    case FS_ABSENT:
    case FS_EXPIRED:
        item->status = WEIR_MISS;
        return false;
    case FS_CORRUPT:
        entry_answer(call, item, name, e);
        return false;
    case FS_ERRNO:
        fs_fail(call, item, errno, "reading", name->path);
        return false;
    }
    if (e->trailer.key_len != item->key_len ||
        memcmp(e->key, item->key, item->key_len) != 0) {
        fs_entry_corrupt(s, call, item, name, e, "is of another key");
        return false;
    }
    return true;
}

void fs_entry_corrupt(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct fs_name *name,
                      struct fs_entry *e, const char *why)
{
    e->why = why;
    entry_set_aside(s, name, &e->st, e);
    fs_entry_close(e);
    entry_answer(call, item, name, e);
}

uint64_t fs_entry_ttl(const struct fs_entry *e)
{
    uint64_t now = fs_now_ms();

    if (e->trailer.expires_ms == 0)
        return 0;
    return e->trailer.expires_ms > now ? e->trailer.expires_ms - now : 1;
}
