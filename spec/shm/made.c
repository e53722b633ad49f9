/* made.c -- a mapping's beginning: processes that make it at once get the same
 * one; one that dies while it makes it is no hindrance; one that is left from
 * an earlier boot is emptied; a file that is none, or is damaged, is refused.
 */
#include "mapping.h"

#include <sys/mman.h>
#include <sys/stat.h>

enum { MAKERS = 8, DEATHS = 8 };

static struct shm m;

static void put(struct shm *to, uint64_t id)
{
    struct shard_key key = {(const char *)&id, sizeof id, (uint32_t)id};
    struct shard_value value = {.bytes = "x", .size = 1};
    struct hold h;

    CHECK(shm_hold(to, 0, &h) == 0);
    CHECK(shard_put(&h, &key, &value) == 0);
    shm_release(to, &h);
}

static uint64_t items(struct shm *of)
{
    struct hold h;
    uint64_t n;

    CHECK(shm_hold(of, 0, &h) == 0);
    n = h.s->items;
    shm_release(of, &h);
    return n;
}

static int open_as(struct map *map, uint64_t capacity, struct weir_error *err)
{
    struct map_wish wish = {.path = mapping_path,
                            .capacity = capacity,
                            .mode = 0600,
                            .create = true};

    return map_open(map, &wish, err);
}

static void at_once(void)
{
    pid_t pids[MAKERS];
    int status;

    unlink(mapping_path);
    for (int i = 0; i < MAKERS; i++) {
        pids[i] = mapping_fork();
        if (pids[i] == 0) {
            struct weir_error err;

            CHECK(open_as(&m.map, 1 << 20, &err) == 0);
            put(&m, (uint64_t)i);
            mapping_close(&m.map, false);
            _exit(0);
        }
    }
    for (int i = 0; i < MAKERS; i++)
        CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
    mapping_open(&m, 0, 0, 0);
    CHECK(items(&m) == MAKERS);
    truth_check_all(&m);
    mapping_close(&m.map, true);
}

/* At any instant: before, while or after it makes 16 MiB. */
static void maker_dies(uint64_t *random)
{
    struct weir_error err;

    for (int i = 0; i < DEATHS; i++) {
        pid_t pid = mapping_fork();

        if (pid == 0) {
            open_as(&m.map, 16 << 20, &err);
            pause();
        }
        usleep((useconds_t)random_below(random, 4000));
        CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
        CHECK(open_as(&m.map, 16 << 20, &err) == 0);
        put(&m, 1);
        truth_check_all(&m);
        mapping_close(&m.map, true);
        CHECK(access(mapping_path, F_OK) < 0);
    }
}

/* Another opener finds it half made, and does not make it when it must not. */
static void half_made(void)
{
    struct map_wish wish = {.path = mapping_path};
    struct weir_error err;
    int fd = open(mapping_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && header_write_unmade(fd) == 0);
    close(fd);
    CHECK(map_open(&m.map, &wish, &err) == -ENOENT);
    CHECK(open_as(&m.map, 1 << 20, &err) == 0);
    mapping_close(&m.map, false);
}

static void header_change(void (*change)(struct header *h))
{
    int fd = open(mapping_path, O_RDWR | O_CLOEXEC);
    struct header h;

    CHECK(pread(fd, &h, sizeof h, 0) == sizeof h);
    change(&h);
    h.sum = header_sum(&h);
    CHECK(header_write(fd, &h) == 0);
    close(fd);
}

static void change_boot(struct header *h)
{
    h->boot[0] ^= 1;
}

static void change_version(struct header *h)
{
    h->version += 2;
}

static void change_capacity(struct header *h)
{
    h->capacity *= 2;
}

static void change_nothing(struct header *h)
{
    (void)h;
}

/* Locks and times of an earlier boot mean nothing. */
static void earlier_boot(void)
{
    struct weir_error err;

    mapping_open(&m, 2 << 20, 2, 2);
    put(&m, 1);
    map_shard(&m.map, 0)->lock.word = m.map.seats.holder;
    mapping_close(&m.map, false);
    header_change(change_boot);
    CHECK(open_as(&m.map, 1 << 20, &err) == -EINVAL);
    mapping_open(&m, 0, 0, 0);
    CHECK(items(&m) == 0);
    CHECK(m.map.layout.capacity == 2 << 20 && m.map.layout.shards == 2);
    CHECK(m.map.policy == &eviction_lru);
    mapping_close(&m.map, false);
}

/* A shard begins and ends where huge pages may, in memory and in the file.
 * Those who open the mapping need not wish for it, and an earlier boot had it,
 * too. */
static void huge(void)
{
    struct map_wish wish = {.path = mapping_path,
                            .capacity = (11 << 20) + 4096,
                            .shards = 4,
                            .mode = 0600,
                            .create = true,
                            .huge = true};
    struct weir_error err;
    struct stat st;

    unlink(mapping_path);
    CHECK(map_open(&m.map, &wish, &err) == 0);
    put(&m, 1);
    truth_check_all(&m);
    CHECK(m.map.layout.segment == 2 << 20 && m.map.layout.huge);
    CHECK(m.map.layout.capacity == LAYOUT_CONTROL + (8 << 20));
    CHECK(m.map.layout.shards_at == 2 << 20);
    CHECK(stat(mapping_path, &st) == 0 && st.st_size == 10 << 20);
    CHECK(st.st_blocks == (LAYOUT_CONTROL + (8 << 20)) / 512);
    mapping_close(&m.map, false);

    CHECK(open_as(&m.map, 11 << 20, &err) == -EINVAL);
    CHECK(open_as(&m.map, (11 << 20) + 4096, &err) == 0);
    CHECK(m.map.layout.huge && items(&m) == 1);
    mapping_close(&m.map, false);

    header_change(change_boot);
    mapping_open(&m, 0, 0, 0);
    CHECK(m.map.layout.huge && items(&m) == 0);
    truth_check_all(&m);
    mapping_close(&m.map, true);
}

static void refused(const char *says)
{
    struct weir_error err;

    CHECK(open_as(&m.map, 0, &err) == -EINVAL);
    if (strstr(err.message, says) == NULL)
        fprintf(stderr, "%s\n", err.message);
    CHECK(strstr(err.message, says) != NULL);
}

static void damaged(void)
{
    header_change(change_version);
    refused("the mapping has version ");
    mapping_open(&m, 1 << 20, 1, 1);
    mapping_close(&m.map, false);
    header_change(change_capacity);
    refused("damaged");
    mapping_open(&m, 1 << 20, 1, 1);
    mapping_close(&m.map, false);
    CHECK(truncate(mapping_path, 1 << 19) == 0);
    refused("its size of 524288 bytes");
    header_change(change_nothing);
    refused("its size of 524288 bytes");
}

int main(void)
{
    uint64_t random = check_seed = 7;

    alarm(200);
    mapping_name();
    at_once();
    maker_dies(&random);
    half_made();
    huge();
    earlier_boot();
    damaged();
    return 0;
}
