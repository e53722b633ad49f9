/* request.c -- a request: the commands of one op that a client sent one after
 * the other, as one batch.
 *
 * While it is open, items point into the client's buffer. Once it is submitted
 * the client waits, and its buffer stays as it is until the request is done. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum {
    SPARE = 64,   /* requests kept for the next ones */
    DRAINED = 64, /* batches taken from the completion queue at once */
    MARKS_END = 1 << 30,
};

static struct database *database_of(struct weir_server *s,
                                    const struct client *c)
{
    return &s->databases[c->pub.db];
}

/* ---- made, and made again ---- */

static void destroy(struct request *r)
{
    weir_batch_free(r->batch);
    free(r->parts);
    free(r->slots);
    free(r->marks);
    free(r->kept);
    free(r->args);
    free(r);
}

void request_free(struct weir_server *s, struct request *r)
{
    for (uint32_t i = 0; i < r->n_kept; i++)
        weir_value_unref(r->kept[i]);
    r->n_kept = 0;
    if (r->batch->n > 0)
        weir_batch_reset(r->batch, r->batch->op, 0);
    if (s == NULL || s->n_spare == SPARE || r->room > RUN_MAX) {
        destroy(r);
        return;
    }
    r->next = s->spare;
    s->spare = r;
    s->n_spare++;
}

/* Makes room for so many keys in an empty request. */
static bool make_room(struct request *r, uint32_t keys)
{
    uint32_t room = RUN_FIRST;

    if (r->room >= keys)
        return true;
    while (room < keys)
        room *= 2;
    weir_batch_free(r->batch);
    free(r->slots);
    free(r->marks);
    free(r->parts);
    r->batch = weir_batch_new(room);
    r->slots = malloc(room * sizeof *r->slots);
    r->marks = calloc(2 * room, sizeof *r->marks);
    r->parts = malloc(room * sizeof *r->parts);
    r->room = room;
    r->base = 0;
    if (r->batch != NULL && r->slots != NULL && r->marks != NULL &&
        r->parts != NULL)
        return true;
    r->room = 0;
    return false;
}

static struct request *take(struct weir_server *s, struct client *c,
                            uint32_t keys)
{
    struct request *r = s->spare;

    if (r != NULL) {
        s->spare = r->next;
        s->n_spare--;
    } else {
        r = calloc(1, sizeof *r);
    }
    if (r == NULL)
        return NULL;
    if (!make_room(r, keys)) {
        destroy(r);
        return NULL;
    }
    r->client = c;
    r->next = NULL;
    r->n_parts = r->n_slots = 0;
    r->bytes = 0;
    r->pub = (struct weir_request){.client = &c->pub};
    return r;
}

/* ---- put together ---- */

static bool has_room(const struct request *r, const struct client *c,
                     uint32_t op, uint32_t keys)
{
    return r->batch->op == op && r->n_slots + keys <= c->run_most &&
           r->n_slots + keys <= r->room && r->bytes < RUN_BYTES;
}

struct request *request_open(struct weir_server *s, struct client *c,
                             uint32_t op, uint32_t keys)
{
    struct request *r = s->open;

    if (r != NULL)
        return has_room(r, c, op, keys) ? r : NULL;
    r = take(s, c, keys > c->run_most ? keys : c->run_most);
    if (r == NULL)
        return NULL;
    weir_batch_reset(r->batch, op, 0);
    r->pub.batch = r->batch;
    r->shares = !database_of(s, c)->is_inline;
    if (r->shares && r->base > MARKS_END) {
        memset(r->marks, 0, 2 * r->room * sizeof *r->marks);
        r->base = 0;
    }
    s->open = r;
    return r;
}

static struct weir_item *add_item(struct request *r, const char *key,
                                  size_t size)
{
    struct weir_item *item = &r->batch->items[r->batch->n++];

    memset(item, 0, sizeof *item);
    item->key = key;
    item->key_len = (uint32_t)size;
    return item;
}

/* A key that is a value of its own lives as long as the request. */
static const char *keep_key(struct request *r, struct parse_arg *arg)
{
    struct weir_value **grown =
        realloc(r->kept, (r->n_kept + 1) * sizeof *grown);

    if (grown == NULL)
        return NULL;
    r->kept = grown;
    r->kept[r->n_kept++] = arg->value;
    arg->value = NULL;
    return r->kept[r->n_kept - 1]->data;
}

/* The item of a key that came before, or a new one. */
static struct weir_item *share_item(struct request *r, const char *key,
                                    size_t size)
{
    uint32_t mask = 2 * r->room - 1;
    uint32_t at = (uint32_t)weir_hash(key, size, 0) & mask;

    for (; r->marks[at] > r->base; at = (at + 1) & mask) {
        uint32_t i = r->marks[at] - r->base - 1;
        struct weir_item *item = &r->batch->items[i];

        if (item->key_len == size && memcmp(item->key, key, size) == 0) {
            r->slots[r->n_slots++] = i | SLOT_AGAIN;
            return item;
        }
    }
    r->slots[r->n_slots++] = r->batch->n;
    r->marks[at] = r->base + r->batch->n + 1;
    return add_item(r, key, size);
}

bool request_has(const struct request *r, const char *key, size_t size)
{
    uint32_t mask = 2 * r->room - 1;
    uint32_t at = (uint32_t)weir_hash(key, size, 0) & mask;

    for (; r->shares && r->marks[at] > r->base; at = (at + 1) & mask) {
        const struct weir_item *item =
            &r->batch->items[r->marks[at] - r->base - 1];

        if (item->key_len == size && memcmp(item->key, key, size) == 0)
            return true;
    }
    return false;
}

struct weir_item *request_key(struct weir_server *s, struct request *r,
                              struct parse_arg *arg, const char *key)
{
    (void)s;
    if (arg->value != NULL) {
        key = keep_key(r, arg);
        arg->size = key != NULL ? arg->size : 0; /* answered INVALID */
    }
    if (r->shares)
        return share_item(r, key, (size_t)arg->size);
    r->n_slots++;
    return add_item(r, key, (size_t)arg->size);
}

void request_part(struct request *r, struct weir_command *command, uint32_t n,
                  uint32_t client_flags)
{
    r->parts[r->n_parts++] = (struct part){
        .command = command,
        .n = n,
        .muted = client_flags & (WEIR_CLIENT_MUTE | WEIR_CLIENT_SKIP),
    };
}

/* ---- submitted ---- */

static void enqueue(struct weir_server *s, struct request *r)
{
    r->client->request = r;
    r->next = NULL;
    *s->queue_end = r;
    s->queue_end = &r->next;
    s->queued++;
    s->stats.waiting++;
}

void request_host(struct weir_server *s, struct client *c, uint32_t number)
{
    struct request *r = take(s, c, 1);
    uint32_t n = c->parser.n_args;

    if (r != NULL && r->args_room < n) {
        free(r->args);
        r->args = malloc(n * sizeof *r->args);
        r->args_room = r->args != NULL ? n : 0;
    }
    if (r == NULL || r->args == NULL) {
        if (r != NULL)
            request_free(s, r);
        reply_error(s, c, "OOM out of memory for the command");
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        r->args[i].size = c->parser.args[i].size;
        r->args[i].data = wish_bytes(c, i);
    }
    r->pub.args = r->args;
    r->pub.n_args = n;
    r->pub.command = number;
    r->pub.muted = c->pub.flags & WEIR_CLIENT_SKIP;
    enqueue(s, r);
}

/* The client's next runs: longer while they are full, and so short that their
 * values stay within bounds. */
static void adapt(struct request *r)
{
    struct client *c = r->client;
    uint64_t bytes = r->bytes, most = RUN_MAX;

    for (uint32_t i = 0; i < r->batch->n && r->batch->op == WEIR_GET; i++) {
        if (r->batch->items[i].value != NULL)
            bytes += r->batch->items[i].value->size;
    }
    if (bytes > RUN_BYTES / 8)
        most = RUN_BYTES / (bytes / r->batch->n + 1) + 1;
    if (r->n_slots >= c->run_most && most > 2 * c->run_most)
        most = 2 * c->run_most;
    else if (most > c->run_most && r->n_slots < c->run_most)
        most = c->run_most;
    c->run_most = (uint32_t)(most < RUN_MAX ? most : RUN_MAX);
}

static void answer(struct weir_server *s, struct request *r)
{
    if (r->client->pub.fd >= 0) {
        reply_batch(s, r);
        adapt(r);
    }
    r->base += r->batch->n;
    request_free(s, r);
}

/* What was lent from the client's buffer must not change while a worker reads
 * it, and a client may go meanwhile. */
static bool own_values(struct weir_batch *batch)
{
    bool sends = weir_op_info(batch->op)->sends;

    for (uint32_t i = 0; i < batch->n && sends; i++) {
        struct weir_item *item = &batch->items[i];

        if (item->value != NULL)
            continue;
        item->value = weir_value_copy(item->data, item->size);
        if (item->value == NULL)
            return false;
        item->data = NULL;
    }
    return true;
}

static void submit(struct weir_server *s, struct request *r,
                   struct database *db)
{
    struct weir_batch *batch = r->batch;
    int rc;

    if (!own_values(batch)) {
        for (uint32_t i = 0; i < batch->n; i++)
            batch->items[i].status = WEIR_BUSY;
        answer(s, r);
        return;
    }
    batch->tag = (uint64_t)(uintptr_t)r;
    r->client->request = r;
    rc = weir_submit(db->store, s->cq, batch);
    if (rc == 0) {
        s->stats.waiting++;
        return;
    }
    r->client->request = NULL;
    answer(s, r);
}

void request_run(struct weir_server *s)
{
    struct request *r = s->open;
    struct database *db;

    if (r == NULL)
        return;
    s->open = NULL;
    db = database_of(s, r->client);
    if (db->store == NULL) {
        if (fast_path_answer(s, r))
            answer(s, r);
        else
            enqueue(s, r);
    } else if (db->is_inline) {
        weir_submit(db->store, NULL, r->batch);
        answer(s, r);
    } else {
        submit(s, r, db);
    }
}

/* ---- answered ---- */

static void finish(struct weir_server *s, struct request *r)
{
    struct client *c = r->client;

    s->stats.waiting--;
    c->request = NULL;
    if (r->pub.args != NULL) {
        c->answered = true;
        request_free(s, r);
    } else {
        answer(s, r);
    }
    later_add(s, c);
}

void request_drain(struct weir_server *s)
{
    struct weir_batch *done[DRAINED];
    int n;

    do {
        n = weir_cq_drain(s->cq, done, DRAINED);
        for (int i = 0; i < n; i++)
            finish(s, (struct request *)(uintptr_t)done[i]->tag);
    } while (n == DRAINED);
}

struct weir_request *weir_server_next(struct weir_server *s)
{
    struct request *r = s->queue;

    if (r == NULL)
        return NULL;
    s->queue = r->next;
    if (s->queue == NULL)
        s->queue_end = &s->queue;
    s->queued--;
    r->reply_from = r->client->out.pending;
    return &r->pub;
}

int weir_server_reply(struct weir_server *s, struct weir_request *pub,
                      const char *bytes, uint64_t size)
{
    struct request *r = (struct request *)pub;

    if (pub->muted || r->client->pub.fd < 0 ||
        r->client->pub.flags & WEIR_CLIENT_MUTE)
        return 0;
    if (size > 0 && bytes[0] == '-' && r->client->out.pending == r->reply_from)
        s->commands[pub->command]->errors++;
    outbox_add(&r->client->out, bytes, (size_t)size);
    return r->client->out.failed ? -ENOMEM : 0;
}

void weir_server_done(struct weir_server *s, struct weir_request *pub)
{
    finish(s, (struct request *)pub);
}
