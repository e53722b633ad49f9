/* secret.h -- reads a secret from an option, an environment variable or a file.
 * No error repeats the secret. */
#ifndef WEIR_SECRET_H
#define WEIR_SECRET_H

#include "weir.h"

enum { SECRET_MAX = 4096 }; /* the longest secret in a file, in bytes */

/* secret_rows returns the table with a row NAME_file after each secret NAME. It
 * is the table itself when there is no secret, else a copy for free(). NULL:
 * out of memory. */
const struct weir_option *secret_rows(const struct weir_option *table);

/* secret_value replaces "$NAME" by the value of that environment variable, and
 * "$$x" by "$x". Other words stay as they are. name and where are those of the
 * option and its connector, for the error. */
int secret_value(const char **words, const char *name, const char *where,
                 struct weir_error *err);

/* secret_read reads the first line of a file, without its newline, into out,
 * which has room for SECRET_MAX + 1 bytes. It waits up to 5 s for a pipe. */
int secret_read(const char *path, char *out, const char *name,
                const char *where, struct weir_error *err);

#endif
