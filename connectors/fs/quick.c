/* quick.c -- answers on the submitting thread: from the table of known files,
 * and small values from open files in the page cache.
 *
 * A file is read with RWF_NOWAIT, which fails rather than wait for the disk.
 * tmpfs refuses that flag, but has no disk to wait for. On other filesystems
 * that refuse it the workers read.
 * One call reads at most QUICK_BYTES, so that a large batch goes to the workers
 * and does not hold up the host's loop. */

#include <errno.h>
#include <sys/uio.h>

#include "entry.h"
#include "folder.h"
#include "ops.h"
#include "read.h"
#include "root.h"
#include "watch.h"

enum { QUICK_BYTES = 64 << 10 }; /* takes about 15 us */

struct quick {
    struct fs *fs;
    struct weir_call *call;
    uint64_t left;      /* of QUICK_BYTES */
    XXH3_state_t *hash; /* NULL until a value is read */
};

/* Reads the whole value and checks it. */
static bool quick_read(struct quick *q, struct weir_item *item,
                       const struct fs_fact *fact, int fd, char *to)
{
    struct iovec part = {to, fact->size};
    ssize_t got;

    if (item->data != NULL && !weir_call_lend(q->call))
        return false;
    got = preadv2(fd, &part, 1, 0, q->fs->in_memory ? 0 : RWF_NOWAIT);
    if (got < 0 && errno == EOPNOTSUPP)
        q->fs->waits = true;
    if (got == (ssize_t)fact->size && q->fs->config->verify == 0) {
        XXH3_64bits_reset(q->hash);
        XXH3_64bits_update(q->hash, to, fact->size);
    }
    if (item->data != NULL)
        weir_call_unlend(q->call);
    return got == (ssize_t)fact->size &&
           (q->fs->config->verify != 0 ||
            fs_read_is_sound(q->hash, item, fact));
}

static void quick_get(struct quick *q, struct weir_item *item,
                      const struct fs_fact *fact, int fd)
{
    struct weir_value *v = NULL;
    char *to = item->data;

    if (q->hash == NULL)
        q->hash = XXH3_createState();
    if (to == NULL)
        v = weir_value_new(fact->size, &to);
    if (q->hash == NULL || to == NULL ||
        (v == NULL && fact->size > item->cap) ||
        !quick_read(q, item, fact, fd, to)) {
        weir_value_unref(v);
        return;
    }
    q->left -= fact->size;
    item->value = v;
    item->size = fact->size;
    item->status = WEIR_OK;
}

/* Reads an open file, unless a worker must record its use or correct its count.
 */
static void quick_open(struct quick *q, struct weir_item *item,
                       const struct fs_name *name, const struct fs_fact *fact,
                       struct fs_open *open)
{
    if (fact->size == 0 || fact->size > q->left || q->fs->waits ||
        fact->size > weir_call_max_value(q->call))
        return;
    if (q->fs->index != NULL && (fs_read_is_unused(open->used_s) ||
                                 !fs_read_hit(q->fs, name, item, fact)))
        return;
    quick_get(q, item, fact, open->fd);
}

static void quick_item(struct quick *q, struct weir_item *item)
{
    bool get = q->call->op == WEIR_GET;
    struct fs_index *index = q->fs->index;
    struct fs_open *open = NULL;
    struct fs_fact fact;
    struct fs_name name;

    fs_name_of_key(&name, q->fs->digits, item->key, item->key_len);
    switch (fs_known_find(q->fs->known, &name, &fact, get ? &open : NULL)) {
    case FS_KNOWN_NOT:
        break;
    case FS_KNOWN_GONE:
        /* If the index has it, a worker must correct the count. */
        if (index == NULL || !fs_index_has(index, &name))
            item->status = WEIR_MISS;
        break;
    case FS_KNOWN_FILE:
        /* A worker removes an expired file. */
        if (fs_read_is_expired(&fact))
            break;
        if (get && open != NULL) {
            quick_open(q, item, &name, &fact, open);
        } else if (!get) {
            item->size = fact.size;
            item->ttl_ms = fs_entry_ttl(fact.expires_ms);
            item->status = WEIR_OK;
        }
        break;
    }
    fs_open_put(open);
}

void fs_attempt(void *state, struct weir_call *call)
{
    struct quick q = {.fs = state, .call = call, .left = QUICK_BYTES};

    if ((call->op != WEIR_EXISTS && call->op != WEIR_STAT &&
         call->op != WEIR_GET) ||
        fs_root_is_due(q.fs) || !fs_watch_read(q.fs))
        return;
    for (uint32_t i = 0; i < call->n; i++)
        quick_item(&q, &call->items[i]);
    XXH3_freeState(q.hash);
}
