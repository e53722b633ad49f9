/* reply.c -- what the items of a batch say, as replies in Redis's forms. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "state.h"

enum { ERROR_MAX = 512 };

static void reply_nil(struct client *c)
{
    outbox_text(&c->out, c->pub.protocol == 3 ? "_\r\n" : "$-1\r\n");
}

/* ---- errors ---- */

static void put_error(struct client *c, char *text, int len)
{
    size_t n = len < 0 ? 0 : (size_t)len;

    if (n > ERROR_MAX - 1)
        n = ERROR_MAX - 1;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
    }
    outbox_add(&c->out, "-", 1);
    outbox_add(&c->out, text, n);
    outbox_add(&c->out, "\r\n", 2);
}

/* As long as the reply that LMCache's client reads. */
static void put_short(struct client *c, const struct weir_command *command)
{
    bool is_ok = command->op == WEIR_SET;

    outbox_text(&c->out, is_ok ? "-ER\r\n" : "-E\r\n");
}

bool reply_is_muted(const struct client *c)
{
    return c->pub.flags & (WEIR_CLIENT_MUTE | WEIR_CLIENT_SKIP);
}

void reply_text(struct client *c, const char *text)
{
    if (!reply_is_muted(c))
        outbox_text(&c->out, text);
}

void reply_error(struct weir_server *s, struct client *c, const char *format,
                 ...)
{
    char text[ERROR_MAX];
    va_list args;

    (void)s;
    if (reply_is_muted(c))
        return;
    va_start(args, format);
    put_error(c, text, vsnprintf(text, sizeof text, format, args));
    va_end(args);
}

void reply_refuse(struct weir_server *s, struct client *c,
                  const struct weir_command *command, const char *format, ...)
{
    char text[ERROR_MAX];
    va_list args;

    if (reply_is_muted(c))
        return;
    if (s->limits.short_errors && command->op != 0) {
        put_short(c, command);
        return;
    }
    va_start(args, format);
    put_error(c, text, vsnprintf(text, sizeof text, format, args));
    va_end(args);
}

/* Whether a status is that of the batch's first error, whose words it has. */
static bool has_words(const struct weir_batch *batch, uint8_t status)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        if (weir_status_info(batch->items[i].status)->klass == WEIR_CLASS_ERROR)
            return batch->items[i].status == status &&
                   batch->error.message[0] != '\0';
    }
    return false;
}

static void put_status(struct weir_server *s, struct request *r,
                       struct part *part, uint8_t status)
{
    const struct status_text *error = &s->errors[status];
    bool no_number =
        part->command->form == WEIR_FORM_INCR && status == WEIR_INVALID;
    char text[ERROR_MAX];

    part->command->errors++;
    if (s->limits.short_errors) {
        put_short(r->client, part->command);
        return;
    }
    if (no_number) {
        outbox_text(&r->client->out,
                    "-ERR value is not an integer or out of range\r\n");
        return;
    }
    put_error(r->client, text,
              snprintf(text, sizeof text, "%s %s",
                       error->code != NULL ? error->code : "ERR",
                       has_words(r->batch, status) ? r->batch->error.message
                       : error->words != NULL      ? error->words
                                                   : "failed"));
}

/* ---- forms ---- */

static bool is_error(const struct weir_item *item)
{
    return item->status > WEIR_REJECTED || item->status == WEIR_PENDING;
}

/* Writes the first error among the keys of a command, if there is one. */
static bool put_first_error(struct weir_server *s, struct request *r,
                            struct part *part, uint32_t slot)
{
    bool again;

    for (uint32_t i = 0; i < part->n; i++) {
        const struct weir_item *item = request_item(r, slot + i, &again);

        if (!is_error(item))
            continue;
        put_status(s, r, part, item->status);
        return true;
    }
    return false;
}

/* Writes an error instead of values for which the client would be closed before
 * it could read a byte of them. */
static bool put_too_much(struct weir_server *s, struct request *r,
                         struct part *part, uint32_t slot)
{
    uint64_t bytes = 0;
    char text[ERROR_MAX];
    bool again;

    for (uint32_t i = 0; i < part->n; i++) {
        const struct weir_item *item = request_item(r, slot + i, &again);

        if (item->value != NULL)
            bytes += item->value->size;
    }
    if (bytes <= most_held(s))
        return false;
    part->command->errors++;
    if (s->limits.short_errors)
        put_short(r->client, part->command);
    else
        put_error(r->client, text,
                  snprintf(text, sizeof text,
                           "OOM a reply of %llu bytes is over "
                           "max-memory-clients",
                           (unsigned long long)bytes));
    return true;
}

static void put_value(struct weir_server *s, struct client *c,
                      const struct weir_item *item)
{
    bool hit = item->status == WEIR_OK && item->value != NULL;

    s->stats.hits += hit;
    s->stats.misses += !hit;
    if (hit)
        outbox_value(&c->out, item->value);
    else
        reply_nil(c);
}

static void put_values(struct weir_server *s, struct request *r,
                       struct part *part, uint32_t slot)
{
    bool again;

    outbox_line(&r->client->out, '*', part->n);
    for (uint32_t i = 0; i < part->n; i++)
        put_value(s, r->client, request_item(r, slot + i, &again));
}

/* Whether Redis would have done the SET. Its op is another one when the time to
 * live was past: see op_of_past_set. */
static bool is_done(uint32_t op, uint8_t status)
{
    return op == WEIR_DELETE || (status == WEIR_OK) == (op != WEIR_EXISTS);
}

/* A value that was not admitted is answered as Redis answers a SET that was not
 * done: nil. */
static void put_stored(struct request *r, struct part *part, uint32_t slot)
{
    bool again;

    for (uint32_t i = 0; i < part->n; i++) {
        const struct weir_item *item = request_item(r, slot + i, &again);

        if (!is_done(r->batch->op, item->status)) {
            reply_nil(r->client);
            return;
        }
    }
    outbox_add(&r->client->out, "+OK\r\n", 5);
}

/* A key that comes twice is there twice, but can be deleted only once. */
static void put_count(struct request *r, struct part *part, uint32_t slot)
{
    int64_t n = 0;
    bool again;

    for (uint32_t i = 0; i < part->n; i++) {
        const struct weir_item *item = request_item(r, slot + i, &again);

        if (item->status == WEIR_OK && !(again && r->batch->op == WEIR_DELETE))
            n++;
    }
    outbox_line(&r->client->out, ':', n);
}

static int64_t ttl_of(const struct weir_command *command,
                      const struct weir_item *item)
{
    int64_t ms = (int64_t)item->ttl_ms;
    struct timespec now;

    if (item->status != WEIR_OK)
        return -2;
    if (ms == 0)
        return -1;
    if (command->flags & WEIR_COMMAND_AT) {
        clock_gettime(CLOCK_REALTIME, &now);
        ms += now.tv_sec * 1000 + now.tv_nsec / 1000000;
    }
    return command->flags & WEIR_COMMAND_MS ? ms : (ms + 500) / 1000;
}

static void put_part(struct weir_server *s, struct request *r,
                     struct part *part, uint32_t slot)
{
    struct outbox *out = &r->client->out;
    const struct weir_item *item;
    bool again;

    if (put_first_error(s, r, part, slot))
        return;
    item = request_item(r, slot, &again);
    switch (part->command->form) {
    case WEIR_FORM_VALUE:
    case WEIR_FORM_GETEX:
        if (!put_too_much(s, r, part, slot))
            put_value(s, r->client, item);
        break;
    case WEIR_FORM_VALUES:
        if (!put_too_much(s, r, part, slot))
            put_values(s, r, part, slot);
        break;
    case WEIR_FORM_SET:
    case WEIR_FORM_SETEX:
    case WEIR_FORM_MSET:
        put_stored(r, part, slot);
        break;
    case WEIR_FORM_APPEND:
    case WEIR_FORM_INCR:
        outbox_line(out, ':', item->number);
        break;
    case WEIR_FORM_LENGTH:
        outbox_line(out, ':',
                    item->status == WEIR_OK ? (int64_t)item->size : 0);
        break;
    case WEIR_FORM_TTL:
        outbox_line(out, ':', ttl_of(part->command, item));
        break;
    case WEIR_FORM_TYPE:
        outbox_text(out, item->status == WEIR_OK ? "+string\r\n" : "+none\r\n");
        break;
    default:
        put_count(r, part, slot);
    }
}

void reply_batch(struct weir_server *s, struct request *r)
{
    uint32_t slot = 0;

    for (uint32_t i = 0; i < r->n_parts; i++) {
        struct part *part = &r->parts[i];

        if (!part->muted)
            put_part(s, r, part, slot);
        slot += part->n;
    }
}
