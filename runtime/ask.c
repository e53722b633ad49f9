/* ask.c -- asks a store something in words. */
#include <errno.h>

#include "forks.h"
#include "store.h"

static int refuse(const struct weir_store *s, const char *words,
                  struct weir_error *err)
{
    if (s->forks != forks_seen())
        return weir_error_set(err, -ECHILD, "%s: opened before a fork",
                              s->name);
    if (s->connector->ask == NULL)
        return weir_error_set(err, -ENOTSUP,
                              "%s: answers no words; a policy tree does "
                              "(lua:FILE)",
                              s->name);
    if (atomic_load(&s->closing))
        return weir_error_set(err, -ESHUTDOWN, "%s: closed", s->name);
    if (words == NULL)
        return weir_error_set(err, -EINVAL, "%s: there are no words", s->name);
    return 0;
}

int weir_ask(struct weir_store *s, const char *words, uint64_t deadline_ns,
             struct weir_value **out, struct weir_error *err)
{
    struct weir_error unseen;
    int rc;

    if (err == NULL)
        err = &unseen;
    err->code = 0;
    *out = NULL;
    /* Close waits until asking is 0, so the state stays until then. */
    atomic_fetch_add(&s->asking, 1);
    rc = refuse(s, words, err);
    if (rc == 0)
        rc = s->connector->ask(s->state, words, deadline_ns, out, err);
    atomic_fetch_sub_explicit(&s->asking, 1, memory_order_release);
    return rc;
}
