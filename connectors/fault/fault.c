/* fault.c -- wraps another connector and injects faults.
 *
 * It is for specs, and shows how a policy behaves when a store fails. Each item
 * meets at most one fault, drawn from a seed (dice.c). The target runs all
 * other items. The faults cover every way in which a connector can fail. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dice.h"
#include "inject.h"

#define OPTION(field) .offset = offsetof(struct fault_config, field)
#define RATE(option, kind, words)                                              \
    {                                                                          \
        .name = option, .type = WEIR_STRING, .help = words,                    \
        OPTION(rates[kind])                                                    \
    }

static const struct weir_option FAULT_OPTIONS[] = {
    {.name = "target",
     .type = WEIR_STRING,
     .value = "memory",
     .help = "the connector or URL that runs the items",
     OPTION(target)},
    {.name = "status",
     .type = WEIR_ENUM,
     .value = "failed",
     .choices = "failed|timeout|reset|busy|skipped|unavailable|nospace|toobig|"
                "denied|unsupported|corrupt|invalid|miss|rejected",
     .help = "status of the items that rate selects",
     OPTION(status)},
    RATE("rate", FAULT_STATUS, "share of items answered with status, 0 to 1"),
    RATE("die", FAULT_DIE, "share of items at which the session breaks"),
    RATE("hang", FAULT_HANG,
         "share of items without a reply until the deadline"),
    RATE("garbage", FAULT_GARBAGE, "share of items with an invalid reply"),
    RATE("truncate", FAULT_TRUNCATE, "share of gets that bring half a value"),
    {.name = "applied",
     .type = WEIR_BOOLEAN,
     .value = "false",
     .help = "whether the target runs the items that then fail",
     OPTION(applied)},
    {.name = "delay",
     .type = WEIR_DURATION,
     .value = "0",
     .help = "time added to each call",
     OPTION(delay_ns)},
    {.name = "jitter",
     .type = WEIR_DURATION,
     .value = "0",
     .help = "upper bound of a random time added to delay",
     OPTION(jitter_ns)},
    {.name = "connect_failures",
     .type = WEIR_INTEGER,
     .value = "0",
     .max = 1000000000,
     .help = "number of first connects that fail",
     OPTION(connect_failures)},
    {.name = "connect_rate",
     .type = WEIR_STRING,
     .help = "share of the later connects that fail, 0 to 1",
     OPTION(connect_rate)},
    {.name = "connect_hang",
     .type = WEIR_BOOLEAN,
     .value = "false",
     .help = "whether failing connects hang until they time out",
     OPTION(connect_hang)},
    {.name = "after",
     .type = WEIR_INTEGER,
     .value = "0",
     .max = 1000000000,
     .help = "number of first items that meet no fault",
     OPTION(after)},
    {.name = "count",
     .type = WEIR_INTEGER,
     .value = "0",
     .max = 1000000000,
     .help = "number of faults to inject; 0 = no limit",
     OPTION(count)},
    {.name = "match",
     .type = WEIR_STRING,
     .help = "prefix of the keys that meet faults; default: all keys",
     OPTION(match)},
    {.name = "seed",
     .type = WEIR_INTEGER,
     .value = "1",
     .help = "the same seed gives the same faults",
     OPTION(seed)},
    {.name = "events",
     .type = WEIR_BOOLEAN,
     .value = "false",
     .help = "whether weir_ask makes it send events: changed KEY, lost, "
             "regained, break",
     OPTION(events)},
    {.name = NULL},
};

static int fault_rates(struct fault *f, struct weir_error *err)
{
    static const char *const NAMES[FAULT_KINDS] = {"rate", "die", "hang",
                                                   "garbage", "truncate"};
    double sum = 0;
    int rc = fault_rate(f->config->connect_rate, "connect_rate",
                        &f->connect_rate, err);

    for (int kind = 0; kind < FAULT_KINDS && rc == 0; kind++) {
        rc = fault_rate(f->config->rates[kind], NAMES[kind], &f->rates[kind],
                        err);
        sum += f->rates[kind];
    }
    if (rc == 0 && sum > 1 + 1e-9)
        rc = weir_error_set(err, -EINVAL,
                            "fault: rate, die, hang, garbage and truncate add "
                            "up to %.3g, more than 1",
                            sum);
    return rc;
}

static int fault_open(const void *config, const char *scheme, void **state,
                      struct weir_error *err)
{
    struct fault *f = calloc(1, sizeof *f);
    int rc;

    (void)scheme;
    if (f == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    f->config = config;
    rc = tell_init(&f->tell);
    if (rc < 0) {
        free(f);
        return weir_error_set(err, rc, "fault: %s", strerror(-rc));
    }
    rc = fault_rates(f, err);
    if (rc == 0)
        rc = weir_inner_open(&f->target, f->config->target, err);
    if (rc < 0) {
        tell_destroy(&f->tell);
        free(f);
        return rc;
    }
    pthread_mutex_init(&f->turn, NULL);
    pthread_mutex_init(&f->lock, NULL);
    *state = f;
    return 0;
}

static void fault_close(void *state)
{
    struct fault *f = state;

    weir_inner_close(f->target);
    tell_destroy(&f->tell);
    pthread_mutex_destroy(&f->lock);
    pthread_mutex_destroy(&f->turn);
    free(f);
}

static void fault_label(void *state, char *out, size_t cap)
{
    const struct fault *f = state;
    const struct weir_connector *c = f->target->connector;
    char label[200];

    snprintf(label, sizeof label, "%s", c->name);
    if (c->label != NULL)
        c->label(f->target->state, label, sizeof label);
    snprintf(out, cap, "fault %s", label);
}

/* Fails this connect, or returns 0. */
static int fault_connect_injected(struct fault *f, struct weir_call *call)
{
    uint64_t number = atomic_fetch_add(&f->connects, 1);
    int rc = -ECONNREFUSED;

    if (number >= (uint64_t)f->config->connect_failures &&
        fault_chance(f, ~number) >= f->connect_rate)
        return 0;
    if (f->config->connect_hang) {
        do {
            rc = weir_call_wait(call, -1, 0, UINT64_MAX);
        } while (rc >= 0 || rc == -EAGAIN);
    }
    weir_call_fail(call, NULL, WEIR_UNAVAILABLE, "cannot connect: injected");
    return rc;
}

static void fault_session_set(struct fault_session *s, struct fault *f,
                              void *inner)
{
    pthread_mutex_lock(&f->lock);
    s->inner = inner;
    pthread_mutex_unlock(&f->lock);
}

static int fault_connect(void *state, void *session, struct weir_call *call)
{
    struct fault *f = state;
    struct fault_session *s = session;
    const struct weir_connector *c = f->target->connector;
    void *inner = f->target->state;
    int rc = fault_connect_injected(f, call);

    if (rc < 0)
        return rc;
    if (c->session_size > 0) {
        inner = calloc(1, c->session_size);
        if (inner == NULL)
            return -ENOMEM;
    }
    fault_session_set(s, f, inner);
    atomic_store(&s->fault, f);
    rc = c->connect != NULL ? c->connect(f->target->state, inner, call) : 0;
    if (rc < 0) {
        fault_session_set(s, f, NULL);
        if (c->session_size > 0)
            free(inner);
    }
    return rc;
}

static void fault_disconnect(void *session)
{
    struct fault_session *s = session;
    struct fault *f = s->fault;
    const struct weir_connector *c = f->target->connector;
    void *inner = s->inner;

    fault_session_set(s, f, NULL);
    if (c->disconnect != NULL)
        c->disconnect(inner);
    if (c->session_size > 0)
        free(inner);
}

static int fault_check(void *session)
{
    const struct fault_session *s = session;
    const struct weir_connector *c = s->fault->target->connector;

    return c->check != NULL ? c->check(s->inner) : 0;
}

static void fault_interrupt(void *session)
{
    struct fault_session *s = session;
    struct fault *f = atomic_load(&s->fault);

    if (f == NULL || f->target->connector->interrupt == NULL)
        return;
    pthread_mutex_lock(&f->lock);
    if (s->inner != NULL)
        f->target->connector->interrupt(s->inner);
    pthread_mutex_unlock(&f->lock);
}

static size_t fault_gauges(void *state, struct weir_gauge *out, size_t max)
{
    struct fault *f = state;
    const struct weir_connector *c = f->target->connector;

    if (max > 0)
        out[0] = (struct weir_gauge){"faults", "items that met a fault",
                                     atomic_load(&f->injected), 1, 0};
    if (c->gauges == NULL)
        return 1;
    return 1 + c->gauges(f->target->state, out + (max > 0), max ? max - 1 : 0);
}

/* ---- events ---- */

static int fault_can_watch(void *state, struct weir_error *err)
{
    const struct fault *f = state;

    if (f->config->events)
        return 0;
    return weir_error_set(err, -ENOTSUP, "sends no events: set events=true");
}

static int fault_watch(void *state, struct weir_call *call)
{
    return tell_watch(&((struct fault *)state)->tell, call);
}

static int fault_ask(void *state, const char *words, uint64_t deadline_ns,
                     struct weir_value **out, struct weir_error *err)
{
    struct fault *f = state;
    const char *answer = "told";
    int rc = fault_can_watch(state, err);

    (void)deadline_ns;
    if (rc == 0 && strcmp(words, "help") == 0)
        answer = tell_help;
    else if (rc == 0)
        rc = tell_ask(&f->tell, words, err);
    if (rc < 0)
        return rc;
    *out = weir_value_copy(answer, strlen(answer));
    return *out != NULL ? 0 : weir_error_set(err, -ENOMEM, "out of memory");
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "fault",
    .help = "another connector, with injected faults",
    .options = FAULT_OPTIONS,
    .config_size = sizeof(struct fault_config),
    .session_size = sizeof(struct fault_session),
    .ops = 1 << WEIR_GET | 1 << WEIR_SET | 1 << WEIR_EXISTS | 1 << WEIR_DELETE |
           1 << WEIR_STAT | 1 << WEIR_TOUCH | 1 << WEIR_SCAN | 1 << WEIR_ADD |
           1 << WEIR_REPLACE | 1 << WEIR_INCR | 1 << WEIR_APPEND |
           1 << WEIR_CAS | 1 << WEIR_GAT | 1 << WEIR_TAKE,
    .open = fault_open,
    .close = fault_close,
    .label = fault_label,
    .connect = fault_connect,
    .disconnect = fault_disconnect,
    .check = fault_check,
    .run = fault_run,
    .interrupt = fault_interrupt,
    .gauges = fault_gauges,
    .ask = fault_ask,
    .watch = fault_watch,
    .can_watch = fault_can_watch,
};
