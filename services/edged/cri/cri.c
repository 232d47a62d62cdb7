// SPDX-License-Identifier: Apache-2.0
// The calls of CRI, as a table.
#include "cri.h"

#include <signal.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/grpc/grpc.h"
#include "cri_private.h"
#include "cri_wire.h"
#include "services/edged/cri/events.pb-c.h"

enum {
    ARENA_MAX = 32 * 1024 * 1024, /* twice the largest message */
    NOT_YET_MS = 50,              /* "server is not initialized yet" just after start */
};

#define RUNTIME "/runtime.v1.RuntimeService/"
#define IMAGES "/runtime.v1.ImageService/"
#define TASKS "/containerd.services.tasks.v1.Tasks/"

enum method {
    VERSION,
    STATUS,
    RUN_SANDBOX,
    STOP_SANDBOX,
    REMOVE_SANDBOX,
    SANDBOX_STATUS,
    LIST_SANDBOXES,
    CREATE_CONTAINER,
    START_CONTAINER,
    STOP_CONTAINER,
    REMOVE_CONTAINER,
    LIST_CONTAINERS,
    CONTAINER_STATUS,
    IMAGE_STATUS,
    PULL_IMAGE,
    LIST_IMAGES,
    IMAGE_FS,
    EXEC,
    EXEC_SYNC,
    ATTACH,
    PORT_FORWARD,
    LIST_USAGES,
    REOPEN_LOG,
    CONFIG,
    REMOVE_IMAGE,
    KILL_TASK,
    WAIT_TASK,
    DELETE_TASK,
};

/* Deadlines as kubelet's: 2 min for all, 4 min for RunPodSandbox; a pull may take long, and only
 * its own failure ends it before an hour (k8s.io/cri-client pkg/remote_runtime.go,
 * remote_image.go). */
static const struct {
    const char *path;
    int64_t timeout_us;
    cri_read_fn read;
    bool absent_is_fine; /* NOT_FOUND counts as success: the work is done */
} methods[] = {
    [VERSION] = {RUNTIME "Version", COR_SEC(10), cri_read_version, false},
    [STATUS] = {RUNTIME "Status", COR_SEC(10), cri_read_status, false},
    [RUN_SANDBOX] = {RUNTIME "RunPodSandbox", COR_SEC(240), cri_read_sandbox_id, false},
    [STOP_SANDBOX] = {RUNTIME "StopPodSandbox", COR_SEC(120), cri_read_nothing, true},
    [REMOVE_SANDBOX] = {RUNTIME "RemovePodSandbox", COR_SEC(120), cri_read_nothing, true},
    [SANDBOX_STATUS] = {RUNTIME "PodSandboxStatus", COR_SEC(120), cri_read_sandbox_status, false},
    [LIST_SANDBOXES] = {RUNTIME "ListPodSandbox", COR_SEC(120), cri_read_sandboxes, false},
    [CREATE_CONTAINER] = {RUNTIME "CreateContainer", COR_SEC(120), cri_read_container_id, false},
    [START_CONTAINER] = {RUNTIME "StartContainer", COR_SEC(120), cri_read_nothing, false},
    [STOP_CONTAINER] = {RUNTIME "StopContainer", COR_SEC(120), cri_read_nothing, true},
    [REMOVE_CONTAINER] = {RUNTIME "RemoveContainer", COR_SEC(120), cri_read_nothing, true},
    [LIST_CONTAINERS] = {RUNTIME "ListContainers", COR_SEC(120), cri_read_containers, false},
    [CONTAINER_STATUS] = {RUNTIME "ContainerStatus", COR_SEC(120), cri_read_container_status,
                          false},
    [IMAGE_STATUS] = {IMAGES "ImageStatus", COR_SEC(120), cri_read_image_status, false},
    [PULL_IMAGE] = {IMAGES "PullImage", COR_SEC(3600), cri_read_pull, false},
    [LIST_IMAGES] = {IMAGES "ListImages", COR_SEC(120), cri_read_images, false},
    [IMAGE_FS] = {IMAGES "ImageFsInfo", COR_SEC(120), cri_read_image_fs, false},
    [EXEC] = {RUNTIME "Exec", COR_SEC(120), cri_read_url, false},
    [EXEC_SYNC] = {RUNTIME "ExecSync", COR_SEC(120), cri_read_exec_sync, false},
    [ATTACH] = {RUNTIME "Attach", COR_SEC(120), cri_read_url, false},
    [PORT_FORWARD] = {RUNTIME "PortForward", COR_SEC(120), cri_read_url, false},
    [LIST_USAGES] = {RUNTIME "ListContainerStats", COR_SEC(10), cri_read_usages, false},
    [CONFIG] = {RUNTIME "Status", COR_SEC(10), cri_read_config, false},
    [REMOVE_IMAGE] = {IMAGES "RemoveImage", COR_SEC(120), cri_read_nothing, true},
    [REOPEN_LOG] = {RUNTIME "ReopenContainerLog", COR_SEC(120), cri_read_nothing, false},
    [KILL_TASK] = {TASKS "Kill", COR_SEC(10), cri_read_nothing, true},
    [WAIT_TASK] = {TASKS "Wait", COR_SEC(10), cri_read_nothing, true},
    [DELETE_TASK] = {TASKS "Delete", COR_SEC(10), cri_read_nothing, true},
};

struct call {
    struct cor_link link;
    enum method method;
    cri_fn fn;
    void *self;
};

static void answer_call(struct call *call, const struct cor_grpc_reply *reply)
{
    struct cri_answer answer = {.code = reply->code, .status = reply->status, .text = reply->text};
    auto_(cor_arena_free) struct cor_arena *arena = NULL;
    ProtobufCMessage *unpacked = NULL;
    if (answer.code == COR_NOTFOUND && methods[call->method].absent_is_fine) {
        answer.code = COR_OK;
    } else if (answer.code == COR_OK) {
        arena = cor_arena_new(ARENA_MAX);
        if (!methods[call->method].read(arena, reply->message, &answer, &unpacked)) {
            answer.code = COR_INVALID;
            answer.text = "the runtime's answer cannot be read";
        }
    }
    call->fn(call->self, &answer);
    protobuf_c_message_free_unpacked(unpacked, NULL);
}

static void on_done(void *self, const struct cor_grpc_reply *reply)
{
    struct call *call = self;
    cor_list_del(&call->link);
    answer_call(call, reply);
    cor_free(call);
}

struct cor_buf cri_pack(const ProtobufCMessage *message)
{
    struct cor_buf buf = {0};
    size_t size = protobuf_c_message_get_packed_size(message);
    (void)protobuf_c_message_pack(message, (uint8_t *)cor_buf_room(&buf, size));
    buf.len = size;
    return buf;
}

static const struct cri_answer closed = {
    .code = COR_CLOSED, .status = -1, .text = "edged is stopping"};

static void start(struct cri *cri, enum method method, const ProtobufCMessage *request,
                  int64_t more_us, cri_fn fn, void *self)
{
    if (cri->closing) {
        fn(self, &closed);
        return;
    }
    auto_(cor_buf_free) struct cor_buf bytes = cri_pack(request);
    struct call *call = cor_alloc(sizeof(*call));
    *call = (struct call){.method = method, .fn = fn, .self = self};
    cor_list_add(&cri->calls, &call->link);
    const struct cor_grpc_request outgoing = {
        .path = methods[method].path,
        .message = cor_buf_as_view(&bytes),
        .timeout_us = methods[method].timeout_us + more_us,
        .header = method >= KILL_TASK ? "containerd-namespace" : NULL,
        .value = "k8s.io", /* where its CRI part has all */
        .done_fn = on_done,
        .self = call,
    };
    if (cor_grpc_call(cri->grpc, &outgoing) == 0) {
        on_done(call, &(struct cor_grpc_reply){
                          .code = COR_BUSY, .status = -1, .text = "too many calls under way"});
    }
}

static void start_empty(struct cri *cri, enum method method, cri_fn fn, void *self)
{
    Runtime__V1__Empty request = RUNTIME__V1__EMPTY__INIT;
    start(cri, method, &request.base, 0, fn, self);
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void start_sandbox(struct cri *cri, enum method method, const char *id, cri_fn fn,
                          void *self)
{
    Runtime__V1__SandboxId request = RUNTIME__V1__SANDBOX_ID__INIT;
    request.pod_sandbox_id = text(id);
    start(cri, method, &request.base, 0, fn, self);
}

static void start_container(struct cri *cri, enum method method, const char *id, cri_fn fn,
                            void *self)
{
    Runtime__V1__ContainerId request = RUNTIME__V1__CONTAINER_ID__INIT;
    request.container_id = text(id);
    start(cri, method, &request.base, 0, fn, self);
}

void cri_version(struct cri *cri, cri_fn fn, void *self)
{
    start_empty(cri, VERSION, fn, self);
}

void cri_status(struct cri *cri, cri_fn fn, void *self)
{
    start_empty(cri, STATUS, fn, self);
}

void cri_config(struct cri *cri, cri_fn fn, void *self)
{
    Runtime__V1__StatusRequest request = RUNTIME__V1__STATUS_REQUEST__INIT;
    request.verbose = true;
    start(cri, CONFIG, &request.base, 0, fn, self);
}

void cri_run_sandbox(struct cri *cri, const struct cri_sandbox_config *config, cri_fn fn,
                     void *self)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    Runtime__V1__RunPodSandboxRequest request = RUNTIME__V1__RUN_POD_SANDBOX_REQUEST__INIT;
    request.config = cri_wire_sandbox(arena, config);
    request.runtime_handler = text(config->handler == NULL ? "" : config->handler);
    start(cri, RUN_SANDBOX, &request.base, 0, fn, self);
}

void cri_stop_sandbox(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    start_sandbox(cri, STOP_SANDBOX, id, fn, self);
}

void cri_remove_sandbox(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    start_sandbox(cri, REMOVE_SANDBOX, id, fn, self);
}

void cri_sandbox_status(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    start_sandbox(cri, SANDBOX_STATUS, id, fn, self);
}

void cri_list_sandboxes(struct cri *cri, cri_fn fn, void *self)
{
    start_empty(cri, LIST_SANDBOXES, fn, self);
}

void cri_create_container(struct cri *cri, const char *sandbox_id,
                          const struct cri_container_config *config,
                          const struct cri_sandbox_config *sandbox, cri_fn fn, void *self)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    Runtime__V1__CreateContainerRequest request = RUNTIME__V1__CREATE_CONTAINER_REQUEST__INIT;
    request.pod_sandbox_id = text(sandbox_id);
    request.config = cri_wire_container(arena, config);
    request.sandbox_config = cri_wire_sandbox(arena, sandbox);
    start(cri, CREATE_CONTAINER, &request.base, 0, fn, self);
}

void cri_start_container(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    start_container(cri, START_CONTAINER, id, fn, self);
}

void cri_stop_container(struct cri *cri, const char *id, int64_t grace_seconds, cri_fn fn,
                        void *self)
{
    Runtime__V1__StopContainerRequest request = RUNTIME__V1__STOP_CONTAINER_REQUEST__INIT;
    request.container_id = text(id);
    request.timeout = grace_seconds;
    start(cri, STOP_CONTAINER, &request.base, grace_seconds * 1000000, fn, self);
}

void cri_remove_container(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    start_container(cri, REMOVE_CONTAINER, id, fn, self);
}

void cri_reopen_log(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    start_container(cri, REOPEN_LOG, id, fn, self);
}

void cri_list_containers(struct cri *cri, cri_fn fn, void *self)
{
    start_empty(cri, LIST_CONTAINERS, fn, self);
}

void cri_container_status(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    start_container(cri, CONTAINER_STATUS, id, fn, self);
}

void cri_image_status(struct cri *cri, const char *image, cri_fn fn, void *self)
{
    Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
    Runtime__V1__ImageStatusRequest request = RUNTIME__V1__IMAGE_STATUS_REQUEST__INIT;
    spec.image = text(image);
    request.image = &spec;
    start(cri, IMAGE_STATUS, &request.base, 0, fn, self);
}

void cri_pull_image(struct cri *cri, const char *image, const struct cri_auth *auth,
                    const struct cri_sandbox_config *sandbox, cri_fn fn, void *self)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
    Runtime__V1__AuthConfig login = RUNTIME__V1__AUTH_CONFIG__INIT;
    Runtime__V1__PullImageRequest request = RUNTIME__V1__PULL_IMAGE_REQUEST__INIT;
    spec.image = text(image);
    request.image = &spec;
    request.sandbox_config = cri_wire_sandbox(arena, sandbox);
    if (auth != NULL) {
        login.username = text(auth->username);
        login.password = text(auth->password);
        login.server_address = text(auth->server);
        request.auth = &login;
    }
    start(cri, PULL_IMAGE, &request.base, 0, fn, self);
}

/* A task whose end is asked for. */
struct ending {
    struct cri *cri;
    char *id;
    cri_fn fn;
    void *self;
};

static void on_task_deleted(void *self, const struct cri_answer *answer)
{
    struct ending *ending = self;
    ending->fn(ending->self, answer);
    cor_free(ending->id);
    cor_free(ending);
}

static void go_on(struct ending *ending, enum method method, cri_fn fn)
{
    Containerd__V1__TaskId request = CONTAINERD__V1__TASK_ID__INIT;
    request.container_id = ending->id;
    start(ending->cri, method, &request.base, 0, fn, ending);
}

static void on_task_over(void *self, const struct cri_answer *answer)
{
    if (answer->code != COR_OK) {
        on_task_deleted(self, answer);
        return;
    }
    go_on(self, DELETE_TASK, on_task_deleted);
}

/* It can be deleted when its process is gone, and that takes a moment. */
static void on_task_killed(void *self, const struct cri_answer *answer)
{
    if (answer->code != COR_OK) {
        on_task_deleted(self, answer);
        return;
    }
    go_on(self, WAIT_TASK, on_task_over);
}

void cri_end_task(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    Containerd__V1__TaskKill request = CONTAINERD__V1__TASK_KILL__INIT;
    struct ending *ending = cor_alloc(sizeof(*ending));
    *ending = (struct ending){.cri = cri, .id = cor_strdup(id), .fn = fn, .self = self};
    request.container_id = ending->id;
    request.signal = SIGKILL;
    request.all = true;
    start(cri, KILL_TASK, &request.base, 0, on_task_killed, ending);
}

void cri_list_images(struct cri *cri, cri_fn fn, void *self)
{
    start_empty(cri, LIST_IMAGES, fn, self);
}

void cri_remove_image(struct cri *cri, const char *id, cri_fn fn, void *self)
{
    Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
    Runtime__V1__ImageStatusRequest request = RUNTIME__V1__IMAGE_STATUS_REQUEST__INIT;
    spec.image = text(id);
    request.image = &spec;
    start(cri, REMOVE_IMAGE, &request.base, 0, fn, self);
}

void cri_list_usages(struct cri *cri, cri_fn fn, void *self)
{
    start_empty(cri, LIST_USAGES, fn, self);
}

void cri_image_fs(struct cri *cri, cri_fn fn, void *self)
{
    start_empty(cri, IMAGE_FS, fn, self);
}

void cri_exec(struct cri *cri, const char *id, const struct cri_streams *streams,
              struct cri_strings command, cri_fn fn, void *self)
{
    Runtime__V1__ExecRequest request = RUNTIME__V1__EXEC_REQUEST__INIT;
    request.container_id = text(id);
    request.cmd = (char **)(uintptr_t)command.item;
    request.n_cmd = command.count;
    request.tty = streams->tty;
    request.stdin = streams->in;
    request.stdout = streams->out;
    request.stderr = streams->err;
    start(cri, EXEC, &request.base, 0, fn, self);
}

void cri_exec_sync(struct cri *cri, const char *id, struct cri_strings command,
                   int64_t timeout_seconds, cri_fn fn, void *self)
{
    enum { DAY_S = 24 * 3600 }; /* a command without a time-out may take long */
    Runtime__V1__ExecSyncRequest request = RUNTIME__V1__EXEC_SYNC_REQUEST__INIT;
    request.container_id = text(id);
    request.cmd = (char **)(uintptr_t)command.item;
    request.n_cmd = command.count;
    request.timeout = timeout_seconds;
    start(cri, EXEC_SYNC, &request.base, COR_SEC(timeout_seconds > 0 ? timeout_seconds : DAY_S), fn,
          self);
}

void cri_attach(struct cri *cri, const char *id, const struct cri_streams *streams, cri_fn fn,
                void *self)
{
    Runtime__V1__AttachRequest request = RUNTIME__V1__ATTACH_REQUEST__INIT;
    request.container_id = text(id);
    request.tty = streams->tty;
    request.stdin = streams->in;
    request.stdout = streams->out;
    request.stderr = streams->err;
    start(cri, ATTACH, &request.base, 0, fn, self);
}

void cri_port_forward(struct cri *cri, const char *sandbox_id, const int32_t *ports, size_t count,
                      cri_fn fn, void *self)
{
    Runtime__V1__PortForwardRequest request = RUNTIME__V1__PORT_FORWARD_REQUEST__INIT;
    request.pod_sandbox_id = text(sandbox_id);
    request.port = (int32_t *)(uintptr_t)ports;
    request.n_port = count;
    start(cri, PORT_FORWARD, &request.base, 0, fn, self);
}

static void on_probe_answer(void *self, const struct cri_answer *answer)
{
    struct cri *cri = self;
    if (answer->code == COR_OK && !cri->up) {
        cri->up = true;
        cri->events->state(cri->self, true);
        cri_stream_open(cri);
    } else if (answer->code != COR_OK && !cri->closing && cor_grpc_is_up(cri->grpc)) {
        cor_timer_start(cri->probe, COR_MS(NOT_YET_MS));
    }
}

static void probe(void *self)
{
    struct cri *cri = self;
    cri_version(cri, on_probe_answer, cri);
}

static void on_state(void *self, bool up)
{
    struct cri *cri = self;
    if (up) {
        probe(cri);
        return;
    }
    cor_timer_stop(cri->probe);
    cor_timer_stop(cri->reopen);
    cri->source = 0; /* another runtime may come up */
    if (cri->up) {
        cri->up = false;
        cri->events->state(cri->self, false);
    }
}

struct cri *cri_new(struct cor_loop *loop, const char *socket_path, const struct cri_events *events,
                    void *self)
{
    struct cri *cri = cor_alloc(sizeof(*cri));
    cri->events = events;
    cri->self = self;
    cor_list_init(&cri->calls);
    cri->probe = cor_timer_new(loop, probe, cri);
    cri->reopen = cor_timer_new(loop, cri_stream_open, cri);
    cri->grpc =
        cor_grpc_new(loop, &(struct cor_grpc_conf){.socket_path = socket_path}, on_state, cri);
    return cri;
}

void cri_free(struct cri **cri)
{
    if (*cri == NULL) {
        return;
    }
    struct cri *c = *cri;
    c->closing = true;
    c->up = false;
    cor_grpc_free(&c->grpc);
    while (!cor_list_empty(&c->calls)) {
        struct call *call = COR_LIST_OBJECT(c->calls.next, struct call, link);
        cor_list_del(&call->link);
        call->fn(call->self, &closed);
        cor_free(call);
    }
    cor_timer_free(&c->probe);
    cor_timer_free(&c->reopen);
    cor_freep(cri);
}

bool cri_is_up(const struct cri *cri)
{
    return cri->up;
}
