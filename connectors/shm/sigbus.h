/* sigbus.h -- SIGBUS, which a process gets when it touches a page of a mapping
 * whose file was shortened.
 *
 * Nothing keeps others from doing so: a seal against it (F_SEAL_SHRINK) is for
 * files without a name, a lease (F_SETLEASE) for files that nobody writes, and
 * a look at the size before each access would be late. So a handler puts a page
 * of zeros where the page is missing, marks the mapping as broken and returns;
 * whoever was there goes on, meets zeros, and finds the mapping broken before
 * it answers. It does nothing else: a SIGBUS elsewhere goes to the handler that
 * there was before, or ends the process as it would have.
 *
 * The handler is there while such a mapping is, unless somebody sets another
 * one later. That one has to pass on what is not its own. */
#ifndef SHM_SIGBUS_H
#define SHM_SIGBUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sigbus {
    _Atomic uintptr_t start; /* 0: free, to be used again */
    _Atomic uintptr_t end;
    _Atomic bool broken; /* pages were missing */
    struct sigbus *next;
};

/* sigbus_add watches memory. NULL: there is no memory for that. */
struct sigbus *sigbus_add(const void *start, uint64_t size);

/* sigbus_remove ends it. NULL is allowed. */
void sigbus_remove(struct sigbus *g);

static inline bool sigbus_broken(const struct sigbus *g)
{
    return g != 0 && atomic_load_explicit(&g->broken, memory_order_relaxed);
}

#endif
