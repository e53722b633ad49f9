/* company.c -- several Lua states in one process: two trees, a tree over lua:,
 * a host with a LuaJIT of its own; and a fork. */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

#include "tree.h"

static void *work(void *store)
{
    struct weir_cq *cq = new_cq();

    for (int i = 0; i < 2000; i++) {
        char key[16];

        snprintf(key, sizeof key, "k%d", i % 100);
        CHECK(do_one(store, cq, WEIR_SET, key) == WEIR_OK);
        CHECK(do_one(store, cq, WEIR_GET, key) == WEIR_OK);
    }
    weir_cq_free(cq);
    return NULL;
}

/* Each tree has its own thread and its own keys. */
static void two_trees(void)
{
    struct weir_store *a = tree_open("a.lua", "return memory {}\n");
    struct weir_store *b = tree_open(
        "b.lua", "return tier { memory {}, fs { path = '%s/fs' } }\n");
    struct weir_cq *cq = new_cq();
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, work, a) == 0);
    work(b);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(do_one(a, cq, WEIR_SET, "mine") == WEIR_OK);
    CHECK(do_one(b, cq, WEIR_GET, "mine") == WEIR_MISS);
    weir_store_free(a);
    weir_store_free(b);
    weir_cq_free(cq);
}

static void tree_over_tree(void)
{
    struct weir_store *store;

    tree_file("inner.lua", "return memory {}\n");
    store = tree_open("outer.lua",
                      "return tier { memory {}, open 'lua:%s/inner.lua' }\n");
    work(store);
    weir_store_free(store);
}

/* The host has a Lua state of its own in the same library. */
static void own_lua(void)
{
    void *library = dlopen("libluajit-5.1.so.2", RTLD_NOW | RTLD_GLOBAL);
    void *(*new_state)(void);
    void (*open_libs)(void *), (*close_state)(void *);
    int (*load)(void *, const char *), (*call)(void *, int, int, int);
    void *L;
    struct weir_store *store;

    CHECK(library != NULL);
    *(void **)&new_state = dlsym(library, "luaL_newstate");
    *(void **)&open_libs = dlsym(library, "luaL_openlibs");
    *(void **)&load = dlsym(library, "luaL_loadstring");
    *(void **)&call = dlsym(library, "lua_pcall");
    *(void **)&close_state = dlsym(library, "lua_close");
    L = new_state();
    open_libs(L);
    CHECK(load(L, "local n = 0 for i = 1, 1e6 do n = n + i end") == 0);
    CHECK(call(L, 0, 0, 0) == 0);
    store = tree_open("own.lua", "return memory {}\n");
    work(store);
    CHECK(load(L, "local n = 0 for i = 1, 1e6 do n = n + i end") == 0);
    CHECK(call(L, 0, 0, 0) == 0);
    weir_store_free(store);
    close_state(L);
}

#ifndef __SANITIZE_THREAD__

/* In the child the store is the parent's. A new one works. */
static int in_child(struct weir_store *parents)
{
    struct weir_batch *b = one_batch(WEIR_GET, "a", 0);
    struct weir_store *store;
    struct weir_cq *cq = new_cq();

    CHECK(weir_submit(parents, cq, b) == -ECHILD);
    CHECK(ask(parents, "tree") == -ECHILD && says("fork"));
    CHECK(weir_close(parents, weir_now(), WEIR_CLOSE_FAIL) == -ECHILD);
    weir_store_free(parents);
    store = tree_open("child.lua", "return memory {}\n");
    work(store);
    weir_store_free(store);
    return 0;
}

static void forks(void)
{
    struct weir_store *store = tree_open("parent.lua", "return memory {}\n");
    int status;
    pid_t pid;

    work(store);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(60);
        _exit(in_child(store));
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    work(store);
    weir_store_free(store);
}

#endif

int main(void)
{
    deadline_s(200);
    two_trees();
    tree_over_tree();
    own_lua();
#ifndef __SANITIZE_THREAD__ /* it ends a child that starts threads */
    forks();
#endif
    return 0;
}
