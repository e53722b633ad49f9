/* secrets.c -- an option of type secret takes its value from the words, from an
 * environment variable or from a file, and no error repeats what was there. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "harness.h"

static char folder[] = "/tmp/weir-secrets-XXXXXX";

/* Opens with one setting. The word that the connector got, or NULL and the
 * error. */
static const char *opened(const char *name, const char *value,
                          struct weir_error *err)
{
    static struct script script;
    struct weir_setting settings[2] = {{name, value}};
    struct weir_store *store;
    char address[32];

    memset(&script, 0, sizeof script);
    snprintf(address, sizeof address, "%llx",
             (unsigned long long)(uintptr_t)&script);
    settings[1] = (struct weir_setting){"script", address};
    if (weir_open(&store, "scripted", settings, 2, err) < 0)
        return NULL;
    weir_store_free(store);
    return script.word;
}

static void gives(const char *name, const char *value, const char *word)
{
    struct weir_error err;
    const char *got = opened(name, value, &err);

    if (got == NULL || strcmp(got, word) != 0) {
        fprintf(stderr, "%s=%s: %s\n", name, value, got ? got : err.message);
        exit(1);
    }
}

static void fails(const char *name, const char *value, const char *says)
{
    struct weir_error err;

    if (opened(name, value, &err) != NULL ||
        strstr(err.message, says) == NULL ||
        strstr(err.message, "s3cret") != NULL) {
        fprintf(stderr, "%s=%s: %s\n", name, value, err.message);
        exit(1);
    }
}

static void words_and_variables(void)
{
    setenv("WEIR_SPEC_WORD", "s3cret", 1);
    setenv("WEIR_SPEC_EMPTY", "", 1);
    setenv("weir_spec_lower", "low", 1);
    unsetenv("WEIR_SPEC_UNSET");
    gives("word", "plain", "plain");
    gives("word", "a$WEIR_SPEC_WORD", "a$WEIR_SPEC_WORD");
    gives("word", "$WEIR_SPEC_WORD", "s3cret");
    gives("word", "$weir_spec_lower", "low");
    gives("word", "$$WEIR_SPEC_WORD", "$WEIR_SPEC_WORD");
    gives("word", "$$", "$");
    fails("word", "$WEIR_SPEC_UNSET", "WEIR_SPEC_UNSET is not set");
    fails("word", "$WEIR_SPEC_EMPTY", "WEIR_SPEC_EMPTY is empty");
    fails("word", "$s3cret", "write $$ for a $");
    fails("word", "$7s3cret", "write $$ for a $");
    fails("word", "$", "write $$ for a $");
}

/* A file of those bytes; its path. */
static const char *file_of(const char *bytes, size_t len)
{
    static char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/word", folder);
    fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && close(fd) == 0);
    return path;
}

static void files(void)
{
    char longest[4098], lacking[128];
    struct weir_error err;

    gives("word_file", file_of("s3cret\n", 7), "s3cret");
    gives("word_file", file_of("s3cret", 6), "s3cret");
    gives("word_file", file_of("$a b \nmore\n", 11), "$a b ");
    memset(longest, 'x', sizeof longest);
    longest[4096] = '\n';
    file_of(longest, 4098);
    longest[4096] = '\0';
    snprintf(lacking, sizeof lacking, "%s/word", folder);
    gives("word_file", lacking, longest);
    longest[4096] = 'x';
    fails("word_file", file_of(longest, 4097), "longer than 4096 bytes");
    fails("word_file", file_of("", 0), "word: its first line is empty");
    fails("word_file", file_of("\ns3cret", 7), "its first line is empty");
    fails("word_file", file_of("s3cret\0x", 8), "a zero byte");
    snprintf(lacking, sizeof lacking, "%s/lacking", folder);
    fails("word_file", lacking, "/lacking: No such file");
    fails("word_file", folder, "Is a directory");
    fails("word_file", "", "option word_file: cannot read");
    CHECK(opened("word_fiel", "x", &err) == NULL);
    CHECK(strstr(err.message, "did you mean word_file?") != NULL);
}

static void *write_late(void *arg)
{
    int fd = *(int *)arg;

    nap_ms(50);
    CHECK(write(fd, "s3", 2) == 2);
    nap_ms(50);
    CHECK(write(fd, "cret\n", 5) == 5);
    return NULL;
}

/* As <(command) of a shell makes one. A pipe without a writer has no line. */
static void a_pipe(void)
{
    char path[128];
    int fds[2];
    pthread_t writer;

    CHECK(pipe(fds) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fds[0]);
    CHECK(pthread_create(&writer, NULL, write_late, &fds[1]) == 0);
    gives("word_file", path, "s3cret");
    pthread_join(writer, NULL);
    close(fds[0]);
    close(fds[1]);
    snprintf(path, sizeof path, "%s/pipe", folder);
    CHECK(mkfifo(path, 0600) == 0);
    fails("word_file", path, "its first line is empty");
    unlink(path);
}

static void the_row_is_listed(void)
{
    struct weir_connector_info info;
    const struct weir_option *o;

    CHECK(weir_connector_info("scripted", &info, NULL) == 0);
    o = info.options;
    CHECK(strcmp(o[1].name, "word") == 0 && o[1].type == WEIR_SECRET);
    CHECK(strcmp(o[2].name, "word_file") == 0);
    CHECK(o[2].type == WEIR_SECRET_FILE && strstr(o[2].help, "first line"));
    CHECK(o[3].name == NULL);
}

int main(void)
{
    char path[128];

    deadline_s(200);
    find_doubles();
    CHECK(mkdtemp(folder) != NULL);
    words_and_variables();
    files();
    a_pipe();
    the_row_is_listed();
    snprintf(path, sizeof path, "%s/word", folder);
    unlink(path);
    CHECK(rmdir(folder) == 0);
    return 0;
}
