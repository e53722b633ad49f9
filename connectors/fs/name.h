/* name.h -- the file name of a key. */

#ifndef FS_NAME_H
#define FS_NAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    FS_NAME_MAX = 120, /* a longer one becomes a hash */
    FS_PATH_MAX = 128, /* directory, slash, name, NUL */
};

/* The place of a key's file. The hash of the name chooses the directory and
 * gives the order of scans. */
struct fs_name {
    uint64_t hash;
    uint32_t directory; /* its number */
    const char *name;   /* the part of path after the directory */
    char path[FS_PATH_MAX];
};

/* fs_name_of_key names the file of a key in a store whose directories have
 * names of that many hexadecimal digits. */
void fs_name_of_key(struct fs_name *out, unsigned digits, const char *key,
                    size_t key_len);

/* fs_name_of_file does the same for a name found in a directory. -EINVAL: no
 * key has such a name. */
int fs_name_of_file(struct fs_name *out, unsigned digits, const char *name);

/* fs_name_key writes the key that a readable name encodes (shorter than
 * FS_NAME_MAX) and returns its length. -EINVAL: the name is a hash or not ours.
 */
int fs_name_key(char *key, const char *name);

/* fs_name_directory returns the number of the directory that a hash is in. */
uint32_t fs_name_directory(uint64_t hash, unsigned digits);

#endif
