/* durable.c -- what a folder says of itself is never less durable than its
 * values: what is synced is recorded, and its order. A format that a power cut
 * left empty, torn or full of zeros is written anew, as the values beside it
 * say. */

#include <stdbool.h>

#include "harness.h"

#include "../steps.h"

/* These stand in front of libc's, as does the fsync of steps.h. */
SHIM int fdatasync(int fd)
{
    step_fd("sync", fd);
    return (int)syscall(SYS_fdatasync, fd);
}

SHIM int linkat(int from, const char *a, int to, const char *b, int flags)
{
    step("name", b);
    return (int)syscall(SYS_linkat, from, a, to, b, flags);
}

SHIM int renameat(int from, const char *a, int to, const char *b)
{
    step("name", b);
    return (int)syscall(SYS_renameat2, from, a, to, b, 0);
}

/* The file before its name, its name, each directory up to the one that was
 * there. */
static void format_is_durable(const char *sync, const char *name)
{
    char lines[8][128];
    const char *expected[] = {lines[0], lines[1], lines[2],
                              lines[3], lines[4], NULL};
    const char *parent[] = {"sync .\n", NULL};
    struct client c;

    snprintf(lines[0], sizeof lines[0], "sync %s/kv/.weir/.", name);
    snprintf(lines[1], sizeof lines[1], "name .weir/format\n");
    snprintf(lines[2], sizeof lines[2], "sync %s/kv/.weir\n", name);
    snprintf(lines[3], sizeof lines[3], "sync %s/kv\n", name);
    snprintf(lines[4], sizeof lines[4], "sync %s\n", name);
    steps[0] = '\0';
    snprintf(lines[5], sizeof lines[5], "%s/kv", name);
    c = open_fs(folder_sub(lines[5]), sync, NULL);
    expect_steps(expected);
    expect_steps(parent); /* of the folder above, which was made, too */
    close_fs(&c);
}

/* sync=full waits for the name of a directory that is new, or that another
 * process made without waiting. */
static void directories_are_durable(void)
{
    static const char *const expected[] = {"sync d/kv/", "name ", "sync d/kv/",
                                           "sync d/kv\n", NULL};
    struct client c = open_fs(folder_sub("d/kv"), "sync=none", NULL);

    steps[0] = '\0';
    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    CHECK(strstr(steps, "sync") == NULL);
    close_fs(&c);
    c = open_fs(folder_sub("d/kv"), "sync=full", NULL);
    for (int i = 0; i < 2; i++) {
        char key[2] = {(char)('k' + i)};

        steps[0] = '\0';
        CHECK(client_set(&c, key, "v", 1) == WEIR_OK);
        expect_steps(expected);
    }
    /* Once is enough. */
    steps[0] = '\0';
    CHECK(client_set(&c, "k", "w", 1) == WEIR_OK);
    CHECK(strstr(steps, "sync d/kv\n") == NULL);
    close_fs(&c);
}

/* The file that says who lives is no less durable than what he leaves. */
static void owner_is_durable(void)
{
    static const char *const expected[] = {"sync d/kv/.weir/live\n", NULL};
    struct client c;

    steps[0] = '\0';
    c = open_fs(folder_sub("d/kv"), "sync=data", NULL);
    expect_steps(expected);
    close_fs(&c);
}

static void set_keys(struct client *c)
{
    for (char key[2] = "a"; key[0] <= 'e'; key[0]++)
        CHECK(client_set(c, key, key, 1) == WEIR_OK);
}

static void expect_keys(struct client *c)
{
    for (char key[2] = "a"; key[0] <= 'e'; key[0]++)
        CHECK(client_is(c, key, key, 1));
}

/* Repaired once: the file says the same number of digits again. The version is
 * the first, because nobody can tell who has marked what. */
static void torn(const char *fanout, const char *format, const char *bytes,
                 size_t n)
{
    static unsigned made;
    char name[16], path[64], was[64] = "";
    struct client c;
    size_t len;

    snprintf(name, sizeof name, "t%u", made++);
    snprintf(path, sizeof path, "%s/.weir/format", name);
    c = open_fs(folder_sub(name), fanout, NULL);
    set_keys(&c);
    close_fs(&c);
    len = file_read(folder_sub(path), was, sizeof was);
    CHECK(len == strlen(format) && memcmp(was, format, len) == 0);
    if (bytes != NULL)
        file_write(folder_sub(path), bytes, n);
    else
        CHECK(unlink(folder_sub(path)) == 0);
    c = open_fs(folder_sub(name), NULL);
    expect_keys(&c);
    was[strlen("weir fs ")] = '1';
    CHECK(file_is(folder_sub(path), was, len));
    close_fs(&c);
}

static void every_tear(void)
{
    static const char *const fanouts[] = {"fanout=16", "fanout=256",
                                          "fanout=4096", "fanout=65536"};
    static const char zeros[27];

    for (int i = 0; i < 4; i++) {
        char format[64];

        snprintf(format, sizeof format, "weir fs 2\ndigits %d\n", i + 1);
        torn(fanouts[i], format, NULL, 0);
        torn(fanouts[i], format, zeros, sizeof zeros);
        torn(fanouts[i], format, "weir fs 1\n\0\0\0\0", 14);
        for (size_t cut = 0; cut < strlen(format); cut += 4)
            torn(fanouts[i], format, format, cut);
    }
}

/* Without values there is nothing to lose: the option decides again. */
static void torn_and_empty(void)
{
    struct client c = open_fs(folder_sub("e"), "fanout=16", NULL);

    close_fs(&c);
    file_write(folder_sub("e/.weir/format"), "", 0);
    c = open_fs(folder_sub("e"), "fanout=4096", NULL);
    set_keys(&c);
    close_fs(&c);
    c = open_fs(folder_sub("e"), NULL);
    expect_keys(&c);
    close_fs(&c);
}

/* What is not torn is not ours to write over. */
static void foreign(void)
{
    static const char *const others[] = {"weir fs 3\ndigits 2\n", "x",
                                         "weir fs 0\ndigits 2\n",
                                         "weir fs 1\ndigits 9\n"};
    struct weir_error err;

    for (int i = 0; i < 4; i++) {
        file_write(folder_sub("e/.weir/format"), others[i], strlen(others[i]));
        CHECK(open_error(&err, folder_sub("e"), NULL) == -EINVAL);
        CHECK(strstr(err.message, "not of this version") != NULL);
    }
}

int main(void)
{
    folder_make();
    format_is_durable("sync=none", "a");
    format_is_durable("sync=data", "b");
    format_is_durable("sync=full", "c");
    directories_are_durable();
    owner_is_durable();
    every_tear();
    torn_and_empty();
    foreign();
    return 0;
}
