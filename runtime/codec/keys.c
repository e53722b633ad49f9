/* keys.c -- reads the file of a crypt's keys. No message repeats a key. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"
#include "connector.h"

/* A line of a number and 64 digits, with room for spaces and a newline. */
enum { LINE_MAX_BYTES = 160 };

/* Opens a regular file that only its owner may use. */
static FILE *open_private(const char *path, struct weir_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    FILE *file;

    if (fd < 0 || fstat(fd, &st) < 0) {
        weir_error_set(err, -errno, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        weir_error_set(err, -EINVAL, "%s: not a file", path);
    } else if ((st.st_mode & 077) != 0) {
        weir_error_set(err, -EACCES,
                       "%s: others than its owner may use the file; chmod "
                       "600 it",
                       path);
    } else {
        file = fdopen(fd, "r");
        if (file != NULL)
            return file;
        weir_error_set(err, -ENOMEM, "%s: out of memory", path);
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns 1 for a key, 0 for a blank line or a comment, or -EINVAL. */
static int read_line(const char *line, struct weir_codec_key *key)
{
    char *at;
    unsigned long id;

    line += strspn(line, " \t\r\n");
    if (*line == '\0' || *line == '#')
        return 0;
    id = strtoul(line, &at, 10);
    if (!isdigit((unsigned char)*line) || id < 1 || id > 255 ||
        !isblank((unsigned char)*at))
        return -EINVAL;
    at += strspn(at, " \t");
    key->id = (uint8_t)id;
    for (size_t i = 0; i < sizeof key->bytes; i++, at += 2) {
        int high = digit_of(at[0]), low = high < 0 ? -1 : digit_of(at[1]);

        if (low < 0)
            return -EINVAL;
        key->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return at[strspn(at, " \t\r\n")] == '\0' ? 1 : -EINVAL;
}

static bool is_known(const struct weir_codec_key *keys, int n, uint8_t id)
{
    for (int i = 0; i < n; i++) {
        if (keys[i].id == id)
            return true;
    }
    return false;
}

/* Returns how many keys there are, or -EINVAL. */
static int read_lines(FILE *file, const char *path, struct weir_codec_key *out,
                      struct weir_error *err)
{
    char line[LINE_MAX_BYTES];
    int n = 0, rc = 0;

    for (int number = 1; rc >= 0 && fgets(line, sizeof line, file) != NULL;
         number++) {
        struct weir_codec_key key;

        rc = read_line(line, &key);
        if (rc < 0)
            weir_error_set(err, rc,
                           "%s: line %d is not a number from 1 to 255 and 64 "
                           "hexadecimal digits",
                           path, number);
        else if (rc > 0 && is_known(out, n, key.id))
            rc = weir_error_set(err, -EINVAL,
                                "%s: line %d: key %u is on an earlier line",
                                path, number, key.id);
        else if (rc > 0)
            out[n++] = key;
        OPENSSL_cleanse(&key, sizeof key);
    }
    OPENSSL_cleanse(line, sizeof line);
    if (rc >= 0 && ferror(file))
        rc = weir_error_set(err, -EIO, "%s: cannot be read to its end", path);
    return rc < 0 ? rc : n;
}

int weir_codec_read_keys(const char *path, struct weir_codec_key *out,
                         struct weir_error *err)
{
    FILE *file = open_private(path, err);
    int n;

    if (file == NULL)
        return err->code;
    setvbuf(file, NULL, _IONBF, 0); /* no copy of the keys is left behind */
    n = read_lines(file, path, out, err);
    fclose(file);
    if (n == 0)
        n = weir_error_set(err, -EINVAL, "%s: there is no key in it", path);
    return n;
}
