/* open.h -- opens the LMDB environment of a folder. All stores of the process
 * that open the folder share one: LMDB forbids to open it twice. */
#ifndef LMDB_OPEN_H
#define LMDB_OPEN_H

#include "env.h"

struct env_wish {
    const char *path;
    uint64_t capacity;
    bool create;
    int sync; /* 0: none */
};

/* env_open opens the environment, or adds a reference to the open one. */
int env_open(struct env **out, const struct env_wish *wish,
             struct weir_error *err);
void env_close(struct env *env);

/* env_check says whether a folder could be opened, and changes nothing. */
int env_check(const struct env_wish *wish, struct weir_error *err);

#endif
