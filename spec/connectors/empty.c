/* empty.c -- a shared object that is no connector: the registry must say so. */
#include "connector.h"

__attribute__((visibility("default"))) extern const int weir_nothing;
const int weir_nothing = 1;
