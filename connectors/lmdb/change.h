/* change.h -- the atomic ops. */
#ifndef LMDB_CHANGE_H
#define LMDB_CHANGE_H

#include "write.h"

/* change_item does an atomic op to an item. As the functions of write.h. */
int change_item(struct writer *w, struct weir_call *call,
                struct weir_item *item, struct write_answer *answer);

#endif
