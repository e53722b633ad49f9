/* target.h -- a target in words to a connector and its configuration. */
#ifndef WEIR_TARGET_H
#define WEIR_TARGET_H

#include "connector.h"
#include "options.h"

/* target_open finds the connector of a target, fills its options and (unless
 * NULL) those of the store from the URL and the settings, checks them and calls
 * the connector's open. On success the options are the caller's to free after
 * the connector's close. */
int target_open(const char *target, const struct weir_setting *settings,
                size_t n, struct options *options,
                struct options *store_options,
                const struct weir_connector **connector, void **state,
                struct weir_error *err);

#endif
