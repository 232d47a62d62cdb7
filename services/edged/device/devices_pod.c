// SPDX-License-Identifier: Apache-2.0
// Pods that ask for devices.
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "devices_private.h"
#include "services/edged/admit/admission.h"
#include "services/edged/agent.h"
#include "services/edged/device/deviceplugin.pb-c.h"

/* Bytes of what plug-ins say of one container: what is made of it stays far below the limit of the
 * arena that it is made in. */
enum { RESPONSES_MAX = 256 * 1024 };

bool devices_give(const struct devices *devices, const char *resource)
{
    return devices != NULL && stock_has(devices->stock, resource);
}

/* Until all Pods are known, those that are not may come yet. */
static bool keeps(void *self, const char *uid)
{
    const struct agent *agent = self;
    const struct agent_pod *pod = agent_find(agent, uid);
    if (!agent->desired_known || !agent->listed ||
        cor_map_get(agent->unclaimed, cor_view_of(uid)) != NULL) {
        return true;
    }
    return pod != NULL && ((pod->desired && pod->run->over == NULL) || run_is_active(pod->run));
}

enum cor_code devices_reserve(struct devices *devices, const struct pod *pod, struct cor_err *err)
{
    if (devices == NULL) {
        return COR_OK;
    }
    if (stock_keep(devices->stock, keeps, devices->agent)) {
        devices_save(devices);
    }
    return stock_reserve(devices->stock, pod, err);
}

void devices_release(struct devices *devices, const char *uid)
{
    if (devices != NULL) {
        stock_release(devices->stock, uid);
    }
}

/* ---- allocation ---- */

/* A grant for which its plug-in is asked. */
struct asking {
    struct agent_pod *pod;
    void (*done)(struct agent_pod *pod);
    char *container;
    char *resource;
};

/* It may have been taken back meanwhile. */
static struct stock_grant *grant_of(const struct asking *asking)
{
    const struct stock *stock = asking->pod->agent->devices->stock;
    struct stock_grant *grant = NULL;
    do {
        grant = stock_grant(stock, asking->pod->uid, asking->container, grant);
    } while (grant != NULL && strcmp(grant->resource, asking->resource) != 0);
    return grant;
}

static void asking_end(struct asking *asking, const char *error)
{
    struct agent_pod *pod = asking->pod;
    if (error != NULL && pod->device_error == NULL) {
        pod->device_error = cor_strdup(error);
    }
    pod->device_asks--;
    if (pod->device_asks == 0 && !pod->agent->devices->closing) {
        asking->done(pod);
    }
    agent_release(pod);
    cor_free(asking->container);
    cor_free(asking->resource);
    cor_free(asking);
}

static struct plugin_ids ids_of(const struct stock_grant *grant, size_t count)
{
    return (struct plugin_ids){(const char *const *)grant->ids, count};
}

static void on_allocated(void *self, const struct plugin_answer *answer)
{
    struct asking *asking = self;
    struct devices *devices = asking->pod->agent->devices;
    struct stock_grant *grant = answer->code == COR_OK ? grant_of(asking) : NULL;
    if (answer->code != COR_OK) {
        asking_end(asking, answer->text);
    } else if (grant == NULL) {
        asking_end(asking, "the Pod has no devices any more");
    } else if (answer->response.len > RESPONSES_MAX) {
        asking_end(asking, "the device plugin's answer is too long");
    } else {
        stock_allocated(grant, answer->response);
        devices_save(devices);
        asking_end(asking, NULL);
    }
}

static void allocate(struct asking *asking, struct plugin *plugin)
{
    const struct stock_grant *grant = grant_of(asking);
    if (grant == NULL) {
        asking_end(asking, "the Pod has no devices any more");
    } else {
        plugin_allocate(plugin, ids_of(grant, grant->id_count), on_allocated, asking);
    }
}

static void on_preferred(void *self, const struct plugin_answer *answer)
{
    struct asking *asking = self;
    struct devices *devices = asking->pod->agent->devices;
    struct plugin *plugin = devices_plugin(devices, asking->resource);
    struct stock_grant *grant = grant_of(asking);
    if (answer->code != COR_OK || plugin == NULL || grant == NULL) {
        asking_end(asking, answer->code != COR_OK ? answer->text : "the device plugin is gone");
        return;
    }
    stock_prefer(devices->stock, grant, answer->ids, answer->id_count);
    allocate(asking, plugin);
}

static void ask_one(struct agent_pod *pod, struct stock_grant *grant,
                    void (*done)(struct agent_pod *pod))
{
    struct devices *devices = pod->agent->devices;
    struct plugin *plugin = devices_plugin(devices, grant->resource);
    struct asking *asking = cor_alloc(sizeof(*asking));
    *asking = (struct asking){pod, done, cor_strdup(grant->container), cor_strdup(grant->resource)};
    pod->device_asks++;
    agent_hold(pod);
    if (plugin == NULL) {
        auto_(cor_freep) char *text = cor_sprintf("unknown Device Plugin %s", grant->resource);
        asking_end(asking, text);
    } else if (plugin_options(plugin)->preferred && grant->must < grant->id_count) {
        size_t count = 0;
        auto_(cor_freep) const char **choice = stock_choice(devices->stock, grant, &count);
        plugin_prefer(plugin, (struct plugin_ids){choice, count}, ids_of(grant, grant->must),
                      grant->id_count, on_preferred, asking);
    } else {
        allocate(asking, plugin);
    }
}

void devices_ask(struct agent_pod *pod, void (*done)(struct agent_pod *pod))
{
    struct devices *devices = pod->agent->devices;
    struct cor_err err = COR_ERR_NONE;
    if (devices == NULL || pod->device_asks > 0 || pod->run->over != NULL ||
        pod->run->want != RUN_WANT_RUN) {
        return;
    }
    cor_freep(&pod->device_error);
    if (stock_reserve(devices->stock, pod->pod, &err) != COR_OK) {
        pod->device_error = cor_strdup(err.text);
        return;
    }
    pod->device_asks++; /* answers from within are not the last ones */
    struct stock_grant *grant = NULL;
    while ((grant = stock_grant(devices->stock, pod->uid, NULL, grant)) != NULL) {
        if (!grant->allocated) {
            ask_one(pod, grant, done);
        }
    }
    pod->device_asks--;
}

bool devices_are_asked(const struct agent_pod *pod)
{
    return pod->device_asks > 0;
}

/* One that was taken before, or of which something was started, stays. */
static bool has_begun(const struct agent_pod *pod)
{
    bool begun = !pod->judged || pod->run->sandbox.id != NULL;
    for (size_t i = 0; i < pod->run->count; i++) {
        begun = begun || pod->run->containers[i].id != NULL;
    }
    return begun;
}

enum cor_code devices_check(struct agent_pod *pod, struct cor_err *err)
{
    if (pod->device_error == NULL) {
        return COR_OK;
    }
    if (has_begun(pod)) {
        return cor_err_set(err, COR_RETRY, "%s", pod->device_error);
    }
    auto_(cor_freep) char *text =
        cor_sprintf("Allocate failed due to %s, which is unexpected", pod->device_error);
    devices_release(pod->agent->devices, pod->uid);
    admission_reject(pod, "UnexpectedAdmissionError", text);
    return COR_OK;
}

/* ---- before a container starts ---- */

struct starting {
    struct agent_pod *pod;
    void (*fn)(void *self, const char *text);
    void *self;
    size_t awaited;
    char *error;
};

static void starting_end(struct starting *starting)
{
    starting->awaited--;
    if (starting->awaited > 0) {
        return;
    }
    struct agent_pod *pod = starting->pod;
    starting->fn(starting->self, starting->error);
    agent_release(pod);
    cor_free(starting->error);
    cor_free(starting);
}

static void on_pre_started(void *self, const struct plugin_answer *answer)
{
    struct starting *starting = self;
    if (answer->code != COR_OK && starting->error == NULL) {
        starting->error =
            cor_sprintf("device plugin PreStartContainer rpc failed with err: %s", answer->text);
    }
    starting_end(starting);
}

void devices_pre_start(struct agent_pod *pod, size_t index,
                       void (*fn)(void *self, const char *text), void *self)
{
    const struct devices *devices = pod->agent->devices;
    const char *container = pod_container(pod->pod, index)->name;
    struct starting *starting = cor_alloc(sizeof(*starting));
    *starting = (struct starting){.pod = pod, .fn = fn, .self = self, .awaited = 1};
    agent_hold(pod);
    struct stock_grant *grant = NULL;
    while (devices != NULL &&
           (grant = stock_grant(devices->stock, pod->uid, container, grant)) != NULL) {
        struct plugin *plugin = devices_plugin(devices, grant->resource);
        if (plugin != NULL && plugin_options(plugin)->pre_start) {
            starting->awaited++;
            plugin_pre_start(plugin, ids_of(grant, grant->id_count), on_pre_started, starting);
        }
    }
    starting_end(starting);
}

/* ---- what a container gets ---- */

/* Lists that grow by what each plug-in adds. */
struct gifts {
    struct cor_arena *arena;
    struct crispec_devices *out;
};

static void *room(struct cor_arena *arena, size_t size)
{
    void *p = cor_arena_alloc(arena, size);
    must(p != NULL); /* RESPONSES_MAX */
    return p;
}

static const char *copy(struct cor_arena *arena, const char *text)
{
    const char *made = cor_arena_dup(arena, cor_view_of(text));
    must(made != NULL);
    return made;
}

static void add_pairs(struct gifts *g, struct cri_kvs *to, V1beta1__KeyText **from, size_t count)
{
    struct cri_kv *list = room(g->arena, (to->count + count + 1) * sizeof(*list));
    for (size_t i = 0; i < to->count; i++) {
        list[i] = to->item[i];
    }
    for (size_t i = 0; i < count; i++) {
        list[to->count + i] =
            (struct cri_kv){copy(g->arena, from[i]->key), copy(g->arena, from[i]->value)};
    }
    *to = (struct cri_kvs){list, to->count + count};
}

static void add_mounts(struct gifts *g, const V1beta1__ContainerAllocateResponse *from)
{
    size_t before = g->out->mount_count;
    struct cri_mount *list = room(g->arena, (before + from->n_mounts + 1) * sizeof(*list));
    for (size_t i = 0; i < before; i++) {
        list[i] = g->out->mounts[i];
    }
    for (size_t i = 0; i < from->n_mounts; i++) {
        list[before + i] = (struct cri_mount){copy(g->arena, from->mounts[i]->container_path),
                                              copy(g->arena, from->mounts[i]->host_path),
                                              from->mounts[i]->read_only, 0};
    }
    g->out->mounts = list;
    g->out->mount_count = before + from->n_mounts;
}

static void add_devices(struct gifts *g, const V1beta1__ContainerAllocateResponse *from)
{
    size_t before = g->out->device_count;
    struct cri_device *list = room(g->arena, (before + from->n_devices + 1) * sizeof(*list));
    for (size_t i = 0; i < before; i++) {
        list[i] = g->out->devices[i];
    }
    for (size_t i = 0; i < from->n_devices; i++) {
        list[before + i] = (struct cri_device){copy(g->arena, from->devices[i]->container_path),
                                               copy(g->arena, from->devices[i]->host_path),
                                               copy(g->arena, from->devices[i]->permissions)};
    }
    g->out->devices = list;
    g->out->device_count = before + from->n_devices;
}

static void add_cdi(struct gifts *g, const V1beta1__ContainerAllocateResponse *from)
{
    size_t before = g->out->cdi.count;
    const char **list = room(g->arena, (before + from->n_cdi_devices + 1) * sizeof(*list));
    for (size_t i = 0; i < before; i++) {
        list[i] = g->out->cdi.item[i];
    }
    for (size_t i = 0; i < from->n_cdi_devices; i++) {
        list[before + i] = copy(g->arena, from->cdi_devices[i]->name);
    }
    g->out->cdi = (struct cri_strings){list, before + from->n_cdi_devices};
}

static bool add_grant(struct gifts *g, const struct stock_grant *grant)
{
    V1beta1__ContainerAllocateResponse *from = v1beta1__container_allocate_response__unpack(
        NULL, grant->response_len, (const uint8_t *)grant->response);
    if (from == NULL) {
        return false;
    }
    add_pairs(g, &g->out->env, from->envs, from->n_envs);
    add_pairs(g, &g->out->annotations, from->annotations, from->n_annotations);
    add_mounts(g, from);
    add_devices(g, from);
    add_cdi(g, from);
    v1beta1__container_allocate_response__free_unpacked(from, NULL);
    return true;
}

enum cor_code devices_fill(const struct agent_pod *pod, size_t index, struct cor_arena *arena,
                           struct crispec_devices *out, struct cor_err *err)
{
    const struct devices *devices = pod->agent->devices;
    const char *container = pod_container(pod->pod, index)->name;
    struct gifts gifts = {arena, out};
    const struct stock_grant *grant = NULL;
    size_t bytes = 0;
    *out = (struct crispec_devices){0};
    while (devices != NULL &&
           (grant = stock_grant(devices->stock, pod->uid, container, grant)) != NULL) {
        bytes += grant->response_len;
        if (!grant->allocated || bytes > RESPONSES_MAX || !add_grant(&gifts, grant)) {
            return cor_err_set(err, COR_INVALID,
                               "what the device plugin of %.100s wants for the container is not "
                               "known",
                               grant->resource);
        }
    }
    return COR_OK;
}
