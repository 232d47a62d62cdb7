// SPDX-License-Identifier: Apache-2.0
#include "common/service/service.h"

#include <argp.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "trim.h"

/* After being ready: peers have come, sessions have begun. */
enum { TRIM_MS = 5000 };

struct cor_runner {
    const struct cor_service_spec *spec;
    struct cor_service service;
    void *cfg;
    void *self;
    struct cor_signal *term;
    struct cor_signal *interrupt;
    struct cor_timer *drain;
    struct cor_timer *trim; /* when the start is over, and after much work */
    bool started;           /* trimmed once */
    int ready_fd;           /* -1: told, or nobody to tell */
    int exit_code;
    bool draining;
};

enum mode { RUN, CHECK, DUMP };

struct arguments {
    const char *config;
    enum mode mode;
    int ready_fd;
    bool flag; /* the service's own */
};

enum { OPT_CHECK = 256, OPT_DUMP, OPT_READY, OPT_FLAG };

static const struct argp_option OPTIONS[] = {
    {"config", 'c', "FILE", 0, "Read options from FILE (YAML)", 0},
    {"check", OPT_CHECK, NULL, 0, "Check the configuration and exit: 0 good, 100 not", 0},
    {"dump-config", OPT_DUMP, NULL, 0, "Print all options as a configuration file and exit", 0},
    {"ready-fd", OPT_READY, "FD", 0, "Write a newline to FD when ready, then close it", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    int64_t fd = 0;
    switch (key) {
    case 'c':
        a->config = arg;
        return 0;
    case OPT_CHECK:
        a->mode = CHECK;
        return 0;
    case OPT_DUMP:
        a->mode = DUMP;
        return 0;
    case OPT_READY:
        if (!cor_view_i64(cor_view_of(arg), &fd) || fd < 3 || fd > 1023) {
            argp_error(state, "--ready-fd: expected a number from 3 to 1023");
        }
        a->ready_fd = (int)fd;
        return 0;
    case OPT_FLAG:
        a->flag = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)fprintf(stream, "%s (Coracle) %s\n", state->name, CORACLE_VERSION);
}

static void parse(int argc, char **argv, const struct cor_service_spec *spec,
                  struct arguments *arguments)
{
    auto_(cor_freep) char *doc =
        cor_sprintf("%s\v"
                    "Runs in the foreground and logs on stderr; meant to be run by a supervisor.\n"
                    "Exit codes: 0 asked to stop, 100 wrong configuration, 111 try again later.",
                    spec->summary);
    argp_err_exit_status = COR_EXIT_CONFIG;
    argp_program_version_hook = print_version;
    /* Whatever its file is called: --version says which service this is. argp does not write. */
    argv[0] = (char *)(uintptr_t)spec->name;
    struct argp_option options[COR_COUNT(OPTIONS) + 1] = {0};
    memcpy(options, OPTIONS, sizeof(OPTIONS));
    if (spec->flag != NULL) { /* in the place of the end; another one follows */
        options[COR_COUNT(OPTIONS) - 1] =
            (struct argp_option){spec->flag, OPT_FLAG, NULL, 0, spec->flag_doc, 0};
    }
    const struct argp argp = {options, parse_option, NULL, doc, NULL, NULL, NULL};
    (void)argp_parse(&argp, argc, argv, 0, NULL, arguments);
}

static const struct cor_service_cfg *common_of(const struct cor_runner *r)
{
    return r->cfg;
}

static enum cor_code load(struct cor_runner *r, const struct arguments *arguments,
                          struct cor_err *err)
{
    enum cor_level level;
    enum cor_code code = cor_conf_load(&r->spec->conf, arguments->config, r->cfg, err);
    if (code != COR_OK) {
        return code;
    }
    if (arguments->flag) {
        *(bool *)(void *)((char *)r->cfg + r->spec->flag_offset) = true;
    }
    if (!cor_level_parse(cor_view_of(common_of(r)->log_level), &level)) {
        return cor_err_set(err, COR_INVALID, "log-level: expected error, warn, info or debug");
    }
    r->service.log = cor_log_new(r->spec->name, level);
    return r->spec->check == NULL ? COR_OK : r->spec->check(r->cfg, err);
}

static void on_drain_over(void *self)
{
    struct cor_runner *r = self;
    LOGW(r->service.log, "service.drain-timeout", "ms=%lld", (long long)common_of(r)->drain_ms);
    cor_loop_stop(r->service.loop);
}

static void on_trim(void *self)
{
    struct cor_runner *r = self;
    if (r->started) {
        (void)malloc_trim(0);
    } else {
        cor_trim();
    }
    r->started = true;
}

static void on_stop_signal(void *self, int number)
{
    struct cor_runner *r = self;
    if (r->draining || r->spec->drain == NULL) {
        cor_loop_stop(r->service.loop);
        return;
    }
    LOGI(r->service.log, "service.drain", "signal=%d", number);
    r->draining = true;
    cor_timer_start(r->drain, COR_MS(common_of(r)->drain_ms));
    r->spec->drain(r->self);
}

void cor_service_ready(struct cor_service *service)
{
    struct cor_runner *r = service->runner;
    if (r->ready_fd >= 0) {
        ssize_t n = write(r->ready_fd, "\n", 1);
        (void)n;
        (void)close(r->ready_fd);
        r->ready_fd = -1;
    }
    cor_timer_start(r->trim, COR_MS(TRIM_MS));
    LOGI(service->log, "service.ready", "version=%s", CORACLE_VERSION);
}

void cor_service_calm(struct cor_service *service)
{
    struct cor_timer *trim = service->runner->trim;
    if (!cor_timer_running(trim)) {
        cor_timer_start(trim, COR_MS(TRIM_MS));
    }
}

void cor_service_drained(struct cor_service *service)
{
    if (service->runner->draining) {
        cor_loop_stop(service->loop);
    }
}

void cor_service_fail(struct cor_service *service, const struct cor_err *err)
{
    LOGE(service->log, "service.failed", "error=%s", cor_log_esc(cor_view_of(err->text)));
    service->runner->exit_code = COR_EXIT_RETRY;
    cor_loop_stop(service->loop);
}

/* Small and predictable: one malloc arena, memory given back early, files for the group at most. */
static void tune_process(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    (void)umask(0027);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)signal(SIGPIPE, SIG_IGN);
}

static enum cor_code open_bus(struct cor_runner *r, struct cor_err *err)
{
    const struct cor_service_cfg *cfg = common_of(r);
    struct cor_bus_spec spec = {
        .service = r->spec->name,
        .run_dir = cfg->run_dir,
        .user_prefix = cfg->user_prefix,
        .loop = r->service.loop,
        .log = r->service.log,
    };
    if (r->spec->messages == NULL) {
        return COR_OK;
    }
    spec.messages = r->spec->messages();
    return cor_bus_new(&spec, &r->service.bus, err);
}

static int failed(struct cor_runner *r, enum cor_code code, const struct cor_err *err)
{
    if (r->service.log != NULL) {
        LOGE(r->service.log, "service.start-failed", "error=%s",
             cor_log_esc(cor_view_of(err->text)));
    } else {
        (void)fprintf(stderr, "%s: %s\n", r->spec->name, err->text);
    }
    return code == COR_INVALID || code == COR_NOTFOUND ? COR_EXIT_CONFIG : COR_EXIT_RETRY;
}

static int run(struct cor_runner *r)
{
    struct cor_err err = COR_ERR_NONE;
    r->service.loop = cor_loop_new();
    r->term = cor_signal_new(r->service.loop, SIGTERM, on_stop_signal, r);
    r->interrupt = cor_signal_new(r->service.loop, SIGINT, on_stop_signal, r);
    r->drain = cor_timer_new(r->service.loop, on_drain_over, r);
    r->trim = cor_timer_new(r->service.loop, on_trim, r);
    enum cor_code code = open_bus(r, &err);
    if (code == COR_OK) {
        code = r->spec->start(&r->service, &r->self, &err);
    }
    if (code != COR_OK) {
        r->exit_code = failed(r, code, &err);
    } else {
        cor_loop_run(r->service.loop);
    }
    if (r->self != NULL) {
        r->spec->stop(r->self);
    }
    LOGI(r->service.log, "service.stopped", "exit=%d", r->exit_code);
    cor_bus_free(&r->service.bus);
    cor_timer_free(&r->trim);
    cor_timer_free(&r->drain);
    cor_signal_free(&r->interrupt);
    cor_signal_free(&r->term);
    cor_loop_free(&r->service.loop);
    return r->exit_code;
}

/* What may pass is no wrong configuration: the supervisor tries again. */
static int load_failed(enum cor_code code, const struct cor_err *err)
{
    static const int PASSING[] = {EIO, EAGAIN, ENOMEM, EMFILE, ENFILE, ENOBUFS, ESTALE, ETIMEDOUT};
    for (size_t i = 0; code == COR_IO && i < COR_COUNT(PASSING); i++) {
        if (err->sys == PASSING[i]) {
            return COR_EXIT_RETRY;
        }
    }
    return COR_EXIT_CONFIG;
}

static int act(struct cor_runner *r, const struct arguments *arguments)
{
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = load(r, arguments, &err);
    if (code != COR_OK) {
        (void)fprintf(stderr, "%s: %s\n", r->spec->name, err.text);
        return load_failed(code, &err);
    }
    if (arguments->mode == CHECK) {
        return 0;
    }
    if (arguments->mode == DUMP) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        cor_conf_dump(&r->spec->conf, r->cfg, &text);
        return fputs(text.data == NULL ? "" : text.data, stdout) < 0 || fflush(stdout) != 0
                   ? COR_EXIT_RETRY
                   : 0;
    }
    return run(r);
}

int cor_service_main(int argc, char **argv, const struct cor_service_spec *spec)
{
    must(spec->cfg_size >= sizeof(struct cor_service_cfg));
    struct arguments arguments = {.ready_fd = -1};
    parse(argc, argv, spec, &arguments);
    tune_process();
    struct cor_runner r = {.spec = spec, .ready_fd = arguments.ready_fd};
    r.cfg = cor_alloc(spec->cfg_size);
    r.service.runner = &r;
    r.service.cfg = r.cfg;
    r.service.name = spec->name;
    int exit_code = act(&r, &arguments);
    cor_log_free(&r.service.log);
    cor_conf_free(&spec->conf, r.cfg);
    cor_free(r.cfg);
    return exit_code;
}
