/* quantity.c -- numbers with units: sizes in bytes, durations in nanoseconds.
 */
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "connector.h"

struct unit {
    const char *name;
    double factor;
};

static const struct unit SIZES[] = {
    {"", 1},         {"B", 1},        {"KiB", 0x1p10}, {"MiB", 0x1p20},
    {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"KB", 1e3},     {"MB", 1e6},
    {"GB", 1e9},     {"TB", 1e12},    {NULL, 0},
};

static const struct unit DURATIONS[] = {
    {"", 1e9},   {"ns", 1},     {"us", 1e3},   {"ms", 1e6},    {"s", 1e9},
    {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {NULL, 0},
};

double weir_number(const char *words, char **end)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double number = 0;

    *end = (char *)words;
    if (c != (locale_t)0) {
        number = strtod_l(words, end, c);
        freelocale(c);
    }
    return number;
}

static int parse(const char *words, const struct unit *units, uint64_t *out)
{
    char *end;
    double number;

    /* strtod also takes "inf", "nan" and hexadecimal. A quantity does not. */
    if (!isdigit((unsigned char)words[0]) && words[0] != '.')
        return -EINVAL;
    if (words[0] == '0' && (words[1] == 'x' || words[1] == 'X'))
        return -EINVAL;
    number = weir_number(words, &end);
    if (end == words)
        return -EINVAL;
    while (*end == ' ')
        end++;
    for (; units->name != NULL; units++) {
        if (strcasecmp(end, units->name) != 0)
            continue;
        number *= units->factor;
        if (!(number < 0x1p63))
            return -ERANGE;
        *out = (uint64_t)llround(number);
        return 0;
    }
    return -EINVAL;
}

int weir_size(const char *words, uint64_t *out)
{
    return parse(words, SIZES, out);
}

int weir_duration(const char *words, uint64_t *out)
{
    return parse(words, DURATIONS, out);
}
