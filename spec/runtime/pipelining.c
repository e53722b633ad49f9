/* pipelining.c -- a connector with start and finish keeps several slices on the
 * way, of one batch and of many, within its window; a session that breaks
 * answers all of them. */
#include <sys/wait.h>

#include "harness.h"

static struct script script;
static struct weir_store *store;
static struct weir_cq *cq;

static struct weir_store *open_pipelined(const char *name)
{
    char address[32];
    struct weir_setting settings[] = {{"script", address}};
    struct weir_store *s = NULL;
    struct weir_error err;

    snprintf(address, sizeof address, "%llx",
             (unsigned long long)(uintptr_t)&script);
    CHECK(weir_open(&s, name, settings, 1, &err) == 0);
    return s;
}

static struct weir_batch *submit(uint32_t n)
{
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, n, "k");

    CHECK(weir_submit(store, cq, b) == 0);
    return b;
}

static void expect(struct weir_batch *b, int status)
{
    CHECK(next_done(cq) == b);
    if (count_status(b, status) != b->n)
        fprintf(stderr, "status %d: %s\n", b->items[0].status,
                b->error.message);
    CHECK(count_status(b, status) == b->n);
    weir_batch_free(b);
}

static void slices_of_one_batch_travel_together(void)
{
    struct weir_batch *b;

    script.hold = true;
    b = submit(24);
    CHECK(EVENTUALLY(script.calls == 3));
    script.hold = false;
    expect(b, WEIR_OK);
}

static void a_new_batch_is_started_while_another_is_awaited(void)
{
    struct weir_batch *first, *second;

    script.calls = 0;
    script.hold = true;
    first = submit(1);
    CHECK(EVENTUALLY(script.calls == 1));
    second = submit(1);
    CHECK(EVENTUALLY(script.calls == 2));
    script.hold = false;
    expect(first, WEIR_OK);
    expect(second, WEIR_OK);
}

static void the_window_bounds_what_is_on_the_way(void)
{
    struct weir_batch *b;

    script.calls = script.most_inside = 0;
    script.hold = true;
    b = submit(100);
    CHECK(EVENTUALLY(script.calls == 4)); /* 4 slices of 8 fill 32 */
    nap_ms(20);
    CHECK(script.calls == 4);
    script.hold = false;
    expect(b, WEIR_OK);
    CHECK(script.calls == 13 && script.most_inside == 4);
}

static void a_broken_session_answers_all_of_it(void)
{
    struct weir_batch *first, *second;

    script.calls = script.connects = 0;
    script.hold = true;
    first = submit(8);
    second = submit(8);
    CHECK(EVENTUALLY(script.calls == 2));
    script.answer = ANSWER_BREAK;
    script.hold = false;
    expect(first, WEIR_RESET);
    expect(second, WEIR_RESET);
    script.answer = ANSWER_WELL;
    expect(submit(8), WEIR_OK);
    CHECK(script.connects == 1);
}

/* Three batches on their way, the one in the middle with a deadline; nothing is
 * answered before it has passed. */
static void late_in_the_middle(struct weir_store *s, int others)
{
    struct weir_batch *first = keyed_batch(WEIR_EXISTS, 2, "k");
    struct weir_batch *late = keyed_batch(WEIR_EXISTS, 2, "l");
    struct weir_batch *last = keyed_batch(WEIR_EXISTS, 2, "m");

    script.calls = script.inside = 0;
    script.hold = true;
    CHECK(weir_submit(s, cq, first) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    late->deadline_ns = weir_now() + SECOND;
    CHECK(weir_submit(s, cq, late) == 0 && weir_submit(s, cq, last) == 0);
    CHECK(EVENTUALLY(script.calls == 3));
    if (others == WEIR_OK) {
        expect(late, WEIR_TIMEOUT);
        CHECK(weir_cq_pending(cq) == 2);
        script.hold = false;
        expect(first, WEIR_OK);
        expect(last, WEIR_OK);
        return;
    }
    expect(first, others); /* the session is gone, it may be applied */
    CHECK(weir_now() >= late->deadline_ns);
    expect(late, WEIR_TIMEOUT);
    expect(last, others);
    script.hold = false;
    script.inside = 0;
}

static void a_late_call_leaves_its_neighbours(void)
{
    uint32_t connects = script.connects;

    late_in_the_middle(store, WEIR_OK);
    expect(submit(2), WEIR_OK);
    CHECK(script.connects == connects);
}

/* As many late calls as a session has places, and more. */
static void late_calls_give_their_places_back(void)
{
    script.hold = true;
    for (int i = 0; i < 200; i++) {
        struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k");

        b->deadline_ns = weir_now() + MS;
        CHECK(weir_submit(store, cq, b) == 0);
        CHECK(next_done(cq) == b);
        CHECK(count_status(b, WEIR_TIMEOUT) + count_status(b, WEIR_SKIPPED) ==
              1);
        weir_batch_free(b);
    }
    script.hold = false;
    expect(submit(2), WEIR_OK);
}

static void without_expire_the_session_ends_at_the_earliest_deadline(void)
{
    struct weir_store *s = open_pipelined("unexpiring");

    late_in_the_middle(s, WEIR_RESET);
    weir_store_free(s);
}

/* A finish that says -EAGAIN at once, again and again, is no way to miss a
 * deadline or a close. */
static void a_finish_that_does_not_wait_ends(const char *name)
{
    struct weir_store *s = open_pipelined(name);
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 2, "k");

    script.deaf = true;
    b->deadline_ns = weir_now() + 50 * MS;
    CHECK(weir_submit(s, cq, b) == 0);
    expect(b, WEIR_TIMEOUT);
    b = keyed_batch(WEIR_EXISTS, 2, "k");
    script.calls = 0;
    CHECK(weir_submit(s, cq, b) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    CHECK(weir_close(s, weir_now() + 10 * MS, WEIR_CLOSE_DRAIN) == 0);
    expect(b, WEIR_RESET);
    script.deaf = false;
    weir_store_free(s);
}

/* A finish that ended a call meanwhile is told of the close in its next wait,
 * and only then does the session end with the calls that are left. */
static void a_finish_that_ends_a_call_is_told(void)
{
    struct weir_store *s = open_pipelined("pipelined");
    struct weir_batch *first = keyed_batch(WEIR_EXISTS, 1, "k");
    struct weir_batch *last = keyed_batch(WEIR_EXISTS, 1, "k");

    script.calls = 0;
    script.closed = false;
    script.hold = script.hasty = true;
    CHECK(weir_submit(s, cq, first) == 0 && weir_submit(s, cq, last) == 0);
    CHECK(EVENTUALLY(script.calls == 2));
    CHECK(weir_close(s, weir_now() + 10 * MS, WEIR_CLOSE_DRAIN) == 0);
    CHECK(script.closed);
    expect(last, WEIR_OK);
    expect(first, WEIR_RESET);
    script.hold = false;
    weir_store_free(s);
}

static void close_interrupts_a_finish(void)
{
    struct weir_batch *b;

    script.calls = 0;
    script.hold = true;
    b = submit(16);
    CHECK(EVENTUALLY(script.calls == 2));
    CHECK(weir_close(store, weir_now() + 10 * MS, WEIR_CLOSE_DRAIN) == 0);
    expect(b, WEIR_RESET);
}

static void end_twice(void)
{
    script.ends_twice = true;
    store = open_pipelined("pipelined");
    cq = new_cq();
    submit(1);
    deadline_s(60);
    pause(); /* until the worker ends the process */
}

/* A call that ends twice ends the process, and names the connector. */
static void a_second_end_is_fatal(void)
{
    char words[200];
    int told[2], status;
    ssize_t n;
    pid_t child;

    CHECK(pipe(told) == 0);
    child = fork();
    if (child == 0) {
        dup2(told[1], 2);
        end_twice();
        _exit(0);
    }
    close(told[1]);
    n = read(told[0], words, sizeof words - 1);
    close(told[0]);
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    words[n > 0 ? n : 0] = '\0';
    CHECK(strstr(words, "connector pipelined ended a call twice") != NULL);
}

int main(void)
{
    deadline_s(200);
    find_doubles();
    a_second_end_is_fatal();
    store = open_pipelined("pipelined");
    cq = new_cq();
    slices_of_one_batch_travel_together();
    a_new_batch_is_started_while_another_is_awaited();
    the_window_bounds_what_is_on_the_way();
    a_broken_session_answers_all_of_it();
    a_late_call_leaves_its_neighbours();
    late_calls_give_their_places_back();
    without_expire_the_session_ends_at_the_earliest_deadline();
    a_finish_that_does_not_wait_ends("unexpiring");
    a_finish_that_does_not_wait_ends("pipelined");
    a_finish_that_ends_a_call_is_told();
    close_interrupts_a_finish();
    weir_store_free(store);
    weir_cq_free(cq);
    return 0;
}
