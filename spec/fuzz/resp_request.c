/* resp_request.c -- any bytes as a client's requests, whole and in pieces of
 * any size: nothing outside the buffer is touched, and the commands are the
 * same however the bytes come. */
#include "../../runtime/serve/parse.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What was parsed, as a number. */
struct seen {
    uint64_t hash;
    uint64_t commands;
    enum parse_result end;
};

static void note(struct seen *seen, const struct parser *p, const char *bytes)
{
    seen->commands++;
    seen->hash = seen->hash * 31 + p->n_args;
    for (uint32_t i = 0; i < p->n_args; i++) {
        const struct parse_arg *arg = &p->args[i];
        const char *at = arg->value ? arg->value->data : bytes + arg->at;

        seen->hash = weir_hash(at, (size_t)arg->size, seen->hash);
    }
}

/* Parses the commands of a buffer, which lies at the end of its memory so that
 * a read too far is noticed; returns how many bytes they took. */
static size_t parse_all(struct parser *p, struct seen *seen, char *buffer,
                        size_t *n)
{
    static const struct parse_limits LIMITS = {.max_value = 1 << 20,
                                               .max_held = 1 << 19};
    size_t start = 0;

    for (;;) {
        size_t left = *n - start;

        seen->end = parse_command(p, buffer + start, &left, &LIMITS);
        *n = start + left;
        if (seen->end != PARSE_COMMAND)
            return start;
        note(seen, p, buffer + start);
        start += p->pos;
        parse_next(p);
    }
}

/* A piece goes into the large argument that is under way, the rest into a new
 * buffer of exactly the size. */
static struct seen feed(const uint8_t *bytes, size_t n, size_t piece)
{
    struct seen seen = {0};
    struct parser p;
    char *buffer = malloc(1);
    size_t used = 0;

    parse_init(&p);
    for (size_t at = 0; at < n && seen.end != PARSE_BAD;) {
        size_t part = n - at < piece ? n - at : piece, start;
        char *moved;

        if (p.left > 0) {
            size_t filled = part < p.left ? part : (size_t)p.left;

            memcpy(p.fill, bytes + at, filled);
            parse_filled(&p, filled);
            at += filled;
            part -= filled;
        }
        moved = malloc(used + part + 1);
        memcpy(moved, buffer, used);
        memcpy(moved + used, bytes + at, part);
        free(buffer);
        buffer = realloc(moved, used + part > 0 ? used + part : 1);
        used += part;
        at += part;
        start = parse_all(&p, &seen, buffer, &used);
        memmove(buffer, buffer + start, used - start);
        used -= start;
    }
    parse_free(&p);
    free(buffer);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct seen whole, pieces;

    if (n < 1)
        return 0;
    whole = feed(bytes + 1, n - 1, n);
    pieces = feed(bytes + 1, n - 1, bytes[0] % 37 + 1u);
    if (whole.end == PARSE_BAD || pieces.end == PARSE_BAD) {
        if (whole.commands != pieces.commands || whole.hash != pieces.hash)
            __builtin_trap();
    } else if (whole.hash != pieces.hash) {
        __builtin_trap();
    }
    return 0;
}
