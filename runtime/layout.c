/* layout.c -- the sizes of structs, by which a binding checks its weir.h. */
#include "weir.h"

uint32_t weir_layout(uint32_t *sizes, size_t n)
{
    static const uint32_t SIZES[] = {
        sizeof(struct weir_value),        sizeof(struct weir_item),
        sizeof(struct weir_scan_entry),   sizeof(struct weir_batch),
        sizeof(struct weir_error),        sizeof(struct weir_op_stats),
        sizeof(struct weir_store_stats),  sizeof(struct weir_gauge),
        sizeof(struct weir_option),       sizeof(struct weir_connector_info),
        sizeof(struct weir_status_info),  sizeof(struct weir_prefix),
        sizeof(struct weir_op_info),      sizeof(struct weir_event),
        sizeof(struct weir_evicted),      sizeof(struct weir_guard_key),
        sizeof(struct weir_evicted_ages),
    };

    for (size_t i = 0; i < n; i++)
        sizes[i] = i < sizeof SIZES / sizeof *SIZES ? SIZES[i] : 0;
    return WEIR_ABI;
}

const char *weir_version(void)
{
    return WEIR_VERSION;
}
