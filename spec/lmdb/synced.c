/* synced.c -- what sync=data answers for is on the disk, and a power cut does
 * not take it back: the names of the folder and of its files are synced, and so
 * is the end of weir.unsynced, which would have the file removed. */

#include "harness.h"

#include "../steps.h"

/* This stands in front of libc's, as does the fsync of steps.h. */
SHIM int unlinkat(int at, const char *path, int flags)
{
    step("unlink", path);
    return (int)syscall(SYS_unlinkat, at, path, flags);
}

/* Opens a store in a folder below the test's. */
static int open_below(struct client *c, const char *name, const char *options,
                      struct weir_error *err)
{
    char url[200];
    int rc;

    snprintf(url, sizeof url, "lmdb://%s/%s?%s", folder_path, name, options);
    steps[0] = '\0';
    rc = weir_open(&c->store, url, NULL, 0, err);
    if (rc < 0)
        return rc;
    c->batch = weir_batch_new(1);
    CHECK(c->batch != NULL && weir_cq_new(&c->cq) == 0);
    return 0;
}

static void names_are_synced(void)
{
    static const char *const file[] = {"sync a/kv\n", NULL};
    static const char *const folder[] = {"sync a\n", NULL};
    static const char *const above[] = {"sync .\n", NULL};
    struct weir_error err;
    struct client c;

    CHECK(open_below(&c, "a/kv", "sync=data", &err) == 0);
    expect_steps(file);
    expect_steps(folder);
    expect_steps(above); /* of a, which was made, too */
    CHECK(client_do(&c, WEIR_SET, "k", "v", 1) == WEIR_OK);
    close_lmdb(&c);
    CHECK(open_below(&c, "a/kv", "sync=data", &err) == 0);
    CHECK(client_do(&c, WEIR_GET, "k", NULL, 0) == WEIR_OK);
    close_lmdb(&c);
}

/* Closed without sync, so that the mark goes, or killed, so that it is left:
 * it must have gone for good before a set with sync is answered. */
static void mark_is_gone(void)
{
    static const char *const expected[] = {"unlink weir.unsynced\n", "sync b\n",
                                           NULL};
    static const char *const synced[] = {"sync b\n", NULL};
    struct weir_error err;
    struct client c;
    pid_t pid;

    CHECK(open_below(&c, "b", "sync=none", &err) == 0);
    close_lmdb(&c);
    CHECK(open_below(&c, "b", "sync=data", &err) == 0);
    expect_steps(synced);
    close_lmdb(&c);
    pid = fork();
    if (pid == 0) {
        CHECK(open_below(&c, "b", "sync=none", &err) == 0);
        kill(getpid(), SIGKILL);
    }
    CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid);
    CHECK(open_below(&c, "b", "sync=data", &err) == 0);
    expect_steps(expected);
    close_lmdb(&c);
}

int main(void)
{
    folder_make();
    names_are_synced();
    mark_is_gone();
    return 0;
}
