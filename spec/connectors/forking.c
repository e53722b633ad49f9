/* forking.c -- a connector that forks while it is loaded. Its child opens a
 * store. If the child fails, the open of this connector fails, too. */
#include <sys/wait.h>
#include <unistd.h>

#include "connector.h"

static int status = -1;

__attribute__((constructor)) static void forking_load(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct weir_store *store;
        struct weir_error err;

        alarm(20);
        _exit(weir_open(&store, "null", NULL, 0, &err) == 0 ? 0 : 1);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
}

static int forking_open(const void *config, const char *scheme, void **state,
                        struct weir_error *err)
{
    (void)config;
    (void)scheme;
    *state = &status;
    return status == 0
               ? 0
               : weir_error_set(err, -1, "the child ended with %d", status);
}

static void forking_close(void *state)
{
    (void)state;
}

static int forking_run(void *session, struct weir_call *call)
{
    (void)session;
    weir_call_fail(call, NULL, WEIR_UNSUPPORTED, "does nothing");
    return 0;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .is_inline = true,
    .name = "forking",
    .help = "forks while it is loaded",
    .open = forking_open,
    .close = forking_close,
    .run = forking_run,
};
