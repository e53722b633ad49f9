/* look.h -- when a worker looks for what it waits for before it sleeps. */
#ifndef WEIR_LOOK_H
#define WEIR_LOOK_H

#include <stdbool.h>
#include <stdint.h>

/* The looks of one worker. */
struct looks {
    uint64_t longest_ns; /* of a look; 0: it never looks */
    uint64_t paused;     /* it does not look until then */
    uint64_t pause_ns;   /* the last pause */
};

/* The looks for one thing. */
struct look {
    uint32_t misses; /* looks in a row that found nothing */
    uint32_t rest;   /* so many waits without a look come next */
    uint32_t shorts; /* waits in a row that were shorter than a look */
    uint32_t enough; /* so many of them end the rest */
};

/* look_pays says whether to look in the wait that begins now. */
bool look_pays(const struct looks *all, struct look *l, uint64_t now);

/* look_found notes that a look found what was waited for. */
void look_found(struct look *l);

/* look_missed notes that a look found nothing. */
void look_missed(struct look *l);

/* look_slept notes that a wait took so long in which a look found nothing, or
 * none was made. */
void look_slept(const struct looks *all, struct look *l, uint64_t ns);

/* looks_yielded notes that a yield in a look lasted from one time to another.
 * false: others need the core, the look ends. */
bool looks_yielded(struct looks *all, uint64_t from, uint64_t to);

#endif
