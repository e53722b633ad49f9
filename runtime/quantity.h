/* quantity.h -- parses numbers with units. weir_duration is in weir.h. */
#ifndef WEIR_QUANTITY_H
#define WEIR_QUANTITY_H

#include <stdint.h>

/* quantity_size parses a size such as "64KiB" into bytes. -EINVAL: it is no
 * size. -ERANGE: it is too large. */
int quantity_size(const char *words, uint64_t *out);

#endif
