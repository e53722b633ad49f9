/* recover.c -- the walk over the folder after open, in its own thread.
 *
 * It counts the existing files if there is a capacity, and removes the
 * temporaries of dead processes. There is no walk without a capacity and
 * without dead owners, unless the filesystem has no locks that show who is
 * dead. The store serves meanwhile, but evicts nothing before the walk has
 * counted everything. */

#include "recover.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "evict.h"
#include "folder.h"
#include "owner.h"

enum { RECOVER_WAIT_MS = 100 }; /* that open waits for the walk */

static void recover_count(struct fs *fs, const char *directory,
                          const char *file)
{
    struct fs_name name;
    struct stat st;
    uint64_t used_ns;

    if (fs_name_of_file(&name, fs->digits, file) < 0 ||
        strncmp(name.path, directory, fs->digits) != 0)
        return;
    fs_lock(fs, name.hash);
    if (fstatat(fs->root, name.path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode)) {
        used_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000 +
                  (uint64_t)st.st_mtim.tv_nsec;
        fs_index_found(fs->index, &name, fs_footprint(fs, name.path, &st),
                       used_ns ? used_ns : 1);
    }
    fs_unlock(fs, name.hash);
}

static void recover_directory(struct fs *fs, const struct fs_dead *dead,
                              const char *directory)
{
    struct dirent *entry;
    DIR *dir;

    if (fs_opendir(fs, directory, &dir) < 0)
        return;
    while (!fs->recovery.stop && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            if (fs->index != NULL)
                recover_count(fs, directory, entry->d_name);
        } else if (fs_dead_left(fs, dead, dirfd(dir), entry->d_name)) {
            if (unlinkat(dirfd(dir), entry->d_name, 0) == 0)
                fs->counters.swept++;
        }
    }
    closedir(dir);
}

static void recover_walk(struct fs *fs, const struct fs_dead *dead)
{
    uint32_t n = 1u << 4 * fs->digits;
    char directory[16];

    recover_directory(fs, dead, ".weir");
    for (uint32_t i = 0; i < n && !fs->recovery.stop; i++) {
        snprintf(directory, sizeof directory, "%0*x", (int)fs->digits, i);
        recover_directory(fs, dead, directory);
    }
}

static void *recover_main(void *arg)
{
    struct fs *fs = arg;
    struct fs_recovery *r = &fs->recovery;
    struct fs_dead dead = {0};

    fs_dead_find(fs, &dead);
    if (fs->index != NULL || dead.n > 0 || fs->locking == FS_LOCK_NONE)
        recover_walk(fs, &dead);
    fs_dead_forget(fs, &dead, !r->stop);
    if (fs->index != NULL) {
        fs_index_settle(fs->index);
        fs_make_room(fs, NULL, 0);
    }
    pthread_mutex_lock(&r->lock);
    r->done = true;
    pthread_cond_broadcast(&r->done_cond);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void recover_wait(struct fs_recovery *r)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RECOVER_WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&r->lock);
    while (!r->done && pthread_cond_clockwait(&r->done_cond, &r->lock,
                                              CLOCK_MONOTONIC, &until) == 0)
        ;
    pthread_mutex_unlock(&r->lock);
}

int fs_recover_start(struct fs *fs, struct weir_error *err)
{
    struct fs_recovery *r = &fs->recovery;
    sigset_t all, old;
    int rc;

    r->stop = false;
    pthread_mutex_lock(&r->lock);
    r->done = false;
    pthread_mutex_unlock(&r->lock);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&r->thread, NULL, recover_main, fs);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return weir_error_set(err, -rc, "cannot start a thread: %s",
                              strerrordesc_np(rc));
    r->started = true;
    recover_wait(r);
    return 0;
}

void fs_recover_stop(struct fs *fs)
{
    fs->recovery.stop = true;
    if (fs->recovery.started)
        pthread_join(fs->recovery.thread, NULL);
    fs->recovery.started = false;
}

bool fs_recover_done(struct fs *fs)
{
    bool done;

    pthread_mutex_lock(&fs->recovery.lock);
    done = fs->recovery.done;
    pthread_mutex_unlock(&fs->recovery.lock);
    return done;
}
