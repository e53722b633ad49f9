/* call.c -- a connector answers with an error. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "health.h"
#include "slice.h"
#include "status.h"

/* While connecting there is no batch: the queued batches get the sentence and
 * the status if the connect fails. */
static void explain(struct slice *s, int status, const char *sentence)
{
    if (s->batch != NULL) {
        batch_explain(s->batch, 0, "%s", sentence);
        return;
    }
    weir_error_set(&s->failure->error, -EIO, "%s", sentence);
    if (status_is_error(status))
        s->failure->status = status;
}

int weir_call_fail(struct weir_call *call, struct weir_item *item, int status,
                   const char *format, ...)
{
    char sentence[sizeof((struct weir_error *)0)->message];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    explain(slice_of(call), status, sentence);
    if (item != NULL) {
        item->status = (uint8_t)status;
        return status;
    }
    for (uint32_t i = 0; i < call->n; i++) {
        if (call->items[i].status == WEIR_PENDING)
            call->items[i].status = (uint8_t)status;
    }
    return status;
}
