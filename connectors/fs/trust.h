/* trust.h -- directories whose files a scan need not open. trust.c explains
 * them. */

#ifndef FS_TRUST_H
#define FS_TRUST_H

#include "state.h"

/* fs_trust_open finds out which run of the machine this is. */
void fs_trust_open(struct fs *fs);

/* fs_trust_has returns whether all regular files in a directory are sound and
 * have no expiry. The caller has listed the directory before, and st is what
 * fstat says of it. */
bool fs_trust_has(struct fs *fs, uint32_t directory, const struct stat *st);

/* fs_trust_give records that this is so. The caller made the directory, or has
 * opened all files in it. */
void fs_trust_give(struct fs *fs, uint32_t directory, const struct stat *st);

/* fs_trust_timed marks the directory of a name. It comes before a file there
 * gets an expiry. 0 or a negative errno: then the file must not get one. */
int fs_trust_timed(struct fs *fs, const struct fs_name *name);

/* fs_trust_lose forgets the marks of a folder that is gone. */
void fs_trust_lose(struct fs *fs);

#endif
