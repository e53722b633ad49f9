/* write.h -- writes a value to a file and gives it its name, for sets and for
 * the atomic ops (change.c). */

#ifndef FS_WRITE_H
#define FS_WRITE_H

#include "state.h"

/* A file in the making. */
struct write_job {
    struct fs_name name;
    char temp[FS_TEMP_MAX];
    int fd;
    const char *value;
    uint64_t size;
    uint64_t bytes;      /* that the file counts as in the index */
    struct fs_fact fact; /* of the new file */
    bool lent;           /* the value is the caller's memory */
    bool reserved;       /* the bytes are reserved in the index */
    bool published;      /* the new value is in place: do not try again */

    /* The file that the new one may replace. Without these two: any. */
    bool adds;              /* no file; else -EEXIST */
    const struct stat *old; /* only this file, which is open; else -ESTALE */

    bool expires; /* at expires_ms, and not by the item's time to live */
    uint64_t expires_ms;
};

/* write_job_of returns the job to write an item's value. */
struct write_job write_job_of(const struct weir_item *item);

/* write_bytes makes it one to write other bytes, which stay in place. */
void write_bytes(struct write_job *job, const struct weir_item *item,
                 const char *value, uint64_t size);

/* write_fits returns whether the file of a job has room in the capacity. */
bool write_fits(const struct fs *fs, const struct write_job *job);

/* write_persist writes the file. 0 or a negative errno, for which write_failed
 * answers the item. */
int write_persist(struct fs_session *s, struct weir_call *call,
                  struct weir_item *item, struct write_job *job);
void write_failed(struct fs_session *s, struct weir_call *call,
                  struct weir_item *item, const struct write_job *job, int rc);

#endif
