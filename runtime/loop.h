/* loop.h -- libev for Lua: a loop that returns what happened as an array.
 *
 * No callback enters Lua: one that fires while compiled code is inside the C
 * call kills the process. libweir-ev.so holds this, so that hosts with another
 * loop need no libev.
 *
 * Errors:  functions return 0, a count, or a negative errno.
 * Threads: a loop belongs to the thread that polls it. */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <stdint.h>

#pragma GCC visibility push(default)

/* cdef: begin -- plain C only: lua/weir/ffi.lua reads these lines. */

struct weir_loop;

enum weir_loop_events {
    WEIR_LOOP_READ = 1,
    WEIR_LOOP_WRITE = 2,
    WEIR_LOOP_SIGNAL = 4,
};

struct weir_loop_event {
    uint64_t id; /* what the watch was given */
    uint32_t events;
    uint32_t reserved;
};

/* weir_loop_new makes a loop of its own, not libev's default one. */
int weir_loop_new(struct weir_loop **out);

/* weir_loop_free ends all watches; NULL is allowed. */
void weir_loop_free(struct weir_loop *loop);

/* weir_loop_watch reports when fd is ready for events (WEIR_LOOP_READ, _WRITE),
 * as long as it is. Watching an fd again changes its events and id; events 0
 * ends the watch, which must come before the fd is closed. -EINVAL: no fd. */
int weir_loop_watch(struct weir_loop *loop, int fd, uint32_t events,
                    uint64_t id);

/* weir_loop_signal reports each arrival of a signal; id 0 ends that. -EBUSY:
 * another loop of the process watches it. -EINVAL: no signal, or one that
 * cannot be caught. */
int weir_loop_signal(struct weir_loop *loop, int signum, uint64_t id);

/* weir_loop_signal_ends makes a signal that the loop watches end the process
 * where the loop does not attend to it: a first one that no poll has taken
 * within patience_ns, and each second one, do what they do when nobody watches.
 * Call it again after a first one that shall not end the process. -EINVAL: this
 * loop does not watch it. */
int weir_loop_signal_ends(struct weir_loop *loop, int signum,
                          uint64_t patience_ns);

/* weir_loop_poll waits until something happens, at most timeout_ns (UINT64_MAX:
 * for ever; 0: looks), and writes up to max events. Returns how many; events
 * that found no room come with the next call. With nothing watched it only
 * sleeps, but returns 0 at once instead of for ever. -ENOMEM: events were lost
 * to lack of memory; watched fds that are still ready are reported again. */
int weir_loop_poll(struct weir_loop *loop, uint64_t timeout_ns,
                   struct weir_loop_event *out, int max);

/* cdef: end */

#pragma GCC visibility pop

#endif
