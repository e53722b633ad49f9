/* fact.c -- ends the use of an open file. */

#include "fact.h"

#include <stdlib.h>
#include <unistd.h>

void fs_open_put(struct fs_open *open)
{
    if (open == NULL || atomic_fetch_sub(&open->refs, 1) > 1)
        return;
    close(open->fd);
    free(open);
}
