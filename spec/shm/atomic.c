/* atomic.c -- what spec/memory/atomic.c asks of threads, of shm stores, in a
 * folder of their own. */
#define ATOMIC_STORES                                                          \
    "shm://?path=atomic&capacity=64MiB&shards=4&destroy=true",                 \
        "shm://"                                                               \
        "?path=atomic&capacity=64MiB&shards=1&verify=always&destroy=true"

int atomic_main(void);

#define main atomic_main
#include "../memory/atomic.c"
#undef main

#include <unistd.h>

int main(void)
{
    char folder[] = "/dev/shm/weir-spec-XXXXXX";

    CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
    CHECK(atomic_main() == 0);
    CHECK(rmdir(folder) == 0);
    return 0;
}
