/* forking.c -- a child of fork opens stores although a thread of its parent was
 * looking for a connector at that instant. */
#include "harness.h"

int main(void)
{
    struct weir_store *store;
    struct weir_error err;

    deadline_s(60);
    find_doubles();
    if (weir_open(&store, "forking", NULL, 0, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    weir_store_free(store);
    return 0;
}
