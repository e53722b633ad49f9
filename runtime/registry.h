/* registry.h -- finds connectors by name and loads them on first use. */
#ifndef WEIR_REGISTRY_H
#define WEIR_REGISTRY_H

#include "connector.h"

/* registry_find returns the connector of that name or URL scheme. It stays
 * loaded for the life of the process. NULL: err says why. */
const struct weir_connector *registry_find(const char *name,
                                           struct weir_error *err);

/* scheme_valid says whether a word may be a scheme or a connector's name. */
bool scheme_valid(const char *scheme);

/* scheme_listed says whether a list (separated by blanks, or NULL) contains a
 * scheme. */
bool scheme_listed(const char *list, const char *scheme);

#endif
