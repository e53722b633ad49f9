/* header.c -- see header.h. */
#include "header.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../memory/shared_options.h"

static const char MADE[8] = "weirSHM1";
static const char UNMADE[8] = "weirSHM?";

static const uint64_t CAPACITY_DEFAULT = UINT64_C(64) << 20;

/* In the order of the option's choices, of which the first is "auto". */
static const struct eviction_policy *const POLICIES[] = {
    NULL,
    OPTIONS_POLICIES,
};

enum { N_POLICIES = sizeof POLICIES / sizeof *POLICIES };

const struct eviction_policy *header_policy(uint32_t eviction)
{
    return POLICIES[eviction < N_POLICIES ? eviction : 1];
}

static uint64_t header_sum(const struct header *h)
{
    return XXH3_64bits(h, offsetof(struct header, sum));
}

/* Empty when the kernel does not say. */
static void header_boot(char out[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(out, 0, 40);
    if (fd < 0)
        return;
    if (read(fd, out, 36) != 36)
        memset(out, 0, 40);
    close(fd);
}

void header_new(struct header *h, const struct map_wish *wish)
{
    memset(h, 0, sizeof *h);
    memcpy(h->magic, MADE, sizeof MADE);
    h->version = wish->huge ? HEADER_HUGE : HEADER_PLAIN;
    h->capacity = wish->capacity ? wish->capacity : CAPACITY_DEFAULT;
    h->shards = wish->shards ? wish->shards : layout_shards(h->capacity);
    h->seed = weir_seed();
    h->eviction = wish->eviction ? (uint32_t)wish->eviction : 1;
    h->unit = UNIT;
    header_boot(h->boot);
    h->sum = header_sum(h);
}

static int header_put(int fd, const void *bytes, size_t n)
{
    ssize_t rc = pwrite(fd, bytes, n, 0);

    if (rc < 0)
        return -errno;
    return (size_t)rc == n ? 0 : -EIO;
}

int header_write_unmade(int fd)
{
    return header_put(fd, UNMADE, sizeof UNMADE);
}

int header_write(int fd, const struct header *h)
{
    return header_put(fd, h, sizeof *h);
}

void header_layout(const struct header *h, struct layout *l)
{
    layout_of(l, h->capacity, h->shards, h->version == HEADER_HUGE);
}

static bool header_sound(const struct header *h, uint64_t size)
{
    uint32_t n = h->shards;
    struct layout l;

    if (h->sum != header_sum(h) || h->unit != UNIT || n == 0 ||
        n > LAYOUT_SHARDS_MAX || (n & (n - 1)) != 0 ||
        h->capacity < layout_least(n, h->version == HEADER_HUGE) ||
        h->capacity > layout_most(n) || h->eviction == 0 ||
        h->eviction >= N_POLICIES)
        return false;
    header_layout(h, &l);
    return l.file == size;
}

int header_read(struct header *h, int fd, uint64_t size, struct weir_error *err)
{
    ssize_t n = pread(fd, h, sizeof *h, 0);
    char boot[40];

    if (n < 0)
        return weir_error_set(err, -errno, "cannot read the header: %s",
                              strerror(errno));
    if (n == 0 || (n >= (ssize_t)sizeof UNMADE &&
                   memcmp(h->magic, UNMADE, sizeof UNMADE) == 0))
        return HEADER_NONE;
    if (n != sizeof *h || memcmp(h->magic, MADE, sizeof MADE) != 0)
        return weir_error_set(err, -EINVAL,
                              "it is not a mapping of weir; choose another "
                              "name or path");
    if (h->version != HEADER_PLAIN && h->version != HEADER_HUGE)
        return weir_error_set(err, -EINVAL,
                              "the mapping has version %u of the format, this "
                              "weir has %u and %u; remove it or choose "
                              "another name",
                              h->version, HEADER_PLAIN, HEADER_HUGE);
    if (!header_sound(h, size))
        return weir_error_set(err, -EINVAL,
                              "the mapping's header is damaged, or its size of "
                              "%llu bytes is wrong; remove it",
                              (unsigned long long)size);
    header_boot(boot);
    return memcmp(boot, h->boot, sizeof boot) == 0 ? HEADER_SOUND : HEADER_OLD;
}

const char *header_in_words(char out[HEADER_WORDS], uint64_t bytes)
{
    static const char *const UNITS[] = {"bytes", "KiB", "MiB"};
    int i = 0;

    for (; i < 2 && bytes > 0 && bytes % 1024 == 0; i++)
        bytes /= 1024;
    snprintf(out, HEADER_WORDS, "%llu %s", (unsigned long long)bytes, UNITS[i]);
    return out;
}

int header_agrees(const struct header *h, const struct map_wish *wish,
                  struct weir_error *err)
{
    char wanted[HEADER_WORDS], is[HEADER_WORDS];

    if (wish->capacity != 0 && wish->capacity != h->capacity)
        return weir_error_set(
            err, -EINVAL,
            "option capacity: %s, but the mapping was made with %s; give that "
            "or leave it out, or remove the mapping first",
            header_in_words(wanted, wish->capacity),
            header_in_words(is, h->capacity));
    if (wish->shards != 0 && wish->shards != h->shards)
        return weir_error_set(err, -EINVAL,
                              "option shards: %u, but the mapping was made "
                              "with %u; give that or leave it out",
                              wish->shards, h->shards);
    if (wish->eviction != 0 && (uint32_t)wish->eviction != h->eviction)
        return weir_error_set(
            err, -EINVAL,
            "option eviction: %s, but the mapping was made with %s; give that "
            "or leave it out",
            header_policy((uint32_t)wish->eviction)->name,
            header_policy(h->eviction)->name);
    return 0;
}
