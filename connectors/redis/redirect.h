/* redirect.h -- errors of a node that say to go elsewhere or to come later. */
#ifndef WEIR_REDIS_REDIRECT_H
#define WEIR_REDIS_REDIRECT_H

#include "errand.h"
#include "reply.h"

/* redirect takes the items of a command that a node answered with an error, if
 * the error says that they can be sent elsewhere or later. false: it is to be
 * answered with the error. */
bool redirect(struct redis_session *s, struct command *command,
              const struct reply *error);

#endif
