/* serve.h -- a listener that speaks RESP, for a host that owns stores.
 *
 * The server accepts clients, parses their commands in place, and turns each
 * run of data commands of one op into a batch. What happens to a batch depends
 * on its database:
 *
 *     bound to a store ..... the server submits the batch itself: an inline
 *                            store answers in place, others through a
 *                            completion queue of the server's own
 *     not bound ............ the host takes the batch as a request, fills in
 *                            statuses and values, and gives it back; with a
 *                            fast path, a get takes from an inline store what
 *                            is there, and the host gets the rest
 *
 * Commands that are no data commands (INFO, CLIENT, ...) always are requests of
 * the host, with their arguments. Knows no Lua; never calls the host.
 *
 *     weir_server_new(&server, &limits, &err);
 *     weir_server_listen(server, "127.0.0.1:6379", &err);
 *     while (poll(weir_server_fd(server)))
 *         do {
 *             weir_server_turn(server);
 *             while ((request = weir_server_next(server)) != NULL)
 *                 ... weir_server_done(server, request);
 *         } while (there were requests);
 *
 * A client has at most one request at a time, so its replies keep the order of
 * its commands. While it waits, or while it does not read its replies, the
 * server reads nothing from it.
 *
 * Errors:  functions return 0, a count, or a negative errno.
 * Threads: a server belongs to the thread that made it.
 * Memory:  what a request points at stays in place until weir_server_done. */
#ifndef WEIR_SERVE_H
#define WEIR_SERVE_H

#include "weir.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* cdef: begin -- plain C only: lua/weir/ffi.lua reads these lines. */

struct weir_server;

/* How a command's arguments become items, and their statuses its reply. */
enum weir_form {
    WEIR_FORM_HOST = 0, /* a request of the host, with the arguments */
    WEIR_FORM_PING,     /* [message] */
    WEIR_FORM_VALUE,    /* key: its value or nil */
    WEIR_FORM_VALUES,   /* key ...: an array of them */
    WEIR_FORM_GETEX,    /* key [time | PERSIST]: its value or nil */
    WEIR_FORM_SET,      /* key value [time] [NX | XX]; a time is one of EX s,
                           PX ms, EXAT s, PXAT ms */
    WEIR_FORM_SETEX,    /* key time value */
    WEIR_FORM_MSET,     /* key value ... */
    WEIR_FORM_SETNX,    /* key value: 1 or 0 */
    WEIR_FORM_APPEND,   /* key value: the new length */
    WEIR_FORM_INCR,     /* key [number]: the sum */
    WEIR_FORM_COUNT,    /* key ...: how many are OK */
    WEIR_FORM_LENGTH,   /* key: the size of its value, or 0 */
    WEIR_FORM_TTL,      /* key: its time to live, -1 or -2 */
    WEIR_FORM_EXPIRE,   /* key time: 1 or 0 */
    WEIR_FORM_TYPE,     /* key: +string or +none */
    WEIR_FORM_MULTI,    /* what follows is queued until EXEC */
    WEIR_FORM_EXEC,
    WEIR_FORM_DISCARD,
};

enum weir_command_flags {
    WEIR_COMMAND_WRITES = 1,    /* refused when the server is read-only */
    WEIR_COMMAND_NO_AUTH = 2,   /* also before AUTH */
    WEIR_COMMAND_ADMIN = 4,     /* only after AUTH as admin */
    WEIR_COMMAND_MS = 8,        /* times are milliseconds, else seconds */
    WEIR_COMMAND_AT = 16,       /* times are of day, else from now */
    WEIR_COMMAND_UNQUEUED = 32, /* runs at once also after MULTI */
    WEIR_COMMAND_MINUS = 64,    /* the number is subtracted */
};

/* A row of the table of commands, as the host registers it. */
struct weir_command {
    char name[20];  /* lower case */
    int32_t arity;  /* with the name; -n: at least n */
    uint32_t op;    /* enum weir_op of a data command */
    uint32_t form;  /* enum weir_form */
    uint32_t flags; /* enum weir_command_flags */
    /* Which arguments are keys; 0: none. The last counts from the end when it
     * is negative. */
    int8_t first_key, last_key, key_step, reserved;
    uint64_t calls;  /* out: how often it came */
    uint64_t errors; /* out: how often its reply was an error */
};

enum weir_client_flags {
    WEIR_CLIENT_USER = 1,     /* may use data */
    WEIR_CLIENT_ADMIN = 2,    /* may use commands of admins */
    WEIR_CLIENT_MUTE = 4,     /* CLIENT REPLY OFF */
    WEIR_CLIENT_SKIP = 8,     /* CLIENT REPLY SKIP: mute for one command */
    WEIR_CLIENT_CLOSE = 16,   /* ends once its replies are sent */
    WEIR_CLIENT_KEEP = 32,    /* CLIENT NO-EVICT */
    WEIR_CLIENT_MULTI = 64,   /* between MULTI and EXEC */
    WEIR_CLIENT_SPOILT = 128, /* a command after MULTI was wrong */
    WEIR_CLIENT_TLS = 256,
    WEIR_CLIENT_UNIX = 512,
};

/* A client. The host may change db, protocol, flags and the names. */
struct weir_client {
    uint64_t id;
    uint32_t flags;    /* enum weir_client_flags */
    uint32_t db;       /* number of the database */
    uint32_t protocol; /* 2 or 3 */
    int32_t fd;        /* -1: the peer has gone */
    int32_t command;   /* the last one: its number, -1: none yet */
    uint32_t queued;   /* commands since MULTI */
    uint64_t since_ns, active_ns;
    uint64_t bytes_in, bytes_out;
    uint64_t commands;
    uint64_t memory;  /* bytes that its buffers, arguments and replies take */
    uint64_t pending; /* bytes of replies that wait */
    char address[64], local[64];
    char name[64], library[64], version[32];
};

struct weir_argument {
    const char *data;
    uint64_t size;
};

/* What the host answers. */
struct weir_request {
    struct weir_client *client;
    struct weir_batch *batch; /* of data commands: each key once; NULL: args */
    const struct weir_argument *args; /* the name first */
    uint32_t n_args;
    uint32_t command; /* its number, in the order of registration */
    /* Items of the batch that a fast path has answered: they are OK. The others
     * are PENDING and wait for the host. */
    uint32_t hits;
    uint32_t muted; /* no reply is sent: CLIENT REPLY SKIP came before it. The
                       host may set it to 0 */
};

/* What a fast path has answered. The server adds, the host may set to 0. */
struct weir_fast_path {
    uint64_t batches, keys, bytes;
    uint64_t total_ns, longest_ns; /* of these batches */
};

struct weir_server_limits {
    uint64_t max_clients;
    uint64_t
        max_memory;     /* of all clients, 0 = no limit: the largest go first */
    uint64_t max_value; /* of one argument */
    uint64_t idle_ns;   /* a client silent for so long is closed; 0 = never */
    uint32_t databases;
    uint32_t read_only; /* 1: writes are refused */

    uint32_t short_errors; /* 1: as long as LMCache's client reads */
    uint32_t open;         /* enum weir_client_flags that a new client has */
};

struct weir_server_stats {
    uint64_t clients, accepted, refused, closed_idle, closed_memory;
    uint64_t commands, hits, misses;
    uint64_t fast_hits; /* keys that fast paths have answered */
    uint64_t bytes_in, bytes_out;
    uint64_t memory;  /* of all clients */
    uint64_t blocked; /* clients that do not read their replies */
    uint64_t waiting; /* requests that have not been answered */
    uint64_t protocol_errors;
    uint64_t pauses;  /* of accepting: no descriptors or no memory were left */
    uint64_t lacking; /* the errno of the last one */
};

/* weir_server_new makes a server without listeners. */
int weir_server_new(struct weir_server **out,
                    const struct weir_server_limits *limits);

/* weir_server_free closes all clients and listeners; NULL is allowed. Batches
 * that bound stores hold are freed as they end. */
void weir_server_free(struct weir_server *s);

/* weir_server_secure makes the TCP listeners that follow speak TLS. ca NULL:
 * clients need no certificate. Called again, it renews the certificates. The
 * process ignores SIGPIPE from then on, unless it has a handler: OpenSSL cannot
 * write without. */
int weir_server_secure(struct weir_server *s, const char *cert, const char *key,
                       const char *ca, struct weir_error *err);

/* weir_server_listen accepts clients at an address: "127.0.0.1:6379",
 * "[::1]:6379", "unix:/run/weir.sock" (mode: its permissions), or "fd:5", a
 * socket that listens already. Returns the port, 0 for a unix socket. Port 0
 * takes a free one. */
int weir_server_listen(struct weir_server *s, const char *address,
                       uint32_t mode, struct weir_error *err);

/* weir_serve_socket makes a socket that listens at an address, for
 * weir_server_listen("fd:N"): also in another process. Returns its fd. */
int weir_serve_socket(const char *address, uint32_t mode,
                      struct weir_error *err);

/* weir_serve_port returns the port of a socket, 0 of a unix socket. */
int weir_serve_port(int fd);

/* weir_server_deaf closes the listeners; clients stay. */
void weir_server_deaf(struct weir_server *s);

/* weir_server_cluster makes the server one of several processes that share the
 * 16384 hash slots of Redis Cluster. Process i of n owns the slots from
 * weir_serve_first_slot(i, n) to the one before the first slot of i + 1. A
 * command with a key of another process is answered MOVED: the host is
 * `announce`, or where NULL the address that the client came by; the ports of
 * the processes are consecutive. The string must stay in place. */
void weir_server_cluster(struct weir_server *s, uint32_t self, uint32_t n,
                         const char *announce);
uint32_t weir_serve_first_slot(uint32_t i, uint32_t n);

/* weir_serve_slot returns the hash slot of a key, which may have a {tag}. */
uint32_t weir_serve_slot(const char *key, uint64_t size);

/* weir_server_command registers the next command; returns its number. The row
 * stays the caller's and must stay in place. -EEXIST: the name is taken. */
int weir_server_command(struct weir_server *s, struct weir_command *row);

/* weir_server_error says how an error's reply begins: "TRYAGAIN", and its words
 * when the batch has none. The strings must stay in place. */
void weir_server_error(struct weir_server *s, uint32_t status, const char *code,
                       const char *words);

/* weir_server_bind lets the server submit the batches of a database to a store
 * itself; NULL: they are requests of the host. The store must stay open while
 * it is bound. */
int weir_server_bind(struct weir_server *s, uint32_t db,
                     struct weir_store *store);

/* weir_server_fast_path lets the server answer gets of a database that is not
 * bound, for the keys that an inline store has: a value there is what the host
 * would answer. The host gets what is left of a batch, if anything is. counts
 * stays the host's. Both must stay in place until another call for db. store
 * NULL: no more. */
int weir_server_fast_path(struct weir_server *s, uint32_t db,
                          struct weir_store *store,
                          struct weir_fast_path *counts);

/* weir_server_fd returns an fd that is readable while there is something to do.
 */
int weir_server_fd(const struct weir_server *s);

/* weir_server_turn does what can be done now: accepts, reads, runs, writes.
 * Never blocks. Returns how many requests wait for weir_server_next. */
int weir_server_turn(struct weir_server *s);

/* weir_server_next returns a request for the host to answer, or NULL. */
struct weir_request *weir_server_next(struct weir_server *s);

/* weir_server_reply adds bytes of RESP to the reply of a request that has no
 * batch; -ENOMEM. */
int weir_server_reply(struct weir_server *s, struct weir_request *r,
                      const char *bytes, uint64_t size);

/* weir_server_done ends a request: sends its reply (of a batch: what its items
 * say) and goes on with the client at the next turn. */
void weir_server_done(struct weir_server *s, struct weir_request *r);

/* weir_server_clients returns the client that came after c, or the first one if
 * c is NULL; NULL: there is none. A client stays until the next turn. */
struct weir_client *weir_server_clients(struct weir_server *s,
                                        struct weir_client *c);

/* weir_server_kill closes a client at the next turn, or with later = 1 when its
 * replies are sent. */
void weir_server_kill(struct weir_server *s, struct weir_client *c, int later);

/* weir_server_busy returns how many clients have a command under way or
 * replies to be sent. */
uint64_t weir_server_busy(struct weir_server *s);

void weir_server_stats(const struct weir_server *s,
                       struct weir_server_stats *out);

/* ---- processes ---- */

/* weir_process_pair makes two connected sockets; both close at an exec.
 * -errno. */
int weir_process_pair(int32_t pair[2]);

/* weir_process_start runs a program in a process group of its own. Of the
 * descriptors that close at an exec it inherits n. Returns its pid, or -errno.
 */
int weir_process_start(const char *program, const char *const *arguments,
                       const char *const *environment, const int32_t *inherited,
                       uint32_t n);

/* weir_process_ended returns how a child ended: its exit code, or 256 + the
 * signal. -EAGAIN: it runs. */
int weir_process_ended(int pid);

/* weir_server_layout returns the sum of the sizes of the structs above, so that
 * a binding notices another version. */
uint32_t weir_server_layout(void);

/* cdef: end */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
