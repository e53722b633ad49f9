/* entry.c -- opens a value file and checks it.
 *
 * Anything may stand in the place of a value: a link, a pipe, a directory,
 * another program's file. Opening follows no link and does not block on a pipe.
 * A file that is not sound is moved aside, so that the next get is a miss and
 * the next set finds the place free. */

#include "entry.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"
#include "evict.h"
#include "folder.h"

enum { ENTRY_SPAN = 512 }; /* enough for a trailer and most keys */

static int entry_tail(struct fs_session *s, size_t span, struct fs_entry *e)
{
    uint64_t size = (uint64_t)e->st.st_size;
    ssize_t got;

    /* Of a larger file only the end is needed first. */
    if (span == FS_SMALL && size > span)
        span = ENTRY_SPAN;
    e->have = size < span ? size : span;
    got = fs_read(e->fd, s->tail, e->have, size - e->have);
    if (got < 0)
        return (int)got;
    if ((size_t)got < e->have) {
        e->why = "was cut short while it was read";
        return FS_CORRUPT;
    }
    e->why = fs_trailer_parse(&e->trailer, s->tail, e->have, size);
    return e->why ? FS_CORRUPT : FS_FOUND;
}

static int entry_read(struct fs_session *s, size_t span, struct fs_entry *e)
{
    int found = entry_tail(s, span, e);
    size_t need;

    /* A touch that runs at this moment may have been seen half done. */
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

static int entry_absent(struct fs_session *s, const struct fs_name *name,
                        const struct fs_ticket *ticket)
{
    struct fs_index *index = s->fs->index;

    if (s->fs->known != NULL)
        fs_known_learn(s->fs->known, name, *ticket, NULL, -1, 0);
    /* Another process removed it. */
    if (index != NULL && fs_index_has(index, name))
        fs_recount(s->fs, name);
    return FS_ABSENT;
}

static int entry_check(struct fs_session *s, size_t span, struct fs_entry *e)
{
    if (fstat(e->fd, &e->st) < 0)
        return -errno;
    if (S_ISREG(e->st.st_mode))
        return entry_read(s, span, e);
    e->why = "is not a file";
    return FS_CORRUPT;
}

int fs_entry_open(struct fs_session *s, const struct fs_name *name, int flags,
                  size_t span, struct fs_entry *e)
{
    int found;

    if (s->fs->known != NULL)
        e->ticket = fs_known_ticket(s->fs->known, name);
    e->fd = fs_openat(s->fs, name->path, flags | O_NONBLOCK, 0);
    if (e->fd == -ENOENT)
        return entry_absent(s, name, &e->ticket);
    if (e->fd == -ELOOP || e->fd == -ENXIO || e->fd == -EISDIR) {
        e->why = "is not a file";
        e->kept = fs_set_aside(s->fs, s->writer, name, NULL);
        return FS_CORRUPT;
    }
    if (e->fd < 0)
        return e->fd;
    found = entry_check(s, span, e);
    if (found == FS_FOUND)
        return found;
    /* The file stays open until it is removed, so that its inode number cannot
     * be used again meanwhile. */
    if (found == FS_CORRUPT)
        e->kept = fs_set_aside(s->fs, s->writer, name, &e->st);
    else if (found == FS_EXPIRED &&
             fs_remove(s->fs, s->writer, name, &e->st) == 0)
        s->fs->counters.expired++;
    fs_entry_close(e);
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
    if (e->kept == 0)
        weir_call_fail(call, item, WEIR_CORRUPT, "%s %s; it was moved aside",
                       name->path, e->why);
    else
        weir_call_fail(call, item, WEIR_CORRUPT,
                       "%s %s; it cannot be moved aside: %s", name->path,
                       e->why, strerrordesc_np(-e->kept));
}

bool fs_entry_for(struct fs_session *s, struct weir_call *call,
                  struct weir_item *item, struct fs_name *name, int flags,
                  size_t span, struct fs_entry *e)
{
    int found;

    fs_name_of_key(name, s->fs->digits, item->key, item->key_len);
    found = fs_entry_open(s, name, flags, span, e);
    if (found == FS_ABSENT || found == FS_EXPIRED) {
        item->status = WEIR_MISS;
    } else if (found == FS_CORRUPT) {
        entry_answer(call, item, name, e);
    } else if (found < 0) {
        fs_fail(call, item, -found, "reading", name->path);
    } else if (e->trailer.key_len != item->key_len ||
               memcmp(e->key, item->key, item->key_len) != 0) {
        fs_entry_corrupt(s, call, item, name, e, "is of another key");
    } else {
        return true;
    }
    return false;
}

void fs_entry_corrupt(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct fs_name *name,
                      struct fs_entry *e, const char *why)
{
    e->why = why;
    e->kept = fs_set_aside(s->fs, s->writer, name, &e->st);
    fs_entry_close(e);
    entry_answer(call, item, name, e);
}

void fs_entry_learn(struct fs_session *s, const struct fs_name *name,
                    struct fs_entry *e, bool keep)
{
    struct fs_fact fact = {e->trailer.value_len, e->trailer.expires_ms,
                           e->trailer.hash};
    int fd = keep && e->st.st_size <= FS_KEEP ? e->fd : -1;

    if (s->fs->known == NULL ||
        !fs_known_learn(s->fs->known, name, e->ticket, &fact, fd,
                        (uint64_t)e->st.st_mtime))
        fs_entry_close(e);
}

uint64_t fs_entry_ttl(uint64_t expires_ms)
{
    uint64_t now = fs_now_ms();

    if (expires_ms == 0)
        return 0;
    return expires_ms > now ? expires_ms - now : 1;
}
