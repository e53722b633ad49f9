/* damaged.c -- a file that lost its end, or has wrong bytes in its values: the
 * store opens or says why not, no wrong value is served, and nothing crashes. A
 * file of another program is left as it is. */

#include <lmdb.h>
#include <stdbool.h>

#include "harness.h"

enum { KEYS = 2000, SIZE = 1000 };

static char data_path[100];

static void fill(void)
{
    struct client c = open_lmdb("capacity=16MiB");
    char value[SIZE], name[16];

    for (int i = 0; i < KEYS; i++) {
        snprintf(name, sizeof name, "key-%d", i);
        telling_fill(value, SIZE, (uint64_t)i);
        CHECK(client_do(&c, WEIR_SET, name, value, SIZE) == WEIR_OK);
    }
    close_lmdb(&c);
}

/* Gets all keys, then sets one: counts the values served and refused. */
static void use(struct client *c, unsigned *served, unsigned *refused)
{
    char name[16];

    for (int i = 0; i < KEYS; i++) {
        int status;

        snprintf(name, sizeof name, "key-%d", i);
        status = client_do(c, WEIR_GET, name, NULL, 0);
        CHECK(status == WEIR_OK || status == WEIR_CORRUPT);
        if (status == WEIR_OK)
            CHECK(telling_number(c->batch->items[0].value) == (uint64_t)i);
        *served += status == WEIR_OK;
        *refused += status == WEIR_CORRUPT;
    }
    client_do(c, WEIR_SET, "key-0", name, sizeof name);
}

static char *file_load(size_t *size)
{
    struct stat st;
    char *bytes;
    int fd = open(data_path, O_RDONLY);

    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    bytes = malloc((size_t)st.st_size);
    CHECK(bytes != NULL && read(fd, bytes, (size_t)st.st_size) == st.st_size);
    close(fd);
    *size = (size_t)st.st_size;
    return bytes;
}

static void file_store(const char *bytes, size_t size)
{
    int fd = open(data_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static void cut_off(const char *whole, size_t size)
{
    unsigned served = 0, refused = 0, closed = 0;

    for (int i = 0; i < 16; i++) {
        struct weir_error err;
        struct client c;

        file_store(whole, size / 16 * (size_t)i + 100);
        if (open_store(&c, "capacity=16MiB", &err) < 0) {
            CHECK(strstr(err.message, "data.mdb") != NULL);
            closed++;
            continue;
        }
        use(&c, &served, &refused);
        close_lmdb(&c);
    }
    CHECK(refused + closed > 0);
}

/* One wrong byte in the middle of each of some values. */
static void wrong_bytes(char *whole, size_t size)
{
    unsigned served = 0, refused = 0, wrong = 0;
    char value[SIZE];
    struct client c;

    for (int i = 1; i < KEYS; i += 40) {
        bool found = false;
        char *at = whole;

        telling_fill(value, SIZE, (uint64_t)i);
        while ((at = memmem(at, size - (size_t)(at - whole), value, 64))) {
            at[32] ^= 1;
            at += 33;
            found = true;
        }
        wrong += found; /* a value that begins at a page's end is not found */
    }
    CHECK(wrong > KEYS / 80);
    file_store(whole, size);
    c = open_lmdb("capacity=16MiB");
    use(&c, &served, &refused);
    CHECK(refused == wrong && served == KEYS - wrong);
    close_lmdb(&c);
}

static void foreign(void)
{
    char name[] = "key", value[] = "value";
    MDB_val key = {3, name}, data = {5, value};
    struct weir_error err;
    struct client c;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    CHECK(unlink(data_path) == 0);
    CHECK(mdb_env_create(&env) == 0);
    CHECK(mdb_env_open(env, folder_path, 0, 0600) == 0);
    CHECK(mdb_txn_begin(env, NULL, 0, &txn) == 0);
    CHECK(mdb_dbi_open(txn, NULL, 0, &dbi) == 0);
    CHECK(mdb_put(txn, dbi, &key, &data, 0) == 0 && mdb_txn_commit(txn) == 0);
    mdb_env_close(env);
    CHECK(open_store(&c, "", &err) == -EINVAL);
    CHECK(strstr(err.message, "belongs to another program") != NULL);
}

int main(void)
{
    size_t size;
    char *whole;

    snprintf(data_path, sizeof data_path, "%s/data.mdb", folder_make());
    fill();
    whole = file_load(&size);
    cut_off(whole, size);
    wrong_bytes(whole, size);
    free(whole);
    foreign();
    return 0;
}
