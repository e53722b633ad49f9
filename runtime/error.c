/* error.c -- errors as sentences of bounded length. */
#include <stdarg.h>
#include <stdio.h>

#include "connector.h"

int weir_error_set(struct weir_error *err, int code, const char *format, ...)
{
    va_list args;

    if (err == NULL)
        return code;
    err->code = code;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return code;
}
