/* huge.c -- see huge.h. */
#include "huge.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t huge_bytes(const char *from, const char *to)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    unsigned long long start, end, kib, sum = 0;
    bool inside = false;
    char *line = NULL;
    size_t room = 0;

    while (maps != NULL && getline(&line, &room, maps) > 0) {
        if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
            inside = start >= (uintptr_t)from && end <= (uintptr_t)to;
        else if (inside && (sscanf(line, "ShmemPmdMapped: %llu", &kib) == 1 ||
                            sscanf(line, "FilePmdMapped: %llu", &kib) == 1))
            sum += kib << 10;
    }
    free(line);
    if (maps != NULL)
        fclose(maps);
    return sum;
}
