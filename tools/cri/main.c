// SPDX-License-Identifier: Apache-2.0
// coracle-cri: shows what a container runtime has, and clears it. Debian has no crictl.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/loop/loop.h"
#include "services/edged/cri/cri.h"

enum { PATIENCE_S = 10, EXIT_USAGE = 100, EXIT_FAILED = 111 };

struct app {
    struct cor_loop *loop;
    struct cri *cri;
    const struct command *command;
    size_t waiting; /* answers */
    int exit_code;
};

struct command {
    const char *name;
    const char *help;
    void (*start)(struct app *app);
};

static void finish_one(struct app *app)
{
    app->waiting--;
    if (app->waiting == 0) {
        cor_loop_stop(app->loop);
    }
}

static bool failed(struct app *app, const struct cri_answer *answer)
{
    if (answer->code != COR_OK) {
        (void)fprintf(stderr, "coracle-cri: %s: %s\n", cor_code_name(answer->code), answer->text);
        app->exit_code = EXIT_FAILED;
        return true;
    }
    return false;
}

static void on_version(void *self, const struct cri_answer *answer)
{
    struct app *app = self;
    if (!failed(app, answer)) {
        (void)printf("%s %s\n", answer->runtime_name, answer->runtime_version);
    }
    finish_one(app);
}

static void start_version(struct app *app)
{
    app->waiting = 1;
    cri_version(app->cri, on_version, app);
}

static void on_pods(void *self, const struct cri_answer *answer)
{
    struct app *app = self;
    (void)failed(app, answer);
    for (size_t i = 0; i < answer->sandbox_count; i++) {
        const struct cri_sandbox *pod = &answer->sandboxes[i];
        (void)printf("%s\t%s/%s\t%s\tattempt %" PRIu32 "\n", pod->id, pod->ns, pod->name,
                     pod->ready ? "ready" : "not ready", pod->attempt);
    }
    finish_one(app);
}

static void start_pods(struct app *app)
{
    app->waiting = 1;
    cri_list_sandboxes(app->cri, on_pods, app);
}

static void on_containers(void *self, const struct cri_answer *answer)
{
    static const char *const states[] = {"created", "running", "exited", "unknown"};
    struct app *app = self;
    (void)failed(app, answer);
    for (size_t i = 0; i < answer->container_count; i++) {
        const struct cri_container *c = &answer->containers[i];
        (void)printf("%s\t%s/%s\t%s\t%s\tattempt %" PRIu32 "\n", c->id, c->pod_ns, c->pod_name,
                     c->name, states[c->state], c->attempt);
    }
    finish_one(app);
}

static void start_containers(struct app *app)
{
    app->waiting = 1;
    cri_list_containers(app->cri, on_containers, app);
}

static void on_images(void *self, const struct cri_answer *answer)
{
    struct app *app = self;
    (void)failed(app, answer);
    for (size_t i = 0; i < answer->image_count; i++) {
        const struct cri_image *image = &answer->images[i];
        (void)printf("%s\t%s\t%" PRIu64 "\n", image->id, image->ref, image->size);
    }
    finish_one(app);
}

static void start_images(struct app *app)
{
    app->waiting = 1;
    cri_list_images(app->cri, on_images, app);
}

struct removal {
    struct app *app;
    char *id;
};

static void on_removed(void *self, const struct cri_answer *answer)
{
    struct removal *removal = self;
    struct app *app = removal->app;
    (void)failed(app, answer);
    cor_free(removal->id);
    cor_free(removal);
    finish_one(app);
}

static void on_stopped(void *self, const struct cri_answer *answer)
{
    struct removal *removal = self;
    (void)failed(removal->app, answer);
    cri_remove_sandbox(removal->app->cri, removal->id, on_removed, removal);
}

static void on_doomed(void *self, const struct cri_answer *answer)
{
    struct app *app = self;
    (void)failed(app, answer);
    for (size_t i = 0; i < answer->sandbox_count; i++) {
        struct removal *removal = cor_alloc(sizeof(*removal));
        removal->app = app;
        removal->id = cor_strdup(answer->sandboxes[i].id);
        app->waiting++;
        cri_stop_sandbox(app->cri, removal->id, on_stopped, removal);
    }
    finish_one(app);
}

static void start_remove_all(struct app *app)
{
    app->waiting = 1;
    cri_list_sandboxes(app->cri, on_doomed, app);
}

static const struct command commands[] = {
    {"version", "name and version of the runtime", start_version},
    {"pods", "all pod sandboxes", start_pods},
    {"ps", "all containers, dead ones too", start_containers},
    {"images", "all images", start_images},
    {"remove-all", "stop and remove every pod sandbox", start_remove_all},
};

static void on_state(void *self, bool up)
{
    struct app *app = self;
    if (up) {
        app->command->start(app);
    }
}

static void on_exited(void *self, const char *id)
{
    (void)self;
    (void)id;
}

static void on_resynced(void *self)
{
    (void)self;
}

static void on_late(void *self)
{
    struct app *app = self;
    (void)fprintf(stderr, "coracle-cri: the runtime does not answer\n");
    app->exit_code = EXIT_FAILED;
    cor_loop_stop(app->loop);
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: coracle-cri SOCKET COMMAND\n");
    for (size_t i = 0; i < COR_COUNT(commands); i++) {
        (void)fprintf(stderr, "  %-12s %s\n", commands[i].name, commands[i].help);
    }
    return EXIT_USAGE;
}

static int run(const char *socket_path, const struct command *command)
{
    static const struct cri_events events = {on_state, on_exited, on_resynced};
    struct app app = {.command = command};
    app.loop = cor_loop_new();
    struct cor_timer *late = cor_timer_new(app.loop, on_late, &app);
    cor_timer_start(late, COR_SEC(PATIENCE_S) * (command->start == start_remove_all ? 6 : 1));
    app.cri = cri_new(app.loop, socket_path, &events, &app);
    cor_loop_run(app.loop);
    cri_free(&app.cri);
    cor_timer_free(&late);
    cor_loop_free(&app.loop);
    return app.exit_code;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < COR_COUNT(commands); i++) {
        if (strcmp(argv[2], commands[i].name) == 0) {
            return run(argv[1], &commands[i]);
        }
    }
    return usage();
}
