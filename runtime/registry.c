/* registry.c -- finds connectors by name and loads them on first use.
 *
 * A connector is NAME.so in one of the directories of $WEIR_CONNECTORS, or in
 * connectors/ or weir/connectors/ beside libweir.so. They are searched in this
 * order. A name without a file may be a scheme that some connector lists. A
 * loaded connector is never unloaded: stores, values and statistics point into
 * it. */
#include "registry.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret.h"

enum {
    NAME_LEN = 64,
    NAMES = 256,
    WORDS = 2 * NAMES, /* names and further schemes to suggest */
    DIRECTORIES = 16,
};

/* connector is a copy. Its option table has a row NAME_file after each secret.
 */
struct loaded {
    struct loaded *next;
    struct weir_connector connector;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct loaded *registry; /* under registry_lock */

/* Another thread may have had the lock when this process was forked. What it
 * changes is one pointer, so the list is whole. A fork does not wait for it:
 * loading a connector takes locks of the C library's that a fork has. */
static void registry_in_child(void)
{
    registry_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

__attribute__((constructor)) static void registry_watch_forks(void)
{
    pthread_atfork(NULL, NULL, registry_in_child);
}

struct search {
    char directories[DIRECTORIES][PATH_MAX];
    size_t n;
};

static void search_add(struct search *s, const char *dir, size_t len,
                       const char *below)
{
    if (len == 0 || s->n == DIRECTORIES)
        return;
    snprintf(s->directories[s->n++], PATH_MAX, "%.*s%s", (int)len, dir, below);
}

static void search_init(struct search *s)
{
    const char *path = secure_getenv("WEIR_CONNECTORS");
    Dl_info self;

    s->n = 0;
    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");

        search_add(s, path, len, "");
        path += len + (path[len] == ':');
    }
    if (dladdr((void *)weir_version, &self) && self.dli_fname != NULL) {
        const char *slash = strrchr(self.dli_fname, '/');
        size_t len = slash ? (size_t)(slash - self.dli_fname) : 1;
        const char *dir = slash ? self.dli_fname : ".";

        search_add(s, dir, len, "/connectors");
        search_add(s, dir, len, "/weir/connectors");
    }
}

static bool valid_name(const char *name)
{
    size_t n = 0;

    while (islower((unsigned char)name[n]) || isdigit((unsigned char)name[n]) ||
           name[n] == '_')
        n++;
    return n > 0 && n < NAME_LEN && name[n] == '\0';
}

bool scheme_valid(const char *scheme)
{
    size_t n = 0;

    while (isalnum((unsigned char)scheme[n]) ||
           (scheme[n] != '\0' && strchr("+-._", scheme[n]) != NULL))
        n++;
    return n > 0 && scheme[n] == '\0';
}

bool scheme_listed(const char *at, const char *scheme)
{
    size_t len = strlen(scheme);

    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, " ");

        if (n == len && memcmp(at, scheme, n) == 0)
            return true;
        at += n + strspn(at + n, " ");
    }
    return false;
}

/* Why the runtime cannot use a connector, or NULL. */
static const char *connector_fault(const struct weir_connector *c)
{
    if (c->open == NULL || c->close == NULL)
        return "lacks open or close";
    if ((c->start == NULL) != (c->finish == NULL))
        return "has one of start and finish";
    if (c->run == NULL && c->start == NULL)
        return "lacks run, or start and finish";
    if (c->idle != NULL && c->start == NULL)
        return "has idle and lacks start and finish";
    if (c->session_size > 0 && c->connect == NULL)
        return "has sessions and lacks connect";
    if (c->connect != NULL && c->disconnect == NULL)
        return "has connect and lacks disconnect";
    if (c->is_inline && (c->run == NULL || c->connect != NULL))
        return "is inline, which takes run and no sessions";
    return NULL;
}

static int connector_check(const struct weir_connector *c, const char *file,
                           const char *name, struct weir_error *err)
{
    const char *fault;

    if (c->abi != WEIR_CONNECTOR_ABI)
        return weir_error_set(err, -EINVAL,
                              "%s was built for connector ABI %u, this is %u: "
                              "build it again",
                              file, c->abi, WEIR_CONNECTOR_ABI);
    if (c->name == NULL || strcmp(c->name, name) != 0)
        return weir_error_set(err, -EINVAL, "%s calls itself \"%s\"", file,
                              c->name ? c->name : "");
    fault = connector_fault(c);
    return fault == NULL ? 0
                         : weir_error_set(err, -EINVAL, "%s %s", file, fault);
}

static struct loaded *add_loaded(const struct weir_connector *c)
{
    const struct weir_option *options = secret_rows(c->options);
    struct loaded *entry = malloc(sizeof *entry);

    if (entry == NULL || (options == NULL && c->options != NULL)) {
        if (options != c->options)
            free((void *)options);
        free(entry);
        return NULL;
    }
    *entry = (struct loaded){registry, *c};
    entry->connector.options = options;
    registry = entry;
    return entry;
}

/* Under registry_lock. Without a file it returns 0, and *out stays NULL. */
static int load_file(const char *dir, const char *name,
                     const struct weir_connector **out, struct weir_error *err)
{
    char file[PATH_MAX + NAME_LEN + 8];
    const struct weir_connector *c;
    struct loaded *entry;
    struct stat st;
    void *handle;
    int rc;

    snprintf(file, sizeof file, "%s/%s.so", dir, name);
    if (lstat(file, &st) != 0)
        return 0;
    handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return weir_error_set(err, -ENOEXEC, "%s", dlerror());
    c = dlsym(handle, "weir_connector");
    rc = c != NULL ? connector_check(c, file, name, err)
                   : weir_error_set(err, -ENOEXEC,
                                    "%s exports no weir_connector", file);
    entry = rc == 0 ? add_loaded(c) : NULL;
    if (entry == NULL) {
        dlclose(handle);
        return rc ? rc : weir_error_set(err, -ENOMEM, "out of memory");
    }
    *out = &entry->connector;
    return 0;
}

static int load_named(const struct search *s, const char *name,
                      const struct weir_connector **out, struct weir_error *err)
{
    int rc = 0;

    for (struct loaded *l = registry; l != NULL; l = l->next) {
        if (strcmp(l->connector.name, name) == 0)
            *out = &l->connector;
    }
    for (size_t i = 0; i < s->n && *out == NULL && rc == 0; i++)
        rc = load_file(s->directories[i], name, out, err);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The names of all connectors found, sorted, each once. */
static size_t list_names(const struct search *s, char (*names)[NAME_LEN])
{
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        DIR *dir = opendir(s->directories[i]);
        struct dirent *e;

        while (dir != NULL && n < NAMES && (e = readdir(dir)) != NULL) {
            size_t len = strlen(e->d_name);

            if (len <= 3 || len - 3 >= NAME_LEN ||
                strcmp(e->d_name + len - 3, ".so") != 0)
                continue;
            memcpy(names[n], e->d_name, len - 3);
            names[n][len - 3] = '\0';
            n += valid_name(names[n]);
        }
        if (dir != NULL)
            closedir(dir);
    }
    qsort(names, n, NAME_LEN, by_name);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            memmove(names[kept++], names[i], NAME_LEN);
    }
    return kept;
}

/* Adds a connector's further schemes to n words. Returns how many there are. */
static size_t add_schemes(const char *at, char (*words)[NAME_LEN], size_t n)
{
    while (at != NULL && *at != '\0' && n < WORDS) {
        size_t len = strcspn(at, " ");

        if (len > 0 && len < NAME_LEN) {
            memcpy(words[n], at, len);
            words[n++][len] = '\0';
        }
        at += len + strspn(at + len, " ");
    }
    return n;
}

static void tell_unknown(const char *scheme, const char *near, size_t n,
                         struct weir_error *err)
{
    if (!scheme_valid(scheme)) /* not repeated: a URL may hold a password */
        weir_error_set(err, -ENOENT,
                       "that is no connector's name; \"weir connectors\" lists "
                       "all of them");
    else if (near != NULL)
        weir_error_set(err, -ENOENT,
                       "no connector is named \"%.64s\"; did you mean %s?",
                       scheme, near);
    else if (n > 0)
        weir_error_set(err, -ENOENT,
                       "no connector is named \"%.64s\"; \"weir connectors\" "
                       "lists all of them",
                       scheme);
    else
        weir_error_set(err, -ENOENT,
                       "no connectors were found; WEIR_CONNECTORS names their "
                       "directory");
}

/* Under registry_lock, after no file of that name was found: finds the
 * connector with this scheme. NULL: err says so and names the nearest word. */
static const struct weir_connector *
find_scheme(const struct search *s, const char *scheme, struct weir_error *err)
{
    static char words[WORDS][NAME_LEN]; /* under registry_lock */
    const char *at[WORDS];
    size_t n = list_names(s, words), n_words = n;

    for (size_t i = 0; i < n; i++) {
        const struct weir_connector *c = NULL;
        struct weir_error ignored;

        load_named(s, words[i], &c, &ignored);
        if (c != NULL && scheme_listed(c->schemes, scheme))
            return c;
        if (c != NULL)
            n_words = add_schemes(c->schemes, words, n_words);
    }
    for (size_t i = 0; i < n_words; i++)
        at[i] = words[i];
    tell_unknown(scheme, weir_nearest(scheme, at, n_words), n, err);
    return NULL;
}

const struct weir_connector *registry_find(const char *name,
                                           struct weir_error *err)
{
    const struct weir_connector *c = NULL;
    struct search *s = malloc(sizeof *s);
    int rc = 0;

    if (s == NULL) {
        weir_error_set(err, -ENOMEM, "out of memory");
        return NULL;
    }
    search_init(s);
    pthread_mutex_lock(&registry_lock);
    if (valid_name(name))
        rc = load_named(s, name, &c, err);
    if (c == NULL && rc == 0)
        c = find_scheme(s, name, err);
    pthread_mutex_unlock(&registry_lock);
    free(s);
    return c;
}

size_t weir_connector_names(char *out, size_t cap)
{
    char(*names)[NAME_LEN] = malloc((size_t)NAMES * NAME_LEN);
    struct search *s = malloc(sizeof *s);
    size_t len = 0, n = 0;

    if (names != NULL && s != NULL) {
        search_init(s);
        n = list_names(s, names);
    }
    if (cap > 0)
        out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t room = len < cap ? cap - len : 0;

        len +=
            (size_t)snprintf(room ? out + len : NULL, room, "%s\n", names[i]);
    }
    free(s);
    free(names);
    return len;
}

int weir_connector_info(const char *name, struct weir_connector_info *out,
                        struct weir_error *err)
{
    static const struct weir_option NO_OPTIONS[1];
    struct weir_error unseen;
    const struct weir_connector *c;

    if (err == NULL)
        err = &unseen;
    c = registry_find(name, err);
    if (c == NULL)
        return err->code;
    *out = (struct weir_connector_info){
        .name = c->name,
        .help = c->help,
        .schemes = c->schemes,
        .options = c->options ? c->options : NO_OPTIONS,
        .ops = c->ops,
        .is_inline = c->is_inline,
    };
    return 0;
}
