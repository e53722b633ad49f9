/* known.h -- facts about files that need no system call to look up. */

#ifndef FS_KNOWN_H
#define FS_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "fact.h"
#include "name.h"

struct fs_known;

/* A moment before a file is read or changed. Facts from that reading are not
 * stored if the file may have changed since. */
struct fs_ticket {
    uint64_t clears, events, changes;
};

/* How the kernel says that a name has changed. */
enum fs_change { FS_CHANGE_GONE, FS_CHANGE_RENAMED, FS_CHANGE_OTHER };

enum fs_knowledge {
    FS_KNOWN_NOT,  /* look at the file */
    FS_KNOWN_GONE, /* there is no such file */
    FS_KNOWN_FILE,
};

/* fs_known_new returns an empty table, or NULL without memory. It keeps up to
 * max_open files open. */
struct fs_known *fs_known_new(uint32_t max_open);
void fs_known_free(struct fs_known *k);

/* fs_known_find looks a name up. open, if not NULL, gets an open file or NULL.
 * The answer is true only if fs_watch_read ran just before. */
enum fs_knowledge fs_known_find(struct fs_known *k, const struct fs_name *name,
                                struct fs_fact *fact, struct fs_open **open);

/* fs_known_ticket returns a ticket for reading a file, fs_known_learn stores
 * what was read. fact NULL: there is no such file. fd >= 0: the file, which the
 * table may keep open; true if it did, otherwise the caller closes it. */
struct fs_ticket fs_known_ticket(struct fs_known *k,
                                 const struct fs_name *name);
bool fs_known_learn(struct fs_known *k, const struct fs_name *name,
                    struct fs_ticket ticket, const struct fs_fact *fact, int fd,
                    uint64_t used_s);

/* fs_known_begin tells that this process is about to rename a file to a name,
 * fs_known_end how that went: the facts of the new file, or NULL after a
 * failure. */
struct fs_ticket fs_known_begin(struct fs_known *k, const struct fs_name *name);
void fs_known_end(struct fs_known *k, const struct fs_name *name,
                  struct fs_ticket ticket, const struct fs_fact *fact);

/* fs_known_event tells that the kernel reported a change of a name: a removal,
 * a rename to it, or another. fs_known_seen tells that a directory lists it. */
void fs_known_event(struct fs_known *k, const struct fs_name *name,
                    enum fs_change change);
void fs_known_seen(struct fs_known *k, const struct fs_name *name);

/* fs_known_complete tells that all names of a directory are known. */
void fs_known_complete(struct fs_known *k, uint32_t directory);
bool fs_known_is_complete(const struct fs_known *k, uint32_t directory);

/* fs_known_watch tells that the kernel reports the changes of a directory,
 * fs_known_unwatch that it does no longer. Facts are stored only while it does.
 * fs_known_clear must follow an unwatch. */
void fs_known_watch(struct fs_known *k, uint32_t directory);
void fs_known_unwatch(struct fs_known *k, uint32_t directory);

/* fs_known_clear forgets everything but which directories are watched. */
void fs_known_clear(struct fs_known *k);

/* fs_known_memory returns the bytes that the table uses. */
uint64_t fs_known_memory(struct fs_known *k);

#endif
