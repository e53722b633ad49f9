/* bells.c -- a socket of the host's own rings for a queue, wherever there is a
 * place for it, and only for this process. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "harness.h"

static struct script script;
static struct weir_store *store;
static char folder[] = "/tmp/weir-bells-XXXXXX";

/* Connects as a host's loop would, by what the address says. */
static int connect_to(const char *address)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in port = {.sin_family = AF_INET};
    bool tcp = strncmp(address, "unix:", 5) != 0;
    int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (tcp)
        port.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
    else
        snprintf(path.sun_path, sizeof path.sun_path, "%s", address + 5);
    CHECK(connect(fd, tcp ? (void *)&port : (void *)&path,
                  tcp ? sizeof port : sizeof path) == 0);
    return fd;
}

static struct weir_bell *new_bell(struct weir_cq *cq, const char *where,
                                  struct weir_error *err)
{
    struct weir_bell *bell;

    CHECK(weir_bell_new(&bell, cq, where, err) == 0);
    return bell;
}

static void expect_byte(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte[8];

    CHECK(poll(&p, 1, 5000) == 1);
    CHECK(recv(fd, byte, sizeof byte, 0) == 1);
}

static void complete_one(struct weir_cq *cq, int fd)
{
    struct weir_batch *b = keyed_batch(WEIR_SET, 1, "k");

    CHECK(weir_submit(store, cq, b) == 0);
    expect_byte(fd);
    CHECK(weir_cq_drain(cq, &b, 1) == 1);
    weir_batch_free(b);
}

static void rings_for_completions_and_for_the_host(void)
{
    struct weir_error err;
    struct weir_cq *cq = new_cq();
    struct weir_bell *bell = new_bell(cq, folder, &err);
    const char *path = weir_bell_address(bell) + strlen("unix:");
    struct stat facts;
    int fd;

    CHECK(err.code == 0);
    CHECK(strncmp(path, folder, strlen(folder)) == 0);
    CHECK(stat(path, &facts) == 0 && (facts.st_mode & 0777) == 0600);
    CHECK(weir_bell_answer(bell) == -EAGAIN);
    CHECK(weir_bell_ring(bell) == -ENOTCONN);
    fd = connect_to(weir_bell_address(bell));
    CHECK(weir_bell_answer(bell) == 0);
    CHECK(stat(path, &facts) < 0 && errno == ENOENT);
    complete_one(cq, fd);
    CHECK(weir_bell_ring(bell) == 0);
    expect_byte(fd);
    weir_bell_free(bell);
    CHECK(recv(fd, &facts, 1, 0) == 0);
    close(fd);
    weir_cq_free(cq);
}

static void rings_for_what_was_there_before(void)
{
    struct weir_error err;
    struct weir_cq *cq = new_cq();
    struct weir_batch *b = keyed_batch(WEIR_SET, 1, "k");
    struct weir_bell *bell;
    int fd;

    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(weir_cq_wait(cq, 5ull * SECOND) == 1);
    bell = new_bell(cq, folder, &err);
    fd = connect_to(weir_bell_address(bell));
    CHECK(weir_bell_answer(bell) == 0);
    expect_byte(fd);
    CHECK(weir_cq_drain(cq, &b, 1) == 1);
    weir_batch_free(b);
    weir_cq_free(cq); /* the queue may go before its bell */
    weir_bell_free(bell);
    close(fd);
}

/* Its fd is closed by the time that weir_bell_free returns. */
static void goes_while_workers_ring_it(void)
{
    struct weir_cq *cq = new_cq();

    for (int round = 0; round < 300; round++) {
        struct weir_error err;
        struct weir_bell *bell = new_bell(cq, folder, &err);
        int fd = connect_to(weir_bell_address(bell));

        CHECK(weir_bell_answer(bell) == 0);
        for (int i = 0; i < 4; i++)
            CHECK(weir_submit(store, cq, keyed_batch(WEIR_SET, 1, "k")) == 0);
        weir_bell_free(bell);
        close(fd);
        for (int i = 0; i < 4; i++)
            weir_batch_free(next_done(cq));
    }
    weir_cq_free(cq);
}

static void passes_over_a_folder_it_cannot_use(const char *unusable)
{
    uint32_t before = weir_bells_made();
    struct weir_error err;
    struct weir_cq *cq = new_cq();
    struct weir_bell *bell = new_bell(cq, unusable, &err);
    int fd = connect_to(weir_bell_address(bell));

    CHECK(err.code < 0 && strstr(err.message, "doorbell") != NULL);
    CHECK(weir_bells_made() == before + 1);
    CHECK(weir_bell_answer(bell) == 0);
    complete_one(cq, fd);
    weir_bell_free(bell);
    close(fd);
    weir_cq_free(cq);
}

static void wait_for(pid_t child)
{
    int status;

    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Another process connects first, and stays until it was refused. */
static pid_t stranger(const char *address, int tell)
{
    pid_t child = fork();
    int fd;

    CHECK(child >= 0);
    if (child > 0)
        return child;
    fd = connect_to(address);
    CHECK(write(tell, "", 1) == 1);
    CHECK(recv(fd, &fd, 1, 0) == 0);
    _exit(0);
}

static void refuses_other_processes(const char *where)
{
    struct weir_error err;
    struct weir_cq *cq = new_cq();
    struct weir_bell *bell = new_bell(cq, where, &err);
    int told[2], fd;
    char byte;
    pid_t child;

    CHECK(pipe(told) == 0);
    child = stranger(weir_bell_address(bell), told[1]);
    CHECK(read(told[0], &byte, 1) == 1);
    CHECK(weir_bell_answer(bell) == -EAGAIN);
    fd = connect_to(weir_bell_address(bell));
    CHECK(weir_bell_answer(bell) == 0);
    wait_for(child);
    CHECK(weir_bell_ring(bell) == 0);
    expect_byte(fd);
    weir_bell_free(bell);
    weir_cq_free(cq);
    close(fd);
    close(told[0]);
    close(told[1]);
}

/* In an empty root there is no folder at all. Runs in a process of its own;
 * where neither root nor user namespaces are to be had it tests nothing. */
static void takes_a_port_where_there_is_no_folder(void)
{
    pid_t child = fork();
    struct weir_error err;
    struct weir_cq *cq;
    struct weir_bell *bell;

    CHECK(child >= 0);
    if (child > 0) {
        wait_for(child);
        return;
    }
    if (geteuid() != 0 && unshare(CLONE_NEWUSER) < 0)
        _exit(0);
    if (chroot(folder) < 0)
        _exit(0);
    cq = new_cq();
    bell = new_bell(cq, "/run", &err);
    CHECK(strncmp(weir_bell_address(bell), "127.0.0.1:", 10) == 0);
    weir_bell_free(bell);
    weir_cq_free(cq);
    refuses_other_processes(NULL);
    _exit(0);
}

int main(void)
{
    char too_long[300];

    deadline_s(200);
    CHECK(mkdtemp(folder) != NULL);
    takes_a_port_where_there_is_no_folder();
    store = open_scripted(&script, "workers=1", NULL);
    rings_for_completions_and_for_the_host();
    rings_for_what_was_there_before();
    goes_while_workers_ring_it();
    passes_over_a_folder_it_cannot_use("/nowhere/to/be/found");
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[0] = '/';
    too_long[sizeof too_long - 1] = '\0';
    passes_over_a_folder_it_cannot_use(too_long);
    refuses_other_processes(folder);
    weir_store_free(store);
    CHECK(rmdir(folder) == 0);
    return 0;
}
