/* direct.h -- reads of cold files without the page cache. */

#ifndef FS_DIRECT_H
#define FS_DIRECT_H

#include "state.h"

/* fs_direct_begin returns whether the value of a file that is read from its
 * beginning must be read with fs_direct_read: the option `direct` wants it, the
 * file is not in the page cache, and the filesystem can. */
bool fs_direct_begin(struct fs_session *s, int fd, uint64_t size);

/* fs_direct_read reads as fs_read does. n is at most FS_PIECE, and offset a
 * multiple of it. */
ssize_t fs_direct_read(struct fs_session *s, int fd, void *to, size_t n,
                       uint64_t offset);

#endif
