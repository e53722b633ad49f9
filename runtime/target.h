/* target.h -- opens the connector that a URL or a name describes. */
#ifndef WEIR_TARGET_H
#define WEIR_TARGET_H

#include "connector.h"
#include "options.h"

/* target_open finds the connector of a target, fills in its options and those
 * of the store (unless NULL) from the URL and the settings, checks them, and
 * calls the connector's open. On success the caller frees the options after the
 * connector's close. */
int target_open(const char *target, const struct weir_setting *settings,
                size_t n, struct options *options,
                struct options *store_options,
                const struct weir_connector **connector, void **state,
                struct weir_error *err);

#endif
