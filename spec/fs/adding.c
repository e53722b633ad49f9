/* adding.c -- several processes add the same keys to one folder, and one of
 * them is killed on the way: of each key exactly one add succeeds, also where
 * an expired value lies, and what is there is whole. */

#include "harness.h"

enum { KEYS = 200, PROCESSES = 4, SIZE = 3000, SURVIVORS = PROCESSES - 1 };

/* Adds all keys, in an order of its own, and writes the winners' numbers. */
static void process(unsigned number, int out)
{
    struct client c = open_fs(folder_sub("a"), NULL);
    char value[SIZE], key[16];

    for (unsigned i = 0; i < KEYS; i++) {
        uint32_t k = (i + number * KEYS / PROCESSES) % KEYS;
        int status;

        snprintf(key, sizeof key, "key-%u", k);
        telling_fill(value, SIZE, (uint64_t)k * PROCESSES + number);
        client_start(&c, WEIR_ADD, key, strlen(key));
        c.item->data = value;
        c.item->size = SIZE;
        status = client_run(&c);
        CHECK(status == WEIR_OK || status == WEIR_REJECTED);
        if (status == WEIR_OK)
            CHECK(write(out, &k, sizeof k) == sizeof k);
    }
    close_fs(&c);
}

static int add_short(struct client *c, const char *value)
{
    client_start(c, WEIR_ADD, "short", 5);
    c->item->data = (char *)value;
    c->item->size = strlen(value);
    return client_run(c);
}

/* A value that has expired is not there. */
static void over_expired(void)
{
    struct client c = open_fs(folder_sub("b"), NULL);

    client_start(&c, WEIR_SET, "short", 5);
    c.item->data = (char *)"old";
    c.item->size = 3;
    c.item->ttl_ms = 1;
    CHECK(client_run(&c) == WEIR_OK);
    usleep(20000);
    CHECK(add_short(&c, "new") == WEIR_OK);
    CHECK(add_short(&c, "newer") == WEIR_REJECTED);
    CHECK(client_do(&c, WEIR_GET, "short") == WEIR_OK);
    CHECK(c.item->size == 3 && memcmp(c.item->value->data, "new", 3) == 0);
    close_fs(&c);
}

static pid_t start(unsigned number, int out)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        process(number, out);
        _exit(0);
    }
    return pid;
}

/* Which process has a key, by its value. */
static unsigned owner_of(struct client *c, uint32_t k)
{
    uint64_t number;
    char key[16];

    snprintf(key, sizeof key, "key-%u", k);
    CHECK(client_do(c, WEIR_GET, key) == WEIR_OK);
    CHECK(c->item->size == SIZE);
    CHECK(telling_sound(c->item->value->data, SIZE));
    memcpy(&number, c->item->value->data, 8);
    CHECK(number / PROCESSES == k);
    return (unsigned)(number % PROCESSES);
}

static void check_winners(struct client *c, int pipes[PROCESSES][2])
{
    uint32_t won[KEYS] = {0}, k;

    for (unsigned i = 0; i < PROCESSES; i++) {
        close(pipes[i][1]);
        while (read(pipes[i][0], &k, sizeof k) == sizeof k) {
            CHECK(owner_of(c, k) == i);
            won[k]++;
        }
        close(pipes[i][0]);
    }
    /* The killed one may have won a key and not said so. */
    for (k = 0; k < KEYS; k++)
        CHECK(won[k] == 1 || (won[k] == 0 && owner_of(c, k) == SURVIVORS));
}

static void round_of(unsigned delay_us)
{
    int pipes[PROCESSES][2], status;
    pid_t pids[PROCESSES];
    struct client c;

    for (unsigned i = 0; i < PROCESSES; i++) {
        CHECK(pipe(pipes[i]) == 0);
        pids[i] = start(i, pipes[i][1]);
    }
    usleep(delay_us);
    kill(pids[SURVIVORS], SIGKILL);
    for (unsigned i = 0; i < PROCESSES; i++) {
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        CHECK(status == 0 || i == SURVIVORS);
    }
    c = open_fs(folder_sub("a"), NULL);
    check_winners(&c, pipes);
    for (unsigned k = 0; k < KEYS; k++) {
        char key[16];

        snprintf(key, sizeof key, "key-%u", k);
        CHECK(client_do(&c, WEIR_DELETE, key) == WEIR_OK);
    }
    close_fs(&c);
}

int main(void)
{
    folder_make();
    over_expired();
    for (unsigned i = 0; i < 6; i++)
        round_of(2000 + i * 5000);
    return 0;
}
