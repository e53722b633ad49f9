/* session.h -- one connection, the calls on it and their commands in flight.
 *
 * This file has the data. pipeline.c explains how it is used. */
#ifndef WEIR_REDIS_SESSION_H
#define WEIR_REDIS_SESSION_H

#include "config.h"
#include "connector.h"
#include "inbox.h"
#include "link.h"
#include "outbox.h"

/* The most commands in flight on a session. */
enum { REDIS_COMMANDS = 2048 };

/* The reply that a command expects, and its meaning for the items. */
enum expect {
    EXPECT_VALUE,   /* GET: a bulk string or nil */
    EXPECT_VALUES,  /* MGET: an array of them */
    EXPECT_OK,      /* SET, MSET: +OK for all items */
    EXPECT_FOUND,   /* EXISTS, PEXPIRE, DEL of one key: 1 or 0 */
    EXPECT_UNLINK,  /* UNLINK: the same, but old servers lack the command */
    EXPECT_COUNT,   /* EXISTS of many keys: how many there are */
    EXPECT_LENGTH,  /* STRLEN: the size. The command before EXPECT_TTL */
    EXPECT_TTL,     /* PTTL */
    EXPECT_IGNORED, /* PERSIST: any integer. The next command decides */
    EXPECT_PAGE,    /* SCAN: a cursor and an array of keys */
    EXPECT_STATUS,  /* ASKING, MULTI: +OK. It says nothing about an item */
    EXPECT_QUEUED,  /* a command in a transaction: +QUEUED, or an error */
    EXPECT_EXEC,    /* EXEC (sweep.c): an integer and an array of keys */
    EXPECT_STORED,  /* SET NX, SET XX: +OK, or nil for not done */
    EXPECT_CHANGED, /* script of cas: 1, 0 (no value) or -1 (another one) */
    EXPECT_NUMBER,  /* INCRBY, APPEND: an integer; from a script also a status
                       of digits, or -1 from that of append: too long */
    EXPECT_KEYS,    /* CLUSTER GETKEYSINSLOT: an array of keys */
};

/* A RESP command in flight: it is in the outbox or sent, and its reply has not
 * been read completely. It carries n items, beginning with first. */
struct command {
    struct progress *progress;
    uint64_t begin, end; /* outbox.put before and after the command */
    uint64_t weight;     /* bytes of its values, guessed for a get */
    uint32_t first, n;   /* the items that the reply still answers */
    uint8_t expects;     /* enum expect */
    bool array_begun;    /* EXPECT_VALUES: the array's head was read */
};

/* Most calls need one pass over their items, some need up to three. */
enum pass {
    PASS_FIRST,  /* MGET, MSET, UNLINK where they can be used */
    PASS_COUNT,  /* one EXISTS for many keys: an exists begins here. A get comes
                    here with the keys that MGET answered nil, since nil also
                    means a key of another type */
    PASS_SINGLE, /* one command for each item without an answer: final */
};

struct errand;

/* The progress of a call, or of a cluster node's part of it, through a session:
 * the items that were put in commands, the replies that are missing. */
struct progress {
    struct weir_call *call;        /* if late: an own one, nothing pending */
    struct weir_item **part;       /* its items; NULL: all of the call */
    uint32_t n;                    /* how many */
    struct errand *errand;         /* of a cluster (errand.h), else NULL */
    struct progress *next;         /* on the session, in order of start */
    struct progress *next_to_send; /* in the queue to_send */
    uint32_t next_item;            /* the next item to put in this pass */
    uint32_t in_flight;            /* commands */
    uint8_t pass;                  /* enum pass */
    bool done;                     /* all items are answered */
    bool refused;                  /* the server refused a command for many
                                      keys: go on with PASS_SINGLE */
    bool repeated;                 /* this is not its first pass */
    bool asking;                   /* put ASKING before each command; by_slot:
                                      put no transaction */
    bool by_slot;                  /* a part of a scan of a cluster (sweep.c) */
    bool late; /* the runtime has the answers: discard the replies */

    char *pattern; /* scan: MATCH of the current item */
    size_t pattern_len;
    uint64_t cursor;
    uint32_t rounds; /* SCAN commands sent for this page */
    struct weir_page page;
};

/* progress_is_scan returns whether a progress puts SCAN commands, each with the
 * cursor from the reply before. */
static inline bool progress_is_scan(const struct progress *p)
{
    return p->call->op == WEIR_SCAN && !p->by_slot;
}

/* progress_item returns item i, counted in the progress. */
static inline struct weir_item *progress_item(const struct progress *p,
                                              uint32_t i)
{
    return p->part != NULL ? p->part[i] : &p->call->items[i];
}

/* command_lists_keys returns whether the reply has keys (scan.c). */
static inline bool command_lists_keys(const struct command *command)
{
    return command->expects == EXPECT_PAGE || command->expects == EXPECT_EXEC ||
           command->expects == EXPECT_KEYS;
}

struct redis_session;
struct reply;

/* What a cluster does with the parts of calls (cluster.c). */
struct routing {
    /* redirect takes the items of a command that a node answered with an error,
     * if the error says that they can be sent elsewhere or later. false: it is
     * to be answered with the error. */
    bool (*redirect)(struct redis_session *s, struct command *command,
                     const struct reply *error);
    /* same_slot returns whether two items of a part have one slot. */
    bool (*same_slot)(const struct progress *p, uint32_t i, uint32_t j);
    /* ended notes that a part leaves its session. */
    void (*ended)(struct progress *p);
    /* For parts of a scan: put is command_put, keep adds a key without the
     * store's prefix, listed notes that a command's keys were read. */
    bool (*put)(struct redis_session *s, struct progress *p);
    void (*keep)(struct redis_session *s, struct progress *p, const char *key,
                 size_t len);
    void (*listed)(struct redis_session *s, struct command *command);
};

struct redis_session {
    struct redis *redis;
    const struct routing *routing; /* of a node of a cluster, else NULL */
    struct peer *peer;             /* of a cluster (peer.h), else NULL */
    const char
        *node; /* begins its sentences: "node 10.0.0.1:7000: "; or NULL */
    _Atomic uint32_t *loaded; /* sessions that receive loads (window.c) */
    struct link link;
    struct outbox out;
    struct inbox in;

    struct progress *calls, *last_call;      /* started, not finished */
    struct progress *to_send, *last_to_send; /* those with commands to put */
    struct command commands[REDIS_COMMANDS]; /* a ring, oldest first */
    uint32_t first_command, n_commands;
    uint64_t commands_end; /* outbox.put after the last command */

    /* Guesses from the sizes seen, and the window (window.c). */
    uint64_t value_guess; /* bytes of a value */
    uint64_t reply_guess; /* bytes of a get's reply: nil counts as 0 */
    uint64_t weight;      /* the weights of all commands in flight */
    bool window_full;     /* put nothing until the window has room again */
    bool counted;         /* in *loaded */

    bool no_multi;   /* the server refuses MGET, MSET or EXISTS of many keys */
    bool no_unlink;  /* the server refuses UNLINK */
    uint8_t singles; /* so many exists still begin with PASS_SINGLE */

    uint8_t page_stage; /* scan.c: the part of the reply that comes next */
    uint64_t page_keys; /* keys of the reply */
    uint64_t page_left; /* of them, to read */
    uint64_t page_bytes;
    uint64_t page_cursor;

    uint32_t late_commands; /* in flight for late calls */
    uint32_t turn;          /* of the master (master.h), when it connected */
    bool renew;             /* this server cannot serve us: connect anew */
    uint64_t connected_ns;  /* time of connect */
    uint64_t unfit_since;   /* time of the first error that says so; 0: none */

    bool send_blocked; /* the last send returned -EAGAIN */
    bool readable;     /* there may be something to receive */
    /* Begin of the time that counts for a timeout; 0: the clock stands. */
    uint64_t silent_since;  /* read_timeout: a reply is due, no byte comes */
    uint64_t blocked_since; /* write_timeout: nothing can be sent */
    char unexpected[96];    /* sentence about a reply against the protocol */
};

/* session_begin makes the buffers of a zeroed session. Returns 0 or -ENOMEM.
 * session_end frees all that a session has, connected or not. */
int session_begin(struct redis_session *s, struct redis *r);
void session_end(struct redis_session *s);

#endif
