/* inner.c -- a connector opened inside another one. */
#include <errno.h>
#include <stdlib.h>

#include "target.h"

struct inner {
    struct weir_inner pub; /* first: the two are one address */
    struct options options;
};

int weir_inner_open(struct weir_inner **out, const char *target,
                    struct weir_error *err)
{
    struct inner *inner = calloc(1, sizeof *inner);
    int rc;

    if (inner == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    rc = target_open(target, NULL, 0, &inner->options, NULL,
                     &inner->pub.connector, &inner->pub.state, err);
    if (rc < 0) {
        free(inner);
        return rc;
    }
    *out = &inner->pub;
    return 0;
}

void weir_inner_close(struct weir_inner *pub)
{
    struct inner *inner = (struct inner *)pub;

    if (inner == NULL)
        return;
    pub->connector->close(pub->state);
    options_free(&inner->options);
    free(inner);
}
