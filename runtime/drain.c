/* drain.c -- a completion queue hands its batches to the host. */
#include "cq.h"
#include "finish.h"

int weir_cq_drain(struct weir_cq *cq, struct weir_batch **out, int max)
{
    bool emptied = false;
    int n = 0;

    if (!cq_is_own(cq))
        return 0;
    /* Orphans are freed instead of handed out, so one turn may bring less than
     * max although more wait. */
    while (n < max && !emptied && !cq_is_quiet(cq)) {
        struct batch *b;

        emptied = cq_take(cq, max - n, &b);
        while (b != NULL) {
            struct batch *next = b->next;

            if (finish_deliver(b))
                out[n++] = &b->pub;
            b = next;
        }
    }
    return n;
}

void weir_cq_free(struct weir_cq *cq)
{
    struct batch *rest;

    if (cq == NULL || !cq_is_own(cq))
        return;
    rest = cq_close(cq);
    while (rest != NULL) {
        struct batch *next = rest->next;

        finish_deliver(rest);
        rest = next;
    }
    cq_unref(cq);
}
