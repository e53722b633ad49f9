/* steps.h -- records the system calls that make a folder durable, in their
 * order. A program includes it after its harness, which has folder_path, and
 * defines functions that stand in front of libc's and call step. */
#ifndef STEPS_H
#define STEPS_H

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

#define SHIM __attribute__((visibility("default")))

/* The steps that were taken, a line each, paths below the folder. */
static char steps[8192];

static inline void step(const char *what, const char *path)
{
    size_t n = strlen(steps), len = strlen(folder_path);
    const char *below = path;

    if (strncmp(path, folder_path, len) == 0)
        below = path[len] == '\0' ? "." : path + len + 1;
    snprintf(steps + n, sizeof steps - n, "%s %s\n", what, below);
}

static inline void step_fd(const char *what, int fd)
{
    char link[64], path[512];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    CHECK(n > 0);
    path[n] = '\0';
    step(what, path);
}

SHIM int fsync(int fd)
{
    step_fd("sync", fd);
    return (int)syscall(SYS_fsync, fd);
}

/* The given steps were taken in this order, among others. */
static inline void expect_steps(const char *const *expected)
{
    const char *from = steps;

    for (; *expected != NULL; expected++) {
        from = strstr(from, *expected);
        if (from == NULL)
            fprintf(stderr, "no \"%s\" in its place of:\n%s", *expected, steps);
        CHECK(from != NULL);
    }
}

#endif
