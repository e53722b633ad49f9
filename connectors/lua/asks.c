/* asks.c -- questions of weir_ask, on their way to the worker and back.
 *
 * A question is put on a list and the worker is woken. The thread that asks
 * waits on the condition until its question has an answer, its deadline passes
 * or the store closes. It then leaves the question to Lua if Lua has it:
 * the one that uses it last frees it. */
#include "asks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "connector.h"

struct question {
    struct weir_lua_ask shared; /* first: the two are one address */
    struct question *next;
    bool given;    /* Lua has it */
    bool answered; /* Lua has had it */
    bool left;     /* its thread waits no more */
    char words[];
};

int asks_init(struct asks *a)
{
    pthread_condattr_t attr;

    a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->fd < 0)
        return -errno;
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&a->changed, &attr);
    pthread_condattr_destroy(&attr);
    return 0;
}

void asks_destroy(struct asks *a)
{
    close(a->fd);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
}

void asks_close(struct asks *a)
{
    pthread_mutex_lock(&a->lock);
    a->closed = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static void question_free(struct question *q)
{
    weir_value_unref(q->shared.answer);
    free(q);
}

/* ---- the thread that asks ---- */

static struct question *question_new(const char *words)
{
    size_t len = strlen(words) + 1;
    struct question *q = calloc(1, sizeof *q + len);

    if (q == NULL)
        return NULL;
    memcpy(q->words, words, len);
    q->shared.words = q->words;
    return q;
}

/* Under the lock, as all below. */
static void put(struct asks *a, struct question *q)
{
    struct question **at = &a->first;

    while (*at != NULL)
        at = &(*at)->next;
    *at = q;
    atomic_store(&a->any, true);
    eventfd_write(a->fd, 1);
}

static void take_back(struct asks *a, struct question *q)
{
    struct question **at = &a->first;

    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    atomic_store(&a->any, a->first != NULL);
}

static int await(struct asks *a, const struct question *q, uint64_t deadline_ns)
{
    struct timespec t = {(time_t)(deadline_ns / 1000000000u),
                         (long)(deadline_ns % 1000000000u)};
    int rc = 0;

    while (!q->answered && !a->closed && rc == 0)
        rc = deadline_ns == 0
                 ? pthread_cond_wait(&a->changed, &a->lock)
                 : pthread_cond_timedwait(&a->changed, &a->lock, &t);
    return q->answered ? 0 : a->closed ? -ESHUTDOWN : -ETIMEDOUT;
}

static int take_answer(struct question *q, struct weir_value **out,
                       struct weir_error *err)
{
    struct weir_value *answer = q->shared.answer;

    if (answer == NULL)
        return weir_error_set(err, -ENOMEM, "lua: no memory for the answer");
    if (q->shared.failed != 0)
        return weir_error_set(err, -EINVAL, "lua: %.*s", (int)answer->size,
                              answer->data);
    *out = answer;
    q->shared.answer = NULL;
    return 0;
}

int asks_put(struct asks *a, const char *words, uint64_t deadline_ns,
             struct weir_value **out, struct weir_error *err)
{
    struct question *q = question_new(words);
    bool last = true;
    int rc;

    if (q == NULL)
        return weir_error_set(err, -ENOMEM, "lua: no memory for a question");
    pthread_mutex_lock(&a->lock);
    put(a, q);
    rc = await(a, q, deadline_ns);
    if (rc < 0 && !q->given)
        take_back(a, q);
    else if (rc < 0) {
        q->left = true;
        last = false;
    }
    pthread_mutex_unlock(&a->lock);
    if (rc == 0)
        rc = take_answer(q, out, err);
    else if (rc == -ETIMEDOUT)
        weir_error_set(err, rc, "lua: no answer in time");
    else
        weir_error_set(err, rc, "lua: closed");
    if (last)
        question_free(q);
    return rc;
}

/* ---- the worker ---- */

static struct question *next_question(struct asks *a)
{
    struct question *q;
    eventfd_t wakes;

    eventfd_read(a->fd, &wakes);
    pthread_mutex_lock(&a->lock);
    q = a->first;
    if (q != NULL) {
        a->first = q->next;
        q->given = true;
    }
    atomic_store(&a->any, a->first != NULL);
    pthread_mutex_unlock(&a->lock);
    return q;
}

struct weir_lua_ask *asks_next(struct asks *a)
{
    struct question *q;

    if (!atomic_load(&a->any))
        return NULL;
    q = next_question(a);
    return q != NULL ? &q->shared : NULL;
}

void asks_take(struct asks *a, struct weir_lua_ask *list)
{
    while (list != NULL) {
        struct question *q = (struct question *)list;
        bool left;

        list = list->next;
        pthread_mutex_lock(&a->lock);
        q->answered = true;
        left = q->left;
        pthread_cond_broadcast(&a->changed);
        pthread_mutex_unlock(&a->lock);
        if (left)
            question_free(q);
    }
}
