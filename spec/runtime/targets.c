/* targets.c -- what weir_open says to a target or an option that is wrong: it
 * names the thing, what was expected, and the nearest word. */
#include <locale.h>

#include "harness.h"

struct wrong {
    const char *target, *name, *value;
    int rc;
    const char *says;
};

static const struct wrong WRONG[] = {
    {NULL, NULL, NULL, -EINVAL, "neither a URL"},
    {"", NULL, NULL, -EINVAL, "neither a URL"},
    {"nul", NULL, NULL, -ENOENT, "did you mean null?"},
    {"redisss://host", NULL, NULL, -ENOENT, "did you mean rediss?"},
    {"rediss+sentinel://host/main", NULL, NULL, -ENOENT,
     "did you mean redis+sentinel?"},
    {"zebra", NULL, NULL, -ENOENT, "no connector is named \"zebra\""},
    {"../null", NULL, NULL, -EINVAL, "neither a URL"},
    {"../null://", NULL, NULL, -EINVAL, "neither a URL"},
    {"null", "wrokers", "3", -EINVAL, "did you mean workers?"},
    {"null", "sise", "3", -EINVAL, "did you mean size?"},
    {"null", "size", "3 apples", -EINVAL, "size: expected a size"},
    {"null", "size", "-1", -EINVAL, "expected a size"},
    {"null", "size", NULL, -EINVAL, "option size has no value"},
    {"null", "size", "0x10", -EINVAL, "expected a size"},
    {"null", "size", "nan", -EINVAL, "expected a size"},
    {"null", "size", "1e30", -EINVAL, "expected 0 to 1TiB, got \"1e30\""},
    {"null", "size", "2TiB", -EINVAL, "expected 0 to 1TiB, got \"2TiB\""},
    {"memory", "capacity", "9999999999TiB", -EINVAL,
     "expected a size less than 8388608TiB, got \"9999999999TiB\""},
    {"memory", "ttl", "999999999d", -EINVAL,
     "expected a duration less than 106752d, got \"999999999d\""},
    {"null", "workers", "99999999999999999999", -EINVAL,
     "expected 0 to 256, got \"99999999999999999999\""},
    {"null", "workers", "-99999999999999999999", -EINVAL, "expected 0 to 256"},
    {"null", "workers", "257", -EINVAL, "expected 0 to 256, got \"257\""},
    {"null", "workers", "two", -EINVAL, "expected a whole number"},
    {"null", "workers", "", -EINVAL, "expected a whole number"},
    {"null", "timeout", "5 bits", -EINVAL, "expected a duration"},
    {"null", "hit", "maybe", -EINVAL, "expected true or false"},
    {"null", "inline", "no", -EINVAL, "expected auto|true|false"},
    {"null://?size", NULL, NULL, -EINVAL, "write NAME=VALUE"},
    {"null://?size=%zz", NULL, NULL, -EINVAL, "hexadecimal"},
    {"null://?size=1%00", NULL, NULL, -EINVAL, "hexadecimal"},
    {"null://host", NULL, NULL, -EINVAL, "the URL has a host"},
    {"null://[::1", NULL, NULL, -EINVAL, "[::1]"},
    {"null://:pass/word@host", NULL, NULL, -EINVAL, "write %2F for a /"},
    {"null://pass/word@host", NULL, NULL, -EINVAL, "write %2F for a /"},
    {"redis://h/0?password=x&conect_timeout=1", NULL, NULL, -EINVAL,
     "did you mean connect_timeout?"},
    {"redis://h?pasword_file=x", NULL, NULL, -EINVAL,
     "did you mean password_file?"},
    {"redis://u:p@x/word@host", NULL, NULL, -EINVAL, "write %2F for a /"},
    {"redis://u:p@x?db=1@host", NULL, NULL, -EINVAL, "write %3F for a ?"},
    {"null://:pass?word@host", NULL, NULL, -EINVAL, "NAME=VALUE"},
    {"null://:pass?word==@host", NULL, NULL, -EINVAL, "%3F for a ?"},
    {"null://host:63x9", NULL, NULL, -EINVAL, "port is no number"},
    {"redis://h1:1,h2:2", NULL, NULL, -EINVAL, "needs cluster=true"},
    {"redis://h1:1,h2:x?cluster=true", NULL, NULL, -EINVAL,
     "expected addresses such as"},
    {"redis://h1:1,,h2?cluster=true", NULL, NULL, -EINVAL,
     "expected addresses such as"},
    {"NULL://host", NULL, NULL, -EINVAL, "null: the URL has a host"},
    {"null:///path", NULL, NULL, -EINVAL, "the URL has a path"},
    {"null:///a@b", NULL, NULL, -EINVAL, "the URL has a path"},
    {"scripted", NULL, NULL, -EINVAL, "option script is missing"},
    {"scripted", "lanes", "gte=1", -EINVAL, "did you mean get?"},
    {"scripted", "lanes", "get", -EINVAL, "OP=WORKERS"},
    {"scripted", "lanes", "get=0", -EINVAL, "OP=WORKERS"},
    {"scripted", "lanes", "get=257", -EINVAL, "1 to 256 workers, got \"get=2"},
    {"scripted", "lanes", "get=2x", -EINVAL, "OP=WORKERS"},
    {"scripted", "lanes", "get=1,get=2", -EINVAL, "each op once, got \"get\""},
    {"scripted", "inline", "true", -EINVAL, "this connector blocks"},
    {"strange", NULL, NULL, -EINVAL, "connector ABI 77"},
    {"lacking", NULL, NULL, -EINVAL, "lacking.so is inline, which takes run"},
    {"positive", NULL, NULL, -EPROTO,
     "positive: open returned 7, expected 0 or a negative errno"},
    {"empty", NULL, NULL, -ENOEXEC, "exports no weir_connector"},
};

static void says_what_is_wrong(const struct wrong *w)
{
    struct script script = {0};
    char address[32];
    struct weir_setting settings[2] = {{w->name, w->value},
                                       {"script", address}};
    size_t n = w->name == NULL ? 0 : 1;
    struct weir_store *store = (void *)address; /* as nobody left it */
    struct weir_error err = {0};
    int rc;

    snprintf(address, sizeof address, "%llx",
             (unsigned long long)(uintptr_t)&script);
    if (n == 1 && w->target != NULL && strcmp(w->target, "scripted") == 0)
        n = 2;
    rc = weir_open(&store, w->target, settings, n, &err);
    if (rc != w->rc || strstr(err.message, w->says) == NULL) {
        fprintf(stderr, "%s %s=%s: %d %s\n", w->target, w->name, w->value, rc,
                err.message);
        exit(1);
    }
    CHECK(store == NULL && err.code == rc);
}

static void right_ones_open(void)
{
    static const char *const RIGHT[] = {
        "null",
        "null://",
        "null://?size=1.5KiB&hit=yes&timeout=1.5s",
        "null://?size=64kib&inline=false&lanes=get=2,set%3D1&workers=1",
    };

    for (size_t i = 0; i < sizeof RIGHT / sizeof *RIGHT; i++) {
        struct weir_store *store;
        struct weir_error err;

        if (weir_open(&store, RIGHT[i], NULL, 0, &err) < 0) {
            fprintf(stderr, "%s: %s\n", RIGHT[i], err.message);
            exit(1);
        }
        weir_store_free(store);
    }
}

/* A password with a / or a ? ends the authority before its @: what is in front
 * would be taken for a port. */
static void secrets_are_not_repeated(void)
{
    static const char *const HOLDING[] = {
        "null://?size=1&s3cret",
        "redis://:s3cret/rest@127.0.0.1:1",
        "redis://:s3cret?x=y@127.0.0.1:1",
        "redis://bob:1/s3cret@127.0.0.1:1",
        "redis://s3cret/0@127.0.0.1:1?db=1",
        "rediss://bob:12/s3cret==@[::1]:1/0",
        "redis://:s3cret/?db=1",
        "redis://bob:s3cret",
        "redis://bob:s3cret?db=1",
        "redis://u:p@x/s3cret@h",
        "redis://u:p@x/s3cret",
        "redis://u:p@s3cret/x@h",
        "redis://u:p@s3cret?client_name=x@h",
        "redis://u:p@h?s3cret=1",
        "redis://h?password=a&s3cret=b",
        "redis://h?password=a&db=s3cret",
        "redis://h?password=a&timeout=s3cret",
        "redis://h?password=a&lanes=s3cret",
        "redis://h?password=a&lanes=get=1,s3cret",
        "redis://h?password=a&lanes=get=1,get=s3cret",
        "redis://h?password=a&tls=s3cret",
        "redis://h?password=a&workers=s3cret",
        "redis://h?password=a&queue=-s3cret",
        "fault://?target=redis%3A%2F%2Fu%3Ap%40x%2Fs3cret",
        "null://u@h/s3cret?size=1",
        "fs://:p@s3cret",
        "p@s3cret://h",
        "u:s3cret@h://h",
        "redis:u:s3cret@h",
        "redis://h?password=$s3cret",
        "redis://h?password=$1s3cret",
        "redis://:$s3cret@h",
    };

    for (size_t i = 0; i < sizeof HOLDING / sizeof *HOLDING; i++) {
        struct weir_store *store = NULL;
        struct weir_error err;

        if (weir_open(&store, HOLDING[i], NULL, 0, &err) == 0 ||
            strstr(err.message, "s3cret") != NULL) {
            fprintf(stderr, "%s: %s\n", HOLDING[i], err.message);
            exit(1);
        }
    }
    struct weir_connector_info info;
    struct weir_error err;

    CHECK(weir_connector_info("redis://u:s3cret@h", &info, &err) == -ENOENT);
    CHECK(strstr(err.message, "s3cret") == NULL);
}

static void connectors_are_listed_and_described(void)
{
    struct weir_connector_info info;
    struct weir_error err;
    char names[1024];

    CHECK(weir_connector_names(names, sizeof names) < sizeof names);
    CHECK(strstr(names, "null\n") != NULL);
    CHECK(weir_connector_names(NULL, 0) == strlen(names));
    CHECK(weir_connector_info("null", &info, &err) == 0);
    CHECK(info.is_inline && strcmp(info.options[0].name, "size") == 0);
    CHECK(weir_connector_info("nul", &info, &err) == -ENOENT);
}

int main(void)
{
    uint32_t sizes[11];

    deadline_s(200);
    find_doubles();
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        says_what_is_wrong(&WRONG[i]);
    right_ones_open();
    if (setlocale(LC_ALL, "de_DE.UTF-8") !=
        NULL) /* 1,5 where it is installed */
        right_ones_open();
    secrets_are_not_repeated();
    connectors_are_listed_and_described();
    CHECK(weir_layout(sizes, 11) == WEIR_ABI);
    CHECK(sizes[1] == sizeof(struct weir_item));
    CHECK(sizes[10] == sizeof(struct weir_status_info));
    return 0;
}
