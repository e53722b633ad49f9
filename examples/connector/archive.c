/* archive.c -- reads the headers of a tar archive: POSIX ustar, with GNU's long
 * names. Other extensions are passed over: a member that needs one has the
 * short name that its header gives. */

#include "archive.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 512, NAME_LONGEST = 4096 };

/* A header block, as far as it is of interest. */
struct header {
    char name[100];
    char mode_uid_gid[24];
    char size[12];
    char mtime[12];
    char check[8];
    char type; /* 0 or '0': a file; 'L': the name of the next member */
    char link[100];
    char magic[8];
    char owner[80];
    char prefix[155];
    char rest[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

/* Octal digits between blanks; -1: anything else. */
static int64_t header_number(const char *digits, size_t n)
{
    int64_t x = 0;
    size_t i = 0;

    while (i < n && digits[i] == ' ')
        i++;
    for (; i < n && digits[i] >= '0' && digits[i] <= '7'; i++)
        x = x * 8 + (digits[i] - '0');
    return i == n || digits[i] == '\0' || digits[i] == ' ' ? x : -1;
}

/* The sum of the bytes of a header, with blanks in place of the sum. */
static bool header_sound(const struct header *h)
{
    const unsigned char *bytes = (const unsigned char *)h;
    int64_t sum = 0;

    for (size_t i = 0; i < sizeof *h; i++)
        sum += bytes[i];
    for (size_t i = 0; i < sizeof h->check; i++)
        sum += ' ' - (unsigned char)h->check[i];
    return sum == header_number(h->check, sizeof h->check);
}

static char *header_name(const struct header *h)
{
    size_t n = strnlen(h->name, sizeof h->name);
    size_t prefix = 0;
    char *name = malloc(sizeof h->prefix + 1 + n + 1), *at = name;

    if (name == NULL)
        return NULL;
    if (memcmp(h->magic, "ustar\0", 6) == 0)
        prefix = strnlen(h->prefix, sizeof h->prefix);
    if (prefix > 0) {
        memcpy(at, h->prefix, prefix);
        at[prefix] = '/';
        at += prefix + 1;
    }
    memcpy(at, h->name, n);
    at[n] = '\0';
    return name;
}

/* The bytes of a member of type 'L'. */
static int long_name(int fd, uint64_t offset, uint64_t size, char **name)
{
    if (size > NAME_LONGEST)
        return -EBADMSG;
    free(*name);
    *name = calloc(1, size + 1);
    if (*name == NULL)
        return -ENOMEM;
    return pread(fd, *name, size, (off_t)offset) == (ssize_t)size ? 0
                                                                  : -EBADMSG;
}

/* Takes the name over, whatever it returns. */
static int archive_add(struct archive *a, char *name, uint64_t offset,
                       uint64_t size)
{
    struct member *grown = a->members;

    if (name == NULL)
        return -ENOMEM;
    if ((a->n & (a->n - 1)) == 0) /* room for the next power of two */
        grown = realloc(grown, (a->n ? a->n * 2 : 1) * sizeof *grown);
    if (grown == NULL) {
        free(name);
        return -ENOMEM;
    }
    grown[a->n++] = (struct member){name, offset, size};
    a->members = grown;
    return 0;
}

/* By name; of the same name, the later member first. */
static int by_name(const void *x, const void *y)
{
    const struct member *a = x, *b = y;
    int order = strcmp(a->name, b->name);

    return order ? order : (a->offset < b->offset) - (a->offset > b->offset);
}

static void archive_sort(struct archive *a)
{
    size_t kept = 0;

    if (a->n > 0)
        qsort(a->members, a->n, sizeof *a->members, by_name);
    for (size_t i = 0; i < a->n; i++) {
        if (kept > 0 &&
            strcmp(a->members[kept - 1].name, a->members[i].name) == 0)
            free(a->members[i].name);
        else
            a->members[kept++] = a->members[i];
    }
    a->n = kept;
}

/* Reads one header and what it says; moves the offset to the next one. Returns
 * 1 at the end of the archive. */
static int archive_next(struct archive *a, int fd, uint64_t *offset,
                        char **name)
{
    struct header h;
    ssize_t got = pread(fd, &h, sizeof h, (off_t)*offset);
    uint64_t at = *offset + BLOCK;
    int64_t size;
    int rc = 0;

    if (got < 0)
        return -errno;
    if ((got == 0 && *offset > 0) || (got == BLOCK && h.name[0] == '\0'))
        return 1;
    if (got < BLOCK || !header_sound(&h))
        return -EBADMSG;
    size = header_number(h.size, sizeof h.size);
    if (size < 0)
        return -EBADMSG;
    if (h.type == 'L') {
        rc = long_name(fd, at, (uint64_t)size, name);
    } else if (h.type == '0' || h.type == '\0') {
        rc =
            archive_add(a, *name ? *name : header_name(&h), at, (uint64_t)size);
        *name = NULL;
    } else {
        free(*name);
        *name = NULL;
    }
    *offset = at + ((uint64_t)size + BLOCK - 1) / BLOCK * BLOCK;
    return rc;
}

int archive_read(struct archive *a, int fd)
{
    uint64_t offset = 0;
    char *name = NULL; /* of the member that comes next, when it is long */
    int rc;

    *a = (struct archive){0};
    do {
        rc = archive_next(a, fd, &offset, &name);
    } while (rc == 0);
    free(name);
    if (rc < 0) {
        archive_free(a);
        return rc;
    }
    archive_sort(a);
    return 0;
}

void archive_free(struct archive *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->members[i].name);
    free(a->members);
    *a = (struct archive){0};
}

static int compare(const char *name, const char *bytes, size_t len)
{
    size_t n = strlen(name);
    int order = memcmp(name, bytes, n < len ? n : len);

    return order ? order : (n > len) - (n < len);
}

size_t archive_from(const struct archive *a, const char *name, size_t len)
{
    size_t low = 0, high = a->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(a->members[middle].name, name, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct member *archive_find(const struct archive *a, const char *name,
                                  size_t len)
{
    size_t i = archive_from(a, name, len);

    if (i == a->n || compare(a->members[i].name, name, len) != 0)
        return NULL;
    return &a->members[i];
}
