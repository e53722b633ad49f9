/* health.c -- whether the backend of a lane can be reached.
 *
 * A connect that fails starts a backoff for the whole lane. The backoff doubles
 * from failure to failure, up to max_backoff, with jitter. The first worker to
 * come after it connects, and renews the backoff for the others while it does,
 * so that the workers do not all connect at once. */
#include "health.h"

#include <stdbool.h>

void health_init(struct health *h)
{
    pthread_mutex_init(&h->lock, NULL);
}

void health_destroy(struct health *h)
{
    pthread_mutex_destroy(&h->lock);
}

/* A random number in [0, 1) from the clock: xorshift64* (Vigna 2016). Jitter
 * needs no better. */
static double jitter(void)
{
    uint64_t x = weir_now() | 1;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    return (double)((x * 0x2545F4914F6CDD1Du) >> 11) * 0x1p-53;
}

/* "Equal jitter": one half of the delay is fixed, the other is random. */
uint64_t health_backoff(const struct store_config *config, uint32_t failures)
{
    uint64_t delay = config->backoff_ns;

    while (failures-- > 1 && delay < config->max_backoff_ns)
        delay *= 2;
    if (delay > config->max_backoff_ns)
        delay = config->max_backoff_ns;
    return delay / 2 + (uint64_t)((double)delay / 2 * jitter());
}

/* What a worker without a session does about the queue. Under lock. */
static enum ready without_session(const struct health *h)
{
    return h->sessions > 0 ? READY_LATER : READY_FAIL;
}

enum ready health_ready(struct health *h, const struct store_config *config,
                        struct failure *failure)
{
    enum ready ready = READY_YES;
    uint64_t now = weir_now();

    pthread_mutex_lock(&h->lock);
    if (now < h->retry_ns) {
        *failure = h->last;
        ready = without_session(h);
    } else if (h->failures > 0) {
        h->retry_ns = now + health_backoff(config, h->failures + 1);
    }
    pthread_mutex_unlock(&h->lock);
    return ready;
}

void health_connected(struct health *h)
{
    pthread_mutex_lock(&h->lock);
    h->sessions++;
    h->failures = 0;
    h->retry_ns = 0;
    pthread_mutex_unlock(&h->lock);
}

void health_lost(struct health *h)
{
    pthread_mutex_lock(&h->lock);
    h->sessions--;
    pthread_mutex_unlock(&h->lock);
}

enum ready health_failed(struct health *h, const struct store_config *config,
                         const struct failure *failure)
{
    enum ready ready;

    pthread_mutex_lock(&h->lock);
    h->failures++;
    h->retry_ns = weir_now() + health_backoff(config, h->failures);
    h->last = *failure;
    ready = without_session(h);
    pthread_mutex_unlock(&h->lock);
    return ready;
}

uint64_t health_retry_ns(struct health *h)
{
    uint64_t retry;

    pthread_mutex_lock(&h->lock);
    retry = h->retry_ns;
    pthread_mutex_unlock(&h->lock);
    return retry;
}
