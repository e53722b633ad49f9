/* trusted.c -- a scan opens no file in a directory where no value has ever had
 * an expiry, and all in a directory where one has, or in a folder of an older
 * version. A value that has expired is never listed. */

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "trusting.h"

static struct shared {
    _Atomic int ready, go, killed_at_rename, no_marks, remote;
} * shared;

/* Stands in front of libc's. */
__attribute__((visibility("default"))) int renameat(int from, const char *a,
                                                    int to, const char *b)
{
    if (shared->killed_at_rename && strstr(b, "/key-"))
        raise(SIGKILL);
    return (int)syscall(SYS_renameat2, from, a, to, b, 0);
}

/* ---- no expiry ---- */

static void sets_long(struct client *c)
{
    char key[200];

    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    CHECK(client_set(c, key, "a value", 7) == WEIR_OK);
}

static void opens_long_only(struct client *c)
{
    struct listed l = scan(c);

    CHECK(is_all(&l) && l.known == 0);
    CHECK(l.others == 1 && l.others_known == 1);
}

/* A size that the store knows is told. */
static void tells_known(struct client *c)
{
    struct listed l;

    for (int i = 0; i < KEYS; i++)
        CHECK(client_do(c, WEIR_GET, key_of(i)) == WEIR_OK);
    l = scan(c);
    CHECK(is_all(&l) && l.known > KEYS / 2);
}

static void untimed(void)
{
    make("untimed");
    CHECK(file_is(folder_sub("untimed/.weir/format"), "weir fs 2\ndigits 1\n",
                  19));
    in_process(opens_none);
    in_process(tells_known);
    in_process(sets_long);
    in_process(opens_long_only);
}

/* ---- an expiry ---- */

static int gives_time(struct client *c, int op)
{
    client_start(c, op, "key-000", 7);
    c->item->ttl_ms = 1;
    return client_run(c);
}

static void expired(struct client *c)
{
    struct listed l;

    usleep(5000);
    l = scan(c);
    CHECK(!l.key[0] && l.known + l.unknown == KEYS - 1);
    CHECK(l.known < KEYS / 4);
}

static void sets_timed(struct client *c)
{
    CHECK(set_timed(c, "key-000", 1) == WEIR_OK);
    expired(c);
}

static void touches(struct client *c)
{
    CHECK(gives_time(c, WEIR_TOUCH) == WEIR_OK);
    expired(c);
}

static void gats(struct client *c)
{
    CHECK(gives_time(c, WEIR_GAT) == WEIR_OK);
    expired(c);
}

static void adds_timed(struct client *c)
{
    CHECK(client_do(c, WEIR_DELETE, "key-000") == WEIR_OK);
    client_start(c, WEIR_ADD, "key-000", 7);
    c->item->data = (char *)"a value";
    c->item->size = 7;
    c->item->ttl_ms = 1;
    CHECK(client_run(c) == WEIR_OK);
    expired(c);
}

static void timed(void)
{
    static const struct {
        const char *name;
        void (*step)(struct client *c);
    } ways[] = {{"set", sets_timed},
                {"touch", touches},
                {"gat", gats},
                {"add", adds_timed}};

    for (int i = 0; i < 4; i++) {
        make(ways[i].name);
        in_process(opens_none);
        in_process(ways[i].step);
        in_process(expired);
    }
}

static void sets_one(struct client *c)
{
    CHECK(client_set(c, "key-000", "a value", 7) == WEIR_OK);
    expired(c);
}

/* The store's own time to live. */
static void timed_by_option(void)
{
    make("option");
    options = "ttl=1ms";
    in_process(sets_one);
    options = NULL;
    in_process(expired);
}

/* ---- two processes ---- */

static void await(_Atomic int *flag)
{
    uint64_t until = weir_now() + LATE * SECOND;

    while (!*flag && weir_now() < until)
        usleep(500);
    CHECK(*flag);
}

/* Lists the first half, lets the other process set, then lists the rest. */
static void lists_meanwhile(struct client *c)
{
    struct listed l = {0};
    uint64_t cursor = scan_page(c, &l, 0, KEYS / 2);

    CHECK(l.known == 0 && cursor != 0);
    shared->ready = 1;
    await(&shared->go);
    usleep(5000);
    do {
        struct listed rest = {0};

        cursor = scan_page(c, &rest, cursor, 1000);
        CHECK(rest.known + rest.unknown == 0);
    } while (cursor != 0);
}

static void times_all(struct client *c)
{
    await(&shared->ready);
    for (int i = 0; i < KEYS; i++)
        CHECK(set_timed(c, key_of(i), 1) == WEIR_OK);
    shared->go = 1;
}

static void two(void)
{
    pid_t one, other;

    make("two");
    one = begin(lists_meanwhile);
    other = begin(times_all);
    CHECK(end(one) == 0);
    CHECK(end(other) == 0);
}

/* ---- kill -9 between the mark and the set ---- */

static void is_killed(struct client *c)
{
    shared->killed_at_rename = 1;
    set_timed(c, "key-000", 1);
}

static void old_value_stays(struct client *c)
{
    opens_some(c);
    CHECK(client_is(c, "key-000", "a value", 7));
}

static void killed(void)
{
    int status;

    make("killed");
    status = end(begin(is_killed));
    shared->killed_at_rename = 0;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    in_process(old_value_stays);
    in_process(sets_timed);
}

/* ---- a mark that cannot be written ---- */

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *bytes,
                                                      size_t n, off_t at)
{
    if (!shared->no_marks || n > 1)
        return syscall(SYS_pwrite64, fd, bytes, n, at);
    errno = EIO;
    return -1;
}

__attribute__((visibility("default"))) int fstatfs(int fd, struct statfs *out)
{
    int rc = (int)syscall(SYS_fstatfs, fd, out);

    if (shared->remote)
        out->f_type = 0x6969; /* NFS */
    return rc;
}

static void sets_untimed_only(struct client *c)
{
    CHECK(set_timed(c, "key-000", 1) == WEIR_FAILED);
    CHECK(gives_time(c, WEIR_TOUCH) == WEIR_FAILED);
    CHECK(client_set(c, "key-001", "a value", 7) == WEIR_OK);
    opens_none(c);
}

/* Nobody trusts a folder on a network filesystem. */
static void sets_any(struct client *c)
{
    CHECK(set_timed(c, "key-000", 100000) == WEIR_OK);
    CHECK(client_do(c, WEIR_DELETE, "key-000") == WEIR_OK);
    CHECK(client_set(c, "key-000", "a value", 7) == WEIR_OK);
    opens_all(c);
}

static void unmarked(void)
{
    make("unmarked");
    shared->no_marks = 1;
    in_process(sets_untimed_only);
    shared->remote = 1;
    in_process(sets_any);
    shared->no_marks = shared->remote = 0;
}

/* ---- a folder of an older version ---- */

static void expires_there(struct client *c)
{
    struct listed l;

    CHECK(set_timed(c, "key-000", 1) == WEIR_OK);
    usleep(5000);
    l = scan(c);
    CHECK(!l.key[0] && l.known == KEYS - 1);
}

static void older(void)
{
    static const char format[] = "weir fs 1\ndigits 1\n";

    CHECK(mkdir(folder_sub("older"), 0700) == 0);
    CHECK(mkdir(folder_sub("older/.weir"), 0700) == 0);
    file_write(folder_sub("older/.weir/format"), format, strlen(format));
    folder = "older";
    in_process(sets);
    in_process(opens_all);
    in_process(opens_all);
    in_process(expires_there);
    CHECK(file_is(folder_sub("older/.weir/format"), format, strlen(format)));
}

int main(void)
{
    folder_make();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    untimed();
    timed();
    timed_by_option();
    two();
    killed();
    unmarked();
    older();
    return 0;
}
