/* name.c -- the file name of a key.
 *
 * Short keys stay readable. The bytes a-z 0-9 - _ = @ , . stand for themselves,
 * except - and . in front. A capital letter is + and its small letter, so that
 * names differ on filesystems that ignore case. Any other byte is % and two
 * hexadecimal digits. The encoding is reversible, so no two keys share a name.
 * A name that would be too long is ~ and the 128-bit hash of the key; the
 * trailer holds the key itself. No name contains a slash, begins with a dot or
 * is empty, so no key leads out of the folder. */

#include "name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "trailer.h"

enum { NAME_HASHED = 33 }; /* ~ and 32 digits */

static const char name_digits[] = "0123456789abcdef";

static bool name_plain(char c, bool first)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return true;
    if (c == '_' || c == '=' || c == '@' || c == ',')
        return true;
    return (c == '-' || c == '.') && !first;
}

/* Writes the name. False: it would be too long. */
static bool name_escape(char *out, const char *key, size_t key_len)
{
    size_t n = 0;

    for (size_t i = 0; i < key_len; i++) {
        unsigned char c = (unsigned char)key[i];

        if (n + 3 > FS_NAME_MAX)
            return false;
        if (name_plain((char)c, i == 0)) {
            out[n++] = (char)c;
        } else if (c >= 'A' && c <= 'Z') {
            out[n++] = '+';
            out[n++] = (char)(c - 'A' + 'a');
        } else {
            out[n++] = '%';
            out[n++] = name_digits[c >> 4];
            out[n++] = name_digits[c & 15];
        }
    }
    out[n] = '\0';
    return true;
}

static void name_hash(char *out, const char *key, size_t key_len)
{
    XXH128_hash_t h = XXH3_128bits(key, key_len);

    snprintf(out, NAME_HASHED + 1, "~%016llx%016llx",
             (unsigned long long)h.high64, (unsigned long long)h.low64);
}

uint32_t fs_name_directory(uint64_t hash, unsigned digits)
{
    return (uint32_t)(hash >> (64 - 4 * digits));
}

/* Completes a path whose name is in place: adds the hash and the directory. */
static void name_place(struct fs_name *out, unsigned digits)
{
    uint32_t directory;

    out->name = out->path + digits + 1;
    out->hash = XXH3_64bits(out->name, strlen(out->name));
    directory = fs_name_directory(out->hash, digits);
    out->directory = directory;
    for (unsigned i = digits; i-- > 0; directory >>= 4)
        out->path[i] = name_digits[directory & 15];
    out->path[digits] = '/';
}

void fs_name_of_key(struct fs_name *out, unsigned digits, const char *key,
                    size_t key_len)
{
    char *name = out->path + digits + 1;

    if (!name_escape(name, key, key_len))
        name_hash(name, key, key_len);
    name_place(out, digits);
}

static int name_digit(char c)
{
    const char *at = c ? strchr(name_digits, c) : NULL;

    return at ? (int)(at - name_digits) : -1;
}

static bool name_is_hash(const char *name)
{
    return name[0] == '~' && strlen(name) == NAME_HASHED &&
           strspn(name + 1, name_digits) == NAME_HASHED - 1;
}

int fs_name_of_file(struct fs_name *out, unsigned digits, const char *name)
{
    char key[FS_NAME_MAX];

    if (!name_is_hash(name) && fs_name_key(key, name) < 0)
        return -EINVAL;
    strcpy(out->path + digits + 1, name);
    name_place(out, digits);
    return 0;
}

int fs_name_key(char *key, const char *name)
{
    char again[FS_NAME_MAX + 1];
    int n = 0;

    if (name[0] == '\0' || strlen(name) > FS_NAME_MAX)
        return -EINVAL;
    for (const char *p = name; *p != '\0'; n++) {
        if (*p == '+' && p[1] >= 'a' && p[1] <= 'z') {
            key[n] = (char)(p[1] - 'a' + 'A');
            p += 2;
        } else if (*p == '%' && name_digit(p[1]) >= 0 &&
                   name_digit(p[2]) >= 0) {
            key[n] = (char)(name_digit(p[1]) << 4 | name_digit(p[2]));
            p += 3;
        } else {
            key[n] = *p++;
        }
    }
    /* The name must be the one that this key gets: not %61, which is a. */
    if (!name_escape(again, key, (size_t)n) || strcmp(again, name) != 0)
        return -EINVAL;
    return n;
}
