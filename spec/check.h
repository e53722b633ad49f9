/* check.h -- what the C test programs share: a check that ends the program, and
 * random numbers from a seed that a failure names. */
#ifndef SPEC_CHECK_H
#define SPEC_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A sanitizer makes a program several times as slow, finds what it looks for in
 * fewer rounds, and has memory of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* check_seed goes with every failure; programs with random input set it. */
static uint64_t check_seed;

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: %s (seed %llu)\n", __FILE__, __LINE__,     \
                    #condition, (unsigned long long)check_seed);               \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

/* random_next returns 64 random bits: SplitMix64. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

#endif
