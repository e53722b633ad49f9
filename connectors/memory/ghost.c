/* ghost.c -- see ghost.h. */
#include "ghost.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    GHOST_PACE = 4, /* calls for one new line, which holds eight times as many
                       keys as are dropped meanwhile */
    GHOST_MARK_SHIFT = 14, /* the hash's upper 16 of 30 bits */
    GHOST_PAGE = 4096,
};

int ghost_init(struct ghost *g, uint64_t max_keys)
{
    uint64_t max = max_keys / GHOST_LINE + 1;
    void *lines;

    if (max > UINT32_MAX / 2)
        max = UINT32_MAX / 2;
    *g = (struct ghost){.max = (uint32_t)max};
    lines = mmap(NULL, max * sizeof(struct ghost_line), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (lines == MAP_FAILED)
        return -ENOMEM;
    g->lines = link_to(lines);
    return 0;
}

static uint16_t *ghost_at(struct ghost *g, uint32_t i)
{
    return link_clamp(g, (struct ghost_line *)link_at(g, g->lines) + i);
}

/* 0 stands for an empty place. */
static uint16_t ghost_mark(uint32_t hash)
{
    uint16_t mark = (uint16_t)(hash >> GHOST_MARK_SHIFT);

    return mark == 0 ? 1 : mark;
}

static uint16_t *ghost_of(struct ghost *g, uint32_t hash)
{
    return ghost_at(g, linear_bucket(g->size, hash));
}

void ghost_add(struct ghost *g, uint32_t hash)
{
    uint16_t *line;

    if (g->size.n == 0)
        return;
    line = ghost_of(g, hash);
    memmove(line + 1, line, (GHOST_LINE - 1) * sizeof *line);
    line[0] = ghost_mark(hash);
}

bool ghost_forget(struct ghost *g, uint32_t hash)
{
    uint16_t mark = ghost_mark(hash), *line;

    if (g->size.n == 0)
        return false;
    line = ghost_of(g, hash);
    for (size_t i = 0; i < GHOST_LINE; i++) {
        if (line[i] == mark) {
            memmove(line + i, line + i + 1,
                    (GHOST_LINE - 1 - i) * sizeof *line);
            line[GHOST_LINE - 1] = 0;
            return true;
        }
    }
    return false;
}

/* A hash of the line that is split belongs to that line or to the new one.
 * Both get a copy of the line, since no hash finds a mark in the wrong one. */
static void ghost_split(struct ghost *g)
{
    g->size = linear_grown(g->size);
    if (g->size.n > 1)
        memcpy(ghost_at(g, g->size.n - 1), ghost_at(g, linear_source(g->size)),
               sizeof(struct ghost_line));
}

void ghost_grow(struct ghost *g, uint64_t keys)
{
    if (g->size.n > keys / GHOST_LINE || g->size.n == g->max ||
        ++g->added < GHOST_PACE)
        return;
    g->added = 0;
    ghost_split(g);
}

void ghost_shrink(struct ghost *g, uint64_t keys)
{
    for (int i = 0; i < 2 && g->size.n / 4 > keys / GHOST_LINE + 1; i++) {
        g->size = linear_shrunk(g->size);
        if (ghost_bytes(g) % GHOST_PAGE == 0)
            madvise(ghost_at(g, g->size.n), GHOST_PAGE, MADV_DONTNEED);
    }
}

void ghost_free(struct ghost *g)
{
    if (g->lines != 0)
        munmap(link_at(g, g->lines), g->max * sizeof(struct ghost_line));
    *g = (struct ghost){0};
}
