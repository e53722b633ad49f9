/* fs.c -- a connector that keeps one file per value, in a folder that outlives
 * the process and may be shared by several.
 *
 * format.c explains the files. A set writes a temporary and renames it
 * (write.c). A torn, damaged or foreign file is recognised and moved aside
 * (entry.c, aside.c). With a capacity, files are counted and evicted (index.c,
 * evict.c), the existing ones after open (recover.c). A scan opens no files in
 * directories that are trusted (scan.c, trust.c). Processes that share a folder
 * never tear each other's values, and their atomic ops exclude each other
 * (change.c, hold.c). Each counts only the files that it found and wrote
 * itself, so together they may exceed the capacity.
 *
 * Errors of the filesystem become NOSPACE, DENIED, BUSY (no descriptors or
 * memory left) or FAILED (the rest). */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "features.h"
#include "folder.h"
#include "listing.h"
#include "ops.h"
#include "owner.h"
#include "recover.h"
#include "root.h"
#include "trust.h"
#include "watch.h"

#define OPTION(field) .offset = offsetof(struct fs_config, field)

static const struct weir_option fs_options[] = {
    {.name = "path",
     .help = "folder to keep values in",
     .type = WEIR_PATH,
     .required = 1,
     .url = WEIR_URL_PATH,
     OPTION(path)},
    {.name = "create",
     .help = "whether to make the folder when it is missing",
     .type = WEIR_BOOLEAN,
     .value = "true",
     OPTION(create)},
    {.name = "sync",
     .help = "what a set waits for: nothing, its bytes on the disk, or its "
             "name, too",
     .type = WEIR_ENUM,
     .value = "none",
     .choices = "none|data|full",
     OPTION(sync)},
    {.name = "verify",
     .help = "when to check the bytes of a value against its checksum",
     .type = WEIR_ENUM,
     .value = "always",
     .choices = "always|never",
     OPTION(verify)},
    {.name = "capacity",
     .help = "disk to use at most, in blocks of 4 KiB; 0 = no limit",
     .type = WEIR_SIZE,
     .value = "0",
     .max = INT64_C(1) << 50,
     OPTION(capacity)},
    {.name = "ttl",
     .help = "when a value expires that was set without a time to live; 0 = "
             "never",
     .type = WEIR_DURATION,
     .value = "0",
     OPTION(ttl)},
    {.name = "fanout",
     .help = "directories to spread the files over, fixed when the folder is "
             "made; auto = as it was, or 256",
     .type = WEIR_ENUM,
     .value = "auto",
     .choices = "auto|16|256|4096|65536",
     OPTION(fanout)},
    {.name = "mode",
     .help = "permissions of the files, in octal; directories get the same "
             "with x",
     .type = WEIR_STRING,
     .value = "0600",
     OPTION(mode)},
    {.name = "quarantine",
     .help = "damaged files to keep for a look; 0 = delete them",
     .type = WEIR_INTEGER,
     .value = "16",
     .min = 0,
     .max = 1000,
     OPTION(quarantine)},
    {.name = "on_full",
     .help = "what a set does when the disk is full: evict the oldest values, "
             "or fail; auto = evict with a capacity",
     .type = WEIR_ENUM,
     .value = "auto",
     .choices = "auto|evict|refuse",
     OPTION(on_full)},
    {.name = "direct",
     .help = "read values of this size and more, over 68 KiB, past the page "
             "cache when they are not in it, for folders much larger than the "
             "memory; 0 = never",
     .type = WEIR_SIZE,
     .value = "0",
     .max = INT64_C(1) << 50,
     OPTION(direct)},
    {.name = NULL},
};

static void fs_free(struct fs *fs)
{
    fs_recover_stop(fs);
    fs_owner_stop(fs);
    if (fs->root >= 0)
        close(fs->root);
    if (fs->marks_fd >= 0)
        close(fs->marks_fd);
    fs_watch_stop(fs);
    fs_index_free(fs->index);
    fs_listing_free(fs->listing);
    for (int i = 0; i < FS_LOCKS; i++)
        pthread_mutex_destroy(&fs->locks[i]);
    for (int i = 0; i < FS_LOCKS * FS_HOLD_KINDS; i++)
        pthread_mutex_destroy(&fs->holds[i / FS_LOCKS][i % FS_LOCKS]);
    pthread_mutex_destroy(&fs->root_lock);
    pthread_mutex_destroy(&fs->recovery.lock);
    pthread_cond_destroy(&fs->recovery.done_cond);
    free(fs);
}

static int fs_start(struct fs *fs, struct weir_error *err)
{
    const struct fs_config *config = fs->config;
    int rc = fs_root_open(fs, err);

    if (rc < 0 || fs->dry)
        return rc;
    if (config->capacity > 0 || config->on_full == FS_FULL_EVICT) {
        fs->index =
            fs_index_new(config->capacity ? config->capacity : UINT64_MAX);
        if (fs->index == NULL)
            return weir_error_set(err, -ENOMEM, "out of memory");
    }
    fs_trust_open(fs);
    fs_watch_start(fs);
    return fs_recover_start(fs, err);
}

static int fs_open(const void *config, const char *scheme, void **state,
                   struct weir_error *err)
{
    struct fs *fs = calloc(1, sizeof *fs);
    int rc;

    (void)scheme;
    if (fs == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    fs->config = config;
    fs->dry = weir_opening_dry();
    fs->root = -1;
    fs->owner = -1;
    fs->marks_fd = -1;
    for (int i = 0; i < FS_LOCKS; i++)
        pthread_mutex_init(&fs->locks[i], NULL);
    for (int i = 0; i < FS_LOCKS * FS_HOLD_KINDS; i++)
        pthread_mutex_init(&fs->holds[i / FS_LOCKS][i % FS_LOCKS], NULL);
    pthread_mutex_init(&fs->root_lock, NULL);
    pthread_mutex_init(&fs->recovery.lock, NULL);
    pthread_cond_init(&fs->recovery.done_cond, NULL);
    rc = fs_start(fs, err);
    if (rc < 0) {
        fs_free(fs);
        return rc;
    }
    *state = fs;
    return 0;
}

static void fs_close(void *state)
{
    fs_free(state);
}

static void fs_label(void *state, char *out, size_t cap)
{
    const struct fs *fs = state;

    snprintf(out, cap, "fs %s", fs->config->path);
}

static int fs_connect(void *state, void *session, struct weir_call *call)
{
    struct fs_session *s = session;

    s->fs = state;
    if (s->fs->dry) {
        weir_call_fail(call, NULL, WEIR_UNAVAILABLE,
                       "was opened to be checked only");
        return -EPERM;
    }
    s->block = NULL;
    s->tail = malloc(fs_tail_room());
    s->hash = XXH3_createState();
    if (s->tail != NULL && s->hash != NULL)
        return 0;
    free(s->tail);
    XXH3_freeState(s->hash);
    weir_call_fail(call, NULL, WEIR_UNAVAILABLE, "out of memory");
    return -ENOMEM;
}

static void fs_disconnect(void *session)
{
    struct fs_session *s = session;

    free(s->tail);
    free(s->block);
    XXH3_freeState(s->hash);
}

static int fs_run(void *session, struct weir_call *call)
{
    static fs_op *const ops[] = {
        [WEIR_GET] = fs_get,        [WEIR_SET] = fs_set,
        [WEIR_EXISTS] = fs_stat,    [WEIR_DELETE] = fs_delete,
        [WEIR_STAT] = fs_stat,      [WEIR_TOUCH] = fs_touch,
        [WEIR_SCAN] = fs_scan,      [WEIR_ADD] = fs_add,
        [WEIR_REPLACE] = fs_change, [WEIR_INCR] = fs_change,
        [WEIR_APPEND] = fs_change,  [WEIR_CAS] = fs_change,
        [WEIR_TAKE] = fs_change,    [WEIR_GAT] = fs_touch,
    };

    struct fs_session *s = session;

    fs_root_look(s->fs);
    fs_watch_read(s->fs);
    s->writer = weir_op_info(call->op)->writes ? call : NULL;
    for (uint32_t i = 0; i < call->n; i++) {
        if (weir_call_stopped(call) < 0) {
            weir_call_fail(call, NULL, WEIR_SKIPPED,
                           "no time was left for %u of %u keys", call->n - i,
                           call->n);
            break;
        }
        ops[call->op](s, call, &call->items[i]);
    }
    return 0;
}

static size_t fs_gauges(void *state, struct weir_gauge *out, size_t max)
{
    struct fs *fs = state;
    struct fs_index_stats ix = {0};
    size_t n = 0;

    if (fs->index != NULL)
        fs_index_stats(fs->index, &ix);
    const struct weir_gauge own[] = {
        {"evictions", "files removed to make room", fs->counters.evicted, 1, 0},
        {"evictions_full", "of them, those removed because the disk was full",
         fs->counters.evicted_full, 1, 0},
        {"expired", "files removed when found expired", fs->counters.expired, 1,
         0},
        {"quarantined", "damaged or foreign files moved aside",
         fs->counters.quarantined, 1, 0},
        {"swept", "temporaries of dead processes removed", fs->counters.swept,
         1, 0},
        {"syncs", "times that the disk was waited for", fs->counters.syncs, 1,
         0},
        {"reopened", "times that the folder was found replaced and opened anew",
         fs->counters.reopened, 1, 0},
        {"recovering", "1 while the folder is still being walked",
         !fs->dry && !fs_recover_done(fs), 0, 0},
        {"known_bytes", "memory used to answer without the filesystem",
         fs->known ? fs_known_memory(fs->known) : 0, 0, 0},
        /* These need an index. */
        {"items", "files counted", ix.entries, 0, 0},
        {"bytes", "disk used by them and by what is being written", ix.bytes, 0,
         0},
        {"capacity", "disk to use at most", fs->config->capacity, 0, 0},
        {"index_bytes", "memory used to count", ix.memory, 0, 0},
    };
    const size_t n_own = sizeof own / sizeof *own - (fs->index ? 0 : 4);

    for (; n < n_own && n < max; n++)
        out[n] = own[n];
    for (size_t i = 0; i < FS_FEATURES && n < max; i++, n++)
        out[n] = (struct weir_gauge){fs_features[i].name, fs_features[i].help,
                                     fs->lacks[i], 0, 0};
    return n_own + FS_FEATURES;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "fs",
    .help = "one file a value, in a folder",
    .options = fs_options,
    .config_size = sizeof(struct fs_config),
    .session_size = sizeof(struct fs_session),
    .ops = 1u << WEIR_GET | 1u << WEIR_SET | 1u << WEIR_EXISTS |
           1u << WEIR_DELETE | 1u << WEIR_STAT | 1u << WEIR_TOUCH |
           1u << WEIR_SCAN | 1u << WEIR_ADD | 1u << WEIR_REPLACE |
           1u << WEIR_INCR | 1u << WEIR_APPEND | 1u << WEIR_CAS |
           1u << WEIR_GAT | 1u << WEIR_TAKE,
    .workers = 4,
    .slice = {.items = 32, .bytes = 1 << 20},
    .spreads = true,
    .open = fs_open,
    .close = fs_close,
    .label = fs_label,
    .connect = fs_connect,
    .disconnect = fs_disconnect,
    .run = fs_run,
    .attempt = fs_attempt,
    .gauges = fs_gauges,
};
