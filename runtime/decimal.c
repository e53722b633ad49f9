/* decimal.c -- reads the numbers of a trace. LuaJIT cannot compile a loop over
 * digits into the trace of a request, and tonumber needs a string. */
#include "weir.h"

#include <math.h>

enum { MOST_DIGITS = 15 }; /* a double is exact for as many */

/* Powers of ten that are exact, so that one division rounds once. */
static const double POWERS[MOST_DIGITS + 1] = {
    1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
};

double weir_decimal(const char *text, size_t n)
{
    uint64_t number = 0;
    size_t point = n; /* the place of the point */

    if (n == 0 || n > MOST_DIGITS || text[n - 1] == '.')
        return NAN;
    for (size_t i = 0; i < n; i++) {
        if (text[i] >= '0' && text[i] <= '9')
            number = number * 10 + (uint64_t)(text[i] - '0');
        else if (text[i] == '.' && i > 0 && point == n)
            point = i;
        else
            return NAN;
    }
    return (double)number / POWERS[point == n ? 0 : n - point - 1];
}
