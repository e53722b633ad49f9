/* held.c -- locks: threads of one process and two stores in it exclude each
 * other; a stopped process makes others wait for a bounded time and loses
 * nothing; a seat that a dead process had is no claim of its successor; a child
 * of fork does not keep its parent's seat, nor a lock that another thread of
 * its parent had. */
#include <pthread.h>
#include <semaphore.h>

#include "mapping.h"

static struct shm a, b; /* two stores over one mapping */

/* ---- threads ---- */

enum { THREADS = 4, TURNS = 20000 };

static void *thread_main(void *arg)
{
    struct shm *m = (uintptr_t)arg % 2 ? &a : &b;
    struct hold h;

    for (int i = 0; i < TURNS; i++) {
        CHECK(shm_hold(m, 0, &h) == 0);
        h.s->counters.rejected++; /* in the mapping: a and b see it at two
                                     addresses, as they see the lock */
        shm_release(m, &h);
    }
    return NULL;
}

static void exclude(void)
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, thread_main, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(map_shard(&a.map, 0)->counters.rejected == THREADS * TURNS);
    CHECK(a.map.seats.holder != b.map.seats.holder);
}

/* ---- a process that holds a lock, until it is told ---- */

static pid_t start_holder(bool change)
{
    int ready[2];
    char byte = 0;
    pid_t pid;

    CHECK(pipe(ready) == 0);
    pid = mapping_fork();
    if (pid == 0) {
        struct shm m;
        struct hold h;

        mapping_open(&m, 0, 0, 0);
        CHECK(shm_hold(&m, 1, &h) == 0);
        if (change)
            shard_begin(&h);
        CHECK(write(ready[1], &byte, 1) == 1);
        raise(SIGSTOP);
        shm_release(&m, &h);
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void stopped(void)
{
    pid_t pid = start_holder(false);
    struct hold h;
    int status;

    CHECK(shm_hold(&a, 1, &h) == -EBUSY);
    CHECK(shm_hold(&a, 0, &h) == 0);
    shm_release(&a, &h);
    while (kill(pid, SIGCONT) == 0 && waitpid(pid, &status, WNOHANG) == 0)
        usleep(1000);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(shm_hold(&a, 1, &h) == 0);
    CHECK(h.s->counters.repairs == 0);
    shm_release(&a, &h);
}

static void dead(bool change)
{
    pid_t pid = start_holder(change);
    uint64_t taken_over = a.map.seats.shared->taken_over;
    struct hold h;
    uint64_t repairs;

    CHECK(seats_taken(&a.map.seats) == 3);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    repairs = map_shard(&a.map, 1)->counters.repairs;
    CHECK(shm_hold(&a, 1, &h) == 0);
    CHECK(h.s->counters.repairs == repairs + change);
    CHECK(a.map.seats.shared->taken_over == taken_over + 1);
    shm_release(&a, &h);
    CHECK(seats_taken(&a.map.seats) == 2);
}

/* The next one to open gets the dead one's seat; the lock is still the dead
 * one's. */
static void succeeded(void)
{
    pid_t pid = start_holder(true);
    struct shm c;
    struct hold h;

    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    mapping_open(&c, 0, 0, 0);
    CHECK(!seats_alive(&a.map.seats, map_shard(&a.map, 1)->lock.word));
    CHECK(!seats_alive(&c.map.seats, map_shard(&a.map, 1)->lock.word));
    CHECK(seats_alive(&a.map.seats, c.map.seats.holder));
    CHECK(shm_hold(&c, 1, &h) == 0);
    shm_release(&c, &h);
    mapping_close(&c.map, false);
    CHECK(!seats_alive(&a.map.seats, c.map.seats.holder));
}

/* A child that lives on when its parent has died in a shard. */
static void forked(void)
{
    int ready[2];
    pid_t pid, child = 0;
    struct hold h;

    CHECK(pipe(ready) == 0);
    pid = mapping_fork();
    if (pid == 0) {
        struct shm m;

        mapping_open(&m, 0, 0, 0);
        CHECK(shm_hold(&m, 1, &h) == 0);
        child = fork();
        if (child == 0) {
            alarm(200);
            pause();
            _exit(0);
        }
        CHECK(write(ready[1], &child, sizeof child) == sizeof child);
        pause();
    }
    CHECK(read(ready[0], &child, sizeof child) == sizeof child);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    CHECK(kill(child, 0) == 0);
    CHECK(shm_hold(&a, 1, &h) == 0);
    shm_release(&a, &h);
    CHECK(kill(child, SIGKILL) == 0);
}

/* ---- a fork while another thread is inside ---- */

static sem_t is_inside;

/* Long enough for a fork that does not wait. */
static void stay_inside(void)
{
    sem_post(&is_inside);
    usleep(50000);
}

static void *thread_inside(void *lock)
{
    CHECK(pthread_mutex_lock(lock) == 0);
    stay_inside();
    CHECK(pthread_mutex_unlock(lock) == 0);
    return NULL;
}

/* A child may open stores of its own: what they share must be free. */
static void forked_locked(pthread_mutex_t *lock)
{
    pthread_t thread;
    int status;
    pid_t pid;

    CHECK(pthread_create(&thread, NULL, thread_inside, lock) == 0);
    CHECK(sem_wait(&is_inside) == 0);
    pid = mapping_fork();
    if (pid == 0) /* at an exit the thread sanitizer misses the thread */
        raise(pthread_mutex_trylock(lock) == 0 ? SIGKILL : SIGTERM);
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void seated(const char *name)
{
    if (strcmp(name, "seated") == 0)
        stay_inside();
}

static void *thread_sits(void *m)
{
    mapping_open(m, 0, 0, 0);
    return NULL;
}

/* The child has no descriptor of a seat that was being taken. */
static void forked_sitting(void)
{
    static struct shm m;
    uint32_t before = seats_taken(&a.map.seats);
    pthread_t thread;
    int ready[2];
    char byte = 0;
    pid_t pid;

    CHECK(pipe(ready) == 0);
    point_met = seated;
    CHECK(pthread_create(&thread, NULL, thread_sits, &m) == 0);
    CHECK(sem_wait(&is_inside) == 0);
    pid = mapping_fork();
    if (pid == 0) {
        CHECK(write(ready[1], &byte, 1) == 1);
        pause();
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    point_met = NULL;
    close(m.map.seats.fd); /* as if this process had been killed */
    CHECK(seats_taken(&a.map.seats) == before);
    m.map.seats.fd = -1;
    mapping_close(&m.map, false);
    close(ready[0]);
    close(ready[1]);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

/* A lock that says what no process ever wrote. */
static void altered(void)
{
    struct hold h;

    for (uint32_t word = 1; word != 0; word *= 2) {
        map_shard(&a.map, 0)->lock.word = word;
        if (seats_alive(&a.map.seats, word))
            continue;
        CHECK(shm_hold(&a, 0, &h) == 0);
        shm_release(&a, &h);
        CHECK(map_shard(&a.map, 0)->lock.word == 0);
    }
    map_shard(&a.map, 0)->lock.word = 0;
}

/* All seats taken. */
static void full(void)
{
    static struct shm more[SEATS];
    struct map_wish wish = {.path = mapping_path};
    struct weir_error err;
    struct map m;
    int n = 0;

    while (n < SEATS - 2)
        mapping_open(&more[n++], 0, 0, 0);
    CHECK(map_open(&m, &wish, &err) == -EMFILE);
    CHECK(strstr(err.message, "255 processes") != NULL);
    while (n > 0)
        mapping_close(&more[--n].map, false);
    CHECK(seats_taken(&a.map.seats) == 2);
}

int main(void)
{
    alarm(200);
    mapping_name();
    mapping_open(&a, 1 << 20, 2, 1);
    mapping_open(&b, 0, 0, 0);
    exclude();
    stopped();
    dead(false);
    dead(true);
    succeeded();
    forked();
    CHECK(sem_init(&is_inside, 0, 0) == 0);
    forked_locked(&repair_lock);
    forked_locked(&sigbus_lock);
    forked_sitting();
    altered();
    full();
    truth_check_all(&b);
    mapping_close(&a.map, false);
    mapping_close(&b.map, true);
    CHECK(access(mapping_path, F_OK) < 0);
    return 0;
}
