// SPDX-License-Identifier: Apache-2.0
// In place of services/edged/cri.c (CRI over gRPC) and of containerd behind it. What was asked for
// happens whether or not edged lives to hear the answer; containers outlive edged, not the machine.
#include "services/edged/cri/cri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "inner.h"
#include "runtime.h"

enum { THINGS_MAX = 4096, CALL_US = 30000, GRACE_US = 3000000, PODS_MAX = 16 };

struct sandbox {
    char id[24];
    char *name, *ns, *uid; /* owned, for ever */
    uint32_t attempt;
    bool ready, removed;
    int64_t created_ns;
};

struct container {
    char id[24];
    char sandbox[24];
    char *name, *pod, *ns, *uid, *hash, *image; /* owned, for ever */
    int64_t restarts, grace;
    uint32_t attempt;
    enum cri_state state;
    int32_t exit_code;
    int64_t created_ns, started_ns, finished_ns;
    bool removed;
};

struct runtime {
    struct sandbox sandboxes[THINGS_MAX];
    struct container containers[THINGS_MAX];
    size_t sandbox_count, container_count;
    struct {
        char name[32];
        unsigned most;
    } pods[PODS_MAX];
    struct cri *client;
};

struct cri {
    struct sim_core *core;
    const struct cri_events *events;
    void *self;
    struct cor_timer *connect;
    struct cor_link calls;
    bool up;
    bool closed;
};

struct call {
    struct cor_link link;
    struct cri *cri;
    uint64_t life;
    struct sim_core *core;
    void (*act)(struct call *call);
    cri_fn fn;
    void *self;
    char *id; /* owned */
    int64_t grace;
    struct sandbox *made_sandbox;
    struct container *made;
    struct cri_answer answer;
    struct cri_sandbox *sandboxes;
    struct cri_container *containers;
};

static struct runtime *runtime(void)
{
    static struct runtime *it;
    if (it == NULL) {
        it = cor_alloc(sizeof(*it));
    }
    return it;
}

static int64_t now_ns(void)
{
    return cor_wall_now().us * 1000;
}

/* ---- what there is ---- */

static struct sandbox *sandbox_of(const char *id)
{
    struct runtime *r = runtime();
    for (size_t i = 0; i < r->sandbox_count; i++) {
        if (!r->sandboxes[i].removed && strcmp(r->sandboxes[i].id, id) == 0) {
            return &r->sandboxes[i];
        }
    }
    return NULL;
}

static struct container *container_of(const char *id)
{
    struct runtime *r = runtime();
    for (size_t i = 0; i < r->container_count; i++) {
        if (!r->containers[i].removed && strcmp(r->containers[i].id, id) == 0) {
            return &r->containers[i];
        }
    }
    return NULL;
}

unsigned sim_runtime_running(const char *pod)
{
    const struct runtime *r = runtime();
    unsigned count = 0;
    for (size_t i = 0; i < r->container_count; i++) {
        const struct container *c = &r->containers[i];
        count += c->state == CRI_RUNNING && strcmp(c->pod, pod) == 0 ? 1 : 0;
    }
    return count;
}

unsigned sim_runtime_most(const char *pod)
{
    const struct runtime *r = runtime();
    for (size_t i = 0; i < PODS_MAX; i++) {
        if (strcmp(r->pods[i].name, pod) == 0) {
            return r->pods[i].most;
        }
    }
    return 0;
}

static void note_running(const char *pod)
{
    struct runtime *r = runtime();
    unsigned now = sim_runtime_running(pod);
    for (size_t i = 0; i < PODS_MAX; i++) {
        if (r->pods[i].name[0] == '\0') {
            (void)snprintf(r->pods[i].name, sizeof(r->pods[i].name), "%s", pod);
        }
        if (strcmp(r->pods[i].name, pod) == 0) {
            r->pods[i].most = now > r->pods[i].most ? now : r->pods[i].most;
            return;
        }
    }
}

struct told {
    struct cri *cri;
    char id[24];
};

static void on_told(void *self)
{
    struct told *told = self;
    if (!told->cri->closed) {
        told->cri->events->exited(told->cri->self, told->id);
    }
    cor_free(told);
}

static void end(struct container *c, int32_t code)
{
    if (c->state != CRI_RUNNING) {
        return;
    }
    sim_say("runtime: container %s of %s ends, %d", c->id, c->pod, code);
    c->state = CRI_EXITED;
    c->exit_code = code;
    c->finished_ns = now_ns();
    struct cri *client = runtime()->client;
    if (client != NULL && client->up) {
        struct told *told = cor_alloc(sizeof(*told));
        told->cri = client;
        (void)snprintf(told->id, sizeof(told->id), "%s", c->id);
        sim_post(client->core, 200 + (int64_t)sim_pick(SIM_NET, 2000), on_told, told);
    }
}

void sim_runtime_off(void)
{
    struct runtime *r = runtime();
    r->client = NULL;
    for (size_t i = 0; i < r->container_count; i++) {
        end(&r->containers[i], 255);
    }
    for (size_t i = 0; i < r->sandbox_count; i++) {
        r->sandboxes[i].ready = false;
    }
}

void sim_runtime_exit_one(void)
{
    struct runtime *r = runtime();
    if (r->container_count > 0) {
        end(&r->containers[sim_pick(SIM_FAULT, r->container_count)], 1);
    }
}

/* ---- calls ---- */

static void call_free(struct call *call)
{
    cor_list_del(&call->link);
    cor_free(call->id);
    cor_free(call->sandboxes);
    cor_free(call->containers);
    cor_free(call);
}

/* Runs on edged. */
static void on_answer(void *self)
{
    struct call *call = self;
    if (!call->cri->closed) {
        sim_point();
        cor_list_del(&call->link);
        call->fn(call->self, &call->answer);
    }
    call_free(call);
}

static void answer_soon(struct call *call)
{
    if (call->core->life == call->life) {
        sim_post(call->core, (int64_t)sim_pick(SIM_NET, 3000), on_answer, call);
    }
}

/* Runs in the runtime. */
static void on_act(void *self)
{
    struct call *call = self;
    call->answer.text = "";
    call->act(call);
}

static struct call *call_new(struct cri *cri, void (*act)(struct call *call), cri_fn fn, void *self)
{
    struct call *call = cor_alloc(sizeof(*call));
    call->cri = cri;
    call->core = cri->core;
    call->life = cri->core->life;
    call->act = act;
    call->fn = fn;
    call->self = self;
    cor_list_init(&call->link);
    cor_list_add(&cri->calls, &call->link);
    sim_point();
    sim_post(NULL, 300 + (int64_t)sim_pick(SIM_NET, CALL_US), on_act, call);
    return call;
}

static struct call *call_of(struct cri *cri, void (*act)(struct call *call), const char *id,
                            cri_fn fn, void *self)
{
    struct call *call = call_new(cri, act, fn, self);
    call->id = cor_strdup(id);
    return call;
}

static void fail(struct call *call, enum cor_code code, const char *text)
{
    call->answer.code = code;
    call->answer.text = text;
    answer_soon(call);
}

/* ---- the client ---- */

static void on_connected(void *self)
{
    struct cri *cri = self;
    cri->up = true;
    cri->events->state(cri->self, true);
    cri->events->resynced(cri->self);
}

struct cri *cri_new(struct cor_loop *loop, const char *socket_path, const struct cri_events *events,
                    void *self)
{
    (void)socket_path;
    struct cri *cri = cor_alloc(sizeof(*cri));
    cri->core = sim_self();
    cri->events = events;
    cri->self = self;
    cor_list_init(&cri->calls);
    cri->connect = cor_timer_new(loop, on_connected, cri);
    cor_timer_start(cri->connect, 500 + (int64_t)sim_pick(SIM_NET, 20000));
    runtime()->client = cri;
    return cri;
}

void cri_free(struct cri **cri)
{
    struct cri *self = *cri; /* callbacks may still call: such calls end at once, too */
    if (self == NULL) {
        return;
    }
    self->closed = true;
    cor_timer_free(&self->connect);
    while (!cor_list_empty(&self->calls)) {
        struct call *call = COR_LIST_OBJECT(self->calls.next, struct call, link);
        struct cri_answer answer = {.code = COR_CLOSED, .status = -1, .text = "closed"};
        cor_list_del(&call->link);
        call->fn(call->self, &answer);
    }
    if (runtime()->client == self) {
        runtime()->client = NULL; /* what is under way still points to it */
    }
    *cri = NULL;
}

bool cri_is_up(const struct cri *cri)
{
    return cri->up;
}

/* ---- about the runtime ---- */

static void act_status(struct call *call)
{
    call->answer.runtime_name = "containerd";
    call->answer.runtime_version = "v1.6.20";
    call->answer.runtime_ready = true;
    call->answer.network_ready = true;
    call->answer.network_text = "";
    call->answer.mountpoint = "/";
    answer_soon(call);
}

void cri_version(struct cri *cri, cri_fn fn, void *self)
{
    (void)call_new(cri, act_status, fn, self);
}

void cri_status(struct cri *cri, cri_fn fn, void *self)
{
    (void)call_new(cri, act_status, fn, self);
}

void cri_config(struct cri *cri, cri_fn fn, void *self)
{
    (void)call_new(cri, act_status, fn, self);
}

void cri_image_fs(struct cri *cri, cri_fn fn, void *self)
{
    (void)call_new(cri, act_status, fn, self);
}

static void act_image(struct call *call)
{
    static const struct cri_image IMAGE = {
        .id = "sha256:1", .ref = "i@sha256:1", .size = 1000, .user = ""};
    call->answer.id = "i@sha256:1";
    call->answer.images = &IMAGE;
    call->answer.image_count = 1;
    answer_soon(call);
}

void cri_image_status(struct cri *cri, const char *image, cri_fn fn, void *self)
{
    (void)call_of(cri, act_image, image, fn, self);
}

void cri_list_images(struct cri *cri, cri_fn fn, void *self)
{
    (void)call_new(cri, act_image, fn, self);
}

void cri_end_task(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    (void)call_of(cri, act_image, id, fn, self);
}

void cri_remove_image(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    (void)call_of(cri, act_image, id, fn, self);
}

void cri_pull_image(struct cri *cri, const char *image, const struct cri_auth *auth,
                    const struct cri_sandbox_config *sandbox, cri_fn fn, void *self)
{
    (void)auth;
    (void)sandbox;
    (void)call_of(cri, act_image, image, fn, self);
}

/* ---- sandboxes ---- */

static void act_run_sandbox(struct call *call)
{
    sim_say("runtime: sandbox %s of %s", call->made_sandbox->id, call->made_sandbox->name);
    call->made_sandbox->ready = true;
    call->made_sandbox->removed = false;
    call->made_sandbox->created_ns = now_ns();
    call->answer.id = call->made_sandbox->id;
    answer_soon(call);
}

void cri_run_sandbox(struct cri *cri, const struct cri_sandbox_config *config, cri_fn fn,
                     void *self)
{
    struct runtime *r = runtime();
    must(r->sandbox_count < THINGS_MAX);
    struct sandbox *box = &r->sandboxes[r->sandbox_count++];
    (void)snprintf(box->id, sizeof(box->id), "s%zu", r->sandbox_count);
    box->name = cor_strdup(config->name);
    box->ns = cor_strdup(config->ns);
    box->uid = cor_strdup(config->uid);
    box->attempt = config->attempt;
    box->removed = true; /* until it is made */
    call_new(cri, act_run_sandbox, fn, self)->made_sandbox = box;
}

static void stop_box(struct sandbox *box)
{
    struct runtime *r = runtime();
    box->ready = false;
    for (size_t i = 0; i < r->container_count; i++) {
        if (strcmp(r->containers[i].sandbox, box->id) == 0) {
            end(&r->containers[i], 137);
        }
    }
}

static void act_stop_sandbox(struct call *call)
{
    struct sandbox *box = sandbox_of(call->id);
    if (box != NULL) {
        stop_box(box);
    }
    answer_soon(call);
}

void cri_stop_sandbox(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    (void)call_of(cri, act_stop_sandbox, id, fn, self);
}

static void act_remove_sandbox(struct call *call)
{
    struct runtime *r = runtime();
    struct sandbox *box = sandbox_of(call->id);
    if (box != NULL) {
        stop_box(box);
        box->removed = true;
    }
    for (size_t i = 0; i < r->container_count; i++) {
        r->containers[i].removed =
            r->containers[i].removed || strcmp(r->containers[i].sandbox, call->id) == 0;
    }
    answer_soon(call);
}

void cri_remove_sandbox(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    (void)call_of(cri, act_remove_sandbox, id, fn, self);
}

static void tell_sandbox(struct call *call, const struct sandbox *box)
{
    call->sandboxes =
        cor_realloc(call->sandboxes, call->answer.sandbox_count + 1, sizeof(*call->sandboxes));
    call->sandboxes[call->answer.sandbox_count++] = (struct cri_sandbox){
        .id = box->id,
        .name = box->name,
        .ns = box->ns,
        .uid = box->uid,
        .attempt = box->attempt,
        .ready = box->ready,
        .ours = true,
        .created_ns = box->created_ns,
        .ips = {"10.88.0.2"},
        .ip_count = 1,
    };
    call->answer.sandboxes = call->sandboxes;
}

static void act_sandbox(struct call *call)
{
    const struct sandbox *box = sandbox_of(call->id);
    if (box == NULL) {
        fail(call, COR_NOTFOUND, "no such sandbox");
        return;
    }
    tell_sandbox(call, box);
    answer_soon(call);
}

void cri_sandbox_status(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    (void)call_of(cri, act_sandbox, id, fn, self);
}

static void act_sandboxes(struct call *call)
{
    const struct runtime *r = runtime();
    for (size_t i = 0; i < r->sandbox_count; i++) {
        if (!r->sandboxes[i].removed) {
            tell_sandbox(call, &r->sandboxes[i]);
        }
    }
    answer_soon(call);
}

void cri_list_sandboxes(struct cri *cri, cri_fn fn, void *self)
{
    (void)call_new(cri, act_sandboxes, fn, self);
}

/* ---- containers ---- */

static const char *value_of(struct cri_kvs list, const char *key)
{
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.item[i].key, key) == 0) {
            return list.item[i].value;
        }
    }
    return "";
}

static void act_create(struct call *call)
{
    const struct sandbox *box = sandbox_of(call->made->sandbox);
    if (box == NULL || !box->ready) {
        fail(call, COR_NOTFOUND, "no such sandbox");
        return;
    }
    call->made->removed = false;
    call->made->created_ns = now_ns();
    call->answer.id = call->made->id;
    answer_soon(call);
}

void cri_create_container(struct cri *cri, const char *sandbox_id,
                          const struct cri_container_config *config,
                          const struct cri_sandbox_config *sandbox, cri_fn fn, void *self)
{
    (void)sandbox;
    struct runtime *r = runtime();
    must(r->container_count < THINGS_MAX);
    struct container *c = &r->containers[r->container_count++];
    (void)snprintf(c->id, sizeof(c->id), "c%zu", r->container_count);
    (void)snprintf(c->sandbox, sizeof(c->sandbox), "%s", sandbox_id);
    c->name = cor_strdup(value_of(config->labels, CRI_LABEL_CONTAINER));
    c->pod = cor_strdup(value_of(config->labels, CRI_LABEL_POD));
    c->ns = cor_strdup(value_of(config->labels, CRI_LABEL_NAMESPACE));
    c->uid = cor_strdup(value_of(config->labels, CRI_LABEL_UID));
    c->hash = cor_strdup(value_of(config->annotations, CRI_NOTE_HASH));
    c->image = cor_strdup(config->image);
    c->restarts = strtoll(value_of(config->annotations, CRI_NOTE_RESTARTS), NULL, 10);
    c->grace = strtoll(value_of(config->annotations, CRI_NOTE_GRACE), NULL, 10);
    c->attempt = config->attempt;
    c->removed = true; /* until it is made */
    call_new(cri, act_create, fn, self)->made = c;
}

static void act_start(struct call *call)
{
    struct container *c = container_of(call->id);
    if (c == NULL) {
        fail(call, COR_NOTFOUND, "no such container");
        return;
    }
    if (c->state == CRI_CREATED) {
        c->state = CRI_RUNNING;
        c->started_ns = now_ns();
        sim_say("runtime: container %s of %s (uid %s, attempt %u) starts", c->id, c->pod, c->uid,
                c->attempt);
        note_running(c->pod);
    }
    answer_soon(call);
}

void cri_start_container(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    (void)call_of(cri, act_start, id, fn, self);
}

static void on_stopped(void *self)
{
    struct call *call = self;
    struct container *c = container_of(call->id);
    if (c != NULL) {
        end(c, call->grace == 0 ? 137 : 0);
    }
    answer_soon(call);
}

static void act_stop(struct call *call)
{
    int64_t most = COR_SEC(call->grace) < GRACE_US ? COR_SEC(call->grace) : GRACE_US;
    sim_post(NULL, (int64_t)sim_pick(SIM_NET, (uint64_t)most + 1), on_stopped, call);
}

void cri_stop_container(struct cri *cri, const char *id, int64_t grace_seconds, cri_fn fn,
                        void *self)
{
    call_of(cri, act_stop, id, fn, self)->grace = grace_seconds;
}

static void act_reopen(struct call *call)
{
    answer_soon(call);
}

void cri_reopen_log(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    (void)call_of(cri, act_reopen, id, fn, self);
}

static void act_remove(struct call *call)
{
    struct container *c = container_of(call->id);
    if (c != NULL) {
        end(c, 137);
        c->removed = true;
    }
    answer_soon(call);
}

void cri_remove_container(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    (void)call_of(cri, act_remove, id, fn, self);
}

static void tell_container(struct call *call, const struct container *c, bool full)
{
    call->containers =
        cor_realloc(call->containers, call->answer.container_count + 1, sizeof(*call->containers));
    bool ended = c->state == CRI_EXITED;
    call->containers[call->answer.container_count++] = (struct cri_container){
        .id = c->id,
        .sandbox_id = c->sandbox,
        .name = c->name,
        .pod_uid = c->uid,
        .pod_name = c->pod,
        .pod_ns = c->ns,
        .hash = c->hash,
        .restarts = c->restarts,
        .grace_seconds = c->grace,
        .attempt = c->attempt,
        .state = c->state,
        .created_ns = c->created_ns,
        .started_ns = full ? c->started_ns : 0,
        .finished_ns = full ? c->finished_ns : 0,
        .exit_code = full ? c->exit_code : 0,
        .image = c->image,
        .image_ref = "i@sha256:1",
        .reason = !full || !ended     ? ""
                  : c->exit_code == 0 ? "Completed"
                                      : "Error",
        .message = "",
    };
    call->answer.containers = call->containers;
}

static void act_containers(struct call *call)
{
    const struct runtime *r = runtime();
    for (size_t i = 0; i < r->container_count; i++) {
        if (!r->containers[i].removed) {
            tell_container(call, &r->containers[i], false);
        }
    }
    answer_soon(call);
}

void cri_list_containers(struct cri *cri, cri_fn fn, void *self)
{
    (void)call_new(cri, act_containers, fn, self);
}

static void act_container(struct call *call)
{
    const struct container *c = container_of(call->id);
    if (c == NULL) {
        fail(call, COR_NOTFOUND, "no such container");
        return;
    }
    tell_container(call, c, true);
    answer_soon(call);
}

void cri_container_status(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    (void)call_of(cri, act_container, id, fn, self);
}

/* Nobody asks for streams or statistics in a simulation. */
static void act_none(struct call *call)
{
    call->answer.code = COR_UNSUPPORTED;
    call->answer.text = "not in a simulation";
    answer_soon(call);
}

void cri_list_usages(struct cri *cri, cri_fn fn, void *self)
{
    (void)call_new(cri, act_none, fn, self);
}

void cri_exec(struct cri *cri, const char *id, const struct cri_streams *streams,
              struct cri_strings command, cri_fn fn, void *self)
{
    (void)id;
    (void)streams;
    (void)command;
    (void)call_new(cri, act_none, fn, self);
}

void cri_exec_sync(struct cri *cri, const char *id, struct cri_strings command,
                   int64_t timeout_seconds, cri_fn fn, void *self)
{
    (void)id;
    (void)command;
    (void)timeout_seconds;
    (void)call_new(cri, act_none, fn, self);
}

void cri_attach(struct cri *cri, const char *id, const struct cri_streams *streams, cri_fn fn,
                void *self)
{
    (void)id;
    (void)streams;
    (void)call_new(cri, act_none, fn, self);
}

void cri_port_forward(struct cri *cri, const char *sandbox_id, const int32_t *ports, size_t count,
                      cri_fn fn, void *self)
{
    (void)sandbox_id;
    (void)ports;
    (void)count;
    (void)call_new(cri, act_none, fn, self);
}
