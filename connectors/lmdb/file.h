/* file.h -- the file data.mdb, before LMDB opens it.
 *
 * LMDB trusts its file: it divides by numbers of the header and reads where
 * page numbers lead. These functions refuse a file that is not LMDB's, and make
 * one that lost its end safe to read. */
#ifndef LMDB_FILE_H
#define LMDB_FILE_H

#include "connector.h"

/* file_check reads the header of data.mdb in a folder. 1: it is one of LMDB's.
 * 0: there is none yet. A negative errno and a sentence: LMDB must not open it.
 * With mend it fills up the end that is missing with zeros, which LMDB and the
 * checksums recognise as damage. Under the lock of the writers. */
int file_check(int folder, bool mend, struct weir_error *err);

/* Without sync the kernel may write pages in any order, so that a power cut
 * tears the file. The file weir.unsynced says so. It names the start of the
 * machine, and each process that writes without sync has a shared lock on it.
 * The writers' lock is held during all three functions.
 *
 * file_distrust removes a data.mdb that may have been torn, because the machine
 * has started since. file_mark makes weir.unsynced and returns its locked fd.
 * file_unmark syncs data.mdb and removes weir.unsynced. It closes fd, this
 * process's own lock (-1: it has none). -EBUSY: another process has a lock. */
int file_distrust(int folder, struct weir_error *err);
int file_mark(int folder, struct weir_error *err);
int file_unmark(int folder, int fd);

/* file_sync_names makes the names in a folder durable, also that a name is
 * gone, and the folder's own. file_sync_above does the latter alone. 0 or a
 * negative errno. */
int file_sync_names(int folder);
int file_sync_above(int folder);

#endif
