/* features.h -- operations that not every filesystem supports. */

#ifndef FS_FEATURES_H
#define FS_FEATURES_H

#include "state.h"

/* The gauge of each feature. 1: the filesystem lacks it. */
struct fs_feature_text {
    const char *name, *help;
};

extern const struct fs_feature_text fs_features[FS_FEATURES];

/* fs_refused returns whether an errno (positive) means that the filesystem
 * lacks a feature, and remembers it. */
bool fs_refused(struct fs *fs, enum fs_feature feature, int err);

/* fs_set_mode and fs_set_directory_mode give a file or directory the mode of
 * the options if the filesystem has modes. 0 or a negative errno. */
int fs_set_mode(struct fs *fs, int fd);
int fs_set_directory_mode(struct fs *fs, int at, const char *path);

/* fs_sync makes a file (FS_FILE_SYNC) or a directory (FS_DIRECTORY_SYNC)
 * durable. 0 or a negative errno. */
int fs_sync(struct fs *fs, int fd, enum fs_feature feature);

#endif
