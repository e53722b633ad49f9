/* status.h -- the facts of a status, for the runtime's own files. */
#ifndef WEIR_STATUS_H
#define WEIR_STATUS_H

#include <stdbool.h>

#include "weir.h"

/* The rows of weir_status_info by number. A row without a class is no status
 * that an answered item may have. */
extern const struct weir_status_info STATUSES[WEIR_STATUSES]
    __attribute__((visibility("hidden")));

/* status_class returns the class of a status, or 0 when it is none. */
static inline int status_class(int status)
{
    return status >= 0 && status < WEIR_STATUSES ? STATUSES[status].klass : 0;
}

static inline bool status_is_error(int status)
{
    return status_class(status) == WEIR_CLASS_ERROR;
}

#endif
