// SPDX-License-Identifier: Apache-2.0
// coracle upgrade: puts another program in place of a service's, restarts the service, and puts the
// old one back when the new one does not work.
//
// At every moment the program's file is whole: the old one or the new one. While the new one is on
// trial, a file "trial" in the service directory tells coracle-keep to put
// PROGRAM.previous back when it fails at its start; so an upgrade that is itself killed in between
// leaves a service that runs. A trial that stays is over when the program has run for 10 s.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "coracle.h"
#include "supervise.h"

enum { CHECK_MS = 10000, PROGRAM_MAX = 256 << 20 };
enum { EXIT_ROLLED_BACK = 2, EXIT_NEITHER = 3 };

struct options {
    struct coracle_said said;
    const char *service;
    const char *binary;
    int64_t timeout_s;
    bool rollback;
};

struct upgrade {
    const struct options *o;
    struct instances all; /* that run this program */
    const char *program;  /* borrowed from the first of them */
    char *fresh;          /* program.new */
    char *previous;       /* program.previous */
    char version[64];     /* of the new one */
    struct stat old;      /* the file that is replaced */
    int lock;
};

static const struct coracle_option OPTIONS[] = {
    CORACLE_FLAG_ROW(rollback, 0, "rollback", "Change back to the program before the last upgrade"),
    CORACLE_NUMBER_ROW(timeout_s, 0, "timeout", "SECONDS", 1, 3600,
                       "How long to wait until it is ready (10)"),
    CORACLE_RUN_ROW("supervision trees"),
    {0},
};

static enum cor_code take_word(void *options, char *word, struct cor_err *err)
{
    struct options *o = options;
    if (o->service == NULL) {
        if (strchr(word, '/') != NULL || word[0] == '.') {
            return cor_err_set(err, COR_INVALID, "not a service: \"%s\"", word);
        }
        o->service = word;
    } else if (o->binary == NULL) {
        o->binary = word;
    } else {
        return coracle_unexpected(word, err);
    }
    return COR_OK;
}

static enum cor_code fits(const void *options, struct cor_err *err)
{
    const struct options *o = options;
    return o->service != NULL && o->rollback == (o->binary == NULL)
               ? COR_OK
               : cor_err_set(err, COR_INVALID,
                             "expected a service and a program, or --rollback and a service");
}

/* ---- before anything changes ---- */

static enum cor_code find(struct upgrade *u, struct cor_err *err)
{
    instances_find(u->o->said.run, u->o->service, true, &u->all);
    if (u->all.count == 0) {
        return cor_err_set(err, COR_NOTFOUND, "no such service under %s; coracle status lists them",
                           u->o->said.run);
    }
    u->program = u->all.items[0].program;
    if (u->program == NULL || u->all.items[0].config == NULL) {
        return cor_err_set(err, COR_INVALID, "its program is not Coracle's");
    }
    u->fresh = cor_sprintf("%s.new", u->program);
    u->previous = cor_sprintf("%s.previous", u->program);
    enum cor_code code = COR_OK;
    for (size_t i = 0; code == COR_OK && i < u->all.count; i++) {
        code = supervise_may(&u->all.items[i], err);
    }
    return code;
}

/* One upgrade of a folder's programs at a time. */
static enum cor_code lock(struct upgrade *u, struct cor_err *err)
{
    auto_(cor_freep) char *copy = cor_strdup(u->program);
    const char *folder = dirname(copy);
    u->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u->lock < 0 || access(folder, W_OK) != 0) {
        return cor_err_sys(err, COR_DENIED, errno, "%s", folder);
    }
    return flock(u->lock, LOCK_EX | LOCK_NB) == 0
               ? COR_OK
               : cor_err_set(err, COR_BUSY, "another upgrade is at work");
}

static enum cor_code look(const char *path, struct stat *st, struct cor_err *err)
{
    if (stat(path, st) != 0) {
        return cor_err_sys(err, COR_NOTFOUND, errno, "%s", path);
    }
    return S_ISREG(st->st_mode) && (st->st_mode & S_IXUSR) != 0 && st->st_size <= PROGRAM_MAX
               ? COR_OK
               : cor_err_set(err, COR_INVALID, "%s: not a program", path);
}

static enum cor_code copy_program(struct upgrade *u, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    enum cor_code code = cor_file_read(u->o->binary, PROGRAM_MAX, &bytes, err);
    return code == COR_OK ? cor_file_write(u->fresh, cor_buf_as_view(&bytes), 0755, err) : code;
}

/* "eventbus (Coracle) 0.2.0": is it this service, and of which version? */
static enum cor_code check_version(struct upgrade *u, const char *candidate, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf printed = {0};
    const struct instance *it = &u->all.items[0];
    const char *const argv[] = {it->name, "--version", NULL};
    auto_(cor_freep) char *expected = cor_sprintf("%s (Coracle) ", it->name);
    int code = supervise_run(candidate, argv, it->user, CHECK_MS, &printed);
    struct cor_view said = cor_view_trim(cor_buf_as_view(&printed));
    size_t head = strlen(expected);
    if (code != 0 || !cor_view_starts(said, expected) || said.len - head >= sizeof(u->version)) {
        return cor_err_set(err, COR_INVALID,
                           "this is not %s: --version says \"%.*s\", exit code %d", it->name,
                           (int)(said.len < 80 ? said.len : 80), said.ptr, code);
    }
    (void)snprintf(u->version, sizeof(u->version), "%.*s", (int)(said.len - head), said.ptr + head);
    return COR_OK;
}

static enum cor_code check_config(const struct instance *it, const char *candidate,
                                  struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf printed = {0};
    const char *const argv[] = {it->name, "--config", it->config, "--check", NULL};
    int code = supervise_run(candidate, argv, it->user, CHECK_MS, &printed);
    struct cor_view said = cor_view_trim(cor_buf_as_view(&printed));
    return code == 0 ? COR_OK
                     : cor_err_set(err, COR_INVALID, "it refuses the configuration: %.*s",
                                   COR_VIEW_ARG(said));
}

/* The candidate, tried without touching what runs. */
static enum cor_code check(struct upgrade *u, struct cor_err *err)
{
    struct stat st;
    const char *given = u->o->rollback ? u->previous : u->o->binary;
    const char *candidate = u->o->rollback ? u->previous : u->fresh;
    enum cor_code code = look(u->program, &u->old, err);
    if (code == COR_OK) {
        code = look(given, &st, err);
    }
    if (code == COR_OK && !u->o->rollback) {
        code = copy_program(u, err);
    }
    if (code == COR_OK) {
        code = check_version(u, candidate, err);
    }
    for (size_t i = 0; code == COR_OK && i < u->all.count; i++) {
        code = check_config(&u->all.items[i], candidate, err);
    }
    return code;
}

/* ---- the change ---- */

static char *trial_of(const struct instance *it)
{
    return cor_sprintf("%s/trial", it->folder);
}

static enum cor_code begin_trials(const struct upgrade *u, struct cor_err *err)
{
    struct stat st = {0};
    enum cor_code code = look(u->o->rollback ? u->previous : u->fresh, &st, err);
    auto_(cor_freep) char *text =
        cor_sprintf("%llu %s\n", (unsigned long long)st.st_ino, u->program);
    for (size_t i = 0; code == COR_OK && i < u->all.count; i++) {
        auto_(cor_freep) char *trial = trial_of(&u->all.items[i]);
        code = cor_file_write(trial, cor_view_of(text), 0644, err);
    }
    return code;
}

static void end_trials(const struct upgrade *u)
{
    for (size_t i = 0; i < u->all.count; i++) {
        auto_(cor_freep) char *trial = trial_of(&u->all.items[i]);
        (void)unlink(trial);
    }
}

/* program becomes program.previous, the new one program: each step leaves a whole program. */
static enum cor_code put_in_place(const struct upgrade *u, struct cor_err *err)
{
    auto_(cor_freep) char *step = cor_sprintf("%s.step", u->previous);
    if (u->o->rollback) {
        return renameat2(AT_FDCWD, u->program, AT_FDCWD, u->previous, RENAME_EXCHANGE) == 0
                   ? COR_OK
                   : cor_err_sys(err, COR_IO, errno, "%s", u->program);
    }
    (void)unlink(step);
    if (link(u->program, step) != 0 || rename(step, u->previous) != 0 ||
        rename(u->fresh, u->program) != 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", u->program);
    }
    (void)fsync(u->lock); /* the folder */
    return COR_OK;
}

static bool is_old(const struct upgrade *u)
{
    struct stat st;
    return stat(u->program, &st) == 0 && st.st_ino == u->old.st_ino && st.st_dev == u->old.st_dev;
}

/* Restarts every service that does not run the program as it is now. */
static enum cor_code restart_all(const struct upgrade *u, enum supervise_way way,
                                 struct cor_err *err)
{
    enum cor_code code = COR_OK;
    for (size_t i = 0; code == COR_OK && i < u->all.count; i++) {
        const struct instance *it = &u->all.items[i];
        int64_t took_ms = 0;
        if (way == SUPERVISE_KILL && supervise_is_current(it)) {
            continue;
        }
        code = supervise_restart(it, way, u->o->timeout_s * 1000, &took_ms, err);
        if (code == COR_OK && (!supervise_is_current(it) || is_old(u) != (way == SUPERVISE_KILL))) {
            code = cor_err_set(err, COR_CLOSED, "it ends at its start; see its log");
        }
        if (code == COR_OK && way == SUPERVISE_DRAIN) {
            (void)printf("%s: version %s ready after %" PRId64 " ms (%s)\n", it->name, u->version,
                         took_ms, it->run);
            (void)fflush(stdout);
        }
    }
    return code;
}

/* Puts the old program back; coracle-keep may have done so already. */
static int roll_back(const struct upgrade *u, const struct cor_err *why)
{
    struct cor_err err = COR_ERR_NONE;
    end_trials(u);
    if (!is_old(u)) {
        (void)rename(u->previous, u->program);
    }
    if (!is_old(u) || restart_all(u, SUPERVISE_KILL, &err) != COR_OK) {
        (void)fprintf(stderr,
                      "coracle: upgrade %s: %s; and the old program does not run either: %s\n",
                      u->o->service, why->text, err.text);
        return EXIT_NEITHER;
    }
    (void)fprintf(stderr,
                  "coracle: upgrade %s: version %s: %s. Rolled back: the old program runs\n",
                  u->o->service, u->version, why->text);
    return EXIT_ROLLED_BACK;
}

static int change(const struct upgrade *u)
{
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = begin_trials(u, &err);
    if (code == COR_OK) {
        code = put_in_place(u, &err);
    }
    if (code == COR_OK) {
        code = restart_all(u, SUPERVISE_DRAIN, &err);
    }
    if (code != COR_OK) {
        return roll_back(u, &err);
    }
    end_trials(u);
    return EXIT_DONE;
}

static int upgrade(struct upgrade *u)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *what = cor_sprintf("upgrade %s", u->o->service);
    enum cor_code code = find(u, &err);
    if (code == COR_OK) {
        code = lock(u, &err);
    }
    if (code == COR_OK) {
        code = check(u, &err);
    }
    if (code != COR_OK) {
        if (u->fresh != NULL && u->lock >= 0) {
            (void)unlink(u->fresh);
        }
        return coracle_fail(what, &err);
    }
    (void)printf("%s: version %s fits its configuration\n", u->o->service, u->version);
    (void)fflush(stdout);
    return change(u);
}

static int run(int argc, char **argv)
{
    struct options o = {.said.run = CORACLE_RUN, .timeout_s = 10};
    coracle_read(&coracle_upgrade, argc, argv, &o);
    struct upgrade u = {.o = &o, .lock = -1};
    int code = upgrade(&u);
    instances_free(&u.all);
    cor_free(u.fresh);
    cor_free(u.previous);
    cor_fd_close(&u.lock);
    return code;
}

const struct coracle_command coracle_upgrade = {
    .name = "upgrade",
    .summary = "change a service's program in place, and back if it fails",
    .doc =
        "Puts PROGRAM in place of a service's own, restarts the service and waits until it is "
        "ready and answers; puts the old one back when it does not."
        "\vThe old program stays beside the new one as SERVICE.previous, for --rollback. All nodes "
        "of this machine share a service's program: each is restarted, one after another. Exit "
        "codes: 0 done; 1 refused, nothing changed; 2 rolled back, the old program runs; 3 neither "
        "program runs.",
    .words = "SERVICE [PROGRAM]",
    .more = "$(coracle status -o name 2>/dev/null; "
            "compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\")",
    .options = OPTIONS,
    .word = take_word,
    .check = fits,
    .run = run,
};
