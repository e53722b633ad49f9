/* tell.c -- events that a spec tells a fault store to send.
 *
 * weir_ask puts an order on a list, and the thread in watch carries it out. So
 * the events come from where those of a real store come from. Orders are
 * refused while no watch runs, which bounds the list by their own number. */
#include "tell.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char tell_help[] = "changed KEY   tells that a key has changed\n"
                         "lost          tells that sight is lost\n"
                         "regained      tells that it is regained\n"
                         "break         ends the watch with an error\n";

static const char *const WORDS[] = {"changed", "lost", "regained", "break"};

enum { N_WORDS = sizeof WORDS / sizeof *WORDS };

struct order {
    struct order *next;
    int kind; /* in WORDS */
    uint32_t key_len;
    char key[];
};

int tell_init(struct tell *t)
{
    t->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->fd < 0)
        return -errno;
    pthread_mutex_init(&t->lock, NULL);
    t->last = &t->first;
    return 0;
}

static struct order *take_all(struct tell *t, bool watched)
{
    struct order *all;

    pthread_mutex_lock(&t->lock);
    t->watched = watched;
    all = t->first;
    t->first = NULL;
    t->last = &t->first;
    pthread_mutex_unlock(&t->lock);
    return all;
}

static void free_all(struct order *o)
{
    while (o != NULL) {
        struct order *next = o->next;

        free(o);
        o = next;
    }
}

void tell_destroy(struct tell *t)
{
    free_all(take_all(t, false));
    pthread_mutex_destroy(&t->lock);
    close(t->fd);
}

/* Returns the order's number in WORDS, or a negative errno. */
static int kind_of(const char *words, struct weir_error *err)
{
    size_t len = strcspn(words, " ");
    const char *near;
    char word[24] = "";

    for (int i = 0; i < N_WORDS; i++) {
        if (strlen(WORDS[i]) == len && memcmp(words, WORDS[i], len) == 0)
            return i;
    }
    strncat(word, words, len < sizeof word - 1 ? len : sizeof word - 1);
    near = weir_nearest(word, WORDS, N_WORDS);
    return weir_error_set(err, -EINVAL,
                          "fault: expected changed KEY, lost, regained or "
                          "break, got \"%s\"%s%s%s",
                          word, near ? "; did you mean " : "", near ? near : "",
                          near ? "?" : "");
}

static int append(struct tell *t, struct order *o, struct weir_error *err)
{
    bool watched;

    pthread_mutex_lock(&t->lock);
    watched = t->watched;
    if (watched) {
        *t->last = o;
        t->last = &o->next;
        eventfd_write(t->fd, 1);
    }
    pthread_mutex_unlock(&t->lock);
    if (watched)
        return 0;
    free(o);
    return weir_error_set(err, -EAGAIN, "fault: no host watches this store");
}

int tell_ask(struct tell *t, const char *words, struct weir_error *err)
{
    const char *key = strchr(words, ' ');
    size_t key_len = key != NULL ? strlen(++key) : 0;
    int kind = kind_of(words, err);
    struct order *o;

    if (kind < 0)
        return kind;
    if ((kind == 0) != (key_len > 0))
        return weir_error_set(err, -EINVAL,
                              "fault: expected changed with a key, and the "
                              "other words alone");
    o = calloc(1, sizeof *o + key_len);
    if (o == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    o->kind = kind;
    o->key_len = (uint32_t)key_len;
    if (key_len > 0)
        memcpy(o->key, key, key_len);
    return append(t, o, err);
}

/* false: the watch ends. */
static bool carry_out(struct weir_call *call, const struct order *o)
{
    switch (o->kind) {
    case 0:
        weir_tell_changed(call, o->key, o->key_len);
        return true;
    case 1:
        weir_tell_lost(call);
        return true;
    case 2:
        weir_tell_regained(call);
        return true;
    }
    weir_call_fail(call, NULL, WEIR_UNAVAILABLE, "sight lost: injected");
    return false;
}

int tell_watch(struct tell *t, struct weir_call *call)
{
    int rc = 0;

    free_all(take_all(t, true));
    weir_tell_regained(call);
    while (rc >= 0) {
        struct order *all, *o;
        eventfd_t n;

        rc = weir_call_wait(call, t->fd, POLLIN, UINT64_MAX);
        eventfd_read(t->fd, &n);
        all = take_all(t, true);
        for (o = all; o != NULL && rc >= 0; o = o->next)
            rc = carry_out(call, o) ? rc : -EIO;
        free_all(all);
    }
    free_all(take_all(t, false));
    return rc;
}
