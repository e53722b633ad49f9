/* scripted.h -- a connector that does what its test program tells it to. */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum answer {
    ANSWER_WELL = 0,  /* gets: the key repeated, 32 bytes; else OK */
    ANSWER_NOTHING,   /* items stay pending */
    ANSWER_NO_STATUS, /* a number that is no status */
    ANSWER_NO_VALUE,  /* OK to a get, without a value */
    ANSWER_OVERRUN,   /* says it wrote more than the buffer holds */
    ANSWER_ERROR,     /* FAILED, with a sentence */
    ANSWER_BREAK,     /* the session breaks */
    ANSWER_RANDOM,    /* any of these, by the key and a count */
};

/* Shared by the program and the connector, passed as the option "script";
 * spec/scripted.lua declares the same. */
struct script {
    _Atomic int answer; /* enum answer */
    _Atomic bool hold;  /* run waits while it is set */
    _Atomic bool deaf;  /* ... and ignores interrupts and deadlines */
    _Atomic bool
        hasty; /* finish ends the last call while it holds the others */
    _Atomic bool ends_twice;     /* finish ends its call, and returns 0 */
    _Atomic bool closed;         /* finish was told that the store closes */
    _Atomic uint64_t slow_ns;    /* time that a key with '!' in front takes; may
                                    be made shorter meanwhile */
    _Atomic int refuse_connects; /* so many connects fail from now on, */
    _Atomic uint64_t refuse_ns;  /* after this time */
    _Atomic bool hang_connect;
    _Atomic int deny;   /* connects fail with this status */
    _Atomic bool stale; /* the next check says that the session died */

    _Atomic uint32_t calls, connects, disconnects, checks, closes;
    _Atomic uint32_t inside, most_inside; /* calls at the same time */
    _Atomic uint32_t connecting, most_connecting;
    _Atomic uint32_t largest; /* items of the largest call */
    char word[4200];          /* what the secret option "word" came to */
};

#endif
