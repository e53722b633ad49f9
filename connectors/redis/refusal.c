/* refusal.c -- a table from the first words of an error reply to a status.
 *
 * Redis, Valkey, KeyDB and Dragonfly begin an error with a code in capitals.
 * The general code ERR is told apart by the words after it. */
#include "refusal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "connector.h"

static const char UNKNOWN[] = "ERR unknown command";

struct refusal {
    const char *words;
    uint8_t status;
    uint8_t verdict; /* enum refusal_verdict */
};

static const struct refusal REFUSALS[] = {
    {"OOM ", WEIR_NOSPACE, REFUSAL_OF_NOW},
    {"NOAUTH ", WEIR_DENIED, REFUSAL_OF_SERVER}, /* though logged in */
    {"NOPERM ", WEIR_DENIED, REFUSAL_OF_NOW},
    {"WRONGPASS ", WEIR_DENIED, REFUSAL_OF_NOW},
    {"DENIED ", WEIR_DENIED, REFUSAL_OF_NOW}, /* protected mode */
    {"ERR invalid password", WEIR_DENIED, REFUSAL_OF_NOW},
    {"ERR operation not permitted", WEIR_DENIED, REFUSAL_OF_NOW},
    {"ERR AUTH ", WEIR_DENIED, REFUSAL_OF_NOW},
    {"ERR Client sent AUTH", WEIR_DENIED, REFUSAL_OF_NOW},
    /* Not applied. A retry a little later may succeed. */
    {"LOADING ", WEIR_BUSY, REFUSAL_IF_LONG},
    {"BUSY ", WEIR_BUSY, REFUSAL_OF_NOW},
    {"TRYAGAIN ", WEIR_BUSY, REFUSAL_OF_NOW},
    {"MASTERDOWN ", WEIR_UNAVAILABLE, REFUSAL_IF_LONG},
    {"CLUSTERDOWN ", WEIR_UNAVAILABLE, REFUSAL_IF_LONG},
    {"NOREPLICAS ", WEIR_UNAVAILABLE, REFUSAL_IF_LONG},
    {"READONLY ", WEIR_UNAVAILABLE, REFUSAL_OF_SERVER}, /* after a failover */
    {"ERR max number of clients", WEIR_UNAVAILABLE, REFUSAL_OF_NOW},
    {UNKNOWN, WEIR_UNSUPPORTED, REFUSAL_OF_NOW},
    {"ERR EVAL is refused", WEIR_UNSUPPORTED, REFUSAL_OF_NOW}, /* by weir */
    {"ERR unknown subcommand", WEIR_UNSUPPORTED, REFUSAL_OF_NOW},
    {"ERR string exceeds", WEIR_TOOBIG, REFUSAL_OF_NOW},
    {"ERR Protocol error: invalid bulk length", WEIR_TOOBIG, REFUSAL_OF_NOW},
    {"ERR value is not an integer", WEIR_INVALID, REFUSAL_OF_NOW},
    {"ERR increment or decrement would", WEIR_INVALID, REFUSAL_OF_NOW},
    {"ERR invalid expire time", WEIR_INVALID, REFUSAL_OF_NOW},
    /* Of another weir's server (lua/weir/serve/errors.lua). */
    {"INVALID ", WEIR_INVALID, REFUSAL_OF_NOW},
    {"UNSUPPORTED ", WEIR_UNSUPPORTED, REFUSAL_OF_NOW},
    {"TIMEOUT ", WEIR_TIMEOUT, REFUSAL_OF_NOW},
    {"RESET ", WEIR_RESET, REFUSAL_OF_NOW},
    {"CORRUPT ", WEIR_CORRUPT, REFUSAL_OF_NOW},
};

static bool begins_with(const struct reply *error, const char *words)
{
    size_t len = strlen(words);

    return error->length >= len && memcmp(error->text, words, len) == 0;
}

static const struct refusal *find(const struct reply *error)
{
    /* WRONGTYPE, MOVED, ASK, MISCONF, ... */
    static const struct refusal OTHER = {"", WEIR_FAILED, REFUSAL_OF_NOW};

    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        if (begins_with(error, REFUSALS[i].words))
            return &REFUSALS[i];
    }
    return &OTHER;
}

int refusal_status(const struct reply *error)
{
    return find(error)->status;
}

size_t refusal_length(const struct reply *error)
{
    static const char ARGUMENTS[] = ", with args beginning with:";
    const char *end = begins_with(error, UNKNOWN)
                          ? memmem(error->text, error->length, ARGUMENTS,
                                   sizeof ARGUMENTS - 1)
                          : NULL;

    return end != NULL ? (size_t)(end - error->text) : error->length;
}

/* Whether a server does not know a command that each server of data knows. Its
 * name is quoted: 'GET' or, by older ones, `GET`. */
static bool is_no_store(const struct reply *error)
{
    static const char *const BASIC[] = {"GET",    "SET",  "EXISTS", "DEL",
                                        "STRLEN", "SCAN", "SELECT"};
    size_t begin = sizeof UNKNOWN + 1;
    const char *name = error->text + begin;

    if (!begins_with(error, UNKNOWN))
        return false;
    for (size_t i = 0; i < sizeof BASIC / sizeof *BASIC; i++) {
        size_t len = strlen(BASIC[i]);

        if (error->length > begin + len &&
            strncasecmp(name, BASIC[i], len) == 0 &&
            !isalnum((unsigned char)name[len]))
            return true;
    }
    return false;
}

const char *refusal_advice(const struct reply *error)
{
    if (begins_with(error, "MOVED ") || begins_with(error, "ASK ") ||
        begins_with(error, "CROSSSLOT "))
        return "; the server is a node of a cluster: set cluster=true";
    if (begins_with(error, "ERR SELECT is not allowed in cluster mode"))
        return "; the server is a node of a cluster: set cluster=true and take "
               "out the database";
    if (is_no_store(error))
        return REFUSAL_SENTINEL;
    return "";
}

enum refusal_verdict refusal_verdict(const struct reply *error)
{
    return (enum refusal_verdict)find(error)->verdict;
}

/* NOPERM is about a command ("to run the 'mget' command") or about a key ("to
 * access one of the keys used as arguments"). */
bool refusal_of_user(const struct reply *error)
{
    static const char KEY[] = "permissions to access";

    return begins_with(error, "NOPERM ") &&
           memmem(error->text, error->length, KEY, sizeof KEY - 1) == NULL;
}

bool refusal_of_command(const struct reply *error)
{
    return begins_with(error, UNKNOWN) || refusal_of_user(error);
}

bool refusal_of_many(const struct reply *error)
{
    return refusal_of_command(error) || begins_with(error, "CROSSSLOT ") ||
           begins_with(error, "MOVED ") || begins_with(error, "ASK ");
}
