/* forks.h -- counts the forks that led to this process. */
#ifndef WEIR_FORKS_H
#define WEIR_FORKS_H

#include <stdint.h>

/* forks_seen returns the number of forks between the first process and this
 * one. An object made at another count belongs to a parent process: its threads
 * run there, its fds are shared with it, and its locks may stay locked here for
 * ever. */
uint32_t forks_seen(void);

#endif
