/* huge.h -- how much of a range of addresses the kernel maps with huge pages.
 */
#ifndef SHM_HUGE_H
#define SHM_HUGE_H

#include <stdint.h>

/* huge_bytes returns how many bytes of files this process maps with huge pages
 * from one address up to another. 0 if /proc/self/smaps cannot be read. It
 * takes some 12 ms a GiB. */
uint64_t huge_bytes(const char *from, const char *to);

#endif
