/* process.c -- starts the processes of a server that has several, and says how
 * they ended. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "serve.h"

enum { SIGNALED = 256 };

int weir_process_pair(int32_t pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? -errno
                                                                        : 0;
}

/* A child begins with no signal blocked or ignored, and Ctrl-C at a terminal is
 * for its parent only. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF |
                                                    POSIX_SPAWN_SETPGROUP);
}

int weir_process_start(const char *program, const char *const *arguments,
                       const char *const *environment, const int32_t *inherited,
                       uint32_t n)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;
    int rc;

    rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return -rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc != 0)
        goto destroy_actions;
    rc = set_attributes(&attributes);
    /* To the same number: that only clears the flag. */
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = posix_spawn_file_actions_adddup2(&actions, inherited[i],
                                              inherited[i]);
    if (rc == 0)
        rc = posix_spawn(&pid, program, &actions, &attributes,
                         (char *const *)(uintptr_t)arguments,
                         (char *const *)(uintptr_t)environment);
    posix_spawnattr_destroy(&attributes);
destroy_actions:
    posix_spawn_file_actions_destroy(&actions);
    return rc == 0 ? (int)pid : -rc;
}

int weir_process_ended(int pid)
{
    int status;
    pid_t rc = waitpid(pid, &status, WNOHANG);

    if (rc < 0)
        return -errno;
    if (rc == 0)
        return -EAGAIN;
    return WIFSIGNALED(status) ? SIGNALED + WTERMSIG(status)
                               : WEXITSTATUS(status);
}
