/* page.c -- a page of a scan, filled entry by entry. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "connector.h"

static int page_grow(struct weir_page *page, uint64_t need)
{
    uint64_t cap = page->cap ? page->cap : 4096;
    char *grown;

    while (cap < need)
        cap *= 2;
    if (cap == page->cap)
        return 0;
    grown = realloc(page->data, cap);
    if (grown == NULL)
        return -ENOMEM;
    page->data = grown;
    page->cap = cap;
    return 0;
}

int weir_page_add(struct weir_page *page, const void *key, uint32_t key_len,
                  uint64_t size, uint64_t ttl_ms)
{
    struct weir_scan_entry entry = {size, ttl_ms, key_len, 0};
    uint64_t end = page->size + sizeof entry + ((key_len + 7u) & ~7u);
    char *at;

    if (page_grow(page, end) < 0)
        return -ENOMEM;
    at = page->data + page->size;
    memset(at, 0, end - page->size);
    memcpy(at, &entry, sizeof entry);
    memcpy(at + sizeof entry, key, key_len);
    page->size = end;
    page->keys++;
    return 0;
}

void weir_page_answer(struct weir_call *call, struct weir_item *item,
                      struct weir_page *page, uint64_t cursor)
{
    /* The value takes over the page's memory. */
    struct weir_value *v =
        weir_value_wrap(page->data, page->size, free, page->data);

    if (v == NULL) {
        free(page->data);
        weir_call_no_memory(call, item, "a page of keys");
    } else {
        item->value = v;
        item->size = page->size;
        item->cursor = cursor;
        item->status = WEIR_OK;
    }
    *page = (struct weir_page){0};
}
