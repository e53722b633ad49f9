/* killed.c -- kill -9 in the middle of many sets, again and again: whatever is
 * served afterwards is whole, and what the dead left half written goes at the
 * next open, while temporaries of the living stay. */

#include "harness.h"

enum { KEYS = 50, SIZE_MAX_KIB = 256, ROUNDS = 12, ROUNDS_MAX = 100 };

/* Sets until it is killed; tells when it begins. */
static void child(uint64_t seed, int begun)
{
    struct client c = open_fs(folder_sub("a"), "capacity=1GiB", NULL);
    static char value[SIZE_MAX_KIB << 10];
    uint64_t random = seed;
    char key[32];

    CHECK(write(begun, "b", 1) == 1);
    for (;;) {
        size_t size = 16 + random_below(&random, sizeof value - 16);

        snprintf(key, sizeof key, "key-%d", (int)random_below(&random, KEYS));
        telling_fill(value, size, random_next(&random));
        CHECK(client_set(&c, key, value, size) == WEIR_OK);
    }
}

static unsigned temps;

static int count_temp(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st;
    (void)flag;
    temps += path[ftw->base] == '.' && ftw->level > 1;
    return 0;
}

static unsigned count_temps(void)
{
    temps = 0;
    nftw(folder_sub("a"), count_temp, 16, FTW_PHYS);
    return temps;
}

static void reopen(const char *capacity, unsigned *served)
{
    struct client c = open_fs(folder_sub("a"), capacity, NULL);
    char key[32];

    recovered(c.store);
    CHECK(count_temps() == 0);
    for (int i = 0; i < KEYS; i++) {
        int status;

        snprintf(key, sizeof key, "key-%d", i);
        status = client_do(&c, WEIR_GET, key);
        CHECK(status == WEIR_OK || status == WEIR_MISS);
        if (status == WEIR_OK) {
            CHECK(telling_sound(c.item->value->data, c.item->value->size));
            ++*served;
        }
    }
    CHECK(gauge(c.store, "quarantined") == 0);
    close_fs(&c);
}

/* Another process that opens the folder, when it is told to, and looks whether
 * a temporary is still there when it has swept. */
static pid_t neighbour(int told, const char *temp)
{
    pid_t pid = fork();
    struct client c;
    char go;

    if (pid != 0)
        return pid;
    CHECK(read(told, &go, 1) == 1);
    c = open_fs(folder_sub("a"), "capacity=1GiB", NULL);
    recovered(c.store);
    close_fs(&c);
    _exit(access(folder_sub(temp), F_OK) == 0 ? 0 : 1);
}

/* The name of the one process that has the folder open. */
static void living_name(char *out)
{
    DIR *dir = opendir(folder_sub("a/.weir/live"));
    struct dirent *entry;

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            sprintf(out, "%.16s", entry->d_name);
    }
    closedir(dir);
}

/* Temporaries stay as long as who made them, and no longer. */
static void living(void)
{
    static const char temp[] = "a/.weir/temp";
    unsigned served = 0;
    int told[2], status;
    struct client c;
    pid_t pid;
    char name[32] = "", path[64];

    CHECK(pipe(told) == 0);
    pid = neighbour(told[0], temp);
    c = open_fs(folder_sub("a"), NULL);
    living_name(name);
    snprintf(path, sizeof path, "a/.weir/.%s-99", name);
    file_write(folder_sub(path), "half", 4);
    CHECK(symlink(folder_sub(path), folder_sub(temp)) == 0);
    CHECK(write(told[1], "g", 1) == 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close_fs(&c);
    CHECK(access(folder_sub(path), F_OK) == 0);
    reopen("capacity=1GiB", &served);
    CHECK(access(folder_sub(path), F_OK) < 0);
}

int main(void)
{
    unsigned served = 0, left = 0;
    uint64_t random = 1;

    folder_make();
    /* Until some have died within a set. */
    for (int round = 0; round < ROUNDS || (left == 0 && round < ROUNDS_MAX);
         round++) {
        int begun[2];
        char byte;
        pid_t pid;

        CHECK(pipe(begun) == 0);
        pid = fork();
        if (pid == 0)
            child((uint64_t)round, begun[1]);
        close(begun[1]);
        CHECK(read(begun[0], &byte, 1) == 1);
        close(begun[0]);
        usleep((useconds_t)(5000 + random_below(&random, 60000)));
        CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
        left += count_temps();
        reopen(round % 2 ? "capacity=1GiB" : "sync=none", &served);
    }
    CHECK(served > 0 && left > 0);
    living();
    return 0;
}
