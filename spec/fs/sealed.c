/* sealed.c -- the directories in which a scan opens no file are those whose
 * files were written since the machine started, or were found sound since then.
 * So after a power cut, and in a copy, a scan opens all files, once. */

#include <stdatomic.h>
#include <sys/mman.h>

#include "trusting.h"

enum { DIRECTORIES = 16 };

static _Atomic int *trusted; /* shared */

/* ---- after a power cut ---- */

static const char *path_of(const char *key)
{
    static char path[300];

    for (int i = 0; i < DIRECTORIES; i++) {
        snprintf(path, sizeof path, "%s/%x/%s", folder_sub(folder), i, key);
        if (access(path, F_OK) == 0)
            return path;
    }
    CHECK(!"there is such a file");
    return NULL;
}

/* Leaves the file of the marks and seals as another boot did: none of the marks
 * are there, and the seals are of that boot. */
static void cut_power(void)
{
    static const char zeros[65536], seal[8] = "another";
    char path[300];
    int fd;

    snprintf(path, sizeof path, "%s/.weir/locks", folder_sub(folder));
    fd = open(path, O_RDWR);
    CHECK(fd >= 0);
    CHECK(pwrite(fd, zeros, sizeof zeros, 65536) == sizeof zeros);
    for (int i = 0; i < DIRECTORIES; i++)
        CHECK(pwrite(fd, seal, 8, 4 * 65536 + 8 * i) == 8);
    close(fd);
}

static void times_one(struct client *c)
{
    CHECK(set_timed(c, "key-000", 1) == WEIR_OK);
}

static void times_one_long(struct client *c)
{
    CHECK(set_timed(c, "key-000", 100000) == WEIR_OK);
}

static void lists_no_torn(struct client *c)
{
    struct listed l;

    usleep(5000);
    l = scan(c);
    CHECK(!l.key[0] && !l.key[1]);
    CHECK(l.known == KEYS - 2 && l.unknown == 0);
    CHECK(gauge(c->store, "quarantined") == 1);
    CHECK(gauge(c->store, "expired") == 1);
}

static void restores(struct client *c)
{
    CHECK(client_set(c, "key-000", "a value", 7) == WEIR_OK);
    CHECK(client_set(c, "key-001", "a value", 7) == WEIR_OK);
}

static void power(void)
{
    make("power");
    in_process(times_one);
    cut_power();
    CHECK(truncate(path_of("key-001"), 5) == 0);
    in_process(lists_no_torn);
    in_process(restores);
    in_process(opens_some);
    in_process(opens_none);
    /* One that finds an expiry does not, even without its mark. */
    in_process(times_one_long);
    cut_power();
    in_process(opens_all);
    in_process(opens_some);
}

static void lists_pages(struct client *c)
{
    struct listed l = {0};
    uint64_t cursor = 0;

    while ((cursor = scan_page(c, &l, cursor, 7)) != 0)
        ;
    CHECK(is_all(&l));
    *trusted = l.known == 0;
}

static void times_some(struct client *c)
{
    for (int i = 0; i < KEYS; i += 10)
        CHECK(set_timed(c, key_of(i), 100000) == WEIR_OK);
}

static void lists_some_timed(struct client *c)
{
    struct listed l = scan(c);

    CHECK(is_all(&l) && l.timed == KEYS / 10);
}

static void pages(void)
{
    uint64_t until = weir_now() + LATE * SECOND;

    /* A page that shows only the rest of a directory does not seal it. */
    make("parts");
    in_process(times_some);
    cut_power();
    in_process(lists_pages);
    in_process(lists_some_timed);

    /* One that was listed in several pages is sealed, too, once it has not
     * changed for some time. */
    make("pages");
    cut_power();
    do {
        in_process(lists_pages);
    } while (!*trusted && weir_now() < until);
    CHECK(*trusted);
}

/* ---- other programs ---- */

static void copied(void)
{
    char command[600];

    make("original");
    snprintf(command, sizeof command, "cp -a %s %s", folder_sub("original"),
             folder_sub("copy"));
    CHECK(system(command) == 0);
    folder = "copy";
    in_process(opens_all);
    in_process(opens_none);
}

/* It is listed until something reads it. */
static void finds_foreign(struct client *c)
{
    struct listed l;

    opens_none(c);
    CHECK(client_do(c, WEIR_GET, "key-000") == WEIR_CORRUPT);
    l = scan(c);
    CHECK(!l.key[0] && l.known + l.unknown == KEYS - 1);
}

static void finds_no_file(struct client *c)
{
    struct listed l = scan(c);

    CHECK(!l.key[1] && l.known + l.unknown == KEYS - 2);
    CHECK(gauge(c->store, "quarantined") == 1);
}

static void foreign(void)
{
    const char *path;

    make("foreign");
    file_write(path_of("key-000"), "foreign", 7);
    in_process(finds_foreign);
    path = path_of("key-001");
    CHECK(unlink(path) == 0);
    CHECK(mkdir(path, 0700) == 0);
    in_process(finds_no_file);
}

int main(void)
{
    folder_make();
    trusted = mmap(NULL, sizeof *trusted, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(trusted != MAP_FAILED);
    power();
    pages();
    copied();
    foreign();
    return 0;
}
