/* loop.h -- libev for Lua: a loop that returns its events as an array.
 *
 * No callback calls Lua, because a callback during a C call from compiled Lua
 * code kills the process. This is in libweir-ev.so, so that hosts with another
 * loop need no libev.
 *
 * Errors:  functions return 0, a count, or a negative errno.
 * Threads: a loop belongs to the thread that polls it. */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* cdef: begin -- plain C only: lua/weir/ffi.lua reads these lines. */

struct weir_loop;

enum weir_loop_events {
    WEIR_LOOP_READ = 1,
    WEIR_LOOP_WRITE = 2,
    WEIR_LOOP_SIGNAL = 4,
};

struct weir_loop_event {
    uint64_t id; /* that of the watch */
    uint32_t events;
    uint32_t reserved;
};

/* weir_loop_new makes a loop, other than libev's default one. */
int weir_loop_new(struct weir_loop **out);

/* weir_loop_free ends all watches. NULL is allowed. */
void weir_loop_free(struct weir_loop *loop);

/* weir_loop_watch makes each poll report fd while it is ready for events
 * (WEIR_LOOP_READ, _WRITE). Watching an fd again changes its events and id.
 * events 0 ends the watch; do so before you close the fd. -EINVAL: no fd. */
int weir_loop_watch(struct weir_loop *loop, int fd, uint32_t events,
                    uint64_t id);

/* weir_loop_signal makes poll report each arrival of a signal. id 0 ends the
 * watch. -EBUSY: another loop of the process watches it. -EINVAL: no signal, or
 * one that cannot be caught. */
int weir_loop_signal(struct weir_loop *loop, int signum, uint64_t id);

/* weir_loop_signal_ends makes a signal that the loop watches end the process if
 * the loop does not handle it. Two signals have their default action: a first
 * one that no poll took within patience_ns, and any second one. Call it again
 * after a first one that should not end the process. -EINVAL: this loop does
 * not watch the signal. */
int weir_loop_signal_ends(struct weir_loop *loop, int signum,
                          uint64_t patience_ns);

/* weir_loop_poll waits for events, at most timeout_ns (UINT64_MAX: for ever; 0:
 * it does not wait), writes up to max of them and returns how many. The others
 * come with the next call. Without watches it only sleeps, or returns 0 at once
 * instead of sleeping for ever. -ENOMEM: events were lost because memory was
 * short. Watched fds that are still ready are reported again. */
int weir_loop_poll(struct weir_loop *loop, uint64_t timeout_ns,
                   struct weir_loop_event *out, int max);

/* cdef: end */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
