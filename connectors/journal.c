/* journal.c -- a folder of files that only grow, for journals.
 *
 * The key is the name of a file. A set adds its value to the end of the file, a
 * get reads the whole file, a delete removes it. There is one worker, so the
 * sets of one caller arrive in order, and with sync=data each is durable before
 * it is answered. A set is added whole or not at all while the process lives:
 * what a failed write leaves is cut off again. After a crash the end of a file
 * may be torn, and the reader has to find that out (policy/shared/journal.lua).
 *
 * A lock on the file "lock" keeps other processes out. Without it two would mix
 * their records. Connecting fails until the other process has ended. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connector.h"

#define LOCK "lock" /* the file that the session locks */

enum { SYNC_NONE, SYNC_DATA };

struct journal_config {
    const char *path;
    int sync;
};

struct journal_session {
    const struct journal_config *config;
    int folder;
    int lock;
    int file; /* the one that was appended to last, or -1 */
    char name[NAME_MAX + 1];
};

static const struct weir_option JOURNAL_OPTIONS[] = {
    {.name = "path",
     .type = WEIR_PATH,
     .required = 1,
     .url = WEIR_URL_PATH,
     .offset = offsetof(struct journal_config, path),
     .help = "folder of the files; it is made when it is missing"},
    {.name = "sync",
     .type = WEIR_ENUM,
     .value = "none",
     .choices = "none|data",
     .offset = offsetof(struct journal_config, sync),
     .help =
         "when a set is answered: none = when the kernel has it; data = when "
         "the disk has it"},
    {.name = NULL},
};

static int journal_open(const void *config, const char *scheme, void **state,
                        struct weir_error *err)
{
    (void)scheme;
    (void)err;
    *state = (void *)(uintptr_t)config;
    return 0;
}

static void journal_close(void *state)
{
    (void)state;
}

static int journal_connect(void *state, void *session, struct weir_call *call)
{
    const struct journal_config *config = state;
    struct journal_session *s = session;
    int rc;

    s->config = config;
    s->file = -1;
    if (mkdir(config->path, 0700) != 0 && errno != EEXIST)
        goto no_folder;
    s->folder = open(config->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->folder < 0)
        goto no_folder;
    s->lock = openat(s->folder, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    rc = -errno;
    weir_call_fail(call, NULL, WEIR_UNAVAILABLE, "%s: %s", config->path,
                   rc == -EWOULDBLOCK ? "another process uses this journal"
                                      : strerror(-rc));
    if (s->lock >= 0)
        close(s->lock);
    close(s->folder);
    return rc;

no_folder:
    rc = -errno;
    weir_call_fail(call, NULL, WEIR_UNAVAILABLE, "%s: %s", config->path,
                   strerror(-rc));
    return rc;
}

static void journal_disconnect(void *session)
{
    struct journal_session *s = session;

    if (s->file >= 0)
        close(s->file);
    close(s->lock);
    close(s->folder);
}

/* The status of an errno. */
static int status_of(int error)
{
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return WEIR_NOSPACE;
    return error == EACCES || error == EROFS ? WEIR_DENIED : WEIR_FAILED;
}

static void fail(struct journal_session *s, struct weir_call *call,
                 struct weir_item *item, const char *name, int error)
{
    weir_call_fail(call, item, status_of(error), "%s/%s: %s", s->config->path,
                   name, strerror(error));
}

/* Copies the key, which has to be a plain file name. Answers the item if not.
 */
static bool file_name(struct weir_call *call, struct weir_item *item,
                      char *name)
{
    if (item->key_len == strlen(LOCK) &&
        memcmp(item->key, LOCK, item->key_len) == 0) {
        weir_call_fail(call, item, WEIR_INVALID,
                       "the file \"" LOCK "\" is the journal's own");
        return false;
    }
    if (item->key_len > NAME_MAX || item->key[0] == '.' ||
        memchr(item->key, '/', item->key_len) != NULL ||
        memchr(item->key, '\0', item->key_len) != NULL) {
        weir_call_fail(call, item, WEIR_INVALID,
                       "a key of a journal is the name of a file");
        return false;
    }
    memcpy(name, item->key, item->key_len);
    name[item->key_len] = '\0';
    return true;
}

/* Opens the file to append to, and keeps it open. A new file has to be found
 * after a power failure, so its folder is synced, too. Returns 0 or an errno.
 */
static int open_file(struct journal_session *s, const char *name)
{
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC;

    if (s->file >= 0 && strcmp(s->name, name) == 0)
        return 0;
    if (s->file >= 0)
        close(s->file);
    s->file = openat(s->folder, name, flags);
    if (s->file < 0 && errno == ENOENT) {
        s->file = openat(s->folder, name, flags | O_CREAT, 0600);
        if (s->file >= 0 && s->config->sync == SYNC_DATA &&
            fsync(s->folder) != 0) {
            close(s->file);
            s->file = -1;
        }
    }
    if (s->file < 0)
        return errno;
    strcpy(s->name, name);
    return 0;
}

static int write_all(int fd, const char *from, uint64_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, from, n < SSIZE_MAX ? n : SSIZE_MAX);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done == 0 ? EIO : errno;
        from += done;
        n -= (uint64_t)done;
    }
    return 0;
}

/* Adds bytes to the open file, or nothing. Returns 0 or an errno. */
static int add(struct journal_session *s, const char *from, uint64_t n)
{
    off_t end = lseek(s->file, 0, SEEK_END);
    int rc = end < 0 ? errno : write_all(s->file, from, n);

    if (rc == 0 && s->config->sync == SYNC_DATA && fdatasync(s->file) != 0)
        rc = errno;
    if (rc != 0 && end >= 0 && ftruncate(s->file, end) != 0)
        return errno;
    return rc;
}

static void append(struct journal_session *s, struct weir_call *call,
                   struct weir_item *item)
{
    char name[NAME_MAX + 1];
    struct weir_value *value;
    int rc;

    if (!file_name(call, item, name))
        return;
    value = weir_call_value(call, item);
    if (value == NULL)
        return;
    rc = open_file(s, name);
    if (rc == 0)
        rc = add(s, value->data, value->size);
    weir_value_unref(value);
    if (rc != 0)
        fail(s, call, item, name, rc);
    else
        item->status = WEIR_OK;
}

/* Reads into a value of the runtime, or into lent memory. */
static int read_all(struct weir_call *call, struct weir_item *item, int fd,
                    char *to, uint64_t size)
{
    uint64_t at = 0;

    while (at < size) {
        ssize_t n;

        if (item->data != NULL && !weir_call_lend(call)) {
            weir_call_taken_back(call, item);
            return 0;
        }
        n = pread(fd, to + at, size - at, (off_t)at);
        if (item->data != NULL)
            weir_call_unlend(call);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? EIO : errno;
        at += (uint64_t)n;
    }
    item->status = WEIR_OK;
    return 0;
}

static void read_file(struct journal_session *s, struct weir_call *call,
                      struct weir_item *item)
{
    char name[NAME_MAX + 1];
    struct stat st;
    char *to;
    int fd, rc = 0;

    if (!file_name(call, item, name))
        return;
    fd = openat(s->folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        item->status = WEIR_MISS;
        return;
    }
    if (fd < 0 || fstat(fd, &st) != 0)
        rc = errno;
    else if (weir_call_place(call, item, (uint64_t)st.st_size, &to) == 0)
        rc = read_all(call, item, fd, to, (uint64_t)st.st_size);
    if (rc != 0)
        fail(s, call, item, name, rc);
    if (fd >= 0)
        close(fd);
}

static void remove_file(struct journal_session *s, struct weir_call *call,
                        struct weir_item *item)
{
    char name[NAME_MAX + 1];

    if (!file_name(call, item, name))
        return;
    if (s->file >= 0 && strcmp(s->name, name) == 0) {
        close(s->file);
        s->file = -1;
    }
    if (unlinkat(s->folder, name, 0) == 0)
        item->status = WEIR_OK;
    else if (errno == ENOENT)
        item->status = WEIR_MISS;
    else
        fail(s, call, item, name, errno);
}

static int journal_run(void *session, struct weir_call *call)
{
    for (uint32_t i = 0; i < call->n; i++) {
        if (call->op == WEIR_SET)
            append(session, call, &call->items[i]);
        else if (call->op == WEIR_GET)
            read_file(session, call, &call->items[i]);
        else
            remove_file(session, call, &call->items[i]);
    }
    return 0;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "journal",
    .help = "a folder of files that only grow, for write-back and spool",
    .options = JOURNAL_OPTIONS,
    .config_size = sizeof(struct journal_config),
    .session_size = sizeof(struct journal_session),
    .ops = 1u << WEIR_SET | 1u << WEIR_GET | 1u << WEIR_DELETE,
    .max_key = NAME_MAX,
    .one_worker = true,
    .open = journal_open,
    .close = journal_close,
    .connect = journal_connect,
    .disconnect = journal_disconnect,
    .run = journal_run,
};
