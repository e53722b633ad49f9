/* hiredis.c -- a pipeline of hiredis to a weir serve of its own: replies in
 * order, binary values, errors as errors. Runs build/weir beside this program.
 */
#include <hiredis/hiredis.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

enum { COMMANDS = 20000, TRIES = 600 };

static pid_t serve(const char *address)
{
    char self[4096], weir[4200];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    pid_t pid;

    CHECK(n > 0);
    self[n] = '\0';
    snprintf(weir, sizeof weir, "%s/../../weir", dirname(self));
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl(weir, weir, "serve", "memory://", "--listen", address, NULL);
        _exit(127);
    }
    return pid;
}

static redisContext *dial(const char *path)
{
    for (int i = 0; i < TRIES; i++) {
        redisContext *c = redisConnectUnix(path);
        struct timespec t = {0, 50000000};

        if (c != NULL && c->err == 0)
            return c;
        redisFree(c);
        nanosleep(&t, NULL);
    }
    CHECK(!"the server answers");
    return NULL;
}

static void expect(redisContext *c, int type, const char *text, size_t n)
{
    redisReply *r;

    CHECK(redisGetReply(c, (void **)&r) == REDIS_OK);
    CHECK(r->type == type);
    if (text != NULL)
        CHECK((size_t)r->len == n && memcmp(r->str, text, n) == 0);
    freeReplyObject(r);
}

int main(void)
{
    char folder[] = "/tmp/weir-hiredis-XXXXXX", path[64], address[80], word[32];
    redisContext *c;
    pid_t pid;
    int status;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(address, sizeof address, "unix:%s", path);
    pid = serve(address);
    c = dial(path);
    for (int i = 0; i < COMMANDS; i++)
        redisAppendCommand(c, "SET k%d %b", i, "a\0b\r\n", (size_t)5);
    for (int i = 0; i < COMMANDS; i++)
        redisAppendCommand(c, "GET k%d", i);
    redisAppendCommand(c, "INCRBYFLOAT k 1");
    redisAppendCommand(c, "GET nothing");
    for (int i = 0; i < COMMANDS; i++)
        expect(c, REDIS_REPLY_STATUS, "OK", 2);
    for (int i = 0; i < COMMANDS; i++)
        expect(c, REDIS_REPLY_STRING, "a\0b\r\n", 5);
    expect(c, REDIS_REPLY_ERROR, NULL, 0);
    expect(c, REDIS_REPLY_NIL, NULL, 0);
    snprintf(word, sizeof word, "PING");
    redisAppendCommand(c, word);
    expect(c, REDIS_REPLY_STATUS, "PONG", 4);
    redisFree(c);
    kill(pid, SIGTERM);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(access(path, F_OK) < 0);
    rmdir(folder);
    return 0;
}
