/* clock.h -- the runtime's clock: nanoseconds of CLOCK_MONOTONIC. */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include <stdint.h>
#include <time.h>

/* clock_timespec returns a number of nanoseconds as the system's calls take it.
 */
struct timespec clock_timespec(uint64_t ns);

/* clock_left returns the time from now until a time, 0 when that has passed. */
struct timespec clock_left(uint64_t until, uint64_t now);

/* clock_after returns the time ns after now, UINT64_MAX when that is too far.
 */
uint64_t clock_after(uint64_t now, uint64_t ns);

#endif
