/* shm.c -- keeps values in memory that processes share, on the caller's thread.
 *
 * A mapping is a file in /dev/shm, or anywhere. Any number of processes open it
 * by name; it stays when they end, until it is removed or the machine restarts.
 * Each operation holds the lock of one shard while it copies a value in or out;
 * a large value is read in place instead (pins.h).
 * It fails with BUSY when a stopped process holds that lock, with CORRUPT when
 * something else writes to the mapping. Files in reading order: link.h,
 * entry.h, shard.h, state.h, chain.h, room.h; lock.h, seats.h; pins.h,
 * inplace.h; repair.h; sigbus.h; map.h; run.c; guard.h, lease.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "pins.h"
#include "repair.h"
#include "store.h"

#include "../memory/shared_options.h"

#define OPTION(field) .offset = offsetof(struct shm_config, field)

static const struct weir_option SHM_OPTIONS[] = {
    {
        .name = "name",
        .help = "name of the mapping, which is the file /dev/shm/weir.NAME",
        .type = WEIR_STRING,
        .url = WEIR_URL_HOST,
        OPTION(name),
    },
    {
        .name = "path",
        .help = "file of the mapping, instead of a name",
        .type = WEIR_PATH,
        .url = WEIR_URL_PATH,
        OPTION(path),
    },
    {
        .name = "capacity",
        .help = "memory to use, all of it taken when the mapping is made, and "
                "fixed; 0 = as it was, or 64MiB",
        .type = WEIR_SIZE,
        .value = "0",
        OPTION(capacity),
    },
    {
        .name = "eviction",
        .help = "which entry goes when a shard is full, fixed when the mapping "
                "is made; auto = as it was, or s3fifo",
        .type = WEIR_ENUM,
        .value = "auto",
        .choices = "auto|" OPTIONS_EVICTION,
        OPTION(eviction),
    },
    {
        .name = "shards",
        .help = OPTIONS_SHARDS
        ", fixed when the mapping is made; 0 = as it was, or one for each "
        "64 MiB",
        .type = WEIR_INTEGER,
        .value = "0",
        .max = LAYOUT_SHARDS_MAX,
        OPTION(shards),
    },
    OPTIONS_TTL(struct shm_config),
    {
        .name = "create",
        .help = "whether to make the mapping when it is missing",
        .type = WEIR_BOOLEAN,
        .value = "true",
        OPTION(create),
    },
    {
        .name = "destroy",
        .help = "whether to remove the mapping's name when the store is "
                "closed; processes that have it open keep it",
        .type = WEIR_BOOLEAN,
        .value = "false",
        OPTION(destroy),
    },
    {
        .name = "mode",
        .help = "permissions of a mapping that is made, in octal",
        .type = WEIR_STRING,
        .value = "0600",
        OPTION(mode),
    },
    {
        .name = "verify",
        .help = "which values are checked against their checksum when they are "
                "read: those in a shard that was repaired after a crash, or "
                "all",
        .type = WEIR_ENUM,
        .value = "repaired",
        .choices = "repaired|always",
        OPTION(verify),
    },
    {
        .name = "huge_pages",
        .help = "whether to make a mapping that can have huge pages of 2 MiB, "
                "fixed when it is made; Linux from 5.14 on gives them on a "
                "tmpfs mounted with huge=advise, and the gauge huge_bytes "
                "says how many",
        .type = WEIR_BOOLEAN,
        .value = "false",
        OPTION(huge_pages),
    },
    {
        .name = "sigbus",
        .help =
            "whether to handle the signal that a process gets when the "
            "file was shortened, so that an operation fails instead; "
            "false = the signal ends the process, or the program handles it",
        .type = WEIR_BOOLEAN,
        .value = "true",
        OPTION(sigbus),
    },
    {.name = NULL},
};

static int shm_mode(const char *text, mode_t *mode, struct weir_error *err)
{
    size_t n = strlen(text);

    *mode = (mode_t)strtoul(text, NULL, 8) & 0666;
    if (n == 0 || n > 4 || strspn(text, "01234567") != n)
        return weir_error_set(err, -EINVAL,
                              "option mode: expected an octal number such as "
                              "0600, got %s",
                              text);
    if ((*mode & 0600) != 0600)
        return weir_error_set(err, -EINVAL,
                              "option mode: expected the owner to read and "
                              "write (0600 and more), got %s",
                              text);
    return 0;
}

/* Finds out the file's path. */
static int shm_path(struct shm *m, struct weir_error *err)
{
    const char *name = m->config->name, *path = m->config->path;
    int n;

    if ((name == NULL) == (path == NULL))
        return weir_error_set(
            err, -EINVAL,
            name ? "expected a name or a path, got both: %s and %s"
                 : "expected a name (shm://NAME) or a path (shm:///PATH)",
            name, path);
    if (name != NULL &&
        (name[0] == '\0' || strchr(name, '/') != NULL || strlen(name) > 200))
        return weir_error_set(err, -EINVAL,
                              "option name: expected 1 to 200 characters "
                              "without a slash, got %.64s",
                              name);
    n = name ? snprintf(m->path, sizeof m->path, "/dev/shm/weir.%s", name)
             : snprintf(m->path, sizeof m->path, "%s", path);
    if (n == 0 || (size_t)n >= sizeof m->path)
        return weir_error_set(err, -EINVAL,
                              "option path: expected 1 to %zu bytes",
                              sizeof m->path - 1);
    return 0;
}

static int shm_start(struct shm *m, struct weir_error *err)
{
    const struct shm_config *c = m->config;
    struct map_wish wish = {
        .path = m->path,
        .name = c->name,
        .capacity = c->capacity,
        .shards = (uint32_t)c->shards,
        .eviction = c->eviction,
        .create = c->create,
        .huge = c->huge_pages,
        .sigbus = c->sigbus,
    };
    int rc = shm_path(m, err);

    if (rc == 0)
        rc = shm_mode(c->mode, &wish.mode, err);
    if (rc < 0)
        return rc;
    rc = m->dry ? map_check(&wish, err) : map_open(&m->map, &wish, err);
    if (rc == 0 && !m->dry && guard_open(m) < 0) {
        map_close(&m->map);
        rc = weir_error_set(err, -ENOMEM, "out of memory");
    }
    if (rc < 0) {
        struct weir_error why = *err;

        weir_error_set(err, rc, "shm %s: %s", c->name ? c->name : c->path,
                       why.message);
    }
    return rc;
}

static int shm_open_store(const void *config, const char *scheme, void **state,
                          struct weir_error *err)
{
    struct shm *m = calloc(1, sizeof *m);
    int rc;

    (void)scheme;
    if (m == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    m->config = config;
    m->default_ttl_ms = (m->config->ttl_ns + 999999) / 1000000;
    m->dry = weir_opening_dry();
    atomic_init(&m->refs, 1);
    rc = shm_start(m, err);
    if (rc < 0) {
        free(m);
        return rc;
    }
    *state = m;
    return 0;
}

static void shm_close(void *state)
{
    struct shm *m = state;

    if (!m->dry) {
        guard_close(m);
        if (m->config->destroy)
            map_remove(&m->map);
    }
    shm_unref(m);
}

static void shm_label(void *state, char *out, size_t cap)
{
    const struct shm_config *c = ((struct shm *)state)->config;

    snprintf(out, cap, "shm %s", c->name != NULL ? c->name : c->path);
}

/* The sums over all shards. */
struct totals {
    uint64_t bytes, items, pinned;
    struct shard_counters counters;
};

static void totals_add(struct totals *sum, const struct layout *l,
                       const struct shard *s)
{
    const uint64_t *from = (const uint64_t *)&s->counters;
    uint64_t *to = (uint64_t *)&sum->counters;

    sum->items += s->items;
    sum->pinned += (uint64_t)s->pinned_units << UNIT_SHIFT;
    sum->bytes += l->segment - ((uint64_t)s->free_units << UNIT_SHIFT);
    for (size_t i = 0; i < sizeof s->counters / sizeof *from; i++)
        to[i] += from[i];
}

/* A shard whose lock a stopped process holds is left out. */
static struct totals shm_totals(struct shm *m)
{
    struct totals sum = {.bytes = LAYOUT_CONTROL};
    struct hold h;

    for (uint32_t i = 0; !m->dry && i < m->map.layout.shards; i++) {
        if (shm_hold(m, i, &h) < 0)
            continue;
        if (pins_sweep(&h, true) < 0 && !shm_broken(m))
            repair_shard(&h);
        totals_add(&sum, &m->map.layout, h.s);
        shm_release(m, &h);
    }
    return sum;
}

static size_t shm_gauges(void *state, struct weir_gauge *out, size_t max)
{
    struct shm *m = state;
    struct totals sum = shm_totals(m);
    struct shard_counters *c = &sum.counters;
    uint64_t processes = m->dry ? 0 : seats_taken(&m->map.seats);
    uint64_t taken_over =
        m->dry ? 0 : atomic_load(&m->map.seats.shared->taken_over);
    const struct weir_gauge gauges[] = {
        {"capacity", "bytes of the mapping", m->map.layout.capacity, 0, 0},
        {"bytes", "bytes in use, overhead included", sum.bytes, 0, 0},
        {"huge_bytes", "bytes in huge pages when this process opened it",
         m->map.huge, 0, 0},
        {"items", "entries held", sum.items, 0, 0},
        {"pinned", "bytes of entries that are read in place", sum.pinned, 0, 0},
        {"processes", "stores that have the mapping open", processes, 0, 0},
        {"evictions", "entries dropped for room, by all processes",
         c->evictions, 1, 0},
        {"expired", "entries dropped at their time", c->expired, 1, 0},
        {"rejected", "values too large for a shard", c->rejected, 1, 0},
        {"hits_small", "hits of all processes; s3fifo: of entries on probation",
         c->hits_small, 1, 0},
        {"hits_main", "s3fifo: hits of entries in the main queue", c->hits_main,
         1, 0},
        {"copied", "gets of large values that had to copy them", c->copied, 1,
         0},
        {"taken_over", "locks taken from processes that had died", taken_over,
         1, 0},
        {"repairs", "shards repaired because a process died in them",
         c->repairs, 1, 0},
        {"lost", "entries that a repair could not keep", c->lost, 1, 0},
        {"corrupt", "values dropped for a wrong checksum", c->corrupt, 1, 0},
        {"copies_dropped", "copies not stored: their key was written meanwhile",
         c->copies_dropped, 1, 0},
        {"writers_died", "writes whose process died before their end",
         c->writers_died, 1, 0},
        {"leases", "loads that one process did for all", c->leases, 1, 0},
        {"leases_taken_over", "leases taken from processes that died, or late",
         c->leases_taken_over, 1, 0},
        {"leases_refused", "loads without a lease, for lack of room",
         c->leases_refused, 1, 0},
    };
    size_t n = sizeof gauges / sizeof *gauges;

    for (size_t i = 0; i < n && i < max; i++)
        out[i] = gauges[i];
    return n;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .is_inline = true,
    .name = "shm",
    .help = "values in memory that the processes of a machine share",
    .options = SHM_OPTIONS,
    .config_size = sizeof(struct shm_config),
    .ops = 1 << WEIR_GET | 1 << WEIR_SET | 1 << WEIR_EXISTS | 1 << WEIR_DELETE |
           1 << WEIR_STAT | 1 << WEIR_TOUCH | 1 << WEIR_SCAN | 1 << WEIR_ADD |
           1 << WEIR_REPLACE | 1 << WEIR_INCR | 1 << WEIR_APPEND |
           1 << WEIR_CAS | 1 << WEIR_GAT | 1 << WEIR_TAKE,
    .open = shm_open_store,
    .close = shm_close,
    .label = shm_label,
    .run = shm_run,
    .gauges = shm_gauges,
    .guard = shm_guard,
};
