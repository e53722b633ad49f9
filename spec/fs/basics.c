/* basics.c -- what fs adds to the contract of every store: lives on after a
 * restart, options checked with a sentence, modes, syncs, gauges, sandboxes. */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "harness.h"

static void any_key(struct client *c, const char *key, size_t n)
{
    client_start(c, WEIR_SET, key, n);
    c->item->data = (char *)key;
    c->item->size = n;
    CHECK(client_run(c) == WEIR_OK);
}

static void expect_key(struct client *c, const char *key, size_t n)
{
    client_start(c, WEIR_GET, key, n);
    CHECK(client_run(c) == WEIR_OK);
    CHECK(c->item->value->size == n);
    CHECK(memcmp(c->item->value->data, key, n) == 0);
}

/* Keys that are trouble as file names, each its own value, over a restart. */
static void troublesome_keys(void)
{
    static const char *const words[] = {
        ".",
        "..",
        "../../x",
        "/etc/passwd",
        "a/b",
        "a",
        "A",
        "%61",
        "+a",
        "~",
        "~00000000000000000000000000000000",
        "-rf",
        "con",
        ".weir",
        ".weir/format",
        "\n",
        "a\nb",
        " ",
        "key with blanks",
        "\xff\xfe",
    };
    static char longest[WEIR_KEY_MAX];
    char bytes[256];
    struct client c = open_fs(folder_sub("keys"), NULL);
    size_t n = sizeof words / sizeof *words;

    memset(longest, 'x', sizeof longest);
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++)
            round ? expect_key(&c, words[i], strlen(words[i]))
                  : any_key(&c, words[i], strlen(words[i]));
        for (int i = 0; i < 256; i++)
            round ? expect_key(&c, bytes + i, 1) : any_key(&c, bytes + i, 1);
        for (size_t len = 100; len < 130; len++)
            round ? expect_key(&c, longest, len) : any_key(&c, longest, len);
        for (size_t len = sizeof longest - 1; len <= sizeof longest; len++)
            round ? expect_key(&c, longest, len) : any_key(&c, longest, len);
        close_fs(&c);
        c = open_fs(folder_sub("keys"), NULL);
    }
    close_fs(&c);
    CHECK(access(folder_sub("x"), F_OK) < 0);
}

static void expect_refusal(int code, const char *word, const char *path,
                           const char *option)
{
    struct weir_error err = {0};
    int rc = open_error(&err, path, option, NULL);

    if (rc != code || strstr(err.message, word) == NULL)
        fprintf(stderr, "%d: %s\n", rc, err.message);
    CHECK(rc == code && strstr(err.message, word) != NULL);
}

static void refusals(void)
{
    struct client c = open_fs(folder_sub("made"), "fanout=16", NULL);

    close_fs(&c);
    file_write(folder_sub("file"), "x", 1);
    expect_refusal(-ENOTDIR, "file", folder_sub("file"), "create=no");
    expect_refusal(-ENOTDIR, "file/sub", folder_sub("file/sub"), "create=yes");
    expect_refusal(-EINVAL, "folder", "", "create=yes");
    expect_refusal(-ENOENT, "missing", folder_sub("missing"), "create=no");
    CHECK(access(folder_sub("missing"), F_OK) < 0);
    expect_refusal(-EINVAL, "made with 16, got 256", folder_sub("made"),
                   "fanout=256");
    expect_refusal(-EINVAL, "octal", folder_sub("made"), "mode=rw");
    expect_refusal(-EINVAL, "owner", folder_sub("made"), "mode=0044");
    expect_refusal(-EINVAL, "none", folder_sub("made"), "sync=nune");
    file_write(folder_sub("made/.weir/format"), "something else", 14);
    expect_refusal(-EINVAL, "version", folder_sub("made"), "sync=none");
}

/* The folder's own number of directories is taken when none is asked for. */
static void fanouts(void)
{
    static const char *const options[] = {"fanout=16", "fanout=4096",
                                          "fanout=65536", "fanout=auto"};

    for (int i = 0; i < 4; i++) {
        char name[16];
        struct client c;

        snprintf(name, sizeof name, "fan%d", i);
        c = open_fs(folder_sub(name), options[i], NULL);
        CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
        close_fs(&c);
        c = open_fs(folder_sub(name), NULL);
        CHECK(client_is(&c, "k", "v", 1));
        close_fs(&c);
    }
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    CHECK(stat(path, &st) == 0);
    return st.st_mode & 0777;
}

static void modes(void)
{
    struct client c;

    umask(022);
    c = open_fs(folder_sub("group"), "mode=0660", NULL);
    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    CHECK(mode_of(only_file(folder_sub("group"))) == 0660);
    CHECK(mode_of(folder_sub("group")) == 0770);
    CHECK(mode_of(folder_sub("group/.weir/live")) == 0770);
    close_fs(&c);
    c = open_fs(folder_sub("own"), NULL);
    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    CHECK(mode_of(only_file(folder_sub("own"))) == 0600);
    CHECK(mode_of(folder_sub("own")) == 0700);
    close_fs(&c);
}

static uint64_t syncs_of_two_sets(const char *name, const char *option)
{
    struct client c = open_fs(folder_sub(name), option, NULL);
    uint64_t before;

    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    before = gauge(c.store, "syncs");
    CHECK(client_set(&c, "k", "w", 1) == WEIR_OK);
    CHECK(client_set(&c, "k", "x", 1) == WEIR_OK);
    before = gauge(c.store, "syncs") - before;
    close_fs(&c);
    return before;
}

static void expiry(void)
{
    struct client c = open_fs(folder_sub("ttl"), "ttl=1h", NULL);

    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    CHECK(client_do(&c, WEIR_STAT, "k") == WEIR_OK);
    CHECK(c.item->ttl_ms > 3500000 && c.item->ttl_ms <= 3600000);
    client_start(&c, WEIR_TOUCH, "k", 1);
    CHECK(client_run(&c) == WEIR_OK);
    CHECK(client_do(&c, WEIR_STAT, "k") == WEIR_OK && c.item->ttl_ms == 0);
    client_start(&c, WEIR_TOUCH, "k", 1);
    c.item->ttl_ms = 60000;
    CHECK(client_run(&c) == WEIR_OK);
    CHECK(client_is(&c, "k", "v", 1));
    client_start(&c, WEIR_TOUCH, "k", 1);
    c.item->ttl_ms = 30;
    CHECK(client_run(&c) == WEIR_OK);
    close_fs(&c);
    usleep(40000);
    c = open_fs(folder_sub("ttl"), NULL);
    CHECK(client_do(&c, WEIR_GET, "k") == WEIR_MISS);
    CHECK(gauge(c.store, "expired") == 1);
    CHECK(client_do(&c, WEIR_DELETE, "k") == WEIR_MISS);
    close_fs(&c);
}

/* Answers openat2 with an errno from now on, as sandboxes do. */
static void refuse_openat2(unsigned err)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    CHECK(syscall(SYS_openat2, -1, "", NULL, 0) < 0 && errno == (int)err);
}

static void without_openat2(unsigned err)
{
    pid_t child = fork();
    struct client c;
    int status;

    if (child == 0) {
        refuse_openat2(err);
        c = open_fs(folder_sub("sandbox"), NULL);
        CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
        CHECK(client_is(&c, "k", "v", 1));
        close_fs(&c);
        exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
    folder_make();
    troublesome_keys();
    refusals();
    fanouts();
    modes();
    CHECK(syncs_of_two_sets("s0", "sync=none") == 0);
    CHECK(syncs_of_two_sets("s1", "sync=data") == 2);
    CHECK(syncs_of_two_sets("s2", "sync=full") == 4);
    expiry();
    without_openat2(ENOSYS);
    without_openat2(EPERM);
    return 0;
}
