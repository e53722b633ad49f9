/* places.c -- a long value is sent from a place that the kernel does not copy
 * slowly: see put.c. Whatever the place, the value arrives. */
#include <sys/syscall.h>

#include "server.h"

enum { SIZE = 256 << 10, PAGE = 4096, LONG = 64 << 10, LAST = 64 };

static _Atomic uint32_t sent, slow; /* long segments: all, and the slow ones */

/* Stands in for that of libc, for the connector too. */
__attribute__((visibility("default"))) ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    size_t place = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *v = &message->msg_iov[i];
        size_t further = (place - (uintptr_t)v->iov_base) % PAGE;

        place += v->iov_len;
        /* The first segment may be the rest of a value. */
        if (i == 0 || v->iov_len < LONG)
            continue;
        sent++;
        slow += further > 0 && further < 16;
    }
    return syscall(SYS_sendmsg, fd, message, flags);
}

/* Sets and gets a value that begins at that byte of a page. */
static void from(struct weir_store *s, struct weir_cq *cq, char *page,
                 size_t place)
{
    struct weir_batch *b = weir_batch_new(1);
    struct weir_item *item = one(b, WEIR_SET, "a key, 16 bytes.");

    for (size_t i = 0; i < SIZE; i++)
        page[place + i] = (char)(i * 31 + place + (i >> 9));
    item->data = page + place;
    item->size = SIZE;
    go(s, cq, b);
    CHECK(item->status == WEIR_OK);
    item = one(b, WEIR_GET, "a key, 16 bytes.");
    go(s, cq, b);
    CHECK(item->status == WEIR_OK && item->value->size == SIZE);
    CHECK(memcmp(item->value->data, page + place, SIZE) == 0);
    weir_batch_free(b);
}

int main(void)
{
    char *page = aligned_alloc(PAGE, SIZE + PAGE);
    struct weir_cq *cq = new_cq();
    struct weir_store *s;
    struct server server;

    deadline_s(60);
    server_start(&server, NULL);
    s = open_redis(server.url, "workers=1", NULL);
    for (size_t place = 0; place < LAST; place++)
        from(s, cq, page, place);
    CHECK(sent >= LAST);
    CHECK(slow == 0);
    weir_store_free(s);
    weir_cq_free(cq);
    server_stop(&server);
    free(page);
    return 0;
}
