/* entry.h -- opens a value file and checks it. */

#ifndef FS_ENTRY_H
#define FS_ENTRY_H

#include "state.h"

/* A file that is open and whose trailer is sound. */
struct fs_entry {
    int fd;
    struct stat st;
    struct fs_trailer trailer;
    size_t have;     /* bytes of the end of the file in the session's tail */
    const char *key; /* points into the tail */
    const char *why; /* FS_CORRUPT: what is wrong */
    struct fs_ticket ticket;
    int kept; /* FS_CORRUPT: 0, or the negative errno for which the file
                 could not be moved aside */
};

enum fs_found { FS_FOUND, FS_ABSENT, FS_EXPIRED, FS_CORRUPT };

/* fs_entry_open opens a file and reads its last span bytes, or all of it up to
 * FS_SMALL bytes if span is FS_SMALL, or more if its key is longer, and checks
 * them. Returns an enum fs_found or a negative errno; only
 * FS_FOUND leaves the file open. An expired file is removed and a corrupt one
 * moved aside, if the filesystem allows it. */
int fs_entry_open(struct fs_session *s, const struct fs_name *name, int flags,
                  size_t span, struct fs_entry *e);
void fs_entry_close(struct fs_entry *e);

/* fs_entry_for opens the file of an item's key and checks that it is of this
 * key. False: it has answered the item. */
bool fs_entry_for(struct fs_session *s, struct weir_call *call,
                  struct weir_item *item, struct fs_name *name, int flags,
                  size_t span, struct fs_entry *e);

/* fs_entry_corrupt closes an entry that turned out to be damaged, moves it
 * aside and answers the item. */
void fs_entry_corrupt(struct fs_session *s, struct weir_call *call,
                      struct weir_item *item, const struct fs_name *name,
                      struct fs_entry *e, const char *why);

/* fs_entry_learn stores the facts of an entry that is of the name's key, then
 * closes it. keep: a small file may be kept open for the next read. */
void fs_entry_learn(struct fs_session *s, const struct fs_name *name,
                    struct fs_entry *e, bool keep);

/* fs_entry_ttl returns the milliseconds until an expiry time; 0: never. */
uint64_t fs_entry_ttl(uint64_t expires_ms);

#endif
