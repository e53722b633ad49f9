/* quick.c -- answers from the table of known files, on the submitting thread.
 */

#include "entry.h"
#include "folder.h"
#include "ops.h"
#include "root.h"
#include "watch.h"

static void quick_item(struct fs *fs, uint32_t op, struct weir_item *item)
{
    struct fs_fact fact;
    struct fs_name name;

    fs_name_of_key(&name, fs->digits, item->key, item->key_len);
    switch (fs_known_find(fs->known, &name, &fact, NULL)) {
    case FS_KNOWN_NOT:
        break;
    case FS_KNOWN_GONE:
        /* If the index has it, a worker must correct the count. */
        if (fs->index == NULL || !fs_index_has(fs->index, &name))
            item->status = WEIR_MISS;
        break;
    case FS_KNOWN_FILE:
        /* A worker removes what has expired. */
        if (op == WEIR_GET ||
            (fact.expires_ms != 0 && fact.expires_ms <= fs_now_ms()))
            break;
        item->size = fact.size;
        item->ttl_ms = fs_entry_ttl(fact.expires_ms);
        item->status = WEIR_OK;
        break;
    }
}

void fs_attempt(void *state, struct weir_call *call)
{
    struct fs *fs = state;

    if ((call->op != WEIR_EXISTS && call->op != WEIR_STAT &&
         call->op != WEIR_GET) ||
        fs_root_is_due(fs) || !fs_watch_read(fs))
        return;
    for (uint32_t i = 0; i < call->n; i++)
        quick_item(fs, call->op, &call->items[i]);
}
