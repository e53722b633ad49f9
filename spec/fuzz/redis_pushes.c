/* redis_pushes.c -- any bytes on a tracking connection, in pieces of any size:
 * what is read lies in the buffer, and reading ends. */
#include <errno.h>
#include <string.h>

#include "../../connectors/redis/pushes.c"
#include "../../connectors/redis/reply.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Reads all that is there. Returns the last answer. */
static int read_all(struct pushes *p)
{
    const char *text;
    size_t len;
    int rc;

    while ((rc = pushes_next(p, &text, &len)) > 0) {
        if (text != NULL && (text < p->bytes || text + len > p->bytes + p->end))
            __builtin_trap();
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    size_t piece = n > 0 ? 1 + bytes[0] * 7u : 1;
    struct pushes p;
    int rc = 0;

    if (pushes_init(&p) < 0)
        return 0;
    for (size_t at = 1; at < n && rc == 0;) {
        size_t room, len = n - at < piece ? n - at : piece;
        char *to = pushes_room(&p, &room);

        if (room == 0)
            __builtin_trap();
        len = len < room ? len : room;
        memcpy(to, bytes + at, len);
        p.end += len;
        at += len;
        rc = read_all(&p);
    }
    if (rc != 0 && rc != -EPROTO)
        __builtin_trap();
    pushes_free(&p);
    return 0;
}
