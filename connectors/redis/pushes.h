/* pushes.h -- reads what comes on a tracking connection (RESP3): the pushes
 * that name changed keys, and replies in between. */
#ifndef WEIR_REDIS_PUSHES_H
#define WEIR_REDIS_PUSHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PUSHES_BYTES = 131072, /* the buffer: holds the longest key of a store */
    PUSHES_SKIP = 65536,   /* elements of a reply that is skipped, at most */
};

struct pushes {
    char *bytes;
    size_t begin, end;  /* received and not read */
    uint64_t discard;   /* bytes of a bulk string to drop, with their end */
    uint64_t keys_left; /* of the push that is being read */
    uint64_t skip_left; /* elements to skip */
    uint8_t stage;      /* enum stage in pushes.c */
    bool answers;       /* what is skipped is a reply */
};

enum pushed {
    PUSHED_NOTHING, /* receive more bytes */
    PUSHED_KEY,     /* a key has changed */
    PUSHED_ALL,     /* all keys have changed: FLUSHALL */
    PUSHED_REPLY,   /* a reply that is no error; the text of a string */
    PUSHED_ERROR,   /* an error reply */
};

/* pushes_init returns 0 or -ENOMEM. */
int pushes_init(struct pushes *p);
void pushes_free(struct pushes *p);

/* pushes_room returns where to receive further bytes, and how many. There is
 * room for some after PUSHED_NOTHING. */
char *pushes_room(struct pushes *p, size_t *room);

/* pushes_next reads on. Returns an enum pushed, or -EPROTO: this is no Redis.
 * text: the key, the text of the error, or the reply if it is one string, until
 * the next call. It is NULL for other replies, and for a string that is longer
 * than the buffer. A key that is longer is left out: no store can read it. */
int pushes_next(struct pushes *p, const char **text, size_t *len);

#endif
