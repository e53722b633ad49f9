/* stress.c -- what spec/memory/stress.c asks of threads over one small store,
 * of shm stores, in a folder of their own. */
#define STRESS_STORES                                                          \
    "shm://?path=stress&capacity=64MiB&shards=4&destroy=true",                 \
        "shm://?path=stress&capacity=1MiB&shards=2&eviction=lru&destroy=true"

int stress_main(void);

#define main stress_main
#include "../memory/stress.c"
#undef main

#include <unistd.h>

int main(void)
{
    char folder[] = "/dev/shm/weir-spec-XXXXXX";

    CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
    CHECK(stress_main() == 0);
    CHECK(rmdir(folder) == 0);
    return 0;
}
