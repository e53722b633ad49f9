/* hit_ratio.c -- each eviction policy keeps what its published algorithm keeps:
 * over seeded Zipf requests, and with a scan of keys that never return. */
#include <math.h>

#include "models.h"

/* Keys by their rank, rank i as often as 1 / i^skew: the sums are searched. */
static struct requests zipf(size_t n, uint32_t n_keys, double skew,
                            uint64_t *random)
{
    struct requests r = {zeroed(n, sizeof *r.keys), n, n_keys};
    double *sums = zeroed(n_keys + 1, sizeof *sums);

    for (uint32_t i = 0; i < n_keys; i++)
        sums[i + 1] = sums[i] + pow(i + 1, -skew);
    for (size_t i = 0; i < n; i++) {
        double at = (double)(random_next(random) >> 11) * 0x1p-53;
        uint32_t low = 0, high = n_keys;

        at *= sums[n_keys];
        while (high - low > 1) {
            uint32_t middle = low + (high - low) / 2;

            if (sums[middle] <= at)
                low = middle;
            else
                high = middle;
        }
        r.keys[i] = low;
    }
    free(sums);
    return r;
}

/* After each tenth of the requests, a run of keys that are asked for once. */
static struct requests with_scans(const struct requests *r, size_t length)
{
    size_t n = r->n + 10 * length, to = 0;
    uint32_t fresh = r->n_keys;
    struct requests out = {zeroed(n, sizeof *out.keys), n,
                           r->n_keys + (uint32_t)(10 * length)};

    for (size_t i = 0; i < r->n; i++) {
        out.keys[to++] = r->keys[i];
        for (size_t j = 0; (i + 1) % (r->n / 10) == 0 && j < length; j++)
            out.keys[to++] = fresh++;
    }
    CHECK(to == n);
    return out;
}

static double hits_lost(const struct eviction_policy *policy,
                        const struct requests *plain,
                        const struct requests *scanned, uint64_t size)
{
    return (double)policy_hits(policy, plain, size, false) -
           (double)policy_hits(policy, scanned, size, false);
}

/* A scan costs s3fifo less than half of the hits that it costs lru. */
static void check_scan(const struct requests *plain,
                       const struct requests *scanned, uint64_t size)
{
    double lru = hits_lost(&eviction_lru, plain, scanned, size);
    double s3fifo = hits_lost(&eviction_s3fifo, plain, scanned, size);

    printf("hits lost to scans: lru %.0f, s3fifo %.0f\n", lru, s3fifo);
    CHECK(lru > 0 && s3fifo * 2 < lru);
}

int main(void)
{
    uint64_t random = check_seed = 7;
    struct requests r = zipf(400000, 50000, 0.9, &random);
    struct requests scanned = with_scans(&r, 5000);

    compare("zipf 0.9", &r, 100);
    compare("zipf 0.9", &r, 5000);
    compare("zipf 0.9 with scans", &scanned, 5000);
    check_scan(&r, &scanned, 5000);
    free(r.keys);
    free(scanned.keys);
    return 0;
}
