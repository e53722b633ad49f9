/* state.h -- what all files of this connector share: the options, the state of
 * an open store, a worker's session. fs.c introduces the files. */

#ifndef FS_STATE_H
#define FS_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "connector.h"

#include "index.h"
#include "known.h"
#include "name.h"
#include "trailer.h"

enum fs_sync { FS_SYNC_NONE, FS_SYNC_DATA, FS_SYNC_FULL };

enum fs_on_full { FS_FULL_AUTO, FS_FULL_EVICT, FS_FULL_REFUSE };

struct fs_config {
    const char *path;
    bool create;
    int sync;   /* enum fs_sync */
    int verify; /* 0 = always, 1 = never */
    uint64_t capacity;
    uint64_t ttl;
    int fanout; /* digits of a directory's name; 0 = as the folder says */
    const char *mode;
    int64_t quarantine;
    int on_full; /* enum fs_on_full */
    uint64_t direct;
};

/* The gauges show these. */
struct fs_counters {
    _Atomic uint64_t evicted, evicted_full, expired, quarantined, swept, syncs,
        reopened;
};

/* What some filesystems refuse (features.c). */
enum fs_feature {
    FS_LINKS,
    FS_FLOCK,
    FS_ANY_LOCK,
    FS_MODES,
    FS_FILE_SYNC,
    FS_DIRECTORY_SYNC,
    FS_SHARED_LOCKS,
    FS_FEATURES
};

/* The ways to lock an owner's file, in the order in which they are tried. */
enum fs_locking {
    FS_LOCK_FLOCK,
    FS_LOCK_FLOCK_WRITING,
    FS_LOCK_FCNTL,
    FS_LOCK_NONE
};

/* What a lock that processes share is of (hold.c). */
enum fs_hold_kind { FS_HOLD_KEY, FS_HOLD_NAME, FS_HOLD_MARK, FS_HOLD_KINDS };

enum {
    FS_LOCKS = 64,
    FS_PIECE = 1 << 20,          /* bytes read or written at once */
    FS_PIECE_HASHED = 256 << 10, /* the same where it is hashed in a cache */
    FS_SMALL = 16 << 10,         /* a file up to this is read at once */
    FS_KEEP = 68 << 10,          /* a file up to this is kept open */
    FS_TEMP_MAX = 48,            /* the path of a temporary */
    FS_OWNER_NAME = 17,          /* 16 digits and a NUL */
    FS_DIRECTORIES = 65536,      /* the largest fanout */
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
    bool dry; /* opened to be checked: it serves nothing */
    int root; /* fd of the folder; the number never changes (root.c) */
    _Atomic unsigned digits; /* of a directory's name */
    atomic_bool keeps_marks; /* so says the format file (trust.c) */
    uint64_t boot; /* identifies this run of the machine; 0 = unknown */
    mode_t file_mode, dir_mode;
    struct fs_index *index; /* NULL: nothing is ever evicted */
    struct fs_known *known; /* NULL: every lookup uses the filesystem */
    struct fs_watch *watch; /* NULL if known is */
    atomic_bool in_memory;  /* the files are in tmpfs */
    atomic_bool waits;      /* every read may wait for the disk (quick.c) */
    struct fs_counters counters;
    struct fs_recovery recovery;
    atomic_bool lacks[FS_FEATURES];

    /* The owner's file, the format file and that of the locks exist: sets may
     * begin. */
    atomic_bool settled;
    pthread_mutex_t root_lock;
    int owner;                      /* under root_lock: the locked file or -1 */
    bool torn;                      /* under root_lock: the format file is */
    struct weir_error reopen_error; /* under root_lock: valid until reopen_ns */
    uint64_t reopen_ns;             /* under root_lock */
    _Atomic uint64_t look_ns;       /* the next check of the folder's path */

    _Atomic uint64_t owner_id;
    _Atomic int locking;                  /* enum fs_locking */
    _Atomic uint64_t temps;               /* temporaries made so far */
    _Atomic uint32_t quarantine;          /* the next place */
    _Atomic(struct fs_listing *) listing; /* kept for a scan, or NULL */

    /* A bit for each directory whose own name is known to be on the disk. */
    _Atomic uint8_t durable[FS_DIRECTORIES / 8];

    /* A file's lock is chosen by the hash of its name. A rename or unlink and
     * the update of the index are one step under it. The index has its own
     * lock, which is taken inside this one. */
    pthread_mutex_t locks[FS_LOCKS];

    /* The locks that processes share. They are taken before all others. */
    pthread_mutex_t holds[FS_HOLD_KINDS][FS_LOCKS];
    _Atomic int marks_fd;                       /* set under root_lock */
    _Atomic int holding;                        /* set under root_lock */
    _Atomic uint8_t marked[FS_DIRECTORIES / 8]; /* a bit for each directory */
    _Atomic uint8_t timed[FS_DIRECTORIES / 8];  /* the same for trust.c */
};

/* The private state of one worker. */
struct fs_session {
    struct fs *fs;
    struct weir_call *writer; /* the call that runs, if it writes */
    char *tail;  /* the end of the current file; fs_tail_room() bytes */
    char *block; /* FS_PIECE bytes for direct.c, or NULL */
    XXH3_state_t *hash;
    struct weir_error why; /* of a set: what is wrong with the folder itself */
};

#endif
