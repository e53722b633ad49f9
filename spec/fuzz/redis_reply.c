/* redis_reply.c -- any bytes as a server's replies, in pieces of any size, to
 * calls of every op, one of which may expire on the way: every item gets an
 * answer, nothing outside the buffers is touched, and what is OK has the length
 * it says. */

#include <poll.h>

#include "../../connectors/redis/answer.c"
#include "../../connectors/redis/change.c"
#include "../../connectors/redis/command.c"
#include "../../connectors/redis/exchange.c"
#include "../../connectors/redis/fail.c"
#include "../../connectors/redis/inbox.c"
#include "../../connectors/redis/late.c"
#include "../../connectors/redis/link.c"
#include "../../connectors/redis/outbox.c"
#include "../../connectors/redis/pipeline.c"
#include "../../connectors/redis/put.c"
#include "../../connectors/redis/refusal.c"
#include "../../connectors/redis/reply.c"
#include "../../connectors/redis/scan.c"
#include "../../connectors/redis/window.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* There are no sentinels here: the master is always the same. */
uint32_t master_turn(const struct redis *r)
{
    (void)r;
    return 0;
}

enum { ITEMS = 24, CAP = 64, MAX_VALUE = 1 << 20 };

/* ---- the other side ---- */

static const uint8_t *stream, *stream_end;
static size_t piece;
static bool taken_back; /* memory is, from half of the stream on */
static size_t expires;  /* a call, when so much of the stream is left */

static ssize_t fuzz_send(struct link *l, const struct iovec *iov, int n)
{
    ssize_t total = 0;

    (void)l;
    for (int i = 0; i < n; i++)
        total += (ssize_t)iov[i].iov_len;
    return total;
}

static ssize_t fuzz_receive(struct link *l, const struct iovec *iov, int n)
{
    size_t left = (size_t)(stream_end - stream), total = 0;

    (void)l;
    left = left < piece ? left : piece;
    for (int i = 0; i < n; i++) {
        size_t len = left < iov[i].iov_len ? left : iov[i].iov_len;

        if (len > 0)
            memcpy(iov[i].iov_base, stream, len);
        stream += len;
        left -= len;
        total += len;
    }
    return total > 0 ? (ssize_t)total : -ECONNRESET;
}

static bool fuzz_is_quiet(struct link *l)
{
    (void)l;
    return true;
}

/* ---- the runtime, as far as it is asked ---- */

int weir_call_fail(struct weir_call *call, struct weir_item *item, int status,
                   const char *format, ...)
{
    (void)format;
    for (uint32_t i = 0; i < call->n; i++) {
        if (item == NULL && call->items[i].status == WEIR_PENDING)
            call->items[i].status = (uint8_t)status;
    }
    if (item != NULL)
        item->status = (uint8_t)status;
    return status;
}

bool weir_call_lend(struct weir_call *call)
{
    (void)call;
    return !taken_back;
}

void weir_call_unlend(struct weir_call *call)
{
    (void)call;
}

int weir_call_taken_back(struct weir_call *call, struct weir_item *item)
{
    return weir_call_fail(call, item, WEIR_SKIPPED, "abandoned");
}

int weir_call_no_memory(struct weir_call *call, struct weir_item *item,
                        const char *what)
{
    return weir_call_fail(call, item, WEIR_BUSY, "%s", what);
}

int weir_call_place(struct weir_call *call, struct weir_item *item,
                    uint64_t size, char **to)
{
    item->size = size;
    if (size > MAX_VALUE || (item->data != NULL && size > item->cap))
        return weir_call_fail(call, item, WEIR_TOOBIG, "too big");
    *to = item->data;
    if (item->data == NULL)
        item->value = weir_value_new(size, to);
    return 0;
}

void weir_call_answer(struct weir_call *call, struct weir_item *item,
                      const void *bytes, uint64_t size)
{
    char *to;

    if (weir_call_place(call, item, size, &to) != 0)
        return;
    memcpy(to, bytes, size);
    item->status = WEIR_OK;
}

int weir_call_look(struct weir_call *call)
{
    (void)call;
    if ((size_t)(stream_end - stream) > expires)
        return 0;
    expires = 0;
    return stream < stream_end ? -EAGAIN : 0;
}

int weir_call_wait(struct weir_call *call, int fd, short events,
                   uint64_t timeout_ns)
{
    int rc = weir_call_look(call);

    (void)fd, (void)events, (void)timeout_ns;
    return rc < 0 ? rc : POLLIN;
}

int weir_page_add(struct weir_page *page, const void *key, uint32_t key_len,
                  uint64_t size, uint64_t ttl_ms)
{
    const volatile char *at = key;

    (void)size, (void)ttl_ms;
    for (uint32_t i = 0; i < key_len; i++)
        (void)at[i];
    page->keys++;
    return 0;
}

void weir_page_answer(struct weir_call *call, struct weir_item *item,
                      struct weir_page *page, uint64_t cursor)
{
    (void)call;
    page->keys = 0;
    item->cursor = cursor;
    item->status = WEIR_OK;
}

/* Half of the calls put the scripts of take and append. */
uint64_t weir_call_max_value(const struct weir_call *call)
{
    return call->n % 2 ? (uint64_t)512 << 20 : 1000;
}

/* ---- calls ---- */

static const struct redis_config CONFIG = {
    .prefix = "p:", .multi = true, .read_timeout = 1000000000u};
static struct redis redis = {.config = &CONFIG, .prefix_len = 2};

static bool reads(uint32_t op)
{
    return op == WEIR_GET || op == WEIR_GAT || op == WEIR_TAKE;
}

static void item_init(struct weir_item *item, uint32_t op, bool lent)
{
    static const char KEY[] = "key";

    *item = (struct weir_item){.key = KEY, .key_len = 3};
    if (window_sends(op)) {
        item->data = (char *)KEY;
        item->size = 3;
    } else if (reads(op) && lent) {
        item->data = malloc(CAP);
        item->cap = CAP;
    }
}

static void item_check(struct weir_item *item, uint32_t op)
{
    if (weir_status_info(item->status) == NULL)
        __builtin_trap();
    if (!reads(op))
        return;
    if (item->data != NULL && item->status == WEIR_OK && item->size > CAP)
        __builtin_trap();
    if (item->data == NULL && item->status == WEIR_OK &&
        item->value->size != item->size)
        __builtin_trap();
    weir_value_unref(item->value);
    free(item->data);
}

/* Checks a call that was answered; nobody is to look at it from then on. */
static void call_end(struct weir_call *call, bool *ended)
{
    for (uint32_t i = 0; i < call->n; i++)
        item_check(&call->items[i], call->op);
    memset(call->items, 0xff, call->n * sizeof *call->items);
    memset(call, 0xff, sizeof *call);
    *ended = true;
}

static void run(struct redis_session *s, uint32_t op, uint32_t n, bool lent,
                int late)
{
    struct weir_item items[2][ITEMS];
    struct weir_call calls[2] = {{.op = op, .n = n, .items = items[0]},
                                 {.op = WEIR_GET, .n = n, .items = items[1]}};
    bool ended[2] = {false, false};
    int rc = 0;

    for (int c = 0; c < 2; c++) {
        for (uint32_t i = 0; i < n; i++)
            item_init(&items[c][i], calls[c].op, lent);
        redis_start(s, &calls[c]);
    }
    for (int c = 0; c < 2 && rc >= 0; c++) {
        while (!ended[c] && (rc = redis_finish(s, &calls[c])) == -EAGAIN) {
            rc = ended[late] ? 0 : redis_expire(s, &calls[late]);
            if (rc < 0 && rc != -EBUSY)
                break;
            if (rc == 0 && !ended[late])
                call_end(&calls[late], &ended[late]);
        }
        if (!ended[c])
            call_end(&calls[c], &ended[c]);
    }
    for (int c = 0; c < 2; c++) {
        if (!ended[c])
            call_end(&calls[c], &ended[c]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct redis_session s;

    if (n < 4)
        return 0;
    memset(&s, 0, sizeof s);
    s.redis = &redis;
    s.loaded = &redis.loaded;
    s.link = (struct link){.fd = -1,
                           .send = fuzz_send,
                           .receive = fuzz_receive,
                           .is_quiet = fuzz_is_quiet};
    s.value_guess = s.reply_guess = bytes[2] & 2 ? 100 : 65536;
    outbox_init(&s.out);
    inbox_init(&s.in);
    stream = bytes + 4;
    stream_end = bytes + n;
    piece = bytes[3] % 64 + 1;
    taken_back = bytes[2] & 4;
    expires = bytes[2] & 8 ? (n - 4) / 2 : 0;
    run(&s, bytes[0] % WEIR_TAKE + 1, bytes[1] % ITEMS + 1, bytes[2] & 1,
        bytes[2] >> 4 & 1);
    pipeline_clear(&s);
    outbox_free(&s.out);
    inbox_free(&s.in);
    if (redis.loaded != 0)
        __builtin_trap();
    return 0;
}
