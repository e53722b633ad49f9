/* descriptors.h -- how many files a test program has open. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <dirent.h>

#include "check.h"

static inline int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

#endif
