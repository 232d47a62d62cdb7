// SPDX-License-Identifier: Apache-2.0
// coracle restart: asks the supervisor (s6) and waits until the service is ready again.
#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "coracle.h"

enum { OPT_RUN = 256, OPT_TIMEOUT, NAMES_MAX = 64 };

struct options {
    const char *run;
    const char *names[NAMES_MAX];
    size_t count;
    int64_t timeout_s;
};

static const struct argp_option OPTIONS[] = {
    {"run-dir", OPT_RUN, "DIR", 0, "Where the supervision trees are (" CORACLE_RUN ")", 0},
    {"timeout", OPT_TIMEOUT, "SECONDS", 0, "How long to wait until it is ready (10)", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case OPT_RUN:
        o->run = arg;
        return 0;
    case OPT_TIMEOUT:
        if (!cor_view_i64(cor_view_of(arg), &o->timeout_s) || o->timeout_s < 1 ||
            o->timeout_s > 3600) {
            argp_error(state, "--timeout: expected a number from 1 to 3600");
        }
        return 0;
    case ARGP_KEY_ARG:
        if (o->count == NAMES_MAX || strstr(arg, "..") != NULL) {
            argp_error(state, "not a service: \"%s\"", arg);
        }
        o->names[o->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->count == 0) {
            argp_error(state, "which service? coracle status lists them");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The service directory run/tree/X/name; owned, NULL if there is none. */
static char *find_in(const char *run, const char *name)
{
    auto_(cor_freep) char *tree = cor_sprintf("%s/tree", run);
    struct dirent **entries = NULL;
    int count = scandir(tree, &entries, NULL, alphasort);
    char *found = NULL;
    for (int i = 0; i < count; i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s/%s", tree, entries[i]->d_name, name);
        if (found == NULL && entries[i]->d_name[0] != '.' && is_folder(path)) {
            found = take(&path);
        }
        free(entries[i]);
    }
    free(entries);
    return found;
}

/* name is "service", or "node/service" for a further node of this machine. */
static char *find_service(const char *run, const char *name)
{
    const char *slash = strchr(name, '/');
    if (slash == NULL) {
        return find_in(run, name);
    }
    auto_(cor_freep) char *node = cor_memdup(name, (size_t)(slash - name));
    auto_(cor_freep) char *below = cor_sprintf("%s/%s", run, node);
    return find_in(below, slash + 1);
}

/* posix_spawn does not write to argv, though its type says it might. */
static bool run_s6(const char *const *argv)
{
    extern char **environ;
    pid_t pid = 0;
    int status = 0;
    int rc = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
    if (rc != 0) {
        (void)fprintf(stderr, "coracle: %s: %s\n", argv[0], strerror(rc));
        return false;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool restart(const struct options *o, const char *name)
{
    auto_(cor_freep) char *path = find_service(o->run, name);
    if (path == NULL) {
        (void)fprintf(stderr,
                      "coracle: restart %s: no such service under %s; coracle status lists them\n",
                      name, o->run);
        return false;
    }
    auto_(cor_freep) char *wait_ms = cor_sprintf("%lld", (long long)o->timeout_s * 1000);
    const char *const argv[] = {"s6-svc", "-wR", "-T", wait_ms, "-r", path, NULL};
    if (!run_s6(argv)) {
        (void)fprintf(stderr, "coracle: restart %s: not ready after %lld s; see its log\n", name,
                      (long long)o->timeout_s);
        return false;
    }
    (void)printf("%s restarted\n", name);
    return true;
}

int coracle_restart(int argc, char **argv)
{
    static const char DOC[] =
        "Restarts services one after another and waits until each is ready again."
        "\vOther services, Pods and devices go on meanwhile. SERVICE is a name, or NODE/SERVICE "
        "for "
        "a further node of this machine.";
    struct options o = {.run = CORACLE_RUN, .timeout_s = 10};
    const struct argp argp = {OPTIONS, parse_option, "SERVICE...", DOC, NULL, NULL, NULL};
    static char name[] = "coracle restart"; /* argp prints it, and wants it writable */
    argv[0] = name;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    for (size_t i = 0; i < o.count; i++) {
        if (!restart(&o, o.names[i])) {
            return EXIT_FAILED;
        }
    }
    return EXIT_DONE;
}
