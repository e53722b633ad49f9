/* processes.c -- hash slots as Redis has them, and processes that are started,
 * inherit a socket, and end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "serve/serve.h"

static void slots(void)
{
    static const struct {
        const char *key;
        uint32_t slot;
    } KNOWN[] = {
        /* The first is of the specification, 0x31c3. */
        {"123456789", 12739}, {"", 0},           {"a", 15495},
        {"x{a}y", 15495},     {"{a}{b}", 15495},
    };

    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        CHECK(weir_serve_slot(KNOWN[i].key, strlen(KNOWN[i].key)) ==
              KNOWN[i].slot);
    /* A brace alone is a part of the key, and so is an empty tag. */
    CHECK(weir_serve_slot("{a", 2) != weir_serve_slot("a", 1));
    CHECK(weir_serve_slot("{}a", 3) != weir_serve_slot("", 0));
    CHECK(weir_serve_slot("a\0b", 3) != weir_serve_slot("a", 1));
}

static void ranges(void)
{
    for (uint32_t n = 1; n <= 256; n++) {
        CHECK(weir_serve_first_slot(0, n) == 0);
        CHECK(weir_serve_first_slot(n, n) == 16384);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t size =
                weir_serve_first_slot(i + 1, n) - weir_serve_first_slot(i, n);

            CHECK(size == 16384 / n || size == 16384 / n + 1);
        }
    }
}

static int start(const char *script, int32_t *end)
{
    const char *arguments[] = {"sh", "-c", script, NULL};
    const char *environment[] = {"SAID=7", NULL};
    int32_t pair[2];
    int pid;

    CHECK(weir_process_pair(pair) == 0);
    /* The script writes to descriptor 9. */
    CHECK(fcntl(pair[1], F_DUPFD_CLOEXEC, 9) == 9);
    close(pair[1]);
    pair[1] = 9;
    pid = weir_process_start("/bin/sh", arguments, environment, &pair[1], 1);
    CHECK(pid > 0);
    close(pair[1]);
    *end = pair[0];
    return pid;
}

/* Waits for the end of a process, at which its socket closes. */
static int ended(int pid, int32_t end)
{
    struct pollfd p = {.fd = end, .events = POLLIN};
    char bytes[16];
    int rc;

    while (poll(&p, 1, 60000) == 1 && read(end, bytes, sizeof bytes) > 0)
        ;
    close(end);
    for (int i = 0; (rc = weir_process_ended(pid)) == -EAGAIN && i < 6000; i++)
        usleep(10000);
    return rc;
}

static void processes(void)
{
    char bytes[16] = "";
    int32_t end;
    int pid = start("echo $SAID >&9; exit 5", &end);

    CHECK(read(end, bytes, sizeof bytes) == 2 && strcmp(bytes, "7\n") == 0);
    CHECK(ended(pid, end) == 5);
    pid = start("sleep 600", &end);
    CHECK(weir_process_ended(pid) == -EAGAIN);
    /* It leads a process group of its own. */
    CHECK(kill(-pid, SIGKILL) == 0);
    CHECK(ended(pid, end) == 256 + SIGKILL);
    CHECK(weir_process_ended(pid) == -ECHILD);
}

static void mistaken(void)
{
    const char *arguments[] = {"nosuch", NULL}, *environment[] = {NULL};

    CHECK(weir_process_start("/nosuch", arguments, environment, NULL, 0) ==
          -ENOENT);
}

int main(void)
{
    slots();
    ranges();
    processes();
    mistaken();
    return 0;
}
