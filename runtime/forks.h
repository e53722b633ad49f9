/* forks.h -- which process this is, counted in forks. */
#ifndef WEIR_FORKS_H
#define WEIR_FORKS_H

#include <stdint.h>

/* forks_seen returns how often this process came out of a fork. What was made
 * at another count belongs to an ancestor: the threads that serve it are there,
 * its fds are shared, its locks may be held by nobody. */
uint32_t forks_seen(void);

#endif
