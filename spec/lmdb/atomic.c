/* atomic.c -- the atomic ops of several processes at once: no increment and no
 * appended byte is lost, one add of a key succeeds, and loops of get and cas
 * count right. */

#include "harness.h"

enum {
    PROCESSES = 3,
    ROUNDS = 200,
    PIECE = 61, /* bytes of an appended piece */
};

/* Counts by get and cas, in a value of telling bytes. */
static void count_by_cas(struct client *c)
{
    char bytes[PIECE];
    int status;

    do {
        struct weir_item *item = &c->batch->items[0];
        uint64_t n, version;

        CHECK(client_do(c, WEIR_GET, "cas", NULL, 0) == WEIR_OK);
        n = telling_number(item->value);
        version = weir_version_of(item->value->data, item->value->size);
        telling_fill(bytes, sizeof bytes, n + 1);
        CHECK(weir_batch_reset(c->batch, WEIR_CAS, 1) == 0);
        item->key = "cas";
        item->key_len = 3;
        item->data = bytes;
        item->size = sizeof bytes;
        item->number = (int64_t)version;
        client_run(c);
        status = item->status;
        CHECK(status == WEIR_OK || status == WEIR_REJECTED);
    } while (status != WEIR_OK);
}

/* Increments two counters in one batch, one of them twice. */
static void count_by_incr(struct client *c)
{
    static const char *const KEYS[] = {"a", "b", "a"};
    struct weir_item *item = c->batch->items;

    CHECK(weir_batch_reset(c->batch, WEIR_INCR, 3) == 0);
    for (int i = 0; i < 3; i++) {
        item[i].key = KEYS[i];
        item[i].key_len = 1;
        item[i].number = 1;
    }
    client_run(c);
    for (int i = 0; i < 3; i++)
        CHECK(item[i].status == WEIR_OK);
    CHECK(item[2].number == item[0].number + 1); /* it is one transaction */
}

/* Returns how many adds succeeded. */
static int work(char mark)
{
    struct client c = open_lmdb("capacity=64MiB");
    char piece[PIECE], key[32];
    int added = 0;

    memset(piece, mark, sizeof piece);
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(key, sizeof key, "add/%d", i);
        added += client_do(&c, WEIR_ADD, key, &mark, 1) == WEIR_OK;
        count_by_incr(&c);
        count_by_cas(&c);
        CHECK(client_do(&c, WEIR_APPEND, "log", piece, PIECE) == WEIR_OK);
        CHECK(c.batch->items[0].number % PIECE == 0);
    }
    close_lmdb(&c);
    return added;
}

static int64_t counter(struct client *c, const char *key)
{
    CHECK(client_do(c, WEIR_INCR, key, NULL, 0) == WEIR_OK);
    return c->batch->items[0].number;
}

/* Every piece is there, whole, and as often as it was appended. */
static void check_log(struct client *c)
{
    unsigned seen[PROCESSES] = {0};
    struct weir_value *v;

    CHECK(client_do(c, WEIR_GET, "log", NULL, 0) == WEIR_OK);
    v = c->batch->items[0].value;
    CHECK(v->size == (uint64_t)PROCESSES * ROUNDS * PIECE);
    for (uint64_t at = 0; at < v->size; at += PIECE) {
        for (uint64_t i = 1; i < PIECE; i++)
            CHECK(v->data[at + i] == v->data[at]);
        seen[v->data[at] - 'a']++;
    }
    for (int i = 0; i < PROCESSES; i++)
        CHECK(seen[i] == ROUNDS);
}

int main(void)
{
    struct client c;
    char bytes[PIECE];
    int status, added = 0;

    folder_make();
    c = open_lmdb("capacity=64MiB");
    telling_fill(bytes, sizeof bytes, 0);
    CHECK(client_do(&c, WEIR_SET, "cas", bytes, sizeof bytes) == WEIR_OK);
    close_lmdb(&c);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0)
            _exit(work((char)('a' + i)));
    }
    for (int i = 0; i < PROCESSES; i++) {
        CHECK(wait(&status) > 0 && WIFEXITED(status));
        added += WEXITSTATUS(status);
    }
    c = open_lmdb("capacity=64MiB");
    CHECK(added == ROUNDS);
    CHECK(counter(&c, "a") == PROCESSES * ROUNDS * 2);
    CHECK(counter(&c, "b") == PROCESSES * ROUNDS);
    CHECK(client_do(&c, WEIR_GET, "cas", NULL, 0) == WEIR_OK);
    CHECK(telling_number(c.batch->items[0].value) == PROCESSES * ROUNDS);
    check_log(&c);
    close_lmdb(&c);
    return 0;
}
