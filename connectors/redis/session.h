/* session.h -- one connection and what is on its way through it.
 *
 * A call becomes a flight: its items are asked for in commands, a reply at a
 * time comes back in the order of the commands. An ask is one command whose
 * reply has not come. */
#ifndef WEIR_REDIS_SESSION_H
#define WEIR_REDIS_SESSION_H

#include "config.h"
#include "connector.h"
#include "inbox.h"
#include "link.h"
#include "outbox.h"

enum { REDIS_ASKS = 2048 };

/* How a reply answers its items. */
enum ask_kind {
    ASK_VALUE,   /* a bulk or nil: GET */
    ASK_VALUES,  /* an array of them: MGET */
    ASK_DONE,    /* +OK, for all of its items: SET, MSET */
    ASK_FOUND,   /* 1 or 0: EXISTS, PEXPIRE, DEL */
    ASK_UNLINK,  /* the same, from a command that old servers lack */
    ASK_COUNT,   /* how many of the keys without an answer exist: EXISTS */
    ASK_LENGTH,  /* STRLEN; ASK_LEFT follows it */
    ASK_LEFT,    /* PTTL */
    ASK_IGNORED, /* any integer; what follows decides: PERSIST */
    ASK_PAGE,    /* SCAN */
};

struct ask {
    struct flight *flight;
    uint64_t begin, end; /* outbox.put before and behind the command */
    uint64_t weight; /* bytes of its values: sent, or by guess in the reply */
    uint32_t first;  /* item */
    uint32_t n;      /* items left to answer */
    uint8_t kind;    /* enum ask_kind */
    bool opened;     /* ASK_VALUES: the head of the array has come */
};

/* A flight goes through its items up to three times; most go once. */
enum flight_pass {
    PASS_FIRST,  /* with MGET, MSET, UNLINK where they fit */
    PASS_COUNT,  /* one EXISTS over what MGET had no value for, since it does
                    not tell a key of another type from none; where an exists
                    begins: all or none of its keys are there, mostly */
    PASS_SINGLE, /* what is left, one by one: this answer stands */
};

struct flight {
    struct weir_call *call; /* late: of its own, with nothing pending */
    uint64_t max_value;     /* the store's, looked up once a call */
    struct flight *next;    /* on the session, the oldest first */
    struct flight *waiting; /* next one with something to ask for */
    uint32_t next_item;     /* to ask for in this pass */
    uint32_t due;           /* asks not answered */
    uint8_t pass;           /* enum flight_pass */
    bool over;              /* nothing to ask for, nothing due */
    bool refused;           /* a command for many keys was: ask one by one */
    bool repeated;          /* this is not its first pass */
    bool late;              /* its call is over, its replies are thrown away */

    char *pattern; /* scan: what the item's keys match, */
    size_t pattern_len;
    uint64_t cursor;
    uint32_t rounds; /* commands sent for this page */
    struct weir_page page;
};

struct redis_session {
    struct redis *redis;
    struct link link;
    struct outbox out;
    struct inbox in;

    struct flight *flights, *last_flight;
    struct flight *waiting, *last_waiting;
    struct ask asks[REDIS_ASKS];
    uint32_t first_ask, n_asks;

    uint64_t asked;   /* outbox.put behind the last command */
    uint64_t awaited; /* the weights of all asks */
    uint64_t guess;   /* of a value's size, from those seen */
    uint64_t reply;   /* the same of a get's reply: nil has 0 bytes */
    bool held;        /* enough is asked for: wait until less is on the way */
    bool counted;     /* in redis->loaded */
    bool no_multi;    /* the server refuses MGET, MSET or an EXISTS of many */
    uint8_t mixed;    /* so many exists go one by one: some keys were there */
    bool no_unlink;   /* the server refuses UNLINK */

    struct weir_value *value; /* of the payload being received, or NULL */
    uint8_t payload_status;   /* that its item gets */
    uint8_t page_stage;       /* scan.c: what comes next in the reply */
    uint64_t page_left;
    uint64_t page_bytes; /* received of this page's keys */
    uint64_t page_cursor;

    uint32_t late_asks;    /* of late flights */
    bool renew;            /* the server cannot serve us: connect anew */
    uint64_t connected_ns; /* when this session was */
    uint64_t unfit_since;  /* first error that says so, 0: none yet */

    bool blocked;  /* the link takes no more for now */
    bool readable; /* the last look left something to read */
    /* The clocks of the timeouts: when a wait began to find ... (0: not yet) */
    uint64_t mute_since;  /* ... that a reply is due, and no byte has come */
    uint64_t stuck_since; /* ... that the link is blocked, and none has left */
    char surprise[96];    /* what the server said against the protocol */
};

/* session_ask notes a command just put in the outbox. */
void session_ask(struct redis_session *s, struct flight *f, enum ask_kind kind,
                 uint32_t first, uint32_t n, uint64_t weight);

/* session_ask_at returns an ask, 0 is the oldest; session_asked returns that.
 */
static inline struct ask *session_ask_at(struct redis_session *s, uint32_t i)
{
    return &s->asks[(s->first_ask + i) % REDIS_ASKS];
}

static inline struct ask *session_asked(struct redis_session *s)
{
    return &s->asks[s->first_ask];
}

/* session_answered drops the oldest ask; its flight may go on to its next pass
 * or be over. */
void session_answered(struct redis_session *s);

/* session_wants puts a flight with something to ask for at the end of the line.
 */
void session_wants(struct redis_session *s, struct flight *f);

/* session_waits_no_more takes a flight out of that line. */
void session_waits_no_more(struct redis_session *s, struct flight *f);

/* session_forget frees a flight that nothing is due for. */
void session_forget(struct redis_session *s, struct flight *f);

/* session_receive receives once, if there is something. 0 or negative. */
int session_receive(struct redis_session *s);

/* session_fail answers the pending ones of n items. */
void session_fail(struct weir_call *call, uint32_t first, uint32_t n,
                  int status, const char *why);

/* session_break answers everything on a session that is of no more use, for rc;
 * culprit: the flight that showed it, or NULL. Returns rc. */
int session_break(struct redis_session *s, const struct flight *culprit,
                  int rc);

/* session_surprise notes what came instead of what is expected; -EPROTO. */
int session_surprise(struct redis_session *s, const char *expected);

#endif
