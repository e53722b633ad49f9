/* ghost.c -- see ghost.h. */
#include "ghost.h"

#include <stdlib.h>
#include <string.h>

/* 0 stands for an empty place. */
static uint32_t ghost_mark(uint32_t hash)
{
    return hash == 0 ? 1 : hash;
}

static uint32_t *ghost_line(struct ghost *g, uint32_t hash)
{
    return g->lines[hash & (g->n - 1)];
}

/* Move the first n places of a line back by one and fill the first. */
static void ghost_shift(uint32_t *line, size_t n, uint32_t mark)
{
    memmove(line + 1, line, n * sizeof *line);
    line[0] = mark;
}

void ghost_add(struct ghost *g, uint32_t hash)
{
    if (g->n > 0)
        ghost_shift(ghost_line(g, hash), GHOST_LINE - 1, ghost_mark(hash));
}

bool ghost_forget(struct ghost *g, uint32_t hash)
{
    uint32_t *line;

    if (g->n == 0)
        return false;
    line = ghost_line(g, hash);
    for (size_t i = 0; i < GHOST_LINE; i++) {
        if (line[i] == ghost_mark(hash)) {
            memmove(line + i, line + i + 1,
                    (GHOST_LINE - 1 - i) * sizeof *line);
            line[GHOST_LINE - 1] = 0;
            return true;
        }
    }
    return false;
}

/* Hashes of line i belong to line i or i + n of a table twice as large: both
 * get a copy of it, and what does not belong is never asked for. */
void ghost_grow(struct ghost *g, uint64_t entries)
{
    uint32_t n = g->n ? g->n * 2 : 1;
    void *lines;

    if ((uint64_t)g->n * GHOST_LINE >= entries || n == 0)
        return;
    lines = realloc(g->lines, n * sizeof *g->lines);
    if (lines == NULL)
        return;
    g->lines = lines;
    if (g->n == 0)
        memset(g->lines, 0, sizeof *g->lines);
    else
        memcpy(g->lines + g->n, g->lines, ghost_bytes(g));
    g->n = n;
}

void ghost_shrink(struct ghost *g, uint64_t entries)
{
    uint32_t n = g->n;
    void *lines;

    while (n > 1 && (uint64_t)n * GHOST_LINE / 8 > entries)
        n /= 2;
    if (n == g->n)
        return;
    lines = realloc(g->lines, n * sizeof *g->lines);
    if (lines == NULL)
        return;
    g->lines = lines;
    g->n = n;
}

void ghost_free(struct ghost *g)
{
    free(g->lines);
    *g = (struct ghost){0};
}
