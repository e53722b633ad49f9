/* state.h -- what the files of the server share.
 *
 * A turn goes down this list. Nothing calls back up: what is to go on later is
 * put into a list (later.c), which the next turn begins with.
 *
 *     server.c    turns: events, resumed clients, once a second the sweep
 *     listen.c    addresses, accepts
 *     client.c    a client's life: read, parse, run, write
 *     buffer.c    its buffer for what it sends
 *     wish.c      what a command asks for, by its options

 *     buffer.c    its buffer for what it sends
 *     dispatch.c  one command into the open request of its client, or an error
 *     cluster.c   which process a command's keys belong to
 *     fast_path.c hits of an inline store, for gets of the host
 *     request.c   a request's life: opened, submitted, answered
 *     reply.c     statuses of items as the replies of their commands
 *
 * A client is in one of these states: reading (epoll tells), waiting (it has a
 * request; nothing is read), blocked (its replies wait; nothing is parsed),
 * gone (the fd is closed; it is freed when its request ends). */
#ifndef WEIR_SERVE_STATE_H
#define WEIR_SERVE_STATE_H

#include <stdbool.h>

#include "link.h"
#include "outbox.h"
#include "parse.h"
#include "serve.h"

enum {
    BUFFER = 16 << 10, /* a client's buffer for what it sends */
    LONG_READS = 16,   /* short reads until a client has a short one again */
    BUFFER_LONG = 128 << 10, /* of one that sends more than that at once */
    BUFFER_MAX = 64 << 20,   /* bytes of one command beside large arguments */
    BUFFERS_KEPT = 256,      /* buffers that wait for a client */
    REPLIES_MAX = 1 << 20,   /* bytes of replies that wait until a client's
                                next commands are not run */
    RUN_FIRST = 32,          /* commands of a client's first run, */
    RUN_MAX = 1024,          /* and of any */
    RUN_BYTES = 4 << 20,     /* of values in a run, about */
    LISTENERS = 16,
};

/* What an entry of the epoll set belongs to: the first field of each. */
enum kind { KIND_LISTENER, KIND_CLIENT, KIND_QUEUE };

struct listener {
    enum kind kind;
    int fd;
    bool is_unix, is_tls;
    char address[64];
    char *path; /* of a unix socket: removed when the listener closes */
};

struct list {
    struct client *first, *last;
};

struct client {
    enum kind kind;
    struct weir_client pub;
    struct client *next, *prev; /* all clients, by id */
    struct client *later;       /* in the list of those to resume */
    bool is_later;
    bool has_command;        /* parsed, and not yet dispatched */
    bool deaf;               /* epoll does not tell when it sends */
    bool sends;              /* epoll tells when it can be written to */
    uint32_t fills;          /* since it filled its buffer: LONG_READS, less one
                                for each short read */
    bool ended;              /* the peer sends no more */
    bool killed;             /* it is closed at its next turn */
    bool blocked;            /* its replies wait: nothing is run */
    bool answered;           /* the host has answered the parsed command */
    struct request *request; /* what it waits for */
    struct parser parser;
    char *buffer; /* bytes from start to end have not been dispatched */
    size_t start, end, room;
    struct outbox out;
    char *multi; /* commands since MULTI, as a client would send them */
    size_t multi_len, multi_room;
    uint32_t run_most; /* items of its next run */
    uint64_t counted;  /* bytes of it that are in the server's memory */
    struct link link;
};

/* A command in a request: how many keys of it follow. */
struct part {
    struct weir_command *command;
    uint32_t n;
    uint32_t muted; /* CLIENT REPLY OFF or SKIP */
};

struct request {
    struct weir_request pub; /* first: the two are one address */
    struct client *client;
    struct request *next; /* in the queue for the host, or spare */
    struct weir_batch *batch;
    uint32_t room; /* keys it can take */
    bool shares;   /* keys that came twice share an item */
    struct part *parts;
    uint32_t n_parts;
    uint32_t n_slots;
    uint32_t *slots; /* the item of each key, if they are shared */
    uint32_t *marks; /* base + 1 + item, by the hash of its key */
    uint32_t base;   /* marks up to it were left by requests before */
    uint32_t n_kept;
    struct weir_value **kept; /* keys that are values */
    uint64_t bytes;           /* of values to set */
    struct weir_argument *args;
    uint32_t args_room;
    uint64_t reply_from; /* pending when the host began to reply */
};

/* Of a slot: its key came before in the request. */
#define SLOT_AGAIN 0x80000000u

/* request_item returns the item of a key; again: the key came before. */
static inline const struct weir_item *request_item(const struct request *r,
                                                   uint32_t slot, bool *again)
{
    uint32_t i = r->shares ? r->slots[slot] : slot;

    *again = r->shares && (i & SLOT_AGAIN);
    return &r->batch->items[r->shares ? i & ~SLOT_AGAIN : i];
}

struct database {
    struct weir_store *store; /* NULL: the host's */
    bool is_inline;
    struct weir_store *fast; /* NULL: no fast path */
    struct weir_fast_path *fast_counts;
};

struct status_text {
    const char *code, *words;
};

struct weir_server {
    int epoll;
    struct weir_server_limits limits;
    struct weir_server_stats stats;
    struct listener listeners[LISTENERS];
    uint32_t n_listeners;
    bool accepts;           /* listeners are in the epoll set */
    struct ssl_ctx_st *tls; /* NULL: TCP is bare */
    struct database *databases;
    struct weir_cq *cq;
    enum kind cq_kind;
    uint32_t self, processes; /* of the cluster; 0 processes: none */
    const char *announce;     /* host for MOVED; NULL: the client's */

    struct weir_command **commands;
    uint32_t n_commands;
    uint16_t *names; /* 1 + number by hash of the name */
    struct status_text errors[WEIR_STATUSES];

    struct client *first, *last; /* by id */
    uint64_t ids;
    struct list later;
    struct request *open;  /* the run that is being put together */
    struct request *spare; /* requests that are not in use */
    uint32_t n_spare;
    struct request *queue, **queue_end; /* for the host */
    uint32_t queued;
    char *buffers[BUFFERS_KEPT];
    uint32_t n_buffers;
    uint32_t bulky_turn;
    uint32_t hope,
        unseen; /* whether a second look in a turn may find something */
    uint64_t now_ns, swept_ns;
};

/* most_held returns the bytes that one argument or the values of one reply may
 * have. A client with more, and what it needs beside them, would be the one
 * with most memory and be closed without a word. */
static inline uint64_t most_held(const struct weir_server *s)
{
    uint64_t most = s->limits.max_memory;

    return most == 0 ? UINT64_MAX : most - most / 16;
}

/* ---- client.c ---- */

struct client *client_new(struct weir_server *s, int fd);

/* client_event does what an event of epoll asks for. */
void client_event(struct weir_server *s, struct client *c, uint32_t events);

/* client_is_bulky says whether a large value is under way, in or out. */
bool client_is_bulky(const struct client *c);

/* client_work goes on with a client: parses what is there, runs it, and sends.
 */
void client_work(struct weir_server *s, struct client *c);

/* client_resumed does it for a client of the list of those to resume. */
void client_resumed(struct weir_server *s, struct client *c);

/* client_close ends a client now; it is freed when no request holds it. */
void client_close(struct weir_server *s, struct client *c);

/* client_sweep closes a client that was idle for too long, and gives back what
 * memory it does not need now. */
void client_sweep(struct weir_server *s, struct client *c);

/* ---- wish.c ---- */

/* What a data command asks for. */
struct wish {
    uint32_t op;    /* at first that of its row */
    int64_t ms;     /* a time to live; 0: none, less: it is past */
    int64_t number; /* to add */
};

/* wish_read checks what the arity does not, and reads what a command asks for.
 * Returns what is wrong: a format, which may name the command once by %s. */
const char *wish_read(const struct client *c, const struct weir_command *row,
                      struct wish *wish);
extern const char WISH_BAD_COUNT[];

/* wish_bytes returns the bytes of argument i. */
const char *wish_bytes(const struct client *c, uint32_t i);

/* ---- buffer.c ---- */

/* buffer_room makes room for at least some bytes more at the end of a client's
 * buffer. false: there is no memory, or the command is too long. */
bool buffer_room(struct weir_server *s, struct client *c);

/* buffer_give gives the buffer of a client back. */
void buffer_give(struct weir_server *s, struct client *c);

/* ---- later.c ---- */

/* later_add goes on with a client at the next turn. */
void later_add(struct weir_server *s, struct client *c);

/* later_take_all empties the list and returns its first client, which leads to
 * the others by `later`. */
struct client *later_take_all(struct weir_server *s);

/* ---- listen.c ---- */

void listen_event(struct weir_server *s, struct listener *l);

/* listen_again accepts after a pause. */
void listen_again(struct weir_server *s);

/* ---- dispatch.c ---- */

/* dispatch puts the parsed command of a client in the open request. false: the
 * open request must be run first. */
bool dispatch(struct weir_server *s, struct client *c);

/* ---- cluster.c ---- */

/* cluster_owns says whether the keys of the parsed command are in one slot of
 * this process. Always true without a cluster, or without keys. */
bool cluster_owns(const struct weir_server *s, const struct client *c,
                  const struct weir_command *row);

/* cluster_refuse answers a command that cluster_owns was false for. */
void cluster_refuse(struct weir_server *s, struct client *c,
                    const struct weir_command *row);

/* ---- multi.c ---- */

/* multi_queue keeps the parsed command for EXEC. */
void multi_queue(struct weir_server *s, struct client *c);

/* multi_run runs MULTI, EXEC or DISCARD. */
void multi_run(struct weir_server *s, struct client *c, uint32_t form);

/* multi_end forgets what was queued. */
void multi_end(struct client *c);

/* ---- request.c ---- */

/* request_open returns the open request, or makes one for commands of op; NULL:
 * the open one is of another op or full, or memory is short. */
struct request *request_open(struct weir_server *s, struct client *c,
                             uint32_t op, uint32_t keys);

/* request_has returns whether a key of the request is that one, if keys that
 * came twice share an item. */
bool request_has(const struct request *r, const char *key, size_t size);

/* request_key adds a key and returns its item: one that came before shares it,
 * except in an inline store. */
struct weir_item *request_key(struct weir_server *s, struct request *r,
                              struct parse_arg *arg, const char *key);

/* request_part says that the last n keys are those of a command. */
void request_part(struct request *r, struct weir_command *command, uint32_t n,
                  uint32_t client_flags);

/* request_host hands the parsed command to the host. */
void request_host(struct weir_server *s, struct client *c, uint32_t number);

/* request_run submits the open request, if there is one. */
void request_run(struct weir_server *s);

/* request_drain answers what bound stores have finished. */
void request_drain(struct weir_server *s);

void request_free(struct weir_server *s, struct request *r);

/* ---- fast_path.c ---- */

/* fast_path_answer answers what it can of a batch for the host. true: all of
 * it. */
bool fast_path_answer(struct weir_server *s, struct request *r);

/* ---- reply.c ---- */

/* reply_batch writes the replies of a finished batch. */
void reply_batch(struct weir_server *s, struct request *r);

/* reply_error writes an error: its words are cut at the first newline. */
void reply_error(struct weir_server *s, struct client *c, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));

/* reply_refuse writes the error of a command, short where that is wished. */
void reply_refuse(struct weir_server *s, struct client *c,
                  const struct weir_command *command, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* reply_is_muted says whether the client asked for no reply to the command. */
bool reply_is_muted(const struct client *c);

/* reply_text writes a reply as it is, unless it is muted. */
void reply_text(struct client *c, const char *text);

#endif
