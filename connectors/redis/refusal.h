/* refusal.h -- what a server's error means for the key it answers. */
#ifndef WEIR_REDIS_REFUSAL_H
#define WEIR_REDIS_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "reply.h"

/* refusal_status returns the status (enum weir_status) of an error reply. */
int refusal_status(const struct reply *error);

/* What an error says about the connection. */
enum refusal_verdict {
    REFUSAL_OF_NOW,    /* nothing */
    REFUSAL_IF_LONG,   /* if it goes on: look for another server */
    REFUSAL_OF_SERVER, /* look for another server */
};

enum refusal_verdict refusal_verdict(const struct reply *error);

/* refusal_of_command says whether the server refused the command itself, not
 * this use of it: it does not know it, or may not run it for this user. */
bool refusal_of_command(const struct reply *error);

/* refusal_of_many says the same of a command for many keys, which a cluster
 * does not run on keys of several slots. */
bool refusal_of_many(const struct reply *error);

#endif
