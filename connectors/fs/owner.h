/* owner.h -- which process owns a temporary, and which owners are dead. */

#ifndef FS_OWNER_H
#define FS_OWNER_H

#include "state.h"

/* fs_owner_start chooses a name for this process and locks a file of that name
 * that shows it is alive, unless it has one. Under root_lock. */
int fs_owner_start(struct fs *fs, struct weir_error *err);

/* fs_owner_lose closes the file after its folder is gone; fs_owner_stop removes
 * it. */
void fs_owner_lose(struct fs *fs);
void fs_owner_stop(struct fs *fs);

void fs_owner_name(const struct fs *fs, char out[FS_OWNER_NAME]);

/* fs_owner_temp writes a new temporary's path in the directory of a path. */
void fs_owner_temp(struct fs *fs, const char *path, char *out);

/* fs_owner_is_temp returns whether a file name is that of a temporary. */
bool fs_owner_is_temp(const char *name);

/* Owners that died here. This process holds their locks while it sweeps. */
struct fs_dead {
    struct fs_dead_owner {
        int fd;
        char name[FS_OWNER_NAME];
    } * owners;
    size_t n;
};

void fs_dead_find(struct fs *fs, struct fs_dead *dead);

/* fs_dead_left returns whether a file of a directory is a temporary whose owner
 * is dead. */
bool fs_dead_left(struct fs *fs, const struct fs_dead *dead, int directory,
                  const char *name);

/* fs_dead_forget drops the locks. swept: no temporary of theirs is left, so
 * their files are removed, too. */
void fs_dead_forget(struct fs *fs, struct fs_dead *dead, bool swept);

#endif
