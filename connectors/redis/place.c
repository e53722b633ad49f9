/* place.c -- tells which node of a cluster a key is on. */
#include "place.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "scout.h"

/* The longest wait for a map. */
#define WAIT_NS ((uint64_t)1000000000)

static const char HELP[] =
    "explain OP KEY   the node of the cluster and the slot of a key\n"
    "help             this list\n";

/* Waits for a map, if there is none yet. */
static void await_map(struct cluster *c, int bell, uint64_t deadline_ns)
{
    uint64_t now = weir_now(), until = now + WAIT_NS;
    struct pollfd p = {.fd = bell, .events = POLLIN};
    uint64_t round = scout_ask(c);
    eventfd_t rings;

    if (deadline_ns != 0 && deadline_ns < until)
        until = deadline_ns;
    while (atomic_load(&c->scout.maps) == 0 &&
           atomic_load(&c->scout.rounds) < round && now < until) {
        poll(&p, 1, (int)((until - now) / 1000000u) + 1);
        eventfd_read(bell, &rings);
        now = weir_now();
    }
}

static void need_map(struct cluster *c, uint64_t deadline_ns)
{
    int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (bell < 0)
        return;
    if (scout_listen(c, bell) == 0)
        await_map(c, bell, deadline_ns);
    scout_deafen(c, bell);
    close(bell);
}

/* Says why there is no map. */
static void write_no_map(struct cluster *c, uint16_t slot, char *text,
                         size_t room)
{
    char why[SCOUT_WHY];
    int status = scout_status(c, why);

    snprintf(text, room, "slot %d; %s", slot,
             status != 0 ? why : "no node of the cluster has answered");
}

static int explain(struct cluster *c, const char *key, uint64_t deadline_ns,
                   struct weir_value **out)
{
    const struct redis *r = c->redis;
    uint16_t slot = slot_of(r->config->prefix, r->prefix_len, key, strlen(key));
    char address[ENDPOINT_HOST + 16], text[ENDPOINT_HOST + SCOUT_WHY];
    struct endpoint at;
    uint16_t node;

    if (atomic_load(&c->scout.maps) == 0)
        need_map(c, deadline_ns);
    node = map_owner(&c->map, slot);
    if (node != NO_NODE && map_address(&c->map, node, &at)) {
        endpoint_write(&at, address, sizeof address);
        snprintf(text, sizeof text, "node %s, slot %d", address, slot);
    } else if (atomic_load(&c->scout.maps) == 0) {
        write_no_map(c, slot, text, sizeof text);
    } else {
        snprintf(text, sizeof text, "slot %d, of no known node", slot);
    }
    *out = weir_value_copy(text, strlen(text));
    return *out != NULL ? 0 : -ENOMEM;
}

int place_ask(struct cluster *c, const char *words, uint64_t deadline_ns,
              struct weir_value **out, struct weir_error *err)
{
    char op[16], verb[16];
    int key = 0;

    if (strcmp(words, "help") == 0) {
        *out = weir_value_copy(HELP, sizeof HELP - 1);
        return *out != NULL ? 0 : -ENOMEM;
    }
    if (sscanf(words, "%15s %15s %n", verb, op, &key) == 2 && key > 0 &&
        words[key] != '\0' && strcmp(verb, "explain") == 0)
        return explain(c, words + key, deadline_ns, out);
    return weir_error_set(err, -EINVAL,
                          "redis: expected \"explain OP KEY\" or \"help\"");
}
