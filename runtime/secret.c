/* secret.c -- reads a secret from an environment variable or a file.
 *
 * A URL with a password shows up in shell histories and in the output of ps. It
 * can hold the name of a variable or file instead. Every option of type secret
 * has both: the rows NAME_file are made here from the connector's table. */
#include "secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connector.h"

enum { PIPE_MS = 5000 }; /* how long the writer of a pipe is waited for */

/* ---- rows ---- */

/* The name and the help of a row. They follow the table in one allocation. */
struct words {
    char name[64];
    char help[128];
};

static void make_row(struct weir_option *row, struct words *words,
                     const struct weir_option *secret)
{
    snprintf(words->name, sizeof words->name, "%s_file", secret->name);
    snprintf(words->help, sizeof words->help,
             "file whose first line is the %s, read when the store is opened",
             secret->name);
    *row = (struct weir_option){
        .name = words->name,
        .help = words->help,
        .type = WEIR_SECRET_FILE,
        .offset = secret->offset,
    };
}

const struct weir_option *secret_rows(const struct weir_option *table)
{
    size_t n = 0, secrets = 0;
    struct weir_option *rows, *to;
    struct words *words;

    for (; table != NULL && table[n].name != NULL; n++)
        secrets += table[n].type == WEIR_SECRET;
    if (secrets == 0)
        return table;
    rows =
        calloc(1, (n + secrets + 1) * sizeof *rows + secrets * sizeof *words);
    if (rows == NULL)
        return NULL;
    words = (struct words *)(rows + n + secrets + 1);
    to = rows;
    for (size_t i = 0; i < n; i++) {
        *to++ = table[i];
        if (table[i].type == WEIR_SECRET)
            make_row(to++, words++, &table[i]);
    }
    return rows;
}

/* ---- environment ---- */

/* Errors repeat a name in capitals. Anything else may be a password that begins
 * with a $. */
static bool is_shown(const char *name)
{
    while (isupper((unsigned char)*name) || isdigit((unsigned char)*name) ||
           *name == '_')
        name++;
    return *name == '\0';
}

static bool is_name(const char *name)
{
    bool digit_first = isdigit((unsigned char)*name);

    if (*name == '\0' || digit_first)
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return *name == '\0';
}

int secret_value(const char **words, const char *name, const char *where,
                 struct weir_error *err)
{
    const char *variable = *words + 1, *value;

    if (**words != '$')
        return 0;
    if (*variable == '$') {
        *words = variable;
        return 0;
    }
    value = is_name(variable) ? secure_getenv(variable) : NULL;
    if (value != NULL && *value != '\0') {
        *words = value;
        return 0;
    }
    if (is_name(variable) && is_shown(variable))
        return weir_error_set(err, -EINVAL,
                              "%s: option %s: the environment variable %.64s "
                              "is %s",
                              where, name, variable,
                              value != NULL ? "empty" : "not set");
    return weir_error_set(err, -EINVAL,
                          "%s: option %s: begins with a $ and names no "
                          "environment variable that is set; write $$ for a $ "
                          "at the beginning of the %s itself",
                          where, name, name);
}

/* ---- file ---- */

/* Reads until a newline, the end or cap bytes. Returns the length or a negative
 * errno. */
static ssize_t read_line(int fd, char *out, size_t cap)
{
    size_t len = 0;

    while (len < cap && memchr(out, '\n', len) == NULL) {
        ssize_t n = read(fd, out + len, cap - len);

        if (n == 0)
            break;
        if (n > 0) {
            len += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLIN};

            if (poll(&p, 1, PIPE_MS) == 0)
                return -ETIMEDOUT;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return (ssize_t)len;
}

/* Why a line of len bytes is no secret, or NULL. */
static const char *line_fault(const char *line, size_t len, bool ended)
{
    if (len == 0)
        return "its first line is empty";
    if (len > SECRET_MAX && !ended)
        return "its first line is longer than 4096 bytes";
    return memchr(line, '\0', len) != NULL ? "its first line has a zero byte"
                                           : NULL;
}

int secret_read(const char *path, char *out, const char *name,
                const char *where, struct weir_error *err)
{
    char line[SECRET_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd < 0 ? -errno : read_line(fd, line, sizeof line);
    const char *newline, *fault;
    size_t len;

    if (fd >= 0)
        close(fd);
    if (n < 0)
        return weir_error_set(err, (int)n, "%s: option %s: cannot read %s: %s",
                              where, name, path, strerror((int)-n));
    newline = memchr(line, '\n', (size_t)n);
    len = newline != NULL ? (size_t)(newline - line) : (size_t)n;
    fault = line_fault(line, len, newline != NULL);
    if (fault == NULL) {
        memcpy(out, line, len);
        out[len] = '\0';
    }
    explicit_bzero(line, sizeof line);
    return fault == NULL ? 0
                         : weir_error_set(err, -EINVAL, "%s: option %s: %s: %s",
                                          where, name, path, fault);
}
