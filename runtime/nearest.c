/* nearest.c -- the word a user probably meant.
 *
 * It uses the optimal string alignment distance: Levenshtein's, with swaps of
 * neighbours (Damerau 1964). Words longer than a name are not compared. */
#include <string.h>

#include "weir.h"

enum { WORD_MAX = 48 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(least(last[j], row[j - 1]) + 1,
                           last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[m];
}

const char *weir_nearest(const char *word, const char *const *words, size_t n)
{
    size_t len = strlen(word);
    const char *best = NULL;
    unsigned best_distance;

    if (len == 0 || len > WORD_MAX)
        return NULL;
    /* One slip in three letters is a slip; more is another word. */
    best_distance = (len + 2) / 3 + 1;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(words[i]);
        unsigned d;

        if (other > WORD_MAX)
            continue;
        d = distance(word, len, words[i], other);
        if (d < best_distance) {
            best_distance = d;
            best = words[i];
        }
    }
    return best;
}
