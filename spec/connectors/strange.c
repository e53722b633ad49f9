/* strange.c -- a connector built for another ABI: the registry must refuse it.
 */
#include "connector.h"

const struct weir_connector weir_connector = {.abi = 77, .name = "strange"};
