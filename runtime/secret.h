/* secret.h -- where the words of a secret option come from: the option itself,
 * an environment variable or a file. No error repeats the secret. */
#ifndef WEIR_SECRET_H
#define WEIR_SECRET_H

#include "weir.h"

#define SECRET_MAX 4096 /* bytes of a secret from a file, at most */

/* secret_rows returns the table with a row NAME_file after each secret NAME:
 * the table itself when it has none, else a copy for free(). NULL: no memory.
 */
const struct weir_option *secret_rows(const struct weir_option *table);

/* secret_value makes of "$NAME" the value of that environment variable and of
 * "$$x" "$x"; other words stay as they are. name and where are the option's and
 * its connector's, for the error. */
int secret_value(const char **words, const char *name, const char *where,
                 struct weir_error *err);

/* secret_read reads the first line of a file, without its newline, into out,
 * which has room for SECRET_MAX + 1 bytes. A pipe is waited for, 5 s at most.
 */
int secret_read(const char *path, char *out, const char *name,
                const char *where, struct weir_error *err);

#endif
