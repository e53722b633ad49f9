/* cluster.c -- how many keys a second the nodes of a Redis Cluster answer to a
 * client that costs nearly nothing: its commands are ready before it starts,
 * and the kernel discards the replies unread.
 *
 *     build/bench/cluster get|set BATCH KEYS SECONDS PORT:FIRST:LAST...
 *
 * A node is its port and the slots it owns. The keys are those of `weir bench
 * cluster`, which runs this program: batches of consecutive keys, FLIGHT of
 * them in flight, one command a key, one connection a node. It prints one row.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { FLIGHT = 2, NODES = 16, VALUE = 64, KEY = 16, COMMAND = 128 };

/* The commands of a batch for one node, and how many there are. */
struct part {
    char *bytes;
    size_t len;
    uint32_t n;
};

struct node {
    int port, first, last, fd;
    uint64_t due, got; /* bytes of replies, since the start */
};

static struct node nodes[NODES];
static struct part *parts; /* batch by batch, a node each */
static uint32_t n_nodes, n_batches, batch;
static bool sets;

/* ---- before the start ---- */

/* CRC16 (XMODEM) modulo 16384. */
static int slot_of(const char *key)
{
    unsigned crc = 0;

    for (; *key != '\0'; key++) {
        crc ^= (unsigned)(unsigned char)*key << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
    }
    return (int)(crc & 16383);
}

static void add_command(uint32_t b, uint32_t number)
{
    char key[KEY + 1], value[VALUE + 1];
    uint32_t node = 0;
    struct part *p;

    snprintf(key, sizeof key, "key:%012u", number);
    memset(value, 'v', VALUE);
    value[VALUE] = '\0';
    while (node < n_nodes && (slot_of(key) < nodes[node].first ||
                              slot_of(key) > nodes[node].last))
        node++;
    if (node == n_nodes)
        bench_die(key, "no node has its slot");
    p = &parts[b * n_nodes + node];
    if (p->bytes == NULL)
        p->bytes = malloc((size_t)batch * COMMAND);
    if (p->bytes == NULL)
        bench_die("cluster", "out of memory");
    p->len +=
        (size_t)snprintf(p->bytes + p->len, COMMAND,
                         sets ? "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"
                              : "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n",
                         KEY, key, VALUE, value);
    p->n++;
}

static void make_commands(uint32_t keys)
{
    n_batches = keys / batch;
    parts = calloc((size_t)n_batches * n_nodes, sizeof *parts);
    if (parts == NULL)
        bench_die("cluster", "out of memory");
    for (uint32_t i = 0; i < n_batches * batch; i++)
        add_command(i / batch, i + 1);
}

static void connect_node(struct node *n)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)n->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;

    n->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (n->fd < 0 || connect(n->fd, (void *)&to, sizeof to) < 0)
        bench_die("connect", strerror(errno));
    setsockopt(n->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* ---- one batch ---- */

static uint64_t reply_size(void)
{
    return sets ? sizeof "+OK\r\n" - 1 : VALUE + sizeof "$64\r\n\r\n" - 1;
}

/* Sends a batch. ends[i]: the batch is done when node i has sent so much. */
static void send_batch(uint32_t b, uint64_t *ends)
{
    for (uint32_t i = 0; i < n_nodes; i++) {
        const struct part *p = &parts[b * n_nodes + i];

        if (p->n > 0 &&
            send(nodes[i].fd, p->bytes, p->len, 0) != (ssize_t)p->len)
            bench_die("send", strerror(errno));
        nodes[i].due += p->n * reply_size();
        ends[i] = nodes[i].due;
    }
}

static bool is_done(const uint64_t *ends)
{
    for (uint32_t i = 0; i < n_nodes; i++) {
        if (nodes[i].got < ends[i])
            return false;
    }
    return true;
}

/* Waits for replies and discards them. */
static void receive(void)
{
    struct pollfd fds[NODES];

    for (uint32_t i = 0; i < n_nodes; i++)
        fds[i] = (struct pollfd){.fd = nodes[i].fd, .events = POLLIN};
    if (poll(fds, n_nodes, 5000) <= 0)
        bench_die("cluster", "a node sent less than its replies should have");
    for (uint32_t i = 0; i < n_nodes; i++) {
        ssize_t got;

        if (fds[i].revents == 0)
            continue;
        got = recv(nodes[i].fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
        if (got <= 0)
            bench_die("receive", got < 0 ? strerror(errno) : "closed");
        nodes[i].got += (uint64_t)got;
        if (nodes[i].got > nodes[i].due)
            bench_die("cluster", "a node sent more than its replies should "
                                 "have: are all keys set?");
    }
}

/* Returns the keys a second. */
static double run(double seconds)
{
    uint64_t ends[FLIGHT][NODES], start = weir_now(), done = 0, at = 0;
    uint64_t until = start + (uint64_t)(seconds * 1e9);
    uint32_t open = FLIGHT;
    bool is_open[FLIGHT];

    for (uint32_t f = 0; f < FLIGHT; f++) {
        send_batch((uint32_t)(at++ % n_batches), ends[f]);
        is_open[f] = true;
    }
    while (open > 0) {
        receive();
        for (uint32_t f = 0; f < FLIGHT; f++) {
            if (!is_open[f] || !is_done(ends[f]))
                continue;
            done += batch;
            is_open[f] = weir_now() < until;
            if (is_open[f])
                send_batch((uint32_t)(at++ % n_batches), ends[f]);
            else
                open--;
        }
    }
    return (double)done * 1e9 / (double)(weir_now() - start);
}

int main(int argc, char **argv)
{
    double seconds;

    if (argc < 6 || argc - 5 > NODES)
        bench_die("cluster", "expected get|set BATCH KEYS SECONDS "
                             "PORT:FIRST:LAST...");
    sets = strcmp(argv[1], "set") == 0;
    batch = (uint32_t)atoi(argv[2]);
    seconds = atof(argv[4]);
    for (int i = 5; i < argc; i++) {
        struct node *n = &nodes[n_nodes++];

        if (sscanf(argv[i], "%d:%d:%d", &n->port, &n->first, &n->last) != 3)
            bench_die(argv[i], "expected PORT:FIRST:LAST");
        connect_node(n);
    }
    make_commands((uint32_t)atoi(argv[3]));
    bench_report(&(struct bench_row){
        .name = "nodes alone", .figure = run(seconds), .unit = "keys/s"});
    return 0;
}
