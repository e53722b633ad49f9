/* refusal.c -- one table from the first words of a server's error to a status.
 *
 * Redis, Valkey, KeyDB and Dragonfly begin an error with a code in capitals;
 * what they file under plain ERR is told apart by the words that follow. */
#include <string.h>

#include "connector.h"
#include "refusal.h"

struct refusal {
    const char *words;
    int status;
};

static const struct refusal REFUSALS[] = {
    {"OOM ", WEIR_NOSPACE},
    {"NOAUTH ", WEIR_DENIED},
    {"NOPERM ", WEIR_DENIED},
    {"WRONGPASS ", WEIR_DENIED},
    {"DENIED ", WEIR_DENIED}, /* protected mode */
    {"ERR invalid password", WEIR_DENIED},
    {"ERR operation not permitted", WEIR_DENIED},
    {"ERR AUTH ", WEIR_DENIED},
    {"ERR Client sent AUTH", WEIR_DENIED},
    /* Not applied, and another try a little later may do. */
    {"LOADING ", WEIR_BUSY},
    {"BUSY ", WEIR_BUSY},
    {"TRYAGAIN ", WEIR_BUSY},
    {"MASTERDOWN ", WEIR_UNAVAILABLE},
    {"CLUSTERDOWN ", WEIR_UNAVAILABLE},
    {"NOREPLICAS ", WEIR_UNAVAILABLE},
    {"READONLY ", WEIR_UNAVAILABLE}, /* until the failover is through */
    {"ERR max number of clients", WEIR_UNAVAILABLE},
    {"ERR unknown command", WEIR_UNSUPPORTED},
    {"ERR unknown subcommand", WEIR_UNSUPPORTED},
    {"ERR string exceeds", WEIR_TOOBIG},
    {"ERR Protocol error: invalid bulk length", WEIR_TOOBIG},
    {"ERR invalid expire time", WEIR_INVALID},
};

static bool begins_with(const struct reply *error, const char *words)
{
    size_t len = strlen(words);

    return error->length >= len && memcmp(error->text, words, len) == 0;
}

int refusal_status(const struct reply *error)
{
    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        if (begins_with(error, REFUSALS[i].words))
            return REFUSALS[i].status;
    }
    return WEIR_FAILED; /* WRONGTYPE, MOVED, ASK, MISCONF, ... */
}

/* NOPERM comes for a command ("to run the 'mget' command") and for a key ("to
 * access one of the keys used as arguments"). */
bool refusal_of_command(const struct reply *error)
{
    static const char KEY[] = "permissions to access";

    return begins_with(error, "ERR unknown command") ||
           (begins_with(error, "NOPERM ") &&
            memmem(error->text, error->length, KEY, sizeof KEY - 1) == NULL);
}

bool refusal_of_many(const struct reply *error)
{
    return refusal_of_command(error) || begins_with(error, "CROSSSLOT ") ||
           begins_with(error, "MOVED ") || begins_with(error, "ASK ");
}
