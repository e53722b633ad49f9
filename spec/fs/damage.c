/* damage.c -- a flipped bit, a cut, a file that is not ours: CORRUPT once, then
 * a miss, never other bytes than were set; a set afterwards replaces. */

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "harness.h"

static const char key[] = "Some/Key";

/* The damage is answered once, moved aside, and then overwritten. */
static void expect_corrupt(struct client *c, const char *value, size_t size)
{
    uint64_t aside = gauge(c->store, "quarantined");

    CHECK(client_do(c, WEIR_GET, key) == WEIR_CORRUPT);
    CHECK(gauge(c->store, "quarantined") == aside + 1);
    CHECK(client_do(c, WEIR_GET, key) == WEIR_MISS);
    CHECK(client_set(c, key, value, size) == WEIR_OK);
    CHECK(client_is(c, key, value, size));
}

static void flip_everywhere(struct client *c, size_t size)
{
    static char value[70000], file[71000];
    const char *path;
    size_t n;

    telling_fill(value, size, size);
    CHECK(client_set(c, key, value, size) == WEIR_OK);
    path = only_file(folder_sub("a"));
    n = file_read(path, file, sizeof file);
    CHECK(n > size);
    for (size_t at = 0; at < n; at += at + 300 < size ? 97 : 1) {
        file[at] ^= (char)(1 << at % 8);
        file_write(path, file, n);
        file[at] ^= (char)(1 << at % 8);
        expect_corrupt(c, value, size);
    }
    for (size_t cut = 0; cut < n; cut += cut + 300 < size ? 97 : 1) {
        file_write(path, file, cut);
        expect_corrupt(c, value, size);
    }
    file[n] = 'x';
    file_write(path, file, n + 1);
    expect_corrupt(c, value, size);
}

/* Other kinds of files in the place of a value: none hangs, none is read. */
static void foreign_kinds(struct client *c)
{
    const char *path = only_file(folder_sub("a"));
    const char *outside = folder_sub("outside");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    file_write(outside, "secret", 6);
    unlink(path);
    CHECK(symlink(outside, path) == 0);
    expect_corrupt(c, "v", 1);
    CHECK(access(outside, F_OK) == 0);

    unlink(path);
    CHECK(mkfifo(path, 0600) == 0);
    expect_corrupt(c, "v", 1);

    unlink(path);
    CHECK(mkdir(path, 0700) == 0);
    expect_corrupt(c, "v", 1);

    unlink(path);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    expect_corrupt(c, "v", 1);
    close(fd);

    unlink(path);
    CHECK(mkdir(path, 0700) == 0);
    CHECK(client_set(c, key, "w", 1) == WEIR_OK); /* without a get before */
    CHECK(client_is(c, key, "w", 1));
}

/* A sound file under the name of another key. */
static void renamed(struct client *c)
{
    char path[512], other[512];

    snprintf(path, sizeof path, "%s", only_file(folder_sub("a")));
    CHECK(client_do(c, WEIR_DELETE, key) == WEIR_OK);
    CHECK(client_set(c, "other", "o", 1) == WEIR_OK);
    snprintf(other, sizeof other, "%s", only_file(folder_sub("a")));
    CHECK(rename(other, path) == 0);
    expect_corrupt(c, "v", 1);
    CHECK(client_do(c, WEIR_GET, "other") == WEIR_MISS);
}

/* A directory replaced by a link leads nowhere. */
static void directory_linked(struct client *c)
{
    char path[512], outside[512];
    uint64_t aside;
    char *slash;

    snprintf(path, sizeof path, "%s", only_file(folder_sub("a")));
    slash = strrchr(path, '/');
    *slash = '\0';
    snprintf(outside, sizeof outside, "%s", folder_sub("elsewhere"));
    CHECK(rename(path, outside) == 0 && symlink(outside, path) == 0);
    aside = gauge(c->store, "quarantined");
    CHECK(client_do(c, WEIR_GET, key) == WEIR_CORRUPT);
    CHECK(strstr(c->batch->error.message, "cannot be moved aside") != NULL);
    CHECK(client_set(c, key, "x", 1) >= WEIR_FAILED);
    CHECK(client_do(c, WEIR_DELETE, key) >= WEIR_FAILED);
    CHECK(gauge(c->store, "quarantined") == aside);
    snprintf(path, sizeof path, "%s%%2f+key", "elsewhere/+some");
    CHECK(access(folder_sub(path), F_OK) == 0);
}

static unsigned count_files(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 2;
}

/* In the place of the key's file; with something in it, it cannot be deleted.
 */
static void put_directory(const char *path, bool full)
{
    char inner[600];

    unlink(path);
    CHECK(mkdir(path, 0700) == 0);
    snprintf(inner, sizeof inner, "%s/inner", path);
    if (full)
        file_write(inner, "x", 1);
}

/* Directories go, too, wherever there is room for them in the quarantine. */
static void directories(const char *name, const char *quarantine)
{
    struct client c = open_fs(folder_sub(name), quarantine, NULL);
    char path[512];

    CHECK(client_set(&c, key, "v", 1) == WEIR_OK);
    snprintf(path, sizeof path, "%s", only_file(folder_sub(name)));
    for (int i = 0; i < 6; i++) {
        put_directory(path, i % 3 != 0);
        expect_corrupt(&c, "v", 1);
        put_directory(path, i % 2 != 0);
        CHECK(client_do(&c, WEIR_DELETE, key) == WEIR_OK);
        CHECK(client_do(&c, WEIR_GET, key) == WEIR_MISS);
        put_directory(path, i % 2 != 0);
        CHECK(client_set(&c, key, "w", 1) == WEIR_OK);
        CHECK(client_is(&c, key, "w", 1));
        file_write(path, "foreign", 7);
        expect_corrupt(&c, "v", 1);
    }
    close_fs(&c);
}

/* Places of the ring that cannot be cleared are passed over, and the ring does
 * not grow; when all are such, what is damaged is deleted. */
static void blocked_places(void)
{
    struct client c = open_fs(folder_sub("ring"), "quarantine=3", NULL);
    char path[512], place[64];

    CHECK(client_set(&c, key, "v", 1) == WEIR_OK);
    snprintf(path, sizeof path, "%s", only_file(folder_sub("ring")));
    CHECK(mkdir(folder_sub("ring/.weir/quarantine"), 0700) == 0);
    for (int blocked = 0; blocked < 3; blocked++) {
        snprintf(place, sizeof place, "ring/.weir/quarantine/%03d", blocked);
        put_directory(folder_sub(place), true);
        for (int i = 0; i < 10; i++) {
            file_write(path, "foreign", 7);
            expect_corrupt(&c, "v", 1);
        }
        CHECK(count_files(folder_sub("ring/.weir/quarantine")) == 3);
    }
    close_fs(&c);
}

/* Bytes are verified whole, unless it was asked not to. */
static void unverified(void)
{
    struct client c = open_fs(folder_sub("b"), "verify=never", NULL);
    char file[512];
    size_t n;

    CHECK(client_set(&c, key, "value", 5) == WEIR_OK);
    n = file_read(only_file(folder_sub("b")), file, sizeof file);
    file[0] = 'V';
    file_write(only_file(folder_sub("b")), file, n);
    CHECK(client_is(&c, key, "Value", 5));
    file[n - 1] ^= 1;
    file_write(only_file(folder_sub("b")), file, n);
    CHECK(client_do(&c, WEIR_GET, key) == WEIR_CORRUPT);
    close_fs(&c);
}

int main(void)
{
    struct client c;

    folder_make();
    c = open_fs(folder_sub("a"), "quarantine=4", NULL);
    flip_everywhere(&c, 16);
    flip_everywhere(&c, 1000);
    flip_everywhere(&c, 69000);
    foreign_kinds(&c);
    renamed(&c);
    CHECK(count_files(folder_sub("a/.weir/quarantine")) == 4);
    directory_linked(&c);
    close_fs(&c);
    directories("none", "quarantine=0");
    directories("one", "quarantine=1");
    directories("two", "quarantine=2");
    blocked_places();
    unverified();
    return 0;
}
