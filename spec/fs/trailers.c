/* trailers.c -- the parser of trailers: what was sealed comes back, and no
 * other bytes do, whatever they are. */

#define XXH_INLINE_ALL
#include "../../connectors/fs/trailer.c"

#include "../check.h"

enum { RANDOM = 2000000 };

static void fill(struct fs_trailer *t, uint64_t value_len, uint32_t key_len)
{
    fs_trailer_init(t, value_len, key_len, 12345);
    t->hash = 99;
    fs_trailer_seal(t);
}

static void round_trips(void)
{
    for (uint64_t value_len = 0; value_len < 70; value_len++) {
        for (uint32_t key_len = 1; key_len < 40; key_len++) {
            size_t span = fs_trailer_span(value_len, key_len);
            struct fs_trailer t, out;

            fill(&t, value_len, key_len);
            CHECK((value_len + span) % FS_TRAILER_ALIGN == 0);
            CHECK(span <= fs_trailer_max(key_len));
            CHECK(!fs_trailer_parse(&out, &t, sizeof t, value_len + span));
            CHECK(memcmp(&out, &t, sizeof t) == 0);
            CHECK(fs_trailer_parse(&out, &t, sizeof t, value_len + span + 1));
            CHECK(fs_trailer_parse(&out, &t, sizeof t, value_len + span - 16));
        }
    }
}

static void every_flip_shows(void)
{
    struct fs_trailer t, out;
    uint64_t size = 1000 + fs_trailer_span(1000, 7);

    fill(&t, 1000, 7);
    for (size_t bit = 0; bit < 8 * sizeof t; bit++) {
        ((char *)&t)[bit / 8] ^= (char)(1 << bit % 8);
        CHECK(fs_trailer_parse(&out, &t, sizeof t, size) != NULL);
        ((char *)&t)[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t have = 0; have < sizeof t; have++)
        CHECK(fs_trailer_parse(&out, &t, have, size) != NULL);
}

/* Sealed nonsense: lengths that lie are told from the size of the file. */
static void liars(uint64_t *random)
{
    static const uint64_t lengths[] = {
        0, 1, 1000, UINT64_MAX, UINT64_MAX - 15, 1ull << 63};
    struct fs_trailer t, out;

    for (int i = 0; i < RANDOM; i++) {
        uint64_t size = random_below(random, 4096);

        fs_trailer_init(&t, lengths[random_below(random, 6)],
                        (uint32_t)random_next(random), 0);
        if (i % 2)
            t.key_len %= 4096;
        fs_trailer_seal(&t);
        if (fs_trailer_parse(&out, &t, sizeof t, size) == NULL)
            CHECK(out.value_len + fs_trailer_span(out.value_len, out.key_len) ==
                      size &&
                  out.key_len >= 1 && out.key_len <= WEIR_KEY_MAX);
    }
}

static void noise(uint64_t *random)
{
    struct fs_trailer out;
    uint64_t bytes[12];

    for (int i = 0; i < RANDOM; i++) {
        for (int k = 0; k < 12; k++)
            bytes[k] = random_next(random);
        if (i % 2)
            memcpy((char *)(bytes + 12) - sizeof out, trailer_magic, 8);
        CHECK(fs_trailer_parse(&out, bytes, random_below(random, 97),
                               random_next(random)) != NULL);
    }
}

int main(void)
{
    uint64_t random = check_seed = 3;

    round_trips();
    every_flip_shows();
    liars(&random);
    noise(&random);
    return 0;
}
