/* dice.h -- which item meets which fault: drawn from a seed. */
#ifndef FAULT_DICE_H
#define FAULT_DICE_H

#include "state.h"

/* fault_rate reads a share of 0 to 1, "0.1"; NULL is 0. -EINVAL. */
int fault_rate(const char *words, const char *option, double *out,
               struct weir_error *err);

/* fault_roll returns the fault of an item. It is the same for the same seed,
 * key, op and number of earlier items with that key. */
enum fault_kind fault_roll(struct fault *f, uint32_t op,
                           const struct weir_item *item);

/* fault_chance returns a number of 0 to 1 for the event of that number. */
double fault_chance(const struct fault *f, uint64_t number);

#endif
