/* archive.h -- which members a tar archive has, and where. Knows nothing of
 * weir: of a connector of your own, this is the part that talks to the backend.
 */

#ifndef ARCHIVE_H
#define ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

struct member {
    char *name;
    uint64_t offset; /* of its bytes in the archive */
    uint64_t size;
};

/* Members by name, each name once: of two, the later one counts. */
struct archive {
    struct member *members;
    size_t n;
};

/* archive_read fills an index from an open file. 0, or a negative errno;
 * -EBADMSG: it is not a tar archive, or one that was cut short. */
int archive_read(struct archive *a, int fd);

void archive_free(struct archive *a);

/* archive_from returns the place of the first member whose name does not come
 * before these bytes; a->n: there is none. */
size_t archive_from(const struct archive *a, const char *name, size_t len);

/* archive_find returns the member of that name, or NULL. */
const struct member *archive_find(const struct archive *a, const char *name,
                                  size_t len);

#endif
