/* shm.c -- any bytes written anywhere into a mapping, between operations of any
 * kind, and any bytes as its header: nothing outside the mapping is touched, a
 * value that is read was set under its key, and a repair makes a consistent
 * shard of whatever there is. */

#include "../shm/mapping.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { CAPACITY = 128 << 10, KEYS = 16, VALUE_MAX = 40000, HELD = 4 };

/* ---- the runtime, as far as it is asked ---- */

int weir_call_fail(struct weir_call *call, struct weir_item *item, int status,
                   const char *format, ...)
{
    (void)call;
    (void)format;
    item->status = (uint8_t)status;
    return status;
}

bool weir_call_lend(struct weir_call *call)
{
    (void)call;
    return true;
}

void weir_call_unlend(struct weir_call *call)
{
    (void)call;
}

int weir_call_taken_back(struct weir_call *call, struct weir_item *item)
{
    return weir_call_fail(call, item, WEIR_SKIPPED, "abandoned");
}

int weir_call_no_memory(struct weir_call *call, struct weir_item *item,
                        const char *what)
{
    return weir_call_fail(call, item, WEIR_BUSY, "%s", what);
}

int weir_call_place(struct weir_call *call, struct weir_item *item,
                    uint64_t size, char **to)
{
    (void)call;
    item->size = size;
    item->value = weir_value_new(size, to);
    return item->value != NULL ? 0 : WEIR_BUSY;
}

uint64_t weir_call_max_value(const struct weir_call *call)
{
    (void)call;
    return UINT64_MAX;
}

/* ---- the input ---- */

struct input {
    const uint8_t *at, *end;
};

static uint32_t input_byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static uint32_t input_word(struct input *in)
{
    uint32_t word = input_byte(in) << 24;

    word |= input_byte(in) << 16;
    word |= input_byte(in) << 8;
    return word | input_byte(in);
}

/* ---- what is done with it ---- */

static struct shm_config config = {.verify = SHM_VERIFY_ALWAYS};
static struct shm m = {.config = &config, .refs = 1};
static char *file;
static char pristine[CAPACITY];

static void start(void)
{
    struct map_wish wish = {
        .path = mapping_path, .capacity = CAPACITY, .create = true};
    struct weir_error err;
    int fd = memfd_create("mapping", MFD_CLOEXEC);

    snprintf(mapping_path, sizeof mapping_path, "/proc/self/fd/%d", fd);
    CHECK(map_open(&m.map, &wish, &err) == 0);
    file = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(file != MAP_FAILED);
    memcpy(pristine, file, CAPACITY);
}

static void alter(struct input *in)
{
    uint32_t at = (input_byte(in) << 8 | input_byte(in)) * 4 % CAPACITY;
    uint32_t word = input_word(in);

    /* The numbers of the shard are the most interesting, and few. */
    if (input_byte(in) % 2)
        at = LAYOUT_CONTROL + at % sizeof(struct shard);
    /* A living holder's lock makes others wait, as it should. */
    if (at >= LAYOUT_CONTROL + 4 && at <= CAPACITY - 4)
        memcpy(file + at, &word, sizeof word);
}

static struct weir_value *held[HELD];

/* Keeps a value for a while; it may be read in place. */
static void hold(struct weir_value *v, uint64_t i)
{
    if (v != NULL && v->size > 0)
        (void)*(const volatile char *)(v->data + v->size - 1);
    weir_value_unref(held[i]);
    held[i] = v != NULL ? weir_value_ref(v) : NULL;
}

static void operate(struct input *in, uint32_t op)
{
    static char value[VALUE_MAX];
    struct weir_item item = {.status = WEIR_PENDING};
    struct weir_call call = {.op = op, .n = 1, .items = &item};
    uint64_t key = input_byte(in) % KEYS;

    if (op != WEIR_SCAN) {
        item.key = (const char *)&key;
        item.key_len = sizeof key;
        item.ttl_ms = input_byte(in) % 2 * 1000;
    }
    if (op == WEIR_SET) {
        item.size = sizeof(struct telling) +
                    input_word(in) % (VALUE_MAX - sizeof(struct telling));
        item.data = value;
        telling_fill(value, key, item.size, input_byte(in));
    }
    shm_run(&m, &call);
    CHECK(item.status != WEIR_PENDING);
    if (op == WEIR_GET && item.status == WEIR_OK)
        hold(item.value, key % HELD);
    if (op == WEIR_GET && item.status == WEIR_OK &&
        config.verify == SHM_VERIFY_ALWAYS)
        CHECK(telling_sound(item.value->data, item.value->size, key));
    if (item.value != NULL)
        weir_value_unref(item.value);
}

static void repair_all(void)
{
    for (uint32_t i = 0; i < m.map.layout.shards; i++)
        map_shard(&m.map, i)->dirty = 1;
    truth_check_all(&m);
}

/* The size of a file with such a header, if it is sound. */
static uint64_t header_size(const struct header *h)
{
    struct layout l = {.file = h->capacity};

    if (h->shards > 0 && h->shards <= LAYOUT_SHARDS_MAX &&
        h->capacity >= layout_least(h->shards, true) &&
        h->capacity <= layout_most(h->shards))
        header_layout(h, &l);
    return l.file;
}

static void fuzz_header(const uint8_t *bytes, size_t n)
{
    static int fd = -1;
    struct header h = {0};
    struct weir_error err;

    if (fd < 0)
        fd = memfd_create("header", MFD_CLOEXEC);
    memcpy(&h, bytes, n < sizeof h ? n : sizeof h);
    if (n > 0 && bytes[0] % 2) {
        memcpy(h.magic, MADE, sizeof MADE);
        h.version = bytes[0] % 4 == 1 ? HEADER_PLAIN : HEADER_HUGE;
        h.unit = UNIT;
        h.sum = header_sum(&h);
    }
    CHECK(header_write(fd, &h) == 0);
    if (header_read(&h, fd, header_size(&h), &err) >= HEADER_SOUND &&
        h.magic[7] == MADE[7]) {
        struct layout l;

        header_layout(&h, &l);
        CHECK(l.first < l.end && l.segment <= WINDOW_SIZE);
        CHECK(LAYOUT_CONTROL + (uint64_t)l.segment * l.shards <= l.capacity);
        CHECK(l.shards_at + (uint64_t)l.segment * l.shards <= l.file);
        CHECK(l.capacity <= h.capacity + LAYOUT_CONTROL);
        CHECK(header_policy(h.eviction) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct input in = {bytes, bytes + n};
    uint32_t first = input_byte(&in);

    if (file == NULL)
        start();
    if (first % 8 == 0) {
        fuzz_header(in.at, (size_t)(in.end - in.at));
        return 0;
    }
    memcpy(file + LAYOUT_CONTROL, pristine + LAYOUT_CONTROL,
           CAPACITY - LAYOUT_CONTROL);
    m.map.policy = header_policy(1 + first % 4);
    config.verify = first % 3 == 0 ? SHM_VERIFY_REPAIRED : SHM_VERIFY_ALWAYS;
    while (in.at < in.end) {
        uint32_t op = input_byte(&in) % (2 * WEIR_SCAN);

        if (op >= WEIR_GET && op <= WEIR_SCAN)
            operate(&in, op);
        else
            alter(&in);
    }
    for (uint64_t i = 0; i < HELD; i++)
        hold(NULL, i);
    repair_all();
    return 0;
}
