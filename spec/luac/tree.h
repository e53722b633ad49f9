/* tree.h -- what the test programs of the lua connector share: policy files in
 * a folder of their own, stores over them, single operations that wait. */
#ifndef LUAC_TREE_H
#define LUAC_TREE_H

#include <ftw.h>

#include "../runtime/harness.h"

static char tree_folder[64];

static inline int tree_unlink(const char *path, const struct stat *st, int type,
                              struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline void tree_remove(void)
{
    nftw(tree_folder, tree_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* tree_file writes a policy file and returns lua:PATH. A %s in the text is the
 * folder. */
static inline const char *tree_file(const char *name, const char *text)
{
    static char target[128];
    FILE *file;

    if (tree_folder[0] == '\0') {
        strcpy(tree_folder, "/tmp/weir-luac-XXXXXX");
        CHECK(mkdtemp(tree_folder) != NULL);
        atexit(tree_remove);
    }
    snprintf(target, sizeof target, "lua:%s/%s", tree_folder, name);
    file = fopen(target + 4, "w");
    CHECK(file != NULL && fprintf(file, text, tree_folder) > 0);
    fclose(file);
    return target;
}

/* tree_open opens a store over such a file. */
static inline struct weir_store *tree_open(const char *name, const char *text)
{
    struct weir_store *store = NULL;
    struct weir_error err;

    if (weir_open(&store, tree_file(name, text), NULL, 0, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return store;
}

/* one_batch makes a batch for one key that ends within so many ms, 0 = no
 * deadline. */
static inline struct weir_batch *one_batch(uint32_t op, const char *key,
                                           unsigned ms)
{
    struct weir_batch *b = weir_batch_new(1);

    CHECK(b != NULL && weir_batch_reset(b, op, 1) == 0);
    b->items[0].key = key;
    b->items[0].key_len = (uint32_t)strlen(key);
    if (op == WEIR_SET) {
        b->items[0].data = (char *)key;
        b->items[0].size = strlen(key);
    }
    if (ms > 0)
        b->deadline_ns = weir_now() + (uint64_t)ms * MS;
    return b;
}

/* do_one does op on one key and returns the status. */
static inline int do_one(struct weir_store *store, struct weir_cq *cq,
                         uint32_t op, const char *key)
{
    struct weir_batch *b = one_batch(op, key, 20000);
    int status;

    CHECK(weir_submit(store, cq, b) == 0 && next_done(cq) == b);
    status = b->items[0].status;
    if (op == WEIR_GET && status == WEIR_OK)
        CHECK(b->items[0].value->size == strlen(key));
    weir_batch_free(b);
    return status;
}

/* ask puts a question; the text stays until the next one. Returns the result of
 * weir_ask. */
static char answer[65536];

static inline int ask(struct weir_store *store, const char *words)
{
    struct weir_value *value = NULL;
    struct weir_error err;
    int rc = weir_ask(store, words, weir_now() + 20ull * SECOND, &value, &err);

    if (rc < 0)
        snprintf(answer, sizeof answer, "%s", err.message);
    else
        snprintf(answer, sizeof answer, "%.*s", (int)value->size, value->data);
    weir_value_unref(value);
    return rc;
}

static inline int says(const char *words)
{
    if (strstr(answer, words) == NULL)
        fprintf(stderr, "\"%s\" lacks \"%s\"\n", answer, words);
    return strstr(answer, words) != NULL;
}

/* A policy of one's own over memory: keys that begin with loop, error and slow
 * do that first. */
#define MISBEHAVING                                                            \
    "local weir = require 'weir'\n"                                            \
    "return policy { children = { memory {} }, run = function(self, req)\n"    \
    "  local key = req.keys[1]\n"                                              \
    "  if key:find '^loop' then while true do end end\n"                       \
    "  if key:find '^error' then error 'a mistake' end\n"                      \
    "  if key:find '^slow' then weir.sleep(tonumber(key:match '%%d+') / "      \
    "1000) end\n"                                                              \
    "  return self.children[1]:run(req)\n"                                     \
    "end }\n"

#endif
