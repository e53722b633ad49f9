/* query.h -- a command to a server beside the pipeline, and its reply. */
#ifndef WEIR_REDIS_QUERY_H
#define WEIR_REDIS_QUERY_H

#include "attempt.h"
#include "link.h"
#include "reply.h"

struct query {
    struct attempt at;
    struct link link;
    char *bytes; /* received and not consumed */
    size_t len;
};

/* A reply of one element, or an array of a few. The texts are in the query. */
struct answer {
    struct reply
        element[4]; /* text and length are those of a bulk string, too */
    int n;          /* -1: nil */
    bool is_error;  /* element 0 is one */
};

/* query_send sends a command in RESP. Returns 0 or a negative errno. */
int query_send(struct query *q, const char *command);

/* query_receive receives once, or waits for data. Returns a negative errno if
 * that fails. */
int query_receive(struct query *q);

/* query_answer receives a whole reply. Returns 0 or a negative errno. */
int query_answer(struct query *q, struct answer *out);

/* query_next drops the reply that query_answer returned. */
void query_next(struct query *q);

/* query_end closes the link and frees the bytes. */
void query_end(struct query *q);

#endif
