/* forked.c -- a child of fork opens stores of its own although a thread of its
 * parent was opening one at that instant. */
#include <pthread.h>
#include <sys/file.h>

#include "harness.h"

static int open_below(const char *name)
{
    char url[200];
    struct weir_store *store = NULL;
    struct weir_error err;
    int rc;

    snprintf(url, sizeof url, "lmdb://%s/%s", folder_path, name);
    rc = weir_open(&store, url, NULL, 0, &err);
    weir_store_free(store);
    return rc;
}

static void *thread_main(void *arg)
{
    (void)arg;
    CHECK(open_below("parent") == 0);
    return NULL;
}

/* The lock that a thread waits for while it opens the parent's store. */
static int take_write_lock(void)
{
    char path[200];
    int fd;

    CHECK(open_below("parent") == 0);
    snprintf(path, sizeof path, "%s/parent/weir.lock", folder_path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
    return fd;
}

int main(void)
{
    pthread_t thread;
    int fd, status;
    pid_t pid;

#ifdef __SANITIZE_THREAD__ /* it allows no threads after such a fork */
    return 77;
#endif
    folder_make();
    fd = take_write_lock();
    CHECK(pthread_create(&thread, NULL, thread_main, NULL) == 0);
    usleep(200000); /* until it waits */
    pid = fork();
    if (pid == 0) {
        close(fd);
        alarm(20);
        _exit(open_below("child") == 0 ? 0 : 1);
    }
    close(fd);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}
