/* refusal.h -- the meaning of a server's error replies. */
#ifndef WEIR_REDIS_REFUSAL_H
#define WEIR_REDIS_REFUSAL_H

#include <stdbool.h>

#include "reply.h"

/* refusal_status returns the status (enum weir_status) of an error reply. */
int refusal_status(const struct reply *error);

/* Follows the error of a server that refuses what all servers know. */
#define REFUSAL_SENTINEL                                                       \
    "; is it a sentinel? Then use redis+sentinel://HOST:PORT/MASTER"

/* refusal_length returns the length of an error without the arguments that it
 * repeats: they are the user's, and make it long. */
size_t refusal_length(const struct reply *error);

/* refusal_advice returns what to say behind an error of a server that is not
 * opened as a cluster; "": nothing. */
const char *refusal_advice(const struct reply *error);

/* The meaning of an error for the connection. */
enum refusal_verdict {
    REFUSAL_OF_NOW,    /* keep it */
    REFUSAL_IF_LONG,   /* connect anew if such errors go on for RENEW_NS */
    REFUSAL_OF_SERVER, /* connect anew: this server cannot serve us */
};

enum refusal_verdict refusal_verdict(const struct reply *error);

/* refusal_of_command returns whether the server refused the command itself, not
 * this key: it does not know the command, or the user may not run it. */
bool refusal_of_command(const struct reply *error);

/* refusal_of_user returns whether the server knows the command, but the user
 * may not run it. */
bool refusal_of_user(const struct reply *error);

/* refusal_of_many returns the same for a command for many keys. A cluster also
 * refuses it for keys of several hash slots. */
bool refusal_of_many(const struct reply *error);

#endif
