/* lacking.c -- opening without enough fds, memory or threads fails with a
 * sentence, leaves nothing behind, and works again afterwards. */
#include <sys/resource.h>

#include "../descriptors.h"
#include "harness.h"

static struct script script;

static int open_workers(const char *workers, struct weir_error *err)
{
    char address[32];
    struct weir_setting settings[] = {{"script", address},
                                      {"workers", workers}};
    struct weir_store *store = NULL;
    int rc;

    snprintf(address, sizeof address, "%llx",
             (unsigned long long)(uintptr_t)&script);
    rc = weir_open(&store, "scripted", settings, 2, err);
    CHECK((rc == 0) == (store != NULL));
    weir_store_free(store);
    return rc;
}

static void limit_to(int resource, rlim_t most, struct rlimit *before)
{
    struct rlimit less;

    CHECK(getrlimit(resource, before) == 0);
    less = *before;
    less.rlim_cur = most;
    CHECK(setrlimit(resource, &less) == 0);
}

static void without_fds(void)
{
    int had = count_descriptors();
    struct weir_error err;
    struct weir_cq *cq = (void *)&err; /* as nobody left it */
    struct rlimit before;

    limit_to(RLIMIT_NOFILE, (rlim_t)had + 4, &before);
    CHECK(open_workers("64", &err) == -EMFILE && err.code == -EMFILE);
    CHECK(strstr(err.message, "scripted: cannot start: Too many") != NULL);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    limit_to(RLIMIT_NOFILE, 3, &before);
    CHECK(weir_cq_new(&cq) == -EMFILE && cq == NULL);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(count_descriptors() == had && script.closes == 1);
    CHECK(open_workers("64", &err) == 0);
}

/* Address space for some of the stacks of 256 threads, at 2 MiB or more.
 * Sanitizers need all of it. */
static void without_threads(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    int had = count_descriptors();
    struct weir_error err;
    struct rlimit before;

    limit_to(RLIMIT_AS, 256 << 20, &before);
    CHECK(open_workers("256", &err) < 0 && err.code < 0);
    CHECK(strstr(err.message, "scripted: cannot start: ") != NULL);
    CHECK(setrlimit(RLIMIT_AS, &before) == 0);
    CHECK(count_descriptors() == had);
    CHECK(open_workers("64", &err) == 0);
#endif
}

int main(void)
{
    struct weir_error err;

    deadline_s(200);
    find_doubles();
    CHECK(open_workers("1", &err) == 0);
    script.closes = 0;
    without_fds();
    without_threads();
    return 0;
}
