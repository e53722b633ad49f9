/* format.h -- the format file of a folder. */

#ifndef FS_FORMAT_H
#define FS_FORMAT_H

#include "state.h"

/* fs_format_read sets the digits of the directories' names, and whether marks
 * are kept. *sound: the format file exists and is intact. 0 or a negative
 * errno. */
int fs_format_read(struct fs *fs, bool *sound, struct weir_error *err);

/* fs_format_settle does the same and writes the file unless it is sound. Under
 * root_lock. */
int fs_format_settle(struct fs *fs, struct weir_error *err);

#endif
