/* tar.c -- a connector of one's own: the members of a tar archive as a
 * read-only store. Built outside of weir's tree and found by its file name:
 *
 *     make WEIR=../.. && tar cf /tmp/some.tar *.c
 *     WEIR_CONNECTORS=$PWD ../../build/weir ls tar:///tmp/some.tar
 *
 * What to copy from here is the order of a connector's life:
 *
 *     tar_open        checks the options; the archive may still be missing
 *     tar_connect     opens the archive and reads its index: what one worker
 *                     needs, and what may fail and be tried again
 *     tar_check       before a rested session is used again: is the archive
 *                     still the one that was opened?
 *     tar_run         one slice of a batch; each item gets a status
 *     tar_disconnect  gives back what tar_connect took
 *     tar_close       gives back what tar_open took
 *
 * Fails with UNAVAILABLE while the archive is missing or is none, CORRUPT when
 * it is shorter than its headers say, FAILED when it cannot be read. */

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <connector.h>

#include "archive.h"

enum { TAR_PAGE = 1024 }; /* of a scan, in keys, when the caller has no wish */

/* What the options are parsed into. */
struct tar_config {
    const char *path;
};

/* What all sessions share. */
struct tar {
    const struct tar_config *config;
    atomic_uint_fast64_t indexed; /* times that an archive was read */
};

/* What one worker has of its own; the runtime zeroes it before tar_connect. */
struct tar_session {
    struct tar *tar;
    int fd;
    struct stat st; /* of the file that was opened */
    struct archive archive;
};

static const struct weir_option TAR_OPTIONS[] = {
    {.name = "path",
     .help = "the archive, not compressed",
     .type = WEIR_PATH,
     .required = 1,
     .url = WEIR_URL_PATH, /* tar:///tmp/some.tar */
     .offset = offsetof(struct tar_config, path)},
    {.name = NULL},
};

/* Checks what can be checked without touching the backend. */
static int tar_open(const void *config, const char *scheme, void **state,
                    struct weir_error *err)
{
    struct tar *tar = calloc(1, sizeof *tar);

    (void)scheme; /* the same for all */
    if (tar == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    tar->config = config; /* lives until tar_close */
    *state = tar;
    return 0;
}

static void tar_close(void *state)
{
    free(state);
}

/* What messages call the store. */
static void tar_label(void *state, char *out, size_t cap)
{
    const struct tar *tar = state;

    snprintf(out, cap, "tar %s", tar->config->path);
}

/* On failure nothing is left behind: tar_disconnect is not called. The runtime
 * answers what waits with this sentence, and tries again. */
static int tar_connect(void *state, void *session, struct weir_call *call)
{
    struct tar_session *s = session;
    int rc;

    s->tar = state;
    s->fd = open(s->tar->config->path, O_RDONLY | O_CLOEXEC);
    rc = s->fd < 0 || fstat(s->fd, &s->st) < 0
             ? -errno
             : archive_read(&s->archive, s->fd);
    if (rc < 0) {
        weir_call_fail(call, NULL, WEIR_UNAVAILABLE, "cannot read it: %s",
                       rc == -EBADMSG ? "not a whole tar archive"
                                      : strerrordesc_np(-rc));
        if (s->fd >= 0)
            close(s->fd);
        return rc;
    }
    s->tar->indexed++;
    return 0;
}

static void tar_disconnect(void *session)
{
    struct tar_session *s = session;

    archive_free(&s->archive);
    close(s->fd);
}

/* An archive that was replaced or written to has another index: a new session
 * reads it. */
static int tar_check(void *session)
{
    struct tar_session *s = session;
    struct stat now;

    return stat(s->tar->config->path, &now) < 0 || now.st_ino != s->st.st_ino ||
           now.st_dev != s->st.st_dev || now.st_size != s->st.st_size ||
           now.st_mtim.tv_sec != s->st.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != s->st.st_mtim.tv_nsec;
}

/* Reads a member and answers the item. */
static void tar_read(struct tar_session *s, struct weir_call *call,
                     struct weir_item *item, const struct member *m, char *to)
{
    ssize_t got = pread(s->fd, to, m->size, (off_t)m->offset);

    if (got < 0)
        weir_call_fail(call, item, WEIR_FAILED, "reading %s: %s", m->name,
                       strerrordesc_np(errno));
    else if ((uint64_t)got < m->size)
        weir_call_fail(call, item, WEIR_CORRUPT, "%s was cut short", m->name);
    else
        item->status = WEIR_OK;
}

/* Into the caller's buffer when there is one, else into a new value. */
static void tar_get(struct tar_session *s, struct weir_call *call,
                    struct weir_item *item, const struct member *m)
{
    char *to;

    if (weir_call_place(call, item, m->size, &to) != 0)
        return;
    if (item->data == NULL) {
        tar_read(s, call, item, m, to);
    } else if (weir_call_lend(call)) {
        /* Lent memory is touched only while the caller cannot take it back. */
        tar_read(s, call, item, m, to);
        weir_call_unlend(call);
    } else {
        weir_call_taken_back(call, item);
    }
}

/* A page of names in their order; the cursor is the place in the index. */
static void tar_scan(struct tar_session *s, struct weir_call *call,
                     struct weir_item *item)
{
    const struct archive *a = &s->archive;
    uint64_t keys = item->cap ? item->cap : TAR_PAGE;
    struct weir_page page = {0};
    size_t i = item->cursor;

    if (i == 0)
        i = archive_from(a, item->key, item->key_len);
    while (i < a->n && page.keys < keys) {
        const struct member *m = &a->members[i++];
        size_t len = strlen(m->name);

        if (len < item->key_len ||
            memcmp(m->name, item->key, item->key_len) != 0) {
            i = a->n; /* names are in order: no more begin so */
        } else if (weir_page_add(&page, m->name, (uint32_t)len, m->size, 0) <
                   0) {
            free(page.data);
            weir_call_no_memory(call, item, "a page of keys");
            return;
        }
    }
    weir_page_answer(call, item, &page, i < a->n ? i : 0);
}

/* Every item gets a status. What is returned is about the session: 0, it is
 * good for more. */
static int tar_run(void *session, struct weir_call *call)
{
    struct tar_session *s = session;

    for (uint32_t i = 0; i < call->n; i++) {
        struct weir_item *item = &call->items[i];
        const struct member *m;

        if (call->op == WEIR_SCAN) {
            tar_scan(s, call, item);
        } else if ((m = archive_find(&s->archive, item->key, item->key_len)) ==
                   NULL) {
            item->status = WEIR_MISS;
        } else if (call->op == WEIR_GET) {
            tar_get(s, call, item, m);
        } else { /* exists, stat */
            item->size = m->size;
            item->ttl_ms = 0; /* never expires */
            item->status = WEIR_OK;
        }
    }
    return 0;
}

/* Numbers of one's own beside the runtime's, for stats. */
static size_t tar_gauges(void *state, struct weir_gauge *out, size_t max)
{
    struct tar *tar = state;

    if (max > 0)
        out[0] = (struct weir_gauge){
            .name = "indexed",
            .help = "times that the archive was read",
            .value = tar->indexed,
            .counter = 1,
        };
    return 1;
}

/* The one symbol that a connector exports. Ops that are not here are answered
 * UNSUPPORTED by the runtime. */
const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "tar", /* as the file: tar.so */
    .help = "the members of a tar archive, read only",
    .options = TAR_OPTIONS,
    .config_size = sizeof(struct tar_config),
    .session_size = sizeof(struct tar_session),
    .ops =
        1u << WEIR_GET | 1u << WEIR_EXISTS | 1u << WEIR_STAT | 1u << WEIR_SCAN,
    .open = tar_open,
    .close = tar_close,
    .label = tar_label,
    .connect = tar_connect,
    .disconnect = tar_disconnect,
    .check = tar_check,
    .run = tar_run,
    .gauges = tar_gauges,
};
