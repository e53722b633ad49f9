/* fact.h -- the facts of a file, and a file that is kept open for reading. */

#ifndef FS_FACT_H
#define FS_FACT_H

#include <stdatomic.h>
#include <stdint.h>

/* The facts of a file that holds a sound value of the key that its name
 * encodes. */
struct fs_fact {
    uint64_t size;       /* of the value */
    uint64_t expires_ms; /* 0 = never */
    uint64_t hash;       /* as in the trailer */
};

/* A file that is open for reading. It may be used until fs_open_put, also after
 * its name has gone to another file. */
struct fs_open {
    int fd;
    _Atomic uint32_t refs;
    _Atomic uint64_t used_s; /* the last use that its modification time shows */
};

/* fs_open_put ends the use of an open file. */
void fs_open_put(struct fs_open *open);

#endif
