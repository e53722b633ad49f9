/* status.c -- the facts of each status: its class, whether a retry may help,
 * whether a write may have been applied. */
#include "status.h"

#include <stddef.h>

const struct weir_status_info STATUSES[WEIR_STATUSES] = {
    [WEIR_OK] = {"ok", WEIR_CLASS_GOOD, WEIR_RETRY_NO, WEIR_APPLIED_YES, 0},
    [WEIR_MISS] = {"miss", WEIR_CLASS_MISS, WEIR_RETRY_NO, WEIR_APPLIED_NO, 0},
    [WEIR_REJECTED] = {"rejected", WEIR_CLASS_MISS, WEIR_RETRY_NO,
                       WEIR_APPLIED_NO, 0},
    [WEIR_SKIPPED] = {"skipped", WEIR_CLASS_ERROR, WEIR_RETRY_ANY,
                      WEIR_APPLIED_NO, 0},
    [WEIR_BUSY] = {"busy", WEIR_CLASS_ERROR, WEIR_RETRY_ANY, WEIR_APPLIED_NO,
                   0},
    [WEIR_UNAVAILABLE] = {"unavailable", WEIR_CLASS_ERROR, WEIR_RETRY_ANY,
                          WEIR_APPLIED_NO, 0},
    [WEIR_TIMEOUT] = {"timeout", WEIR_CLASS_ERROR, WEIR_RETRY_IDEMPOTENT,
                      WEIR_APPLIED_MAYBE, 0},
    [WEIR_RESET] = {"reset", WEIR_CLASS_ERROR, WEIR_RETRY_IDEMPOTENT,
                    WEIR_APPLIED_MAYBE, 0},
    [WEIR_FAILED] = {"failed", WEIR_CLASS_ERROR, WEIR_RETRY_NO, WEIR_APPLIED_NO,
                     0},
    [WEIR_NOSPACE] = {"nospace", WEIR_CLASS_ERROR, WEIR_RETRY_NO,
                      WEIR_APPLIED_NO, 0},
    [WEIR_TOOBIG] = {"toobig", WEIR_CLASS_ERROR, WEIR_RETRY_NO, WEIR_APPLIED_NO,
                     0},
    [WEIR_DENIED] = {"denied", WEIR_CLASS_ERROR, WEIR_RETRY_NO, WEIR_APPLIED_NO,
                     0},
    [WEIR_UNSUPPORTED] = {"unsupported", WEIR_CLASS_ERROR, WEIR_RETRY_NO,
                          WEIR_APPLIED_NO, 0},
    [WEIR_CORRUPT] = {"corrupt", WEIR_CLASS_ERROR, WEIR_RETRY_NO,
                      WEIR_APPLIED_NO, 0},
    [WEIR_INVALID] = {"invalid", WEIR_CLASS_ERROR, WEIR_RETRY_NO,
                      WEIR_APPLIED_NO, 0},
};

const struct weir_status_info *weir_status_info(int status)
{
    return status_class(status) != 0 ? &STATUSES[status] : NULL;
}
