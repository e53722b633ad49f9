/* traces.c -- each eviction policy has the hits of its published algorithm over
 * real traces, and so has a store. The traces are in $WEIR_TRACES, else in
 * ../shared/traces. Without them this is skipped. */
#include <unistd.h>

#include "models.h"
#include "weir.h"

static const char *folder(void)
{
    const char *set = getenv("WEIR_TRACES");

    return set != NULL ? set : "../shared/traces";
}

/* Keys in the order they first appear get the numbers 0, 1, ... */
struct numbering {
    uint64_t *names; /* 0 = free; a name is kept plus one */
    uint32_t *numbers;
    uint32_t n;
};

enum { NAMES = 1 << 20 };

static uint32_t number_of(struct numbering *names, uint64_t name)
{
    uint64_t state = name;
    size_t at = random_next(&state) % NAMES;

    while (names->names[at] != 0 && names->names[at] != name + 1)
        at = (at + 1) % NAMES;
    if (names->names[at] == 0) {
        CHECK(names->n < NAMES / 2);
        names->names[at] = name + 1;
        names->numbers[at] = names->n++;
    }
    return names->numbers[at];
}

struct reader {
    struct requests r;
    struct numbering names;
    size_t room;
};

static void reader_add(struct reader *to, uint64_t name)
{
    if (to->r.n == to->room) {
        to->room = to->room ? to->room * 2 : 65536;
        to->r.keys = realloc(to->r.keys, to->room * sizeof *to->r.keys);
        CHECK(to->r.keys != NULL);
    }
    to->r.keys[to->r.n++] = number_of(&to->names, name);
    to->r.n_keys = to->names.n;
}

/* Big-endian 32-bit keys, compressed. */
static void read_cache2k(FILE *f, struct reader *to)
{
    uint8_t b[4];

    while (fread(b, 4, 1, f) == 1)
        reader_add(to, (uint64_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]);
}

/* One request a line, its blocks in "hash_ids": [1, 2, 3]. */
static void read_mooncake(FILE *f, struct reader *to)
{
    char *line = NULL, *at, *end;
    size_t cap = 0;

    while (getline(&line, &cap, f) > 0) {
        at = strstr(line, "\"hash_ids\": [");
        CHECK(at != NULL);
        for (at += strlen("\"hash_ids\": ["); *at != ']'; at = end) {
            reader_add(to, strtoull(at, &end, 10));
            CHECK(end != at);
            end += strspn(end, ", ");
        }
    }
    free(line);
}

static bool store_hit(struct weir_store *s, struct weir_batch *b, uint32_t op,
                      const uint32_t *key)
{
    static char byte;

    CHECK(weir_batch_reset(b, op, 1) == 0);
    b->items[0].key = (const char *)key;
    b->items[0].key_len = sizeof *key;
    if (op == WEIR_SET) {
        b->items[0].data = &byte;
        b->items[0].size = 1;
    }
    CHECK(weir_submit(s, NULL, b) == 1);
    if (b->items[0].status == WEIR_OK && op == WEIR_GET)
        CHECK(b->items[0].value->size == 1);
    return b->items[0].status == WEIR_OK;
}

/* The hits of a store that holds `size` entries: a miss is set. */
static size_t store_hits(const char *eviction, const struct requests *r,
                         uint64_t size)
{
    struct weir_batch *b = weir_batch_new(1);
    struct weir_store *s;
    struct weir_error err;
    char url[128];
    size_t hits = 0;

    snprintf(url, sizeof url,
             "memory://?capacity=1TiB&capacity_items=%llu&eviction=%s&"
             "exact=true&bodies=false&shards=1",
             (unsigned long long)size, eviction);
    CHECK(weir_open(&s, url, NULL, 0, &err) == 0);
    for (size_t i = 0; i < r->n; i++) {
        if (store_hit(s, b, WEIR_GET, &r->keys[i]))
            hits++;
        else
            CHECK(store_hit(s, b, WEIR_SET, &r->keys[i]));
    }
    weir_batch_free(b);
    weir_store_free(s);
    return hits;
}

static void compare_store(const char *what, const struct requests *r,
                          uint64_t size)
{
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        const struct pair *p = &PAIRS[i];
        size_t hits = store_hits(p->policy->name, r, size);

        printf("%-22s %6llu entries: %s, a store: %zu\n", what,
               (unsigned long long)size, p->policy->name, hits);
        CHECK(hits == p->model(r, size));
    }
}

static void replay(const char *what, const char *unpack, const char *file,
                   void (*read)(FILE *f, struct reader *to))
{
    struct reader to = {.names = {zeroed(NAMES, sizeof(uint64_t)),
                                  zeroed(NAMES, sizeof(uint32_t)), 0}};
    char command[512];
    FILE *f;

    snprintf(command, sizeof command, "%s '%s/%s'", unpack, folder(), file);
    f = popen(command, "r");
    CHECK(f != NULL);
    read(f, &to);
    CHECK(pclose(f) == 0 && to.r.n > 0);
    compare(what, &to.r, 1000);
    compare(what, &to.r, 10000);
    compare(what, &to.r, 50000);
    compare_store(what, &to.r, 1000);
    compare_store(what, &to.r, 10000);
    free(to.r.keys);
    free(to.names.names);
    free(to.names.numbers);
}

int main(void)
{
    if (access(folder(), R_OK) != 0) {
        printf("no traces in %s\n", folder());
        return 77;
    }
    replay("mooncake conversation", "cat", "mooncake_conversation_trace.jsonl",
           read_mooncake);
    if (SANITIZED) /* it sees no more in four traces, and takes minutes */
        return 0;
    replay("cache2k web07", "xz -dc", "cache2k_web07.trace.xz", read_cache2k);
    replay("cache2k web12", "xz -dc", "cache2k_web12.trace.xz", read_cache2k);
    replay("mooncake synthetic", "cat", "mooncake_synthetic_trace.jsonl",
           read_mooncake);
    return 0;
}
