/* fs.h -- what the files of this connector share. fs.c tells the whole. */

#ifndef FS_H
#define FS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "connector.h"

#include "index.h"
#include "name.h"
#include "trailer.h"

enum fs_sync { FS_SYNC_NONE, FS_SYNC_DATA, FS_SYNC_FULL };

struct fs_config {
    const char *path;
    bool create;
    int sync;   /* enum fs_sync */
    int verify; /* 0 = always, 1 = never */
    uint64_t capacity;
    uint64_t ttl;
    int fanout; /* digits of a directory's name; 0 = as the folder */
    const char *mode;
    int64_t quarantine;
    int on_full; /* enum fs_on_full */
};

enum fs_on_full { FS_FULL_AUTO, FS_FULL_EVICT, FS_FULL_REFUSE };

/* Numbers for the gauges. */
struct fs_counts {
    _Atomic uint64_t evicted, evicted_full, expired, quarantined, swept, syncs,
        reopened;
};

/* What some filesystems refuse; features.c. */
enum fs_feature {
    FS_LINKS,
    FS_FLOCK,
    FS_ANY_LOCK,
    FS_MODES,
    FS_FILE_SYNC,
    FS_DIRECTORY_SYNC,
    FS_FEATURES
};

/* The ways to lock an owner's file, in the order in which they are tried. */
enum fs_locking {
    FS_LOCK_FLOCK,
    FS_LOCK_FLOCK_WRITING,
    FS_LOCK_FCNTL,
    FS_LOCK_NONE
};

enum {
    FS_LOCKS = 64,
    FS_CHUNK = 256 << 10, /* read or written, then hashed while in cache */
    FS_SMALL = 16 << 10,  /* read together with its trailer */
    FS_TEMP_MAX = 48,
    FS_OWNER_NAME = 17,
    FS_DIRECTORIES = 65536, /* the largest fanout */
};

struct fs_recovery {
    pthread_t thread;
    bool started;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    bool done; /* under lock */
};

struct fs {
    const struct fs_config *config;
    bool dry;                /* opened to be looked at: serves nothing */
    int root;                /* the folder, always the same number; root.c */
    _Atomic unsigned digits; /* of a directory's name */
    mode_t file_mode, dir_mode;
    struct fs_index *index; /* NULL: nothing is ever evicted */
    struct fs_counts counts;
    struct fs_recovery recovery;
    atomic_bool lacks[FS_FEATURES];

    /* There are an owner's file and a format: sets may begin. */
    atomic_bool settled;
    pthread_mutex_t root_lock;
    int owner; /* under root_lock: the locked file, or -1 */
    bool torn; /* under root_lock: the format's file is */
    struct weir_error reopen_error; /* under root_lock, valid until: */
    uint64_t reopen_ns;             /* under root_lock */
    _Atomic uint64_t look_ns;       /* when to look for the folder */

    _Atomic uint64_t owner_id;
    _Atomic int locking;         /* enum fs_locking */
    _Atomic uint64_t temps;      /* temporaries made */
    _Atomic uint32_t quarantine; /* the next slot */

    /* A bit for each directory whose own name is known to be on the disk. */
    _Atomic uint8_t durable[FS_DIRECTORIES / 8];

    /* One by hash of the name: a file's rename or unlink and what the index
     * says of it are one step under its lock. The index has a lock of its own
     * that is taken inside. */
    pthread_mutex_t locks[FS_LOCKS];
};

/* What one worker has of its own. */
struct fs_session {
    struct fs *fs;
    char *tail; /* the end of the file at hand; fs_tail_room() bytes */
    XXH3_state_t *hash;
    struct weir_error why; /* of a set: what is wrong with the folder itself */
};

/* ---- fs.c ---- */

/* fs_status returns the status that an errno comes to. */
int fs_status(int err);

/* fs_fail answers an item (NULL: all) with what an errno comes to. */
void fs_fail(struct weir_call *call, struct weir_item *item, int err,
             const char *doing, const char *path);

/* fs_now_ms returns the wall clock: a time to live outlives the machine. */
uint64_t fs_now_ms(void);

/* fs_expiry_ms returns when a time to live that starts now ends; 0 for 0. */
uint64_t fs_expiry_ms(uint64_t ttl_ms);

/* fs_tail_room returns the size of a session's tail. */
size_t fs_tail_room(void);

/* ---- root.c ---- */

/* fs_root_open opens the folder, makes it if need be, reads or writes what it
 * says of itself. With fs->dry it changes nothing, and root may be -1. */
int fs_root_open(struct fs *fs, struct weir_error *err);

/* fs_root_settle does what a disk that was full or read-only refused when the
 * folder was opened. 0 when there is nothing to do; -1: errno, and a sentence.
 */
int fs_root_settle(struct fs *fs, struct weir_error *err);

/* fs_root_look looks for the folder, once a second at most; fs_root_reopen does
 * so now. If its path leads elsewhere the new folder is opened, and made if
 * need be; an attempt that failed is not repeated within a second. -1: errno,
 * and a sentence. */
void fs_root_look(struct fs *fs);
int fs_root_reopen(struct fs *fs, struct weir_error *err);

/* fs_openat opens a path below the folder, close-on-exec; no symbolic link is
 * followed on the way. -1: errno. */
int fs_openat(const struct fs *fs, const char *path, int flags, mode_t mode);

/* fs_mkdirs makes the directories of a path; durable: waits until they are on
 * the disk. */
int fs_mkdirs(struct fs *fs, const char *path, bool durable);

/* ---- format.c ---- */

/* fs_format_read sets the digits, from the format's file if it is sound. */
int fs_format_read(struct fs *fs, bool *sound, struct weir_error *err);

/* fs_format_settle does the same, and writes the file if it is not sound. Under
 * root_lock. */
int fs_format_settle(struct fs *fs, struct weir_error *err);

/* ---- features.c ---- */

/* The gauge of each feature: 1, the filesystem lacks it. */
struct fs_feature_text {
    const char *name, *help;
};

extern const struct fs_feature_text fs_features[FS_FEATURES];

/* fs_refused says whether errno means that the filesystem lacks a feature, and
 * remembers it. */
bool fs_refused(struct fs *fs, enum fs_feature feature);

/* fs_set_mode and fs_set_directory_mode give files and directories the mode of
 * the options, if the filesystem has modes. */
int fs_set_mode(struct fs *fs, int fd);
int fs_set_directory_mode(struct fs *fs, int at, const char *path);

/* fs_sync makes a file or a directory last (FS_FILE_SYNC, FS_DIRECTORY_SYNC).
 * fs_sync_directory does so for the directory that a path is in, below the
 * folder; fs_sync_parent for that of any path. 0 or -1: errno. */
int fs_sync(struct fs *fs, int fd, enum fs_feature feature);
int fs_sync_directory(struct fs *fs, const char *path);
int fs_sync_parent(struct fs *fs, const char *path);

/* ---- owner.c ---- */

/* fs_owner_start takes a name for our temporaries and a locked file that says
 * we live, if there is none yet. Under root_lock. fs_owner_lose lets go of a
 * file that is gone with its folder. */
int fs_owner_start(struct fs *fs, struct weir_error *err);
void fs_owner_lose(struct fs *fs);
void fs_owner_stop(struct fs *fs);

void fs_owner_name(const struct fs *fs, char out[FS_OWNER_NAME]);

/* fs_owner_temp writes a new temporary name in the directory of a path. */
void fs_owner_temp(struct fs *fs, const char *path, char *out);

/* Processes that died here; their locks are ours while we sweep. */
struct fs_dead {
    struct fs_corpse {
        int fd;
        char name[FS_OWNER_NAME];
    } * owners;
    size_t n;
};

void fs_dead_find(struct fs *fs, struct fs_dead *dead);

/* fs_dead_left says whether a file of a directory is a temporary that nobody
 * writes. */
bool fs_dead_left(struct fs *fs, const struct fs_dead *dead, int directory,
                  const char *name);

/* fs_dead_forget ends the hold; swept: nothing of theirs is left. */
void fs_dead_forget(struct fs *fs, struct fs_dead *dead, bool swept);

/* ---- recover.c ---- */

/* fs_recover_start walks over the folder in a thread of its own when there is
 * something to find, and gives it a moment before it returns. */
int fs_recover_start(struct fs *fs, struct weir_error *err);
void fs_recover_stop(struct fs *fs);

/* ---- entry.c ---- */

/* A file that was opened and whose trailer was read and is sound. */
struct fs_entry {
    int fd;
    struct stat st;
    struct fs_trailer trailer;
    size_t have;     /* bytes of the end of the file in the session's tail */
    const char *key; /* in there */
    const char *why; /* FS_CORRUPT: what is wrong */
    int stays;       /* the same: the errno that kept it in its place, or 0 */
};

enum fs_found { FS_FOUND, FS_ABSENT, FS_EXPIRED, FS_CORRUPT, FS_ERRNO };

/* fs_entry_open opens a file, reads its last span bytes, more if its key needs
 * it, and checks them. Only FS_FOUND leaves it open; for FS_ERRNO errno tells.
 * What expired or is corrupt is out of the way, if the filesystem lets us. */
enum fs_found fs_entry_open(struct fs_session *s, const struct fs_name *name,
                            int flags, size_t span, struct fs_entry *e);
void fs_entry_close(struct fs_entry *e);

/* fs_entry_for names and opens the file of an item's key and sees to it that it
 * is of this key. False: the item has been answered. */
bool fs_entry_for(struct fs_session *s, struct weir_call *call,
                  struct weir_item *item, struct fs_name *name, int flags,
                  size_t span, struct fs_entry *e);

/* fs_entry_corrupt closes an entry that turned out to be damaged, moves it
 * aside and answers the item. */
void fs_entry_corrupt(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct fs_name *name,
                      struct fs_entry *e, const char *why);

/* fs_read reads up to n bytes at an offset; fewer only at the end of the file.
 * -1: errno. */
ssize_t fs_read(int fd, void *to, size_t n, uint64_t offset);

/* fs_entry_ttl returns the milliseconds an entry has left; 0 = never expires.
 */
uint64_t fs_entry_ttl(const struct fs_entry *e);

/* ---- aside.c ---- */

/* fs_lock and fs_unlock hold the files whose names have a hash. */
void fs_lock(struct fs *fs, uint64_t hash);
void fs_unlock(struct fs *fs, uint64_t hash);

/* fs_drop unlinks a file; st, when not NULL, must still be what is there.
 * 0, or -1: errno. */
int fs_drop(struct fs *fs, const struct fs_name *name, const struct stat *st);

/* fs_set_aside moves what stands under a name into the quarantine, unless
 * something else has taken its place. st NULL: what is not a file. 0: what was
 * judged is no longer there; -1: errno. */
int fs_set_aside(struct fs *fs, const struct fs_name *name,
                 const struct stat *st);

/* ---- the ops ---- */

void fs_get(struct fs_session *s, struct weir_call *call,
            struct weir_item *item);
void fs_stat(struct fs_session *s, struct weir_call *call,
             struct weir_item *item);
void fs_touch(struct fs_session *s, struct weir_call *call,
              struct weir_item *item);
void fs_set(struct fs_session *s, struct weir_call *call,
            struct weir_item *item);
void fs_delete(struct fs_session *s, struct weir_call *call,
               struct weir_item *item);
void fs_scan(struct fs_session *s, struct weir_call *call,
             struct weir_item *item);

/* ---- room.c ---- */

/* fs_make_room reserves bytes of the capacity, evicting what it takes. < 0: the
 * call (NULL: the recovery) is to end first; nothing is reserved. */
int fs_make_room(struct fs *fs, struct weir_call *call, uint64_t bytes);

/* fs_make_space evicts for a set of so many bytes that found the disk full;
 * more from attempt to attempt (0, 1, ...). False: nothing went, or it is
 * enough. */
bool fs_make_space(struct fs *fs, struct weir_call *call, uint64_t bytes,
                   unsigned attempt);

/* fs_footprint returns the disk that a file of that status takes: its length,
 * or less if it has holes. */
uint64_t fs_footprint(struct fs *fs, const char *path, const struct stat *st);

/* fs_recount corrects what the index says of a file that other processes
 * removed or replaced. */
void fs_recount(struct fs *fs, const struct fs_name *name);

#endif
