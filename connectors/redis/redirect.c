/* redirect.c -- errors of a node that say to go elsewhere or to come later.
 *
 *     MOVED        the slot has another owner: the map is mended at this slot,
 *                  and a new one is asked for
 *     ASK          this key has been migrated: one command goes to the other
 *                  node, after ASKING
 *     TRYAGAIN     a command of many keys, some migrated: each key gets its own
 *     CLUSTERDOWN, LOADING, MASTERDOWN, READONLY
 *                  the same later, perhaps by a new map
 *
 * An item is redirected REDIRECTS times at most, the first of them at once and
 * the others after pauses, since nodes may disagree for a while during a
 * failover. It is repeated later as long as errand.c has patience. Then it gets
 * the node's last error. */
#include "redirect.h"

#include <string.h>

#include "refusal.h"
#include "scout.h"

enum {
    REDIRECTS = 16,        /* of an item, at most */
    REDIRECTS_AT_ONCE = 3, /* the others are followed after a pause */
};

#define MS ((uint64_t)1000000)

enum verdict {
    VERDICT_ANSWER, /* answer with the error */
    VERDICT_MOVED,
    VERDICT_ASK,
    VERDICT_SOON,  /* try again in a moment */
    VERDICT_LATER, /* try again when the node, or another one, can serve */
};

static enum verdict verdict_of(const struct reply *error)
{
    static const struct {
        const char *word;
        enum verdict verdict;
    } VERDICTS[] = {
        {"MOVED ", VERDICT_MOVED},    {"ASK ", VERDICT_ASK},
        {"TRYAGAIN ", VERDICT_SOON},  {"CLUSTERDOWN ", VERDICT_LATER},
        {"LOADING ", VERDICT_LATER},  {"MASTERDOWN ", VERDICT_LATER},
        {"READONLY ", VERDICT_LATER},
    };

    for (size_t i = 0; i < sizeof VERDICTS / sizeof *VERDICTS; i++) {
        size_t len = strlen(VERDICTS[i].word);

        if (error->length >= len &&
            memcmp(error->text, VERDICTS[i].word, len) == 0)
            return VERDICTS[i].verdict;
    }
    return VERDICT_ANSWER;
}

/* Returns the node that a MOVED or ASK names: "MOVED 3999 10.0.0.1:6381". The
 * host is that of the answering node if it is empty or "?". NO_NODE: the error
 * names none. */
static uint16_t named_node(struct peer *peer, const struct reply *error)
{
    const char *end = error->text + error->length;
    const char *address = memrchr(error->text, ' ', error->length);
    struct endpoint e;

    if (address == NULL ||
        !endpoint_read(&e, address + 1, (size_t)(end - address - 1), 0) ||
        e.port == 0)
        return NO_NODE;
    if (e.host[0] == '\0' || strcmp(e.host, "?") == 0)
        memcpy(e.host, peer->at.host, sizeof e.host);
    return map_node(&peer->cluster->cluster->map, &e);
}

/* Sends an item to the node that the error names. */
static bool follow(struct peer *peer, struct errand *e, struct weir_item *item,
                   enum verdict verdict, const struct reply *error)
{
    struct cluster *c = peer->cluster->cluster;
    uint16_t node = named_node(peer, error);
    struct trip *t = errand_trip(e, item);
    uint64_t pause = 0;

    t->of_master = true;
    if (node == NO_NODE)
        return errand_delay(c, e, t, MS, 500 * MS);
    if (++t->redirects > REDIRECTS)
        return false;
    if (t->redirects > REDIRECTS_AT_ONCE)
        pause =
            errand_pause(MS, 128 * MS, t->redirects - REDIRECTS_AT_ONCE - 1u);
    if (verdict == VERDICT_MOVED)
        map_moved(&c->map, t->slot, node);
    atomic_fetch_add_explicit(verdict == VERDICT_ASK ? &c->asked : &c->moved, 1,
                              memory_order_relaxed);
    if (verdict == VERDICT_ASK && e->migrates != NULL) {
        if (!e->migrates(peer, e, t, node))
            item->status = WEIR_OK;
        return true;
    }
    if (verdict == VERDICT_ASK)
        t->node = node;
    errand_wait(e, t, pause != 0 ? weir_now() + pause : 0);
    return true;
}

static bool redirect_item(struct peer *peer, struct errand *e,
                          struct weir_item *item, enum verdict verdict,
                          const struct reply *error)
{
    struct cluster *c = peer->cluster->cluster;
    struct trip *t = errand_trip(e, item);

    switch (verdict) {
    case VERDICT_MOVED:
    case VERDICT_ASK:
        return follow(peer, e, item, verdict, error);
    case VERDICT_SOON:
        return errand_delay(c, e, t, MS, 50 * MS);
    default:
        t->of_master = true;
        return errand_delay(c, e, t, 20 * MS, 500 * MS);
    }
}

static void refuse(const struct peer *peer, struct errand *e,
                   struct weir_item *item, enum verdict verdict,
                   const struct reply *error)
{
    bool redirects = verdict == VERDICT_MOVED || verdict == VERDICT_ASK;

    weir_call_fail(e->call, item,
                   redirects ? WEIR_UNAVAILABLE : refusal_status(error),
                   "node %s: %s-%.*s", peer->name,
                   redirects ? "redirected too often, at last by " : "",
                   (int)error->length, error->text);
}

bool redirect(struct redis_session *s, struct command *command,
              const struct reply *error)
{
    struct peer *peer = s->peer;
    struct progress *p = command->progress;
    enum verdict verdict = verdict_of(error);

    if (p->errand == NULL || verdict == VERDICT_ANSWER ||
        (verdict == VERDICT_SOON && command->n > 1))
        return false;
    if (verdict != VERDICT_ASK && verdict != VERDICT_SOON)
        scout_ask(peer->cluster->cluster);
    for (uint32_t i = command->first; i < command->first + command->n; i++) {
        struct weir_item *item = p->part[i];

        if (item->status != WEIR_PENDING)
            continue;
        p->part[i] = &peer->nobody;
        if (!redirect_item(peer, p->errand, item, verdict, error))
            refuse(peer, p->errand, item, verdict, error);
    }
    return true;
}
