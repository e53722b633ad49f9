/* zeros.h -- values of any size that take no memory. */
#ifndef MEMORY_ZEROS_H
#define MEMORY_ZEROS_H

#include "connector.h"

/* zeros_new returns a value of that many zero bytes, or NULL. Its bytes are
 * pages that the process has only as addresses until they are read, and that
 * all values share. */
struct weir_value *zeros_new(uint64_t size);

#endif
