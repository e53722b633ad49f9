/* sum.c -- see sum.h. */
#if defined(__x86_64__) && !defined(__clang__)
#pragma GCC target("avx2")
#define SUM_WIDE
#include <immintrin.h>
#endif

#include "sum.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SUM_BLOCK = 4096 };

bool sum_can(void)
{
#ifdef SUM_WIDE
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

uint64_t sum_wide(const char *bytes, uint64_t size)
{
    return XXH3_64bits(bytes, size);
}

/* Copies whole lines past the caches. Returns how many bytes that was. */
static uint64_t sum_past(char *to, const char *bytes, uint64_t size)
{
    uint64_t done = 0;

#ifdef SUM_WIDE
    for (; size - done >= SUM_LINE; done += SUM_LINE) {
        const __m256i *from = (const __m256i *)(bytes + done);
        __m256i *line = (__m256i *)(to + done);
        __m256i low = _mm256_loadu_si256(from);
        __m256i high = _mm256_loadu_si256(from + 1);

        _mm256_stream_si256(line, low);
        _mm256_stream_si256(line + 1, high);
    }
    /* Otherwise the order of these stores and later ones is not defined. */
    _mm_sfence();
#else
    (void)to;
    (void)bytes;
    (void)size;
#endif
    return done;
}

uint64_t sum_copy(char *to, const char *bytes, uint64_t size, bool past)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    for (uint64_t at = 0; at < size; at += SUM_BLOCK) {
        uint64_t n = size - at < SUM_BLOCK ? size - at : SUM_BLOCK, done;

        XXH3_64bits_update(&state, bytes + at, n);
        done = past ? sum_past(to + at, bytes + at, n) : 0;
        memcpy(to + at + done, bytes + at + done, n - done);
    }
    return XXH3_64bits_digest(&state);
}
