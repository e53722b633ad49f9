/* weir.h -- the whole public surface of the runtime.
 *
 * A host opens a store, fills a batch, submits it to a completion queue, waits
 * until the queue's fd is readable, and drains the finished batches:
 *
 *     weir_open(&store, "memory://?capacity=64MiB", NULL, 0, &err);
 *     weir_cq_new(&cq);
 *     batch = weir_batch_new(1);
 *     weir_batch_reset(batch, WEIR_GET, 1);
 *     batch->items[0].key = "greeting";
 *     batch->items[0].key_len = 8;
 *     if (weir_submit(store, cq, batch) == 0) {
 *         weir_cq_wait(cq, WEIR_FOREVER);
 *         weir_cq_drain(cq, &batch, 1);
 *     }
 *
 * Errors:  functions return 0, a count, or a negative errno. The result for a
 *          key is its item's status, never an errno. A function that makes an
 *          object sets *out to it, or to NULL if it fails. err may be NULL. It
 *          says nothing if there was no error.
 * Threads: every function may be called from any thread, unless said
 *          otherwise. A batch belongs to one thread at a time: to the host
 *          until weir_submit accepts it, to the runtime until it is drained.
 * Memory:  keys are copied at submit. Values are either counted references
 *          (struct weir_value) or the host's memory, lent from submit until
 *          the batch is drained or weir_batch_abandon returns. Long buffers
 *          for gets should begin at a page: malloc begins a long block at byte
 *          16, where the kernel may copy a reply at a third of the speed.
 * Units:   lengths are bytes. Times are nanoseconds of CLOCK_MONOTONIC. A time
 *          to live is in milliseconds.
 * Signals: worker threads block all signals. Nothing here prints.
 * Forks:   objects made before a fork stay with the parent. In the child
 *          submit, close and wait return -ECHILD, drain finds nothing, cancel
 *          and abandon do nothing, and freeing an object leaves its memory.
 *
 * Words, each with one meaning, in all of weir:
 *
 *   host          the program that uses weir. It owns the event loop
 *   task          a coroutine of a host. It parks to wait, and is continued
 *   request       an op with keys (and values), as Lua policies pass it down
 *   reply         the answer to a request: a status for each slot
 *   slot          a position in a request and its reply
 *   policy        a store in Lua that passes requests on to other stores
 *   store         an opened connector, or a policy over stores
 *   connector     code that speaks to one kind of backend
 *   backend       the server or medium that holds the values
 *   session       a worker's connection to the backend
 *   op            get, set, exists, delete, ...: the rows of enum weir_op
 *   atomic op     a write whose result depends on the value that is there
 *   batch         up to its capacity of items with one op. The unit of submit
 *   item          a key, its value and its status, in a batch
 *   status        the result for one item: ok, miss, timeout, ...
 *   class         of a status: good, miss or error
 *   value         immutable bytes with a reference count
 *   lent memory   the host's memory, lent to a batch instead of a value
 *   deadline      the time at which a batch ends, finished or not
 *   submit        to hand a batch to a store, which accepts or refuses it
 *   in flight     submitted, and not completed
 *   lane          a queue of batches and the workers that serve it
 *   worker        a thread with a session. It sleeps and is woken
 *   claim         to take the next items of the oldest batch in a lane
 *   slice         the items that a worker claimed together
 *   call          a slice while a connector works on it
 *   window        the bound on the slices in flight on one session
 *   finish        a batch finishes when its last item has a status
 *   complete      to hand a finished batch back, through a completion queue
 *   drain         the host takes finished batches out of the queue
 *   cancel        to end the unclaimed items of a batch at once
 *   abandon       to take lent memory back
 *   close         to end a store: its queue, its workers, its connector
 *   interrupt     to end a wait of a connector, because the store closes
 *   backoff       the time after a failed connect in which none is tried
 *   inline store  one without workers. Submit runs the batch itself
 *   bell          a socket that a completion queue rings
 *   event         news of a store that answers no batch: a key has changed
 *   watch         a host's wish for the events of a store
 *   sight         whether a store notices every change in its backend
 *   copy          a value that an upper store keeps for a lower one
 *   authority     the store that decides which value a key has
 *   stats         numbers that a user reads. Counters are their fields in C
 *   hash slot     Redis Cluster's unit of placement */

#ifndef WEIR_H
#define WEIR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* cdef: begin -- plain C only, because lua/weir/ffi.lua reads these lines. */

enum {
    WEIR_ABI = 11,         /* changes with any struct or function below */
    WEIR_KEY_MAX = 65536,  /* the longest key */
    WEIR_OPS = 16,         /* every enum weir_op is less */
    WEIR_STATUSES = 16,    /* every enum weir_status is less */
    WEIR_HISTOGRAM = 1280, /* buckets of a latency histogram */
};

enum weir_op {
    WEIR_GET = 1, /* read the value of each key */
    WEIR_SET,     /* store each value under its key */
    WEIR_EXISTS,  /* OK or MISS, no value */
    WEIR_DELETE,  /* OK: the key existed; MISS: it did not */
    WEIR_STAT,    /* size and time to live, no value */
    WEIR_TOUCH,   /* a new time to live, same value */
    WEIR_SCAN,    /* one page of the keys that begin with each item's key */

    /* Atomic ops. No other write of the key comes between what they look at and
     * what they change. A value that has no room at all is TOOBIG, and the one
     * that is there stays. */
    WEIR_ADD,     /* set if there is no value; else REJECTED */
    WEIR_REPLACE, /* set if there is a value; else MISS */
    WEIR_INCR,    /* add to a decimal number of 64 bits, which begins at 0.
                     INVALID: the value is none, or the sum has no room */
    WEIR_APPEND,  /* add bytes to the end of a value, which begins empty */
    WEIR_CAS,     /* set if the value has the version that is given. MISS:
                     there is no value; REJECTED: it has another version */
    WEIR_GAT,     /* get, and a new time to live */
    WEIR_TAKE,    /* get, and delete */
};

/* The facts of an op, each 1 or 0. The table is in op.c. */
struct weir_op_info {
    const char *name;   /* "get", "set", ... as options and Lua show it */
    uint8_t writes;     /* it changes the store */
    uint8_t idempotent; /* doing it twice has the effect of doing it once */
    uint8_t sends;      /* each item carries a value to the store */
    uint8_t returns;    /* each OK item carries a value back */
    uint8_t prefix;     /* an item's key is the beginning of keys and may be
                           empty; the value that comes back is a page of keys */
    uint8_t atomic;     /* its result depends on the value that is there */
    uint8_t numbers;    /* each OK item carries a number back */
    uint8_t reserved;
};

/* weir_op_info returns the row of an op, or NULL for no op. */
const struct weir_op_info *weir_op_info(uint32_t op);

/* The result for a key. A larger number is worse: a write to several copies
 * takes the largest status, a read the smallest. */
enum weir_status {
    WEIR_PENDING = 0, /* no answer yet; no drained item has it */
    WEIR_OK,
    WEIR_MISS,        /* the backend has no such key */
    WEIR_REJECTED,    /* not admitted, or over the capacity; add, cas: there
                         is another value */
    WEIR_SKIPPED,     /* never sent: late, cancelled or closed */
    WEIR_BUSY,        /* a queue or the backend is full, or this process is
                         out of memory; not applied */
    WEIR_UNAVAILABLE, /* not connected; never sent */
    WEIR_TIMEOUT,     /* sent, no reply in time: maybe applied */
    WEIR_RESET,       /* sent, then the session broke: maybe applied */
    WEIR_FAILED,      /* the backend replied with an error; kinds follow */
    WEIR_NOSPACE,     /* the memory or disk of the backend is full */
    WEIR_TOOBIG,      /* the value exceeds a limit or the lent buffer */
    WEIR_DENIED,      /* authentication or permission */
    WEIR_UNSUPPORTED, /* this store cannot do this op */
    WEIR_CORRUPT,     /* wrong length or checksum; never served */
    WEIR_INVALID,     /* a bad request */
};

enum weir_class { WEIR_CLASS_GOOD = 1, WEIR_CLASS_MISS, WEIR_CLASS_ERROR };

enum weir_retry {
    WEIR_RETRY_NO = 0,
    WEIR_RETRY_IDEMPOTENT, /* maybe applied: retry idempotent ops only */
    WEIR_RETRY_ANY,        /* not applied */
};

enum weir_applied { WEIR_APPLIED_NO = 0, WEIR_APPLIED_YES, WEIR_APPLIED_MAYBE };

/* The facts of a status. The table is in status.c. */
struct weir_status_info {
    const char *name; /* "ok", "miss", ... as Lua shows it */
    uint8_t klass;    /* enum weir_class; WEIR_CLASS_MISS also for rejected */
    uint8_t retry;    /* enum weir_retry */
    uint8_t applied;  /* enum weir_applied */
    uint8_t reserved;
};

/* weir_status_info returns the row of a status, or NULL for no status. */
const struct weir_status_info *weir_status_info(int status);

/* One sentence for people, written where the error was found. */
struct weir_error {
    int32_t code; /* a negative errno, or 0 */
    char message[252];
};

/* ---- values ---- */

/* Immutable bytes with a reference count; private fields follow. */
struct weir_value {
    const char *data;
    uint64_t size;
};

/* weir_value_new returns a value of that size with one reference, or NULL when
 * memory is short. Write its bytes to *data before you share the value. */
struct weir_value *weir_value_new(uint64_t size, char **data);

/* weir_value_copy returns a value that holds a copy of the bytes, or NULL. */
struct weir_value *weir_value_copy(const void *bytes, uint64_t size);

/* weir_value_wrap returns a value over memory that stays in place, or NULL.
 * release(arg) is called once, on any thread, when the last reference is
 * dropped. */
struct weir_value *weir_value_wrap(const void *bytes, uint64_t size,
                                   void (*release)(void *arg), void *arg);

/* weir_value_ref adds a reference and returns its argument. */
struct weir_value *weir_value_ref(struct weir_value *v);

/* weir_value_unref drops a reference. NULL is allowed. */
void weir_value_unref(struct weir_value *v);

/* weir_value_sole returns 1 if there is one reference, the caller's, so that
 * dropping it frees the value, else 0. */
int weir_value_sole(const struct weir_value *v);

/* weir_values_unref takes a struct of a uint64_t n followed by n pointers to
 * values. It drops a reference of each that is not NULL and clears the pointer.
 * With its one argument a binding can attach it as a finalizer. */
void weir_values_unref(void *values);

/* weir_version_of returns the version of a value with these bytes, for cas. It
 * is the first 8 bytes of their SHA-1, so equal bytes have equal versions in
 * every store: a value that was changed and changed back has its old version.
 */
uint64_t weir_version_of(const void *bytes, uint64_t size);

/* ---- batches ---- */

struct weir_item {
    const char *key;  /* any bytes; submit may point it at a copy, which
                         stays until the batch is submitted again or freed */
    uint32_t key_len; /* 1 to WEIR_KEY_MAX; scan: 0 to WEIR_KEY_MAX */
    uint8_t status;   /* out: enum weir_status */
    uint8_t flags;    /* 0. set, delete: may have WEIR_ITEM_TICKET */
    uint16_t reserved;
    char *data;               /* set and other ops that send a value: lent
                                 bytes. get, gat, take: lent buffer, or NULL */
    uint64_t cap;             /* size of that buffer. scan: the rough
                                 number of keys wanted in a page; 0 = the
                                 connector's choice */
    uint64_t size;            /* length of the bytes in data. out: length of the
                                 value, also when it did not fit */
    struct weir_value *value; /* instead of those bytes. get, scan, out: the
                                 value when data is NULL. The batch owns one
                                 reference; take it by clearing the field */
    uint64_t ttl_ms; /* set, add, replace, cas: 0 = the store's default.
                        incr, append: the same, only for a value that
                        they create. touch, gat: 0 = never expires.
                        stat, out: rest, 0 = never */
    union {
        uint64_t cursor; /* scan: 0 = from the start. out: where the next page
                            starts, 0 = there is none. set, delete
                            with WEIR_ITEM_TICKET: the ticket */
        int64_t number;  /* incr: what to add. cas: the version, as
                            weir_version_of returned it. incr, out: the new
                            number. append, out: the new length */
    };
};

/* A flag of an item to set or delete: do so only if its ticket is still good
 * (see weir_guard); else the item is SKIPPED. Stores that cannot guard ignore
 * it. */
enum { WEIR_ITEM_TICKET = 1 };

/* A page of a scan is a value that holds entries one after the other: this
 * head, then key_len bytes of key, then zeros up to a multiple of 8. When keys
 * are written during the scan, a key may appear on two pages. A key that exists
 * all the time is never left out. */
struct weir_scan_entry {
    uint64_t size;   /* of the value; UINT64_MAX: unknown without a stat */
    uint64_t ttl_ms; /* rest; 0 = never expires; UINT64_MAX: unknown */
    uint32_t key_len;
    uint32_t reserved;
};

struct weir_batch {
    uint32_t op;       /* enum weir_op */
    uint32_t n;        /* items in use */
    uint32_t capacity; /* items there is room for */
    uint32_t errors;   /* out: items of class error */
    struct weir_item *items;
    uint64_t deadline_ns;    /* 0 = the store's "timeout" option, else none */
    uint64_t tag;            /* the host's own */
    struct weir_error error; /* out: the first error, in words */
};

/* weir_batch_new returns an empty batch with room for that many items, or NULL.
 * A batch can be used many times. */
struct weir_batch *weir_batch_new(uint32_t capacity);

/* weir_batch_reset prepares a batch for op on n items. It drops the values that
 * the batch still owns and zeroes items, deadline, tag and error. -EINVAL: n is
 * over the capacity. -EBUSY: the batch is in flight. */
int weir_batch_reset(struct weir_batch *b, uint32_t op, uint32_t n);

/* weir_batch_take moves the values of a drained batch to the caller and returns
 * how many items are OK. The value of item i (NULL if it has none) goes to
 * out[i] or, with slots, to out[slots[i] - 1]. The batch has no items
 * afterwards. */
uint32_t weir_batch_take(struct weir_batch *b, struct weir_value **out,
                         const uint32_t *slots);

/* weir_batch_rest copies the items of a drained batch that are not OK to
 * another batch, with their keys and lent bytes, and returns how many there
 * are. The other batch has these items only, and keeps its op. Not for batches
 * with values, nor for a batch with less room. */
uint32_t weir_batch_rest(const struct weir_batch *b, struct weir_batch *to);

/* weir_batch_free frees a batch with the values that it owns. A batch in flight
 * is cancelled and abandoned first. Its memory is freed when it finishes, and
 * no drain returns it. NULL is allowed. Do not free, cancel or abandon a batch
 * that another thread may be draining. */
void weir_batch_free(struct weir_batch *b);

/* weir_batch_cancel answers the unclaimed items SKIPPED at once. Items that a
 * worker claimed end by themselves, at the deadline at the latest. The batch
 * completes as always. */
void weir_batch_cancel(struct weir_batch *b);

/* weir_batch_abandon takes lent memory back. After it returned, the runtime
 * neither reads nor writes that memory. It waits at most for one memory copy or
 * system call under way. The batch completes as always. */
void weir_batch_abandon(struct weir_batch *b);

/* ---- completion queues ---- */

struct weir_cq;

/* weir_cq_new makes a completion queue that rings an eventfd of its own. */
int weir_cq_new(struct weir_cq **out);

/* weir_cq_free frees a queue. NULL is allowed. Batches in flight that would
 * complete there are freed when they finish if weir_batch_free was called on
 * them. Otherwise they leak. */
void weir_cq_free(struct weir_cq *cq);

/* weir_cq_fd returns an fd that is readable while batches wait to be drained.
 * Only poll it. weir_cq_drain reads it. */
int weir_cq_fd(const struct weir_cq *cq);

/* weir_cq_notify_socket makes the queue ring by writing one byte to fd, a
 * connected non-blocking stream socket. The host reads the byte at the other
 * end, then drains until a drain returns less than max. Then at most one byte
 * is unread. A drain without a byte read before it may add one byte, so read
 * all that are there. -1 returns to the eventfd. The caller owns fd and keeps
 * it open until it has set another notifier. */
int weir_cq_notify_socket(struct weir_cq *cq, int fd);

/* weir_cq_drain moves up to max finished batches to out and returns how many.
 * Never blocks. Drain until it returns less than max. */
int weir_cq_drain(struct weir_cq *cq, struct weir_batch **out, int max);

/* weir_cq_wait blocks until a batch waits to be drained (returns 1) or the time
 * is up (0). timeout_ns UINT64_MAX waits forever, 0 does not wait. The drain
 * that follows returns no batch if the host has freed the batch meanwhile. For
 * hosts without an event loop: the fd does not become readable for a batch that
 * ends a wait. Do not use it with a socket as notifier. */
int weir_cq_wait(struct weir_cq *cq, uint64_t timeout_ns);

/* weir_cq_pending returns how many batches were submitted with this queue and
 * have not been drained. */
uint64_t weir_cq_pending(const struct weir_cq *cq);

/* ---- bells: for event loops that only read sockets of their own ---- */

struct weir_bell;

/* weir_bell_new listens for one connection, which the host's loop makes next.
 * It listens on a unix socket in folder (NULL: skip this), else in /dev/shm,
 * else in /tmp, else on a port of 127.0.0.1. If it returns 0, err may say why
 * folder was not used. Otherwise err says why there is no bell. The queue may
 * be freed before the bell. */
int weir_bell_new(struct weir_bell **out, struct weir_cq *cq,
                  const char *folder, struct weir_error *err);

/* weir_bell_address returns the address to connect to: "unix:/dev/shm/weir-..."
 * or "127.0.0.1:4711". It lives as long as the bell. */
const char *weir_bell_address(const struct weir_bell *bell);

/* weir_bell_answer accepts the connection that this process made, makes it the
 * queue's notifier and stops listening. It closes connections of other
 * processes. Never blocks. -EAGAIN: there is no connection yet. */
int weir_bell_answer(struct weir_bell *bell);

/* weir_bell_ring sends a byte, as a completion does, to wake the host's loop.
 */
int weir_bell_ring(struct weir_bell *bell);

/* weir_bell_free frees a bell. The queue rings its eventfd again. No other
 * thread may use the bell meanwhile. */
void weir_bell_free(struct weir_bell *bell);

/* weir_bells_made returns how many bells this process has made. */
uint32_t weir_bells_made(void);

/* ---- stores ---- */

struct weir_store;

/* An option's name and its value in words: "64MiB", "50ms", "true". */
struct weir_setting {
    const char *name;
    const char *value;
};

/* weir_open_dry sets whether the calling thread opens stores only to check them
 * (1) or to use them (0, the default). Opening dry checks the options and
 * changes nothing outside the process: fs makes no folder. A store opened dry
 * may refuse all work. Returns the previous setting. */
int weir_open_dry(int dry);

/* weir_open opens a store. target is a URL (fs:///var/cache?sync=data) or the
 * name of a connector. The settings override the URL's. It does not use the
 * network. -EINVAL, -ENOENT, ...: err says why, in a sentence. */
int weir_open(struct weir_store **out, const char *target,
              const struct weir_setting *settings, size_t n,
              struct weir_error *err);

/* weir_submit hands a batch to the store. Never blocks.
 * 0: accepted; the batch comes back once, through cq.
 * 1: finished in place (an inline store, or one that could answer all items at
 * once, such as fs); it does not come through cq. A host that only looks at its
 * queue opens such a store with inline=false. Then workers run it, and 1 is
 * left for a batch of which nothing can be run: no items, only bad keys, an op
 * that the store cannot do. For these and for refused batches such a host keeps
 * a list, and rings itself at the socket of weir_cq_notify_socket, as
 * examples/python/weir/jobs.py does.
 * -EAGAIN: the queue is full, drain first. -ESHUTDOWN: closed. -ECHILD: the
 * store or cq was made before a fork. -EINVAL: not an op, n over capacity, or
 * no cq. -EBUSY: the batch is in flight. -ENOMEM. A refused batch stays the
 * host's. Its items have a status (BUSY, SKIPPED, INVALID), and its error is a
 * sentence. An item with a bad key gets INVALID, one with a value that is too
 * large TOOBIG; the other items go on. */
int weir_submit(struct weir_store *s, struct weir_cq *cq, struct weir_batch *b);

/* weir_submit_hits runs a get on an inline store for the keys that it has, and
 * returns how many these are. Their items are OK. The others stay PENDING and
 * are not counted: they are for the host to ask elsewhere. A closed store has
 * no keys. -EINVAL: the store is not inline, not a get, n over capacity.
 * -EBUSY: the batch is in flight. -ECHILD: the store was made before a fork. */
int weir_submit_hits(struct weir_store *s, struct weir_batch *b);

enum weir_close_mode {
    WEIR_CLOSE_DRAIN = 0, /* run the queued batches, until the deadline */
    WEIR_CLOSE_FAIL,      /* answer the queued batches SKIPPED */
};

/* weir_close makes submit refuse, runs or fails the queued batches, interrupts
 * the calls that still run at deadline_ns, and joins the workers. It blocks
 * until all of this is done. A connect that no queued batch needs, or that has
 * taken a second, is interrupted within 10 ms. When it returns 0, every
 * accepted batch is in its completion queue. A second close returns 0 at once.
 * Closes that run at the same time share the earliest deadline, and one
 * WEIR_CLOSE_FAIL counts for all. A deadline_ns of 0 has passed; WEIR_FOREVER
 * never does. -ETIMEDOUT: a connector ignored the interrupt for two seconds.
 * Call it again then. -ECHILD: the store was made before a fork. */
int weir_close(struct weir_store *s, uint64_t deadline_ns, int mode);

/* weir_close_begin does the same on a thread of its own and never blocks. b, a
 * batch of no items, comes back through cq when the close has ended. Its
 * error.code is the result of weir_close. The store may be freed before that.
 * -ECHILD: the store or cq was made before a fork. -EINVAL: b has items.
 * -EBUSY: b is in flight. -EAGAIN, -ENOMEM: no thread could be made. */
int weir_close_begin(struct weir_store *s, struct weir_cq *cq,
                     struct weir_batch *b, uint64_t deadline_ns, int mode);

/* weir_store_free closes the store with WEIR_CLOSE_FAIL unless it is closed,
 * then frees it. If a worker does not end, the memory leaks. NULL is allowed.
 * No other thread may use the store meanwhile. Batches may still wait to be
 * drained. */
void weir_store_free(struct weir_store *s);

/* weir_store_drop does the same on a thread of its own, if one can be made, and
 * does not wait for it. For finalizers. A process that exits meanwhile waits up
 * to two seconds for such threads. */
void weir_store_drop(struct weir_store *s);

/* weir_store_name returns the name of the store in messages: "memory", "redis
 * 127.0.0.1:6379". It lives as long as the store. */
const char *weir_store_name(const struct weir_store *s);

/* weir_ask asks a store something in words, and sets *out to the text of the
 * answer, of which the caller owns one reference. "help" lists what a store
 * understands. For a policy tree (lua:kv.lua) these are reload, undo, tree,
 * stats, explain OP KEY, breaker; for a Redis Cluster explain OP KEY. It blocks
 * until the answer comes or deadline_ns (0 = none) has passed. 0; -ENOTSUP:
 * this store answers no words; -EINVAL: err says why not, and the nearest known
 * word; -ETIMEDOUT; -ESHUTDOWN: the store is closed; -ECHILD: it was made
 * before a fork. */
int weir_ask(struct weir_store *s, const char *words, uint64_t deadline_ns,
             struct weir_value **out, struct weir_error *err);

/* ---- work of the host's ---- */

/* weir_job_start runs fn(arg) on a thread of the runtime, then hands b, a batch
 * of no items, back through cq. For work that would block the host's loop.
 * There are at most as many threads as cores; jobs begin in their order. What
 * arg points at must stay until fn has returned, also if the batch or cq is
 * freed before: fn runs nevertheless. -ECHILD: cq was made before a fork.
 * -EINVAL: b has items. -EBUSY: b is in flight. -EAGAIN, -ENOMEM. */
int weir_job_start(struct weir_cq *cq, struct weir_batch *b,
                   void (*fn)(void *arg), void *arg);

/* ---- events of stores: what changed in the backend ---- */

/* A host that keeps copies of values wants to know when they are old. It makes
 * a watch:
 *
 *     weir_watch_new(&watch, store, cq, MY_TAG, &err);
 *
 * When there are events, a batch of no items and with that tag comes out of the
 * queue, as a finished batch does. Then the host reads them all:
 *
 *     while ((n = weir_watch_read(watch, events, 64)) > 0)
 *         ...
 */
enum weir_event_kind {
    WEIR_EVENT_CHANGED = 1, /* the key was set, deleted, evicted or expired, by
                               anyone: also by this store */
    WEIR_EVENT_LOST,        /* from now on changes may go unnoticed */
    WEIR_EVENT_REGAINED,    /* changes are noticed again. Those in between are
                               not told: all older copies are suspect */
};

struct weir_event {
    const char *key; /* changed: the key, until the next weir_watch_read */
    uint32_t key_len;
    uint32_t kind; /* enum weir_event_kind */
};

struct weir_watch;

/* weir_watch_new asks for the events of a store, which come through cq. A watch
 * begins without sight: WEIR_EVENT_REGAINED comes when the store sees, or
 * WEIR_EVENT_LOST when the first attempt fails (see weir_store_sees). Events
 * are buffered until they are read, up to 16384 or 1 MiB. More than that are
 * told as sight lost and regained; so is a change of all keys. Closing the
 * store loses sight. -ENOTSUP: the store cannot tell of changes, and err says
 * what to do. -ESHUTDOWN: it is closed. -ECHILD: the store or cq was made
 * before a fork. -ENOMEM, -EAGAIN: there is no thread to be had. */
int weir_watch_new(struct weir_watch **out, struct weir_store *s,
                   struct weir_cq *cq, uint64_t tag, struct weir_error *err);

/* weir_watch_read fills in up to max events, oldest first, and returns how
 * many. 0: there are none, and the next one sends the batch again. Read until
 * it returns 0; a host may also read without having drained the batch. One
 * thread at a time may read a watch. Never blocks. */
int weir_watch_read(struct weir_watch *w, struct weir_event *out, int max);

/* weir_watch_free ends a watch. The batch is not sent any more; one in the
 * queue is freed. Store, queue and watch may be freed in any order. NULL is
 * allowed. Do not free a watch while another thread may be reading it or
 * draining its queue. */
void weir_watch_free(struct weir_watch *w);

/* weir_store_can_watch returns 0 if the store can tell of changes as it is
 * configured. -ENOTSUP: it cannot, and err says what to do. -ESHUTDOWN: it is
 * closed. */
int weir_store_can_watch(struct weir_store *s, struct weir_error *err);

/* weir_store_sees returns 1 while every change in the backend is noticed. 0: it
 * is not, or no watch has been made. err says why the last attempt failed, with
 * code 0 if none did, and -ENOTSUP if the backend cannot tell of changes. */
int weir_store_sees(struct weir_store *s, struct weir_error *err);

/* ---- evicted values: what a store drops by itself ---- */

/* A host that keeps elsewhere what a store has no room for asks the store to
 * keep dropped values in a queue, and reads the queue after its writes. */
enum weir_evicted_why {
    WEIR_EVICTED_CAPACITY = 1, /* for lack of room */
    WEIR_EVICTED_EXPIRED,      /* its time had come */
    WEIR_EVICTED_REPLACED,     /* another value was set under its key */
};

struct weir_evicted {
    struct weir_value *value; /* a reference, the reader's */
    const char *key;          /* until the next weir_evicted_read */
    uint64_t ttl_ms;          /* what it had left; 0 = it never expires */
    uint32_t key_len;
    uint32_t why; /* enum weir_evicted_why */
};

/* weir_evicted_keep sets which dropped values a store keeps: kinds has the bit
 * 1 << why for each kind. 0 ends it and drops the queue. The queue holds up to
 * so many values and bytes, beside the store's capacity. Values over that are
 * dropped and counted in the gauge evicted_lost. Returns 0; -ENOTSUP: the store
 * drops nothing, or does not tell; -ESHUTDOWN: it is closed; -ECHILD: it was
 * made before a fork. Does not block. */
int weir_evicted_keep(struct weir_store *s, uint32_t kinds, uint64_t items,
                      uint64_t bytes);

/* weir_evicted_read takes up to max values from the queue, oldest first, and
 * returns how many, or an error as weir_evicted_keep does. One thread at a time
 * may read a store's queue. Never blocks. */
int weir_evicted_read(struct weir_store *s, struct weir_evicted *out, int max);

struct weir_latency {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t p50_ns, p90_ns, p99_ns, p999_ns, max_ns; /* within 3 % */
};

/* How old values were that a store dropped for lack of room. */
struct weir_evicted_ages {
    uint64_t unread;          /* of them, those that were never read */
    uint64_t bytes;           /* of their values */
    struct weir_latency age;  /* since they were set */
    struct weir_latency idle; /* since they were last read, or else set */
};

/* weir_evicted_ages returns 0 and in out the values that were dropped since the
 * last call. The first call begins it: values that are set later count. For
 * simulations: only a store whose values have no bytes can tell. -ENOTSUP, and
 * other errors as weir_evicted_keep; -ENOMEM. Does not block. */
int weir_evicted_ages(struct weir_store *s, struct weir_evicted_ages *out);

/* ---- guards: copies that stay right over processes ----
 *
 * Processes that keep copies in one store of what another store holds (the
 * authority) must not store a copy of a value that another process has
 * replaced meanwhile. A store that processes share may guard its keys for
 * them. Each key has a generation, and may have writers.
 *
 *     a read   LOOK, read the authority, set the copy with the ticket
 *     a write  BEGIN, write the authority, set the copy with the ticket, END
 *
 * A ticket is good until another write of its key begins. BEGIN deletes the
 * copy, so no process answers an old value after a writer died. A writer that
 * was not alone gets a ticket that is not good, so nobody keeps a copy of two
 * writes whose order nobody knows. Writers that died are noticed; for two
 * seconds nobody gets a good ticket then, since the authority may still apply
 * what they sent. Keys may share a generation: that costs a copy at most. */
enum weir_guard_verb {
    WEIR_GUARD_LOOK = 1, /* gives a ticket for a copy */
    WEIR_GUARD_CHECK,    /* whether the ticket is still good */
    WEIR_GUARD_BEGIN,    /* begins a write; gives a ticket */
    WEIR_GUARD_CLAIM,    /* begins a write if the ticket is good. Other writes
                            of the key wait until it ends */
    WEIR_GUARD_LOCK,     /* the same without a ticket: it waits until there is
                            no other write */
    WEIR_GUARD_END,      /* ends a write; deletes the copy if the ticket is not
                            good any more */
    WEIR_GUARD_LEASE,    /* asks to be the only process that loads a key, for
                            ms at most */
    WEIR_GUARD_WATCH,    /* looks at the lease of another one, by its ticket */
    WEIR_GUARD_SETTLE,   /* ends a lease with the outcome that answer has */
    WEIR_GUARD_KEEP = 64 /* added to BEGIN, CLAIM or LOCK: the copy stays, since
                            the write leaves the value as it is */
};

enum weir_guard_answer {
    WEIR_GUARD_OK = 1, /* done; the ticket is good; the load has ended well */
    WEIR_GUARD_SHARED, /* begun, but the ticket is not good */
    WEIR_GUARD_WAIT,   /* another one has it now; not begun */
    WEIR_GUARD_LOST,   /* the ticket is not good, the load failed or its
                          process died. LEASE: no room, load without one */
    WEIR_GUARD_ABSENT, /* the load found that there is no value; LEASE: and for
                          ms more that is still so */
};

struct weir_guard_key {
    const char *key;
    uint64_t ticket; /* in and out */
    uint64_t ms;     /* LEASE: how long at most. SETTLE with ABSENT: how long
                        it is known. BEGIN, out: 1 if there was a copy */
    uint64_t seen;   /* SETTLE: a ticket of LOOK from before the load */
    uint32_t key_len;
    uint32_t answer; /* enum weir_guard_answer */
};

/* weir_guard does a verb to n keys. -ENOTSUP: the store cannot guard. -EBUSY: a
 * stopped process holds a lock; nothing was begun. -ESHUTDOWN: it is closed.
 * -ECHILD: it was made before a fork. Never waits longer than a lock takes. */
int weir_guard(struct weir_store *s, uint32_t verb, struct weir_guard_key *keys,
               uint32_t n);

/* weir_store_inline returns 1 for an inline store, else 0. */
int weir_store_inline(const struct weir_store *s);

/* ---- statistics: reading them never stops a worker ---- */

/* The counters of one op. Refused batches are not counted. */
struct weir_op_stats {
    uint64_t batches;
    uint64_t items;
    uint64_t status[16]; /* items by enum weir_status */
    uint64_t bytes_read; /* of values that get returned */
    uint64_t bytes_written;
    struct weir_latency queue;   /* from submit until the claim of a slice;
                                    empty for inline stores */
    struct weir_latency service; /* of a slice in the connector; inline stores
                                    measure one call in 16 */
};

struct weir_store_stats {
    uint64_t inflight_batches;
    uint64_t inflight_items; /* queued and running */
    uint64_t inflight_bytes;
    uint64_t workers;
    uint64_t sessions;   /* open now */
    uint64_t reconnects; /* sessions opened after the first of each worker */
    uint64_t connect_failures;
    uint64_t refused;       /* batches that were refused with -EAGAIN */
    uint64_t last_error_ns; /* when; 0 = never */
    struct weir_error last_error;
};

/* A number of the connector: bytes held, evictions. */
struct weir_gauge {
    const char *name; /* lower_case; lives as long as the store */
    const char *help;
    uint64_t value;
    uint32_t counter; /* 1: it only grows */
    uint32_t reserved;
};

void weir_store_stats(struct weir_store *s, struct weir_store_stats *out);

/* weir_store_op_stats fills in the counters of one op. -EINVAL: not an op. */
int weir_store_op_stats(struct weir_store *s, uint32_t op,
                        struct weir_op_stats *out);

/* weir_store_histogram copies the WEIR_HISTOGRAM buckets of the latency in the
 * queue (queue 1) or of service (0). -EINVAL: not an op. */
int weir_store_histogram(struct weir_store *s, uint32_t op, int queue,
                         uint64_t *counts);

/* weir_store_queue returns how full the queue of an op is: 0 is empty, 1 is
 * full, by items (option queue) or by bytes (queue_bytes), whichever is more.
 * One batch that is larger than a bound makes it more than 1. 0 for an inline
 * store, which has no queue, and after a fork. -1: not an op. */
double weir_store_queue(struct weir_store *s, uint32_t op);

/* weir_histogram_floor returns the smallest latency of a bucket,
 * weir_histogram_bucket the bucket of a latency. */
uint64_t weir_histogram_floor(uint32_t bucket);
uint32_t weir_histogram_bucket(uint64_t ns);

/* weir_histogram_quantiles fills count and the quantiles of out from
 * WEIR_HISTOGRAM counts and from its max_ns. */
void weir_histogram_quantiles(const uint64_t *counts, struct weir_latency *out);

/* weir_store_gauges fills in up to max gauges and returns how many there are:
 * none once the store is closing. */
size_t weir_store_gauges(struct weir_store *s, struct weir_gauge *out,
                         size_t max);

/* ---- connectors, by name ---- */

enum weir_option_type {
    WEIR_STRING = 1,
    WEIR_INTEGER,
    WEIR_SIZE,     /* bytes; "64KiB", "1.5GB" */
    WEIR_DURATION, /* "50ms", "1.5s"; a plain number is seconds */
    WEIR_BOOLEAN,  /* true, false, yes, no, on, off, 1, 0 */
    WEIR_ENUM,
    WEIR_PATH,
    WEIR_SECRET,      /* a string that is never printed; "$NAME" is the value
                         of the environment variable NAME, "$$x" is "$x" */
    WEIR_SECRET_FILE, /* NAME_file: the first line of this file is the secret
                         NAME. The runtime adds this row after each secret */
};

/* The part of a URL that may give an option its value. */
enum weir_url_part {
    WEIR_URL_NONE = 0,
    WEIR_URL_USER,
    WEIR_URL_PASSWORD,
    WEIR_URL_HOST,
    WEIR_URL_PORT,
    WEIR_URL_PATH, /* with its leading slash for an option of type PATH, else
                      without; then an empty path counts as absent */
};

/* One row of an option table, by which values are parsed, checked and
 * documented. */
struct weir_option {
    const char *name;    /* NULL ends the table */
    const char *help;    /* one line, no full stop */
    const char *value;   /* the default, in words; NULL = none or required */
    const char *choices; /* enum: "s3fifo|lru|sieve", numbered from 0 */
    int64_t min, max;    /* integer, size, duration (ns); both 0 = any */
    uint32_t type;       /* enum weir_option_type */
    uint32_t offset;     /* in the connector's config struct */
    uint32_t url;        /* enum weir_url_part */
    uint32_t required;   /* 1: there is no default */
    const char *scheme; /* the URL part counts only for these schemes, separated
                           by blanks; NULL = for all */
};

struct weir_connector_info {
    const char *name;
    const char *help;
    const char *schemes; /* further URL schemes, separated by blanks; or NULL */
    const struct weir_option *options; /* the connector's own */
    uint32_t ops;                      /* a bit (1 << op) each */
    uint32_t is_inline;
};

/* weir_connector_names writes the names found, sorted, each ended by a newline,
 * and returns the length of all of them, as snprintf does. */
size_t weir_connector_names(char *out, size_t cap);

/* weir_connector_info describes a connector, found by its name or a scheme. The
 * strings and options live as long as the process. -ENOENT: err names the
 * nearest name. */
int weir_connector_info(const char *name, struct weir_connector_info *out,
                        struct weir_error *err);

/* weir_store_options returns the options that every store has (workers, queue,
 * timeout, ...), ended by a row without a name. */
const struct weir_option *weir_store_options(void);

/* ---- the rest ---- */

/* weir_now returns CLOCK_MONOTONIC in nanoseconds, or the time that
 * weir_set_now set. */
uint64_t weir_now(void);

/* weir_set_now makes weir_now return this time until the next call; 0 returns
 * to the real time. For simulations over stores that answer in place: workers
 * wait by the real clock. */
void weir_set_now(uint64_t ns);

/* An entry of a store that a replay models by rules. Entries with the same
 * bucket are a chain. An index of 0 stands for none. */
struct weir_model_entry {
    uint64_t hash; /* weir_hash of the key, seed 0 */
    double expires;
    uint32_t chain, older, younger; /* indices */
    uint32_t size;                  /* of the value */
    uint32_t charge;                /* what it takes of the capacity */
    float born, used;               /* set; last read, 0 = never */
    uint32_t mark;
};

/* weir_model_find returns the index of the entry with a hash, or 0. The number
 * of buckets is a power of two. */
uint32_t weir_model_find(const struct weir_model_entry *entries,
                         const uint32_t *buckets, uint32_t n_buckets,
                         uint64_t hash);

/* weir_decimal returns the number that the text is, as strtod would, if it is
 * digits with or without a point between them, 15 bytes at most; NaN if it is
 * anything else. */
double weir_decimal(const char *text, size_t n);

/* weir_hash returns the 64-bit XXH3 of the bytes with a seed. The result is the
 * same on every machine and in every version. */
uint64_t weir_hash(const void *bytes, size_t n, uint64_t seed);

/* weir_rendezvous returns the index of the seed that gives the bytes the
 * greatest weir_hash. Of equal ones it returns the first. */
uint32_t weir_rendezvous(const void *bytes, size_t n, const uint64_t *seeds,
                         uint32_t count);

/* One of several different prefixes, sorted as memcmp does. */
struct weir_prefix {
    const char *bytes;
    uint32_t len;
    uint32_t parent; /* 1 + the index of the longest other prefix that is a
                        prefix of this one; 0 = none */
};

/* weir_longest_prefix returns 1 + the index of the longest of count prefixes
 * that the n bytes begin with, or 0. */
uint32_t weir_longest_prefix(const char *bytes, size_t n,
                             const struct weir_prefix *sorted, uint32_t count);

/* weir_layout writes the sizes of the structs above, in the order value, item,
 * scan_entry, batch, error, op_stats, store_stats, gauge, option,
 * connector_info, status_info, prefix, op_info, event, evicted, guard_key.
 * Returns WEIR_ABI. A binding compares both with its own. */
uint32_t weir_layout(uint32_t *sizes, size_t n);

/* weir_version returns "MAJOR.MINOR.PATCH". */
const char *weir_version(void);

/* weir_nearest returns the word of n words with the smallest edit distance to
 * word, or NULL when none is near enough to suggest. */
const char *weir_nearest(const char *word, const char *const *words, size_t n);

/* weir_duration parses a time such as "50ms", "10m" or "1.5" (seconds) into
 * nanoseconds, weir_size a size such as "64KiB" or "1.5GB" into bytes. This is
 * the grammar of all options. -EINVAL: it is none. -ERANGE: it is too large. */
int weir_duration(const char *words, uint64_t *out);
int weir_size(const char *words, uint64_t *out);

/* cdef: end */

#define WEIR_FOREVER UINT64_MAX

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
