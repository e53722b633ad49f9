/* killed.c -- kill -9 in the middle of many sets, again and again: whatever is
 * served afterwards is whole, and what the dead left half written goes at the
 * next open, while temporaries of the living stay. */

#include "harness.h"

enum { KEYS = 50, SIZE_MAX_KIB = 256, ROUNDS = 12, ROUNDS_MAX = 100 };

static void child(uint64_t seed)
{
    struct client c = open_fs(folder_sub("a"), "capacity=1GiB", NULL);
    static char value[SIZE_MAX_KIB << 10];
    uint64_t random = seed;
    char key[32];

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

    for (int i = 0; gauge(c.store, "recovering") && i < 5000; i++)
        usleep(1000);
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

/* A process that holds the folder open keeps its temporaries. */
static void living(void)
{
    struct client c = open_fs(folder_sub("a"), NULL);
    char name[300], live[300];
    DIR *dir = opendir(folder_sub("a/.weir/live"));
    struct dirent *entry;
    unsigned served = 0;
    int status;

    CHECK(dir != NULL);
    live[0] = '\0';
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            snprintf(live, sizeof live, "%s", entry->d_name);
    }
    closedir(dir);
    CHECK(strlen(live) == 16);
    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    snprintf(name, sizeof name, "%s", only_file(folder_sub("a")));
    snprintf(strrchr(name, '/'), 64, "/.%s-99", live);
    file_write(name, "half", 4);

    if (fork() == 0) {
        struct client other = open_fs(folder_sub("a"), "capacity=1GiB", NULL);

        for (int i = 0; gauge(other.store, "recovering") && i < 5000; i++)
            usleep(1000);
        _exit(access(name, F_OK) == 0 ? 0 : 1);
    }
    CHECK(wait(&status) > 0 && status == 0);
    close_fs(&c);
    CHECK(access(name, F_OK) == 0);
    reopen("capacity=1GiB", &served);
    CHECK(access(name, F_OK) < 0);
}

int main(void)
{
    unsigned served = 0, left = 0;
    uint64_t random = 1;

    folder_make();
    /* Until some have died within a set. */
    for (int round = 0; round < ROUNDS || (left == 0 && round < ROUNDS_MAX);
         round++) {
        pid_t pid = fork();

        if (pid == 0)
            child((uint64_t)round);
        usleep((useconds_t)(20000 + random_below(&random, 60000)));
        CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
        left += count_temps();
        reopen(round % 2 ? "capacity=1GiB" : "sync=none", &served);
    }
    CHECK(served > 0 && left > 0);
    living();
    return 0;
}
