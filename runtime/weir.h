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
 * Errors:  functions return 0, a count, or a negative errno. What happened to
 *          a key is its item's status, never an errno.
 * Threads: every function may be called from any thread, unless said
 *          otherwise. A batch belongs to one thread at a time: to the host
 *          until weir_submit takes it, to the runtime until it is drained.
 * Memory:  keys are copied at submit. Values are either counted references
 *          (struct weir_value) or the caller's memory, lent from submit until
 *          the batch is drained or weir_batch_abandon returns.
 * Units:   lengths are bytes, times are nanoseconds of CLOCK_MONOTONIC; a time
 *          to live is milliseconds.
 * Signals: worker threads block them all. Nothing here prints.
 * Forks:   what was made before a fork stays with the parent. In the child
 *          submit, close and wait answer -ECHILD, drain finds nothing, cancel
 *          and abandon do nothing, and what is freed is only forgotten. */

#ifndef WEIR_H
#define WEIR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* cdef: begin -- plain C only: lua/weir/ffi.lua reads these lines. */

enum {
    WEIR_ABI = 5,          /* changes with any struct or function below */
    WEIR_KEY_MAX = 65536,  /* the longest key */
    WEIR_OPS = 8,          /* enum weir_op stays below */
    WEIR_STATUSES = 16,    /* enum weir_status stays below */
    WEIR_HISTOGRAM = 1280, /* buckets of a latency histogram */
};

enum weir_op {
    WEIR_GET = 1, /* read the value of each key */
    WEIR_SET,     /* store each value under its key */
    WEIR_EXISTS,  /* OK or MISS, no value */
    WEIR_DELETE,  /* OK: it was there; MISS: it was not */
    WEIR_STAT,    /* size and time to live, no value */
    WEIR_TOUCH,   /* a new time to live, value unchanged */
    WEIR_SCAN,    /* one page of the keys that begin with each item's key */
};

/* The facts of an op, from the one table that states them. A fact is 1 or 0. */
struct weir_op_info {
    const char *name;   /* "get", "set", ... as options and Lua show it */
    uint8_t writes;     /* it changes what the store holds */
    uint8_t idempotent; /* done twice it leaves what it leaves done once */
    uint8_t sends;      /* each item carries a value to the store */
    uint8_t returns;    /* each OK item carries a value back */
    uint8_t prefix;     /* an item's key is the beginning of keys and may be
                           empty; the value that comes back is a page of keys */
    uint8_t reserved[3];
};

/* weir_op_info returns the row of an op, or NULL for no op. */
const struct weir_op_info *weir_op_info(uint32_t op);

/* What happened to a key. The numbers are the order of "worse": a write over
 * several copies takes the largest, a read the smallest. */
enum weir_status {
    WEIR_PENDING = 0, /* not answered yet; no drained item has it */
    WEIR_OK,
    WEIR_MISS,        /* the backend says: no such key */
    WEIR_REJECTED,    /* admission or capacity said no */
    WEIR_SKIPPED,     /* never sent: deadline past, cancelled, closed */
    WEIR_BUSY,        /* a queue or the backend is full, or this process is
                         out of memory; not applied */
    WEIR_UNAVAILABLE, /* not connected; never sent */
    WEIR_TIMEOUT,     /* sent, no answer in time: maybe applied */
    WEIR_RESET,       /* sent, the session broke: maybe applied */
    WEIR_FAILED,      /* the backend answered an error; its kinds follow */
    WEIR_NOSPACE,     /* the memory or disk of the backend is full */
    WEIR_TOOBIG,      /* value over the limit, or buffer too small */
    WEIR_DENIED,      /* authentication or permission */
    WEIR_UNSUPPORTED, /* this store cannot do this op */
    WEIR_CORRUPT,     /* length or checksum wrong; never served */
    WEIR_INVALID,     /* the caller's fault */
};

enum weir_class { WEIR_CLASS_GOOD = 1, WEIR_CLASS_MISS, WEIR_CLASS_ERROR };

enum weir_retry {
    WEIR_RETRY_NO = 0,
    WEIR_RETRY_IDEMPOTENT, /* maybe applied: only ops that may run twice */
    WEIR_RETRY_ANY,        /* not applied */
};

enum weir_applied { WEIR_APPLIED_NO = 0, WEIR_APPLIED_YES, WEIR_APPLIED_MAYBE };

/* The facts of a status, from the one table that states them. */
struct weir_status_info {
    const char *name; /* "ok", "miss", ... as Lua shows it */
    uint8_t klass;    /* enum weir_class; WEIR_CLASS_MISS also for rejected */
    uint8_t retry;    /* enum weir_retry */
    uint8_t applied;  /* enum weir_applied */
    uint8_t reserved;
};

/* weir_status_info returns the row of a status, or NULL for no status. */
const struct weir_status_info *weir_status_info(int status);

/* One sentence for people, written once at the place that knew. */
struct weir_error {
    int32_t code; /* the negative errno it came with, or 0 */
    char message[252];
};

/* ---- values ---- */

/* Immutable bytes with a reference count; private fields follow. */
struct weir_value {
    const char *data;
    uint64_t size;
};

/* weir_value_new returns a value of that size with one reference, or NULL when
 * memory is short; *data is where its bytes go, before anyone else sees it. */
struct weir_value *weir_value_new(uint64_t size, char **data);

/* weir_value_copy returns a value that holds a copy of the bytes, or NULL. */
struct weir_value *weir_value_copy(const void *bytes, uint64_t size);

/* weir_value_wrap returns a value over memory that stays where it is, or NULL;
 * release(arg) is called once, on any thread, when the last reference goes. */
struct weir_value *weir_value_wrap(const void *bytes, uint64_t size,
                                   void (*release)(void *arg), void *arg);

/* weir_value_ref adds a reference and returns its argument. */
struct weir_value *weir_value_ref(struct weir_value *v);

/* weir_value_unref drops one; NULL is allowed. */
void weir_value_unref(struct weir_value *v);

/* weir_values_unref drops the values of any struct that begins with a uint64_t
 * n and goes on with n pointers to them, NULL or not, and clears those. One
 * argument makes it a finalizer that a binding can attach as it is. */
void weir_values_unref(void *values);

/* ---- batches ---- */

struct weir_item {
    const char *key;  /* any bytes; after submit it may point at the copy */
    uint32_t key_len; /* 1 to WEIR_KEY_MAX; scan: 0 to WEIR_KEY_MAX */
    uint8_t status;   /* out: enum weir_status */
    uint8_t flags;    /* 0 */
    uint16_t reserved;
    char *data;               /* set: lent bytes. get: lent buffer, or NULL */
    uint64_t cap;             /* get: size of that buffer. scan: about how many
                                 keys a page has; 0 = the connector's choice */
    uint64_t size;            /* set: length of data. out: the true length */
    struct weir_value *value; /* set: instead of data. get, scan: the answer
                                 when data is NULL. The batch owns one
                                 reference; take it by clearing the field */
    uint64_t ttl_ms;          /* set: 0 = the store's default. touch: 0 =
                                 never expires. stat, out: left, 0 = never */
    uint64_t cursor;          /* scan: 0 = begin. out: 0 = that was all */
};

/* A page of a scan is a value that holds entries one after the other, each
 * this head, then key_len bytes of key, then zeros up to a multiple of 8. A key
 * may appear on two pages while others write; none that stays is left out. */
struct weir_scan_entry {
    uint64_t size;   /* of the value; UINT64_MAX: not known without asking */
    uint64_t ttl_ms; /* left; 0 = never expires; UINT64_MAX: not known */
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
 * Batches are made to be used again. */
struct weir_batch *weir_batch_new(uint32_t capacity);

/* weir_batch_reset makes a batch that is not in flight ready for op on n items:
 * drops what values it still owns and zeroes items, deadline, tag and error.
 * -EINVAL: n is over the capacity. -EBUSY: it is in flight. */
int weir_batch_reset(struct weir_batch *b, uint32_t op, uint32_t n);

/* weir_batch_take moves the values of a drained batch, one for each item or
 * NULL, and returns how many items are OK. That of item i goes to out[i], or to
 * out[slots[i] - 1]. The references are the caller's; the batch has no items
 * afterwards. */
uint32_t weir_batch_take(struct weir_batch *b, struct weir_value **out,
                         const uint32_t *slots);

/* weir_batch_free gives a batch back with the values it owns. One in flight is
 * cancelled and abandoned first, and is freed when it ends, undrained. NULL is
 * allowed. Free, cancel and abandon are not for a thread that cannot know
 * whether another is draining the batch. */
void weir_batch_free(struct weir_batch *b);

/* weir_batch_cancel ends what is still queued as SKIPPED, now; what a worker
 * runs ends by its own time-out. The completion comes as always. */
void weir_batch_cancel(struct weir_batch *b);

/* weir_batch_abandon takes lent memory back: after it returns, the runtime
 * neither reads nor writes it. Waits at most for the one memory copy or system
 * call in progress there. The completion comes as always. */
void weir_batch_abandon(struct weir_batch *b);

/* ---- completion queues ---- */

struct weir_cq;

/* weir_cq_new makes a queue whose notifier is an eventfd of its own. */
int weir_cq_new(struct weir_cq **out);

/* weir_cq_free lets go of a queue, NULL or not. Batches still on their way to
 * it are freed as they end if weir_batch_free was called on them, else they
 * leak. */
void weir_cq_free(struct weir_cq *cq);

/* weir_cq_fd returns the fd that is readable while batches wait. Only poll it:
 * weir_cq_drain empties it. */
int weir_cq_fd(const struct weir_cq *cq);

/* weir_cq_notify_socket makes the queue ring by writing one byte to fd, a
 * connected non-blocking stream socket whose other end the host reads itself.
 * The host reads the byte, then drains until a drain returns less than max: at
 * most one byte is on its way then. Each drain that comes without a byte may
 * bring one byte more, so read all there are. -1 turns back to the eventfd. The
 * fd stays the caller's; it must stay open until another notifier is set. */
int weir_cq_notify_socket(struct weir_cq *cq, int fd);

/* weir_cq_drain moves up to max finished batches to out, returns how many;
 * never blocks. Drain until it returns less than max. */
int weir_cq_drain(struct weir_cq *cq, struct weir_batch **out, int max);

/* weir_cq_wait blocks until a batch waits to be drained (1), or the time is up
 * (0). timeout_ns UINT64_MAX waits forever; 0 looks. The batch may be one that
 * the host has freed: then drain returns none. For hosts with no loop; not with
 * a socket as the notifier. */
int weir_cq_wait(struct weir_cq *cq, uint64_t timeout_ns);

/* weir_cq_pending returns how many batches were submitted to it and have not
 * been drained. */
uint64_t weir_cq_pending(const struct weir_cq *cq);

/* ---- bells: for loops that can read only sockets of their own ---- */

struct weir_bell;

/* weir_bell_new listens for one connection, which the host's loop makes next:
 * on a unix socket in folder (NULL = none given), else in /dev/shm, else in
 * /tmp, else on a port of 127.0.0.1. err says why it is not in folder (with 0),
 * or why there is no bell. Free it with weir_bell_free; the queue may go first.
 */
int weir_bell_new(struct weir_bell **out, struct weir_cq *cq,
                  const char *folder, struct weir_error *err);

/* weir_bell_address returns what to connect to: "unix:/dev/shm/weir-..." or
 * "127.0.0.1:4711". Lives as long as the bell. */
const char *weir_bell_address(const struct weir_bell *bell);

/* weir_bell_answer takes the connection that this process made, refuses those
 * of others, stops listening, and makes it the queue's notifier. Never blocks.
 * -EAGAIN: nobody has connected. */
int weir_bell_answer(struct weir_bell *bell);

/* weir_bell_ring sends a byte as a completion does: it wakes the host's loop.
 */
int weir_bell_ring(struct weir_bell *bell);

/* weir_bell_free lets go of a bell; the queue rings its eventfd again. Not
 * while another thread uses the bell. */
void weir_bell_free(struct weir_bell *bell);

/* weir_bells_made returns how many bells this process has made so far. */
uint32_t weir_bells_made(void);

/* ---- stores ---- */

struct weir_store;

/* An option by name, its value in words: "64MiB", "50ms", "true". */
struct weir_setting {
    const char *name;
    const char *value;
};

/* weir_open_dry says whether the stores that the calling thread opens from now
 * on are opened only to be looked at (1) or to be used (0, as it is at first).
 * The options are checked, nothing outside the process changes: fs makes no
 * folder. Such a store may refuse all work. Returns what was said before. */
int weir_open_dry(int dry);

/* weir_open opens a store. target is a URL (fs:///var/cache?sync=data) or the
 * name of a connector; the settings come on top and win. It does not touch the
 * network. -EINVAL, -ENOENT, ...: err says what was wrong, in a sentence. */
int weir_open(struct weir_store **out, const char *target,
              const struct weir_setting *settings, size_t n,
              struct weir_error *err);

/* weir_submit hands a batch to the store. Never blocks.
 * 0: taken; it comes back once, through cq.
 * 1: finished in place (an inline store); it does not come through cq.
 * -EAGAIN: a queue is full, drain first. -ESHUTDOWN: closed. -ECHILD: the store
 * or the queue was made before a fork. -EINVAL: not an op, n over capacity, cq
 * missing. -EBUSY: the batch is in flight. -ENOMEM. A refused batch stays the
 * caller's, its items say why (BUSY, SKIPPED, INVALID), its error says it in
 * words. Items with a bad key or an oversized value are answered INVALID or
 * TOOBIG without hindering the others. */
int weir_submit(struct weir_store *s, struct weir_cq *cq, struct weir_batch *b);

enum weir_close_mode {
    WEIR_CLOSE_DRAIN = 0, /* finish what is queued, until the deadline */
    WEIR_CLOSE_FAIL,      /* end what is queued as SKIPPED */
};

/* weir_close stops taking batches, finishes or fails what is queued, interrupts
 * what still runs at deadline_ns, joins the workers. It interrupts a connect at
 * once that nothing queued waits for, and one that has taken a second. Every
 * batch taken has its completion in its cq when this returns 0. A second close
 * returns 0 at once. Of closes that run at the same time the earliest deadline
 * counts for all, and WEIR_CLOSE_FAIL does. Blocks until then.
 * -ETIMEDOUT: a connector ignored the interrupt for two seconds; call again. */
int weir_close(struct weir_store *s, uint64_t deadline_ns, int mode);

/* weir_close_begin does the same on a thread of its own and never blocks. b, a
 * batch of no items, comes back through cq when the close has ended: with
 * b->error.code 0, or what weir_close would have returned. The store may be
 * freed before. -ECHILD: the store or the queue was made before a fork.
 * -EINVAL: b has items. -EBUSY: b is in flight. -EAGAIN, -ENOMEM: there is no
 * thread for it. */
int weir_close_begin(struct weir_store *s, struct weir_cq *cq,
                     struct weir_batch *b, uint64_t deadline_ns, int mode);

/* weir_store_free closes (failing what is queued) if need be, then lets go; a
 * store whose workers cannot be ended stays. NULL is allowed. Not while another
 * thread uses the store; batches may still wait to be drained. */
void weir_store_free(struct weir_store *s);

/* weir_store_drop does the same without waiting for workers: a thread of its
 * own does, unless none can be made. For finalizers. A process that exits
 * meanwhile waits up to two seconds for such threads. */
void weir_store_drop(struct weir_store *s);

/* weir_store_name returns what messages call the store: "memory",
 * "redis 127.0.0.1:6379". Lives as long as the store. */
const char *weir_store_name(const struct weir_store *s);

/* weir_store_inline returns 1 when submit answers in place, else 0. */
int weir_store_inline(const struct weir_store *s);

/* ---- statistics: reading them never stops a worker ---- */

struct weir_latency {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t p50_ns, p90_ns, p99_ns, p999_ns, max_ns; /* within 3 % */
};

/* The counts of one op: of the batches that were not refused. */
struct weir_op_stats {
    uint64_t batches;
    uint64_t items;
    uint64_t status[16]; /* items by enum weir_status */
    uint64_t bytes_read; /* of values, to the host */
    uint64_t bytes_written;
    struct weir_latency queue;   /* from submit until a worker took the slice;
                                    none for inline stores */
    struct weir_latency service; /* of a slice in the connector; inline stores
                                    time one call in 16 */
};

struct weir_store_stats {
    uint64_t inflight_batches;
    uint64_t inflight_items; /* queued and running */
    uint64_t inflight_bytes;
    uint64_t workers;
    uint64_t sessions;   /* open now */
    uint64_t reconnects; /* sessions opened after the first of each worker */
    uint64_t connect_failures;
    uint64_t refused;       /* batches answered -EAGAIN */
    uint64_t last_error_ns; /* when; 0 = never */
    struct weir_error last_error;
};

/* A number of the connector's own: bytes held, evictions. */
struct weir_gauge {
    const char *name; /* lower_case; lives as long as the store */
    const char *help;
    uint64_t value;
    uint32_t counter; /* 1: it only grows */
    uint32_t reserved;
};

void weir_store_stats(struct weir_store *s, struct weir_store_stats *out);

/* weir_store_op_stats fills the counts of one op; -EINVAL: not an op. */
int weir_store_op_stats(struct weir_store *s, uint32_t op,
                        struct weir_op_stats *out);

/* weir_store_histogram copies WEIR_HISTOGRAM counts; queue 1 = waiting, 0 =
 * service. -EINVAL: not an op. */
int weir_store_histogram(struct weir_store *s, uint32_t op, int queue,
                         uint64_t *counts);

/* weir_histogram_floor returns the least latency counted in a bucket. */
uint64_t weir_histogram_floor(uint32_t bucket);

/* weir_store_gauges fills up to max, returns how many there are: none once the
 * store is closing. */
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
    WEIR_SECRET,      /* a string that is never printed; "$NAME" is what the
                         environment variable NAME holds, "$$x" is "$x" */
    WEIR_SECRET_FILE, /* NAME_file: the file whose first line is the secret
                         NAME. The runtime adds this row after each secret */
};

/* The part of a URL that an option takes its value from. */
enum weir_url_part {
    WEIR_URL_NONE = 0,
    WEIR_URL_USER,
    WEIR_URL_PASSWORD,
    WEIR_URL_HOST,
    WEIR_URL_PORT,
    WEIR_URL_PATH, /* with its leading slash for an option of type PATH, else
                      without; an empty rest counts as absent */
};

/* One row of an option table: parsed, checked and documented from here. */
struct weir_option {
    const char *name;    /* NULL ends the table */
    const char *help;    /* one line, no full stop */
    const char *value;   /* the default, in words; NULL = none or required */
    const char *choices; /* enum: "s3fifo|lru|sieve", numbered from 0 */
    int64_t min, max;    /* integer, size, duration (ns); both 0 = any */
    uint32_t type;       /* enum weir_option_type */
    uint32_t offset;     /* where it goes in the connector's config struct */
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
 * and returns the length that needs, as snprintf does. */
size_t weir_connector_names(char *out, size_t cap);

/* weir_connector_info describes a connector, by name or scheme; what it points
 * at lives as long as the process. -ENOENT: err names the nearest. */
int weir_connector_info(const char *name, struct weir_connector_info *out,
                        struct weir_error *err);

/* weir_store_options returns the options that every store has (workers, queue,
 * timeout, ...), ended by a row without a name. */
const struct weir_option *weir_store_options(void);

/* ---- the rest ---- */

/* weir_now returns CLOCK_MONOTONIC in nanoseconds, or what weir_set_now said. */
uint64_t weir_now(void);

/* weir_set_now makes weir_now return this time until the next call; 0: the real
 * time again. For simulations over stores that are answered inline: workers wait
 * by the real clock. */
void weir_set_now(uint64_t ns);

/* weir_hash returns the 64-bit XXH3 of the bytes under a seed: the same number
 * on every machine, in every version. */
uint64_t weir_hash(const void *bytes, size_t n, uint64_t seed);

/* weir_rendezvous returns which of count seeds (0 for the first) gives the
 * bytes the greatest weir_hash; of equal ones the first. */
uint32_t weir_rendezvous(const void *bytes, size_t n, const uint64_t *seeds,
                         uint32_t count);

/* A prefix among others that are sorted as memcmp does, each once. */
struct weir_prefix {
    const char *bytes;
    uint32_t len;
    uint32_t parent; /* 1 + the place of the longest other one that it begins
                        with; 0 = none */
};

/* weir_longest_prefix returns 1 + the place of the longest of count prefixes
 * that the n bytes begin with; 0 = none. */
uint32_t weir_longest_prefix(const char *bytes, size_t n,
                             const struct weir_prefix *sorted, uint32_t count);

/* weir_layout writes the sizes of the structs above, in the order value, item,
 * scan_entry, batch, error, op_stats, store_stats, gauge, option,
 * connector_info, status_info, prefix, op_info; returns WEIR_ABI. Bindings
 * compare. */
uint32_t weir_layout(uint32_t *sizes, size_t n);

/* weir_version returns "MAJOR.MINOR.PATCH". */
const char *weir_version(void);

/* weir_nearest returns the one of n words that is nearest to word by edit
 * distance, or NULL when none is near enough to suggest. */
const char *weir_nearest(const char *word, const char *const *words, size_t n);

/* weir_duration reads words as an option of type WEIR_DURATION does ("50ms",
 * "10m"; a plain number is seconds) into nanoseconds. 0, -EINVAL: no duration,
 * -ERANGE: too long. */
int weir_duration(const char *words, uint64_t *out);

/* cdef: end */

#define WEIR_FOREVER UINT64_MAX

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
