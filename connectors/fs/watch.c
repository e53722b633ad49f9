/* watch.c -- reads the kernel's reports of changes in the folder, so that
 * known.c may answer for it.
 *
 * One inotify instance watches the directories of the values. The kernel queues
 * a report before the call that changed a directory returns. Whoever reads the
 * queue until it is empty has therefore seen every change that ended before.
 * That holds for all processes of this machine, but not for other machines, so
 * only filesystems on local disks and in memory are trusted.
 *
 * A directory is watched after WATCH_MISSES lookups in it, and then listed once
 * by the worker that finds it due. A store that only writes watches nothing.
 * When the queue overflows, or a directory is moved or removed, everything is
 * forgotten; directories are listed again when lookups need it, each at most
 * once in WATCH_AGAIN_NS.
 *
 * Too many directories or stores (the system limits watches and instances) only
 * mean that files are looked up as if there were no table. */

#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#include "folder.h"

enum {
    WATCH_MISSES = 4,
    WATCH_AGAIN_NS = 1000000000,
    WATCH_BUFFER = 16 << 10,
    WATCH_DIGITS_MAX = 3, /* 4096 directories */
    WATCH_OPEN_MAX = 4096,
    WATCH_EVENTS = IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                   IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |
                   IN_MASK_CREATE,
};

struct watch_directory {
    int wd;          /* -1: not watched */
    uint32_t misses; /* since it was listed or tried */
    uint64_t tried_ns;
};

struct fs_watch {
    pthread_mutex_t lock;   /* guards the following, and the reading of fd */
    int fd;                 /* of inotify */
    uint32_t *directory_of; /* by wd */
    int n_wds;
    bool local;      /* the folder is on a filesystem that is trusted */
    uint64_t forgot; /* how often everything was forgotten */
    struct watch_directory directories[1 << 4 * WATCH_DIGITS_MAX];

    pthread_mutex_t listing; /* held by the thread that lists a directory */
};

/* Open files are a quarter of those that the process may have. */
static uint32_t watch_open_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    return limit.rlim_cur / 4 < WATCH_OPEN_MAX ? (uint32_t)limit.rlim_cur / 4
                                               : WATCH_OPEN_MAX;
}

static void watch_free(struct fs_watch *w)
{
    if (w->fd >= 0)
        close(w->fd);
    free(w->directory_of);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->listing);
    free(w);
}

void fs_watch_start(struct fs *fs)
{
    struct fs_watch *w;

    if (fs->dry)
        return;
    w = calloc(1, sizeof *w);
    if (w == NULL)
        return;
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->listing, NULL);
    w->local = fs_is_local(fs);
    for (int i = 0; i < 1 << 4 * WATCH_DIGITS_MAX; i++)
        w->directories[i].wd = -1;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd >= 0)
        fs->known = fs_known_new(watch_open_max());
    if (fs->known == NULL)
        watch_free(w);
    else
        fs->watch = w;
}

void fs_watch_stop(struct fs *fs)
{
    if (fs->watch != NULL)
        watch_free(fs->watch);
    fs_known_free(fs->known);
    fs->watch = NULL;
    fs->known = NULL;
}

/* ---- reports; under the lock ---- */

static void watch_forget(struct fs *fs)
{
    fs->watch->forgot++;
    fs_known_clear(fs->known);
}

static void watch_lost(struct fs *fs, struct watch_directory *d)
{
    d->wd = -1;
    fs_known_unwatch(fs->known, (uint32_t)(d - fs->watch->directories));
    watch_forget(fs);
}

static void watch_changed(struct fs *fs, uint32_t directory,
                          const struct inotify_event *event)
{
    enum fs_change change = FS_CHANGE_OTHER;
    struct fs_name name;

    /* Temporaries begin with a dot. */
    if (event->len == 0 || event->name[0] == '.' ||
        fs_name_of_file(&name, fs->digits, event->name) < 0 ||
        name.directory != directory)
        return;
    if (event->mask & (IN_DELETE | IN_MOVED_FROM))
        change = FS_CHANGE_GONE;
    else if (event->mask & IN_MOVED_TO)
        change = FS_CHANGE_RENAMED;
    fs_known_event(fs->known, &name, change);
}

static void watch_event(struct fs *fs, const struct inotify_event *event)
{
    struct fs_watch *w = fs->watch;
    struct watch_directory *d;

    if (event->mask & IN_Q_OVERFLOW) {
        watch_forget(fs);
        return;
    }
    if (event->wd < 0 || event->wd >= w->n_wds)
        return;
    d = &w->directories[w->directory_of[event->wd]];
    if (d->wd != event->wd)
        return; /* it is not watched any more */
    if (event->mask & IN_MOVE_SELF)
        inotify_rm_watch(w->fd, event->wd);
    if (event->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF))
        watch_lost(fs, d);
    else
        watch_changed(fs, (uint32_t)(d - w->directories), event);
}

bool fs_watch_read(struct fs *fs)
{
    struct fs_watch *w = fs->watch;
    _Alignas(struct inotify_event) char buffer[WATCH_BUFFER];
    ssize_t n;

    if (w == NULL)
        return false;
    pthread_mutex_lock(&w->lock);
    if (w->n_wds == 0) {
        pthread_mutex_unlock(&w->lock);
        return true;
    }
    do {
        n = read(w->fd, buffer, sizeof buffer);
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(buffer + at);

            watch_event(fs, event);
            at += (ssize_t)(sizeof *event + event->len);
        }
        /* If another report would have fit, there was none. */
    } while (n > (ssize_t)(sizeof buffer - sizeof(struct inotify_event) - 256));
    if (n < 0 && errno != EAGAIN)
        watch_forget(fs);
    pthread_mutex_unlock(&w->lock);
    return true;
}

void fs_watch_reset(struct fs *fs)
{
    struct fs_watch *w = fs->watch;

    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->local = fs_is_local(fs);
    for (int i = 0; i < 1 << 4 * WATCH_DIGITS_MAX; i++) {
        struct watch_directory *d = &w->directories[i];

        if (d->wd < 0)
            continue;
        inotify_rm_watch(w->fd, d->wd);
        d->wd = -1;
        d->misses = 0;
        fs_known_unwatch(fs->known, (uint32_t)i);
    }
    watch_forget(fs);
    pthread_mutex_unlock(&w->lock);
}

/* ---- watching and listing a directory ---- */

/* Watches an open directory. Under the lock. */
static bool watch_add(struct fs *fs, uint32_t directory, int fd)
{
    struct fs_watch *w = fs->watch;
    struct watch_directory *d = &w->directories[directory];
    char path[40];
    int wd;

    if (d->wd >= 0)
        return true;
    /* The name of the directory may lead elsewhere by now; its fd does not. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    wd = inotify_add_watch(w->fd, path, WATCH_EVENTS);
    if (wd < 0)
        return false;
    if (wd >= w->n_wds) {
        int n = wd * 2 + 256;
        uint32_t *grown = realloc(w->directory_of, (size_t)n * sizeof *grown);

        if (grown == NULL) {
            inotify_rm_watch(w->fd, wd);
            return false;
        }
        memset(grown + w->n_wds, 0, (size_t)(n - w->n_wds) * sizeof *grown);
        w->directory_of = grown;
        w->n_wds = n;
    }
    w->directory_of[wd] = directory;
    d->wd = wd;
    fs_known_watch(fs->known, directory);
    return true;
}

static bool watch_list(struct fs *fs, DIR *dir, uint32_t directory)
{
    struct dirent *entry;
    struct fs_name name;

    while ((errno = 0, entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' &&
            fs_name_of_file(&name, fs->digits, entry->d_name) == 0 &&
            name.directory == directory)
            fs_known_seen(fs->known, &name);
    }
    return errno == 0;
}

/* Watches a directory, lists it, and marks it as complete unless reports were
 * lost meanwhile. */
static void watch_directory(struct fs *fs, const struct fs_name *name)
{
    struct fs_watch *w = fs->watch;
    char path[FS_PATH_MAX];
    bool watched, listed;
    uint64_t forgot;
    DIR *dir;

    pthread_mutex_lock(&w->lock);
    forgot = w->forgot;
    pthread_mutex_unlock(&w->lock);
    snprintf(path, sizeof path, "%.*s", (int)(name->name - name->path) - 1,
             name->path);
    if (fs_opendir(fs, path, &dir) < 0)
        return;
    pthread_mutex_lock(&w->lock);
    /* The directory may be in a folder that has been replaced since. */
    watched = w->local && w->forgot == forgot &&
              watch_add(fs, name->directory, dirfd(dir));
    pthread_mutex_unlock(&w->lock);
    listed = watched && watch_list(fs, dir, name->directory);
    closedir(dir);
    pthread_mutex_lock(&w->lock);
    if (listed && w->forgot == forgot)
        fs_known_complete(fs->known, name->directory);
    pthread_mutex_unlock(&w->lock);
}

/* Returns whether a directory is due to be listed. */
static bool watch_is_due(struct fs_watch *w, uint32_t directory)
{
    struct watch_directory *d = &w->directories[directory];
    bool due = false;
    uint64_t now;

    pthread_mutex_lock(&w->lock);
    if (++d->misses >= WATCH_MISSES) {
        now = weir_now();
        due = d->tried_ns == 0 || now >= d->tried_ns + WATCH_AGAIN_NS;
        d->misses = 0;
        if (due)
            d->tried_ns = now;
    }
    pthread_mutex_unlock(&w->lock);
    return due;
}

void fs_watch_miss(struct fs *fs, const struct fs_name *name)
{
    struct fs_watch *w = fs->watch;

    if (w == NULL || fs->digits > WATCH_DIGITS_MAX ||
        fs_known_is_complete(fs->known, name->directory) ||
        pthread_mutex_trylock(&w->listing) != 0)
        return;
    if (watch_is_due(w, name->directory))
        watch_directory(fs, name);
    pthread_mutex_unlock(&w->listing);
}
