/* reasons.h -- why each of several servers could not be used, in one sentence.
 */
#ifndef WEIR_REDIS_REASONS_H
#define WEIR_REDIS_REASONS_H

#include "endpoint.h"

enum {
    REASONS = 220,         /* bytes of the text */
    REASONS_SEVERAL = 160, /* of several servers: the name of the store precedes
                              it in an error */
};

/* Begins zeroed. */
struct reasons {
    char text[REASONS]; /* "h1:7000: no answer; h2:7000: the same" */
    size_t len;
    char last[REASONS]; /* the reason that was added last */
    uint32_t left_out;  /* servers for which there was no room */
};

/* reasons_add adds a server, unless it is in there. The text then ends with how
 * many were left out. */
void reasons_add(struct reasons *r, const struct endpoint *server,
                 const char *why);

#endif
