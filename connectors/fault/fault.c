/* fault.c -- another connector, behind which things go wrong on purpose.
 *
 * For specs, and to see what a policy does on a bad day. Each item meets at
 * most one fault, drawn with a seed (dice.c); the target does the rest. It
 * fails in every way that a connector can. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

#define OPTION(field) .offset = offsetof(struct fault_config, field)
#define RATE(option, kind, words)                                              \
    {                                                                          \
        .name = option, .type = WEIR_STRING, .help = words,                    \
        OPTION(rates[kind])                                                    \
    }

static const struct weir_option fault_options[] = {
    {.name = "target",
     .type = WEIR_STRING,
     .value = "memory",
     .help = "what does the work: a connector's name, or a URL",
     OPTION(target)},
    {.name = "status",
     .type = WEIR_ENUM,
     .value = "failed",
     .choices = "failed|timeout|reset|busy|skipped|unavailable|nospace|toobig|"
                "denied|unsupported|corrupt|invalid|miss|rejected",
     .help = "what items answer that rate picks",
     OPTION(status)},
    RATE("rate", FAULT_STATUS, "share of items that answer status, 0 to 1"),
    RATE("die", FAULT_DIE, "share of items at which the session breaks"),
    RATE("hang", FAULT_HANG, "share of items that wait for their deadline"),
    RATE("garbage", FAULT_GARBAGE,
         "share of items with an answer that is none"),
    RATE("truncate", FAULT_TRUNCATE, "share of gets that bring half a value"),
    {.name = "applied",
     .type = WEIR_BOOLEAN,
     .value = "false",
     .help = "whether the target does what then seems to fail",
     OPTION(applied)},
    {.name = "delay",
     .type = WEIR_DURATION,
     .value = "0",
     .help = "time that each call takes",
     OPTION(delay_ns)},
    {.name = "jitter",
     .type = WEIR_DURATION,
     .value = "0",
     .help = "most that is added to it, evenly distributed",
     OPTION(jitter_ns)},
    {.name = "connect_failures",
     .type = WEIR_INTEGER,
     .value = "0",
     .max = 1000000000,
     .help = "first connects that fail",
     OPTION(connect_failures)},
    {.name = "connect_rate",
     .type = WEIR_STRING,
     .help = "share of the later connects that fail, 0 to 1",
     OPTION(connect_rate)},
    {.name = "connect_hang",
     .type = WEIR_BOOLEAN,
     .value = "false",
     .help = "whether those connects hang until they time out",
     OPTION(connect_hang)},
    {.name = "after",
     .type = WEIR_INTEGER,
     .value = "0",
     .max = 1000000000,
     .help = "items that are safe at first",
     OPTION(after)},
    {.name = "count",
     .type = WEIR_INTEGER,
     .value = "0",
     .max = 1000000000,
     .help = "faults after which all is well; 0 = no end",
     OPTION(count)},
    {.name = "match",
     .type = WEIR_STRING,
     .help = "beginning of the keys that are hit; all by default",
     OPTION(match)},
    {.name = "seed",
     .type = WEIR_INTEGER,
     .value = "1",
     .help = "of the faults: the same seed, the same faults",
     OPTION(seed)},
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
    rc = fault_rates(f, err);
    if (rc == 0)
        rc = weir_inner_open(&f->target, f->config->target, err);
    if (rc < 0) {
        free(f);
        return rc;
    }
    pthread_mutex_init(&f->lock, NULL);
    *state = f;
    return 0;
}

static void fault_close(void *state)
{
    struct fault *f = state;

    weir_inner_close(f->target);
    pthread_mutex_destroy(&f->lock);
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

/* Whether this connect is one that fails. */
static int connect_fault(struct fault *f, struct weir_call *call)
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

static void session_set(struct fault_session *s, struct fault *f, void *inner)
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
    int rc = connect_fault(f, call);

    if (rc < 0)
        return rc;
    if (c->session_size > 0) {
        inner = calloc(1, c->session_size);
        if (inner == NULL)
            return -ENOMEM;
    }
    session_set(s, f, inner);
    atomic_store(&s->fault, f);
    rc = c->connect != NULL ? c->connect(f->target->state, inner, call) : 0;
    if (rc < 0) {
        session_set(s, f, NULL);
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

    session_set(s, f, NULL);
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
        out[0] = (struct weir_gauge){"faults", "items that a fault hit",
                                     atomic_load(&f->injected), 1, 0};
    if (c->gauges == NULL)
        return 1;
    return 1 + c->gauges(f->target->state, out + (max > 0), max ? max - 1 : 0);
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "fault",
    .help = "another connector, behind which things go wrong on purpose",
    .options = fault_options,
    .config_size = sizeof(struct fault_config),
    .session_size = sizeof(struct fault_session),
    .ops = 1 << WEIR_GET | 1 << WEIR_SET | 1 << WEIR_EXISTS | 1 << WEIR_DELETE |
           1 << WEIR_STAT | 1 << WEIR_TOUCH | 1 << WEIR_SCAN,
    .open = fault_open,
    .close = fault_close,
    .label = fault_label,
    .connect = fault_connect,
    .disconnect = fault_disconnect,
    .check = fault_check,
    .run = fault_run,
    .interrupt = fault_interrupt,
    .gauges = fault_gauges,
};
