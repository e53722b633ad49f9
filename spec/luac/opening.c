/* opening.c -- what weir_open says about a policy file and its options. */
#include "tree.h"

static char said[300];

/* Opens, which must fail with rc. */
static int fails(const char *target, const struct weir_setting *settings,
                 size_t n)
{
    struct weir_store *store = NULL;
    struct weir_error err = {0};
    int rc = weir_open(&store, target, settings, n, &err);

    CHECK(rc < 0 && store == NULL);
    snprintf(said, sizeof said, "%s", err.message);
    return rc;
}

static int tells(const char *words)
{
    if (strstr(said, words) == NULL)
        fprintf(stderr, "\"%s\" lacks \"%s\"\n", said, words);
    return strstr(said, words) != NULL;
}

static void files(void)
{
    CHECK(fails(tree_file("bad.lua", "local m = memory {}\n"
                                     "return tierr { m }\n"),
                NULL, 0) == -EINVAL);
    CHECK(tells("bad.lua:2: no word \"tierr\"; did you mean \"tier\"?"));
    fails(tree_file("syntax.lua", "return memory {\n\n"), NULL, 0);
    CHECK(tells("syntax.lua:3:"));
    fails(tree_file("option.lua", "return memory { capacitty = 1 }\n"), NULL,
          0);
    CHECK(tells("option.lua:1:") && tells("did you mean capacity?"));
    fails(tree_file("nothing.lua", "local m = memory {}\n"), NULL, 0);
    CHECK(tells("its last line must return a store"));
    fails("lua:/nonexistent/kv.lua", NULL, 0);
    CHECK(tells("/nonexistent/kv.lua"));
}

static void options(void)
{
    const char *target = tree_file("good.lua", "return memory {}\n");
    struct weir_setting workers = {"workers", "2"}, lanes = {"lanes", "get=1"};
    struct weir_setting one = {"workers", "1"}, typo = {"tiemout", "1s"};
    struct weir_store *store;
    struct weir_error err;

    fails(target, &workers, 1);
    CHECK(tells("option workers: expected 1"));
    fails(target, &lanes, 1);
    CHECK(tells("option lanes"));
    fails(target, &typo, 1);
    CHECK(tells("did you mean timeout?"));
    fails("lua", NULL, 0);
    CHECK(tells("option file"));
    fails("redis:secret", NULL, 0);
    CHECK(tells("NAME:PATH") && strstr(said, "secret") == NULL);
    CHECK(weir_open(&store, target, &one, 1, &err) == 0);
    CHECK(strcmp(weir_store_name(store), "lua good.lua") == 0);
    weir_store_free(store);
}

/* All ways to write the target. */
static void targets(void)
{
    const char *path = tree_file("ways.lua", "return memory {}\n") + 4;
    struct weir_setting file = {"file", path};
    char target[200];
    struct weir_store *store;
    struct weir_error err;

    CHECK(weir_open(&store, "lua", &file, 1, &err) == 0);
    weir_store_free(store);
    snprintf(target, sizeof target, "lua://%s", path);
    CHECK(weir_open(&store, target, NULL, 0, &err) == 0);
    weir_store_free(store);
    snprintf(target, sizeof target, "lua:%s?timeout=2s", path);
    CHECK(weir_open(&store, target, NULL, 0, &err) == 0);
    weir_store_free(store);
    CHECK(chdir(tree_folder) == 0);
    CHECK(weir_open(&store, "lua:ways.lua", NULL, 0, &err) == 0);
    weir_store_free(store);
    CHECK(chdir("/") == 0);
}

/* A file that opens itself fails, and leaves nothing behind. */
static void itself(void)
{
    fails(tree_file("self.lua", "return open 'lua:%s/self.lua'\n"), NULL, 0);
    CHECK(tells("does one open itself?"));
}

static void lua_files(void)
{
    const char *target = tree_file("place.lua", "return memory {}\n");

    setenv("WEIR_LUA", "/nonexistent", 1);
    CHECK(fails(target, NULL, 0) == -ENOENT);
    CHECK(tells("WEIR_LUA") && tells("/nonexistent/weir/connector.lua"));
    unsetenv("WEIR_LUA");
}

int main(void)
{
    deadline_s(200);
    files();
    options();
    targets();
    itself();
    lua_files();
    return 0;
}
