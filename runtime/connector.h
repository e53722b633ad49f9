/* connector.h -- the interface between a connector and the runtime.
 *
 * A connector is one const struct weir_connector, exported as weir_connector
 * from a shared object with its name: build/connectors/NAME.so. null.c is the
 * smallest connector and the one to copy.
 *
 *     open ........... once, on the thread of weir_open: checks the options and
 *                      makes the state that all sessions share; no network
 *       connect ...... on a worker thread, when there is work
 *         check ...... before a session that was idle is used again
 *         run ........ once for each slice of a batch; or start and finish
 *       disconnect ... on the same thread
 *       watch ........ on a thread of its own, if a host watches the store
 *     close .......... once, after every worker has disconnected
 *
 * Errors:  open and connect return a negative errno and a sentence. run, start
 *          and finish set the status of each item and return 0. A negative
 *          errno from them says that the *session* is broken: the runtime gives
 *          the pending items TIMEOUT or RESET and disconnects. Anything
 *          unexpected on a stream breaks the session.
 * Threads: one worker at a time uses a session. All threads use the state.
 *          interrupt is called on another thread.
 * Memory:  items, keys and values to set stay in place until the call is over.
 *          Lent memory (item->data) is touched only between weir_call_lend and
 *          weir_call_unlend. Never wait in between.
 * Waiting: only in weir_call_wait, which knows the deadline, close and new
 *          work. A connector that has to wait elsewhere has an interrupt slot.
 */

#ifndef WEIR_CONNECTOR_H
#define WEIR_CONNECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "weir.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum { WEIR_CONNECTOR_ABI = 10 };

/* One slice of a batch, in flight on one session. */
struct weir_call {
    uint32_t op;             /* enum weir_op */
    uint32_t n;              /* of items */
    struct weir_item *items; /* all WEIR_PENDING when the call starts */
    uint64_t deadline_ns;    /* 0 = none */
    void *link;              /* the connector's, from start to finish */
};

struct weir_slice {
    uint32_t items;
    uint64_t bytes;
};

struct weir_connector {
    uint32_t abi; /* WEIR_CONNECTOR_ABI */

    /* run never blocks, and any number of threads may call it at once. Then it
     * is called on the submitting thread, and the store has no workers unless
     * it is opened with inline=false. */
    bool is_inline;

    const char *name;    /* that of the file: [a-z0-9_]+ */
    const char *help;    /* one line */
    const char *schemes; /* further URL schemes, separated by blanks; or NULL */

    const struct weir_option *options; /* ended by a row without a name */
    size_t config_size;  /* of the struct that the options fill in: string,
                            path, secret: const char * (NULL when absent);
                            integer: int64_t; size, duration: uint64_t;
                            boolean: bool; enum: int */
    size_t session_size; /* of a session, which the runtime zeroes before
                            connect; 0 = run gets the state instead */

    uint32_t ops;       /* a bit (1 << op) each; submit answers the others
                           UNSUPPORTED */
    uint32_t max_key;   /* 0 = WEIR_KEY_MAX */
    uint64_t max_value; /* 0 = no limit but the store's max_value option */
    uint32_t workers;   /* default of the workers option; 0 = 2. No more than
                           there are cores, but at least 2 */
    bool one_worker;    /* the store has one worker, whatever was asked for:
                           weir_open refuses workers over 1, and lanes */

    /* The bound of one call; 0 = the runtime's choice (64 items, 1 MiB). A
     * slice has at least one item. Options override it. */
    struct weir_slice slice;

    /* Each key costs about the same whichever session does it: a batch is cut
     * into one slice for each worker, if the user sets no slice_items. */
    bool spreads;

    /* With start and finish: the bound of all calls in flight on one session;
     * 0 = 1024 items, 8 MiB. Options override it. */
    struct weir_slice window;
    uint32_t calls; /* in flight on one session at most; 0 = 64 */

    /* open checks config, which lives until close, and makes the shared state.
     * scheme is that of the URL, or the connector's name. */
    int (*open)(const void *config, const char *scheme, void **state,
                struct weir_error *err);
    void (*close)(void *state);

    /* label writes the store's name in messages: "fs /var/cache". Optional; the
     * default is the connector's name. */
    void (*label)(void *state, char *out, size_t cap);

    /* connect opens a session. It may block in weir_call_wait: call->op is 0
     * and the deadline comes from the option connect_timeout. On failure it
     * says why with weir_call_fail, and the queued items get that status
     * (UNAVAILABLE, DENIED). It frees its resources, because disconnect is not
     * called then. Optional with session_size 0. */
    int (*connect)(void *state, void *session, struct weir_call *call);
    void (*disconnect)(void *session);

    /* check is called before a session without calls in flight is used again.
     * It does not block. Nonzero: the session is replaced. Optional. */
    int (*check)(void *session);

    /* run does call->op on call->items[0 .. call->n). */
    int (*run)(void *session, struct weir_call *call);

    /* attempt answers those items of a call that it can answer at once, OK or
     * MISS, and leaves the others pending for run. It is called on the
     * submitting thread, by any number of threads at once, and must not wait
     * for anything. Optional, beside run. */
    void (*attempt)(void *state, struct weir_call *call);

    /* Instead of run: start sends a call, finish waits until the oldest call is
     * answered. start may answer items of earlier calls while it waits to
     * write. finish returns -EAGAIN when weir_call_wait or weir_call_look did
     * (new work came, or a deadline passed). It is called again then, after
     * more starts and expires. A negative errno from either says that the
     * session is broken, with every call on it. Items whose answer is known may
     * get it before that return. 1 from finish: the call is answered, and the
     * session should be replaced when the other calls are answered, too. */
    int (*start)(void *session, struct weir_call *call);
    int (*finish)(void *session, struct weir_call *call);

    /* idle is called instead of sleeping, when the session has no calls in
     * flight, for a connector that has work of its own between calls: timers,
     * requests that it sent itself. It waits in weir_call_wait, whose call has
     * no op, items or deadline, and returns when that says -EAGAIN (work came,
     * or the store stops) or another error than -ETIMEDOUT. Without sessions
     * (session_size 0) it is called from the start. Only with start and finish.
     * Optional. */
    void (*idle)(void *session, struct weir_call *call);

    /* expire ends a call past its deadline, the oldest or another, and keeps
     * the other calls intact. It answers the pending items: TIMEOUT if they may
     * have been sent, else SKIPPED. It never touches the call, its items or its
     * memory again, and throws their replies away. Called between finishes.
     * Does not block. -EBUSY: this call cannot end early, finish it as usual.
     * Another errno: the session is broken. Optional: without it a late call
     * breaks the session. */
    int (*expire)(void *session, struct weir_call *call);

    /* interrupt makes a connect, run or finish that waits outside
     * weir_call_wait return soon. Does not block. It may be called at any time
     * after the session was zeroed, even when no call runs, so it reads only
     * atomic fields of the session. Optional. */
    void (*interrupt)(void *session);

    /* gauges fills in up to max numbers of the store and returns how many there
     * are. Any thread may call it at any time between open and close.
     * Optional. */
    size_t (*gauges)(void *state, struct weir_gauge *out, size_t max);

    /* ask answers weir_ask: it sets *out to a text of one reference and returns
     * 0, or a negative errno and a sentence. Any thread may call it at any time
     * between open and close. It returns by deadline_ns (0 = none), and soon
     * after interrupt, which close calls when the workers have ended. Needs
     * workers. Optional. */
    int (*ask)(void *state, const char *words, uint64_t deadline_ns,
               struct weir_value **out, struct weir_error *err);

    /* watch tells the hosts which keys of the backend changed: set, deleted,
     * expired or evicted, by anyone. It runs on a thread of its own, beside all
     * sessions, from the first weir_watch_new until close. First it makes sure
     * that every later change will come to its notice; then it calls
     * weir_tell_regained, and weir_tell_changed for each changed key. It
     * returns a negative errno, and why with weir_call_fail, when changes may
     * go unnoticed. The runtime tells the hosts so, and calls it again after a
     * backoff; after -ENOTSUP, which says that the backend cannot tell of
     * changes, not before a minute has passed. It waits only in weir_call_wait,
     * whose call has no op and no items, and returns when that says -ECANCELED.
     * It may set call->deadline_ns, which bounds its waits; 0 = none. Optional.
     */
    int (*watch)(void *state, struct weir_call *call);

    /* can_watch says whether the options allow watch: 0, or -ENOTSUP and a
     * sentence with what to do, to which the runtime adds the store's name. Any
     * thread may call it. Optional: without it
     * they do. */
    int (*can_watch)(void *state, struct weir_error *err);

    /* keep_evicted and read_evicted are weir_evicted_keep and
     * weir_evicted_read. Any thread may call keep_evicted at any time between
     * open and close, and one at a time read_evicted. Neither blocks. Optional,
     * both or none. */
    void (*keep_evicted)(void *state, uint32_t kinds, uint64_t items,
                         uint64_t bytes);
    int (*read_evicted)(void *state, struct weir_evicted *out, int max);

    /* guard is weir_guard. Any thread may call it at any time between open and
     * close. A store that has it heeds WEIR_ITEM_TICKET. Optional. */
    int (*guard)(void *state, uint32_t verb, struct weir_guard_key *keys,
                 uint32_t n);

    /* evicted_ages is weir_evicted_ages. Any thread may call it at any time
     * between open and close. Optional. */
    int (*evicted_ages)(void *state, struct weir_evicted_ages *out);
};

/* The symbol that a connector's shared object exports. */
extern const struct weir_connector weir_connector;

/* ---- functions of the runtime for connectors ---- */

/* weir_call_fail answers one item, or with NULL all pending items. If the batch
 * has no error yet, the sentence becomes its error, after the store's name.
 * Returns the status. */
int weir_call_fail(struct weir_call *call, struct weir_item *item, int status,
                   const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* weir_call_end ends a call whose items are all answered, the oldest or
 * another. A connector whose calls end in any order calls it in start, finish
 * or idle. It never touches the call, its items or its memory again, and its
 * finish returns -EAGAIN instead of 0. A second end of a call aborts the
 * process. In the run of another connector (see weir_inner) it sets call->n to
 * 0 instead: that one has the call still. */
void weir_call_end(struct weir_call *call);

/* ---- values: where they go ----
 *
 * A get that reads the bytes itself, in pieces or from a socket, asks for the
 * place, fills it and answers:
 *
 *     if (weir_call_place(call, item, size, &to) != 0)
 *         return;                     // the item has its status and sentence
 *     while (more pieces) {
 *         if (item->data != NULL && !weir_call_lend(call)) {
 *             weir_call_taken_back(call, item);
 *             return;
 *         }
 *         read a piece to its part of to, without waiting for it
 *         if (item->data != NULL)
 *             weir_call_unlend(call);
 *     }
 *     item->status = WEIR_OK;
 *
 * weir_call_answer does all of this for bytes that the connector holds. */

/* weir_call_place says where the value of a get goes: into the lent buffer
 * (item->data), or into a new value, which item->value owns from now on. Sets
 * item->size and returns 0, or the status that the item got: TOOBIG with the
 * true size, BUSY when memory is short. An item that ends with another status
 * than OK loses the new value: the runtime drops it. So neither kind of place
 * may be written once the call was finished or expired. */
int weir_call_place(struct weir_call *call, struct weir_item *item,
                    uint64_t size, char **to);

/* weir_call_lend says whether the caller's memory (item->data of this call) may
 * be touched now. true holds weir_batch_abandon back until weir_call_unlend.
 * false: the caller took it back. Do not touch it; answer with
 * weir_call_taken_back. */
bool weir_call_lend(struct weir_call *call);
void weir_call_unlend(struct weir_call *call);

/* weir_call_taken_back answers an item SKIPPED because its batch was abandoned.
 * Returns the status, as the two below do. */
int weir_call_taken_back(struct weir_call *call, struct weir_item *item);

/* weir_call_no_memory answers an item (NULL: all pending) BUSY because there is
 * no memory for something: "a page of keys". Every connector answers so. */
int weir_call_no_memory(struct weir_call *call, struct weir_item *item,
                        const char *what);

/* weir_call_too_big answers a get TOOBIG with the true size, and says whether
 * max_value or the lent buffer is too small. weir_call_place calls it; others
 * need it only for a value that they learn the size of but never read. */
int weir_call_too_big(struct weir_call *call, struct weir_item *item,
                      uint64_t size);

/* weir_call_max_value returns the largest value that the store of this call
 * accepts. What is longer in the backend is TOOBIG. */
uint64_t weir_call_max_value(const struct weir_call *call);

/* weir_call_answer answers a get with bytes that the connector holds. It copies
 * them to the lent buffer or to a new value. */
void weir_call_answer(struct weir_call *call, struct weir_item *item,
                      const void *bytes, uint64_t size);

/* weir_call_answer_value does the same with a value: no copy when no buffer was
 * lent. The reference stays the connector's. */
void weir_call_answer_value(struct weir_call *call, struct weir_item *item,
                            struct weir_value *v);

/* weir_call_value returns the value that an item sends: the item's value with
 * one more reference, or a copy of the lent bytes or of a borrowed value. NULL:
 * the item has been answered (memory is short, or was taken back). */
struct weir_value *weir_call_value(struct weir_call *call,
                                   struct weir_item *item);

/* weir_value_borrow is weir_value_wrap for bytes that stay in place only at a
 * cost to their owner: he cannot use their memory meanwhile. A store that keeps
 * the value copies it (weir_value_keep). */
struct weir_value *weir_value_borrow(const void *bytes, uint64_t size,
                                     void (*release)(void *arg), void *arg);

/* weir_value_keep returns a value to keep for long: its argument with one more
 * reference, or a copy if it is borrowed. NULL: memory is short. */
struct weir_value *weir_value_keep(struct weir_value *v);

/* ---- numbers, for incr ---- */

enum { WEIR_NUMBER_MAX = 20 }; /* digits and the sign of a 64-bit number */

/* weir_call_incr adds item->number to the number whose decimal digits are given
 * (NULL: there is no value, so it is 0). It writes the digits of the sum to
 * out, which has room for WEIR_NUMBER_MAX, sets item->number to the sum, and
 * returns how many digits there are. 0: the item has been answered INVALID.
 * Only what a sum can look like is a number: "-7", but not "+7", "07" or " 7".
 */
uint32_t weir_call_incr(struct weir_call *call, struct weir_item *item,
                        const char *digits, uint64_t size, char *out);

/* ---- events: called in watch, with its call ---- */

/* weir_tell_changed tells that a key has changed. Does not block. */
void weir_tell_changed(struct weir_call *call, const char *key,
                       uint32_t key_len);

/* weir_tell_regained tells that every change from now on will be told.
 * weir_tell_lost tells that it will not; a return from watch does so, too. One
 * after the other they tell that any number of keys have changed. */
void weir_tell_regained(struct weir_call *call);
void weir_tell_lost(struct weir_call *call);

/* ---- for all connectors ---- */

/* weir_seed returns a random number for a hash that clients must not guess;
 * always the same one after weir_set_now, so that a simulation does the same
 * each time. */
uint64_t weir_seed(void);

/* weir_value_footprint returns the bytes of memory that a value takes,
 * with the overhead of the allocator. A wrapped value counts the size of the
 * memory that it points at. */
uint64_t weir_value_footprint(const struct weir_value *v);

/* weir_value_slice returns a value over a part of another one, to which it
 * keeps a reference. NULL: out of memory. */
struct weir_value *weir_value_slice(struct weir_value *whole, uint64_t at,
                                    uint64_t size);

/* weir_value_alone takes a reference and returns one to the same bytes that
 * keeps no much larger value in memory: to a copy if it was a small slice. For
 * stores that keep values. NULL: out of memory. */
struct weir_value *weir_value_alone(struct weir_value *v);

/* ---- waiting ---- */

/* weir_call_wait waits until fd is ready for events (those of poll) and returns
 * its revents. fd -1: it only waits. -ETIMEDOUT: timeout_ns (UINT64_MAX: none)
 * or the call's deadline passed. -ECANCELED: the store is closing. Cancelling
 * the batch does not end the wait, because the session would break and other
 * batches on it fail. In finish the deadline is the earliest of all calls on
 * the session. There -EAGAIN says that new work came or, if there is an expire
 * slot, that the deadline passed. */
int weir_call_wait(struct weir_call *call, int fd, short events,
                   uint64_t timeout_ns);

/* weir_call_look checks for close and for the deadline without waiting. Returns
 * 0, or -ECANCELED, -ETIMEDOUT or -EAGAIN as weir_call_wait does. A loop that
 * goes on while there are bytes to read calls it in each turn. */
int weir_call_look(struct weir_call *call);

/* weir_call_stopped does the same, and returns -ECANCELED also when the batch
 * was cancelled. For a long run: there is no other call on its session. */
int weir_call_stopped(struct weir_call *call);

/* weir_opening_dry says, in open, whether the store is opened only to be
 * checked (see weir_open_dry). Then nothing outside the process may change. */
bool weir_opening_dry(void);

/* weir_error_set fills err with a sentence and returns code. */
int weir_error_set(struct weir_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* weir_number is strtod with a decimal point in every locale, so that options
 * mean the same everywhere. */
double weir_number(const char *words, char **end);

/* A page of a scan being filled. */
struct weir_page {
    char *data;
    uint64_t size, cap;
    uint64_t keys;
};

/* weir_page_add appends an entry; -ENOMEM. */
int weir_page_add(struct weir_page *page, const void *key, uint32_t key_len,
                  uint64_t size, uint64_t ttl_ms);

/* weir_page_answer answers a scan's item with the page and the next cursor (0:
 * the page is the last) and empties the page. */
void weir_page_answer(struct weir_call *call, struct weir_item *item,
                      struct weir_page *page, uint64_t cursor);

/* A connector opened inside another one, as fault does. The outer one passes
 * its calls on. The inner one has no queue, workers or statistics. If it has
 * one_worker, the outer one sees to it that it runs one call at a time. */
struct weir_inner {
    const struct weir_connector *connector;
    void *state;
};

int weir_inner_open(struct weir_inner **out, const char *target,
                    struct weir_error *err);
void weir_inner_close(struct weir_inner *inner);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
