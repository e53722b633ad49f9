/* names.c -- file names: no two keys share one, no name leads out of the
 * folder or differs from another by case alone, readable ones can be undone. */

#define XXH_INLINE_ALL
#include "../../connectors/fs/name.c"

#include "../check.h"

enum { KEYS = 20000, LENGTHS = 60 };

static void is_safe(const struct fs_name *name)
{
    size_t len = strlen(name->path);

    CHECK(len < FS_PATH_MAX && strlen(name->name) >= 1);
    CHECK(name->path[2] == '/' && name->name == name->path + 3);
    CHECK(name->name[0] != '.' && name->name[0] != '-');
    for (const char *p = name->name; *p != '\0'; p++)
        CHECK(*p > ' ' && *p < 127 && *p != '/' && !(*p >= 'A' && *p <= 'Z'));
}

/* From the name found in a directory to the same path. */
static void comes_back(const struct fs_name *name, const char *key, size_t n)
{
    struct fs_name again;
    char undone[FS_NAME_MAX];
    int len;

    CHECK(fs_name_of_file(&again, 2, name->name) == 0);
    CHECK(strcmp(again.path, name->path) == 0 && again.hash == name->hash);
    len = fs_name_key(undone, name->name);
    CHECK((len < 0) == (name->name[0] == '~'));
    if (len >= 0)
        CHECK((size_t)len == n && memcmp(undone, key, n) == 0);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void random_keys(void)
{
    static char names[KEYS][FS_PATH_MAX];
    static const char alphabet[] = "aAbB%+~./-_ \n\0\xff";
    uint64_t random = check_seed = 7;

    for (int i = 0; i < KEYS; i++) {
        char key[LENGTHS + 8];
        size_t n = random_below(&random, LENGTHS);
        struct fs_name name;

        /* The six digits at the end make each key another. */
        for (size_t k = 0; k < n; k++)
            key[k] = alphabet[random_below(&random, sizeof alphabet)];
        n += (size_t)sprintf(key + n, "%06d", i);
        fs_name_of_key(&name, 2, key, n);
        is_safe(&name);
        comes_back(&name, key, n);
        memcpy(names[i], name.path, sizeof names[i]);
    }
    qsort(names, KEYS, sizeof names[0], by_text);
    for (int i = 1; i < KEYS; i++)
        CHECK(strcmp(names[i - 1], names[i]) != 0);
}

static void expect_name(const char *key, const char *name)
{
    struct fs_name out;

    fs_name_of_key(&out, 2, key, strlen(key));
    CHECK(strcmp(out.name, name) == 0);
}

/* Names that no key has. */
static void foreign(void)
{
    static const char *const names[] = {
        "",
        ".",
        "..",
        ".hidden",
        "README",
        "%61",
        "%2",
        "%2G",
        "a b",
        "+",
        "+1",
        "-rf",
        "~",
        "~12",
        "%2F",
        "a/b",
        "~0000000000000000000000000000000G",
    };
    static char longest[300];
    struct fs_name out;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK(fs_name_of_file(&out, 2, names[i]) < 0);
    memset(longest, 'a', sizeof longest - 1);
    CHECK(fs_name_of_file(&out, 2, longest) < 0);
}

int main(void)
{
    expect_name("model@0@ab-1.chunk_7", "model@0@ab-1.chunk_7");
    expect_name("..", "%2e.");
    expect_name("../../x", "%2e.%2f..%2fx");
    expect_name("Key", "+key");
    expect_name("%61", "%2561");
    random_keys();
    foreign();
    return 0;
}
