/* vm.h -- the Lua state of a store. */
#ifndef LUA_VM_H
#define LUA_VM_H

#include "state.h"

/* vm_open makes the Lua state and loads the tree. Returns 0, or a negative
 * errno and a sentence. */
int vm_open(struct lua_store *s, struct weir_error *err);

/* vm_stop ends the tasks of the tree and closes its stores. */
void vm_stop(struct lua_store *s);

/* vm_free frees the Lua state. */
void vm_free(struct lua_store *s);

/* vm_call calls a function of the Lua half. What it raises is lost: the
 * functions answer errors of policies themselves. */
void vm_call(struct lua_store *s, enum lua_function function);

#endif
