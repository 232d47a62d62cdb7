// SPDX-License-Identifier: Apache-2.0
// CreateContainer: environment, mounts and the checks that kubelet makes before it.
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "common/base/mem.h"
#include "services/edged/device/devices.h"
#include "services/edged/disk/disk.h"
#include "services/edged/pod/env.h"
#include "services/edged/volume/block.h"

enum { ARENA_MAX = 32 * 1024 * 1024 };

/* A creation under way. */
struct making {
    struct agent_pod *pod;
    size_t index;
    uint32_t attempt;
};

/* Mounts of one container; host paths are owned. */
struct mounts {
    struct crispec_mount *list;
    size_t count;
};

static void mounts_free(struct mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++) {
        cor_free(mounts->list[i].host_path);
    }
    cor_free(mounts->list);
}

static void making_end(struct making *making, const char *id, bool config, const char *text)
{
    struct agent_pod *pod = making->pod;
    run_create_done(pod->run, making->index, id, config, text, cor_loop_now(pod->agent->loop));
    agent_release(pod);
    cor_free(making);
}

static void on_created(void *self, const struct cri_answer *answer)
{
    struct making *making = self;
    if (answer->code == COR_GONE || answer->code == COR_CLOSED) {
        agent_release(making->pod);
        cor_free(making);
        return;
    }
    if (answer->code == COR_TIMEOUT) {
        relist_start(making->pod->agent);
    }
    making_end(making, answer->id, false, answer->code == COR_OK ? NULL : answer->text);
}

/* Takes path. */
static void add(struct mounts *mounts, const char *inside, char *path, bool readonly,
                int propagation)
{
    mounts->list[mounts->count++] = (struct crispec_mount){inside, path, readonly, propagation};
}

static enum cor_code add_volume(const struct making *making, size_t which, const struct env *env,
                                struct mounts *mounts, struct cor_err *err)
{
    const struct agent_pod *pod = making->pod;
    const struct pod_container *spec = pod_container(pod->pod, making->index);
    const struct pod_mount *mount = &spec->mounts[which];
    const struct pod_volume *volume = pod_find_volume(pod->pod, mount->volume);
    const char *root = pod->agent->cfg->root_dir;
    if (volume == NULL) {
        return cor_err_set(err, COR_INVALID, "volumeMount \"%s\": the pod has no such volume",
                           mount->volume);
    }
    if (mount->recursive) {
        return cor_err_set(err, COR_UNSUPPORTED,
                           "volume \"%s\" requested recursive read-only mode, but it is not "
                           "supported by the runtime",
                           mount->volume);
    }
    char *path = NULL;
    if (mount->sub_path[0] != '\0') {
        auto_(cor_freep) char *sub =
            mount->sub_path_expr ? env_expand(env, mount->sub_path) : cor_strdup(mount->sub_path);
        enum cor_code code = disk_sub_path(root, pod->pod, volume, spec, which, sub, &path, err);
        if (code != COR_OK) {
            return code;
        }
    } else {
        path = disk_volume_path(root, pod->pod, volume);
    }
    bool content = volume->source_count > 0; /* kubelet mounts these read-only too */
    add(mounts, mount->path, path, mount->readonly || content || volume->readonly,
        mount->propagation);
    return COR_OK;
}

static bool mounts_path(const struct pod_container *spec, const char *path)
{
    for (size_t i = 0; i < spec->mount_count; i++) {
        if (strcmp(spec->mounts[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* kubelet manages the hosts file of pods that do not have the node's network, or have aliases. */
static enum cor_code add_hosts(const struct making *making, const struct facts *facts,
                               struct mounts *mounts, struct cor_err *err)
{
    const struct agent_pod *pod = making->pod;
    const struct pod_container *spec = pod_container(pod->pod, making->index);
    bool managed = !pod->pod->host_network || pod->pod->alias_count > 0;
    if (!managed || mounts_path(spec, "/etc/hosts")) {
        return COR_OK;
    }
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    auto_(cor_buf_free) struct cor_buf text = {0};
    char *path = NULL;
    crispec_hosts(arena, pod->pod, facts->pod_ips, facts->pod_ip_count,
                  pod->agent->cfg->cluster_domain, &text);
    enum cor_code code =
        disk_write_hosts(pod->agent->cfg->root_dir, pod->pod, cor_buf_as_view(&text), &path, err);
    if (code == COR_OK) {
        add(mounts, "/etc/hosts", path, false, 0);
    }
    return code;
}

static enum cor_code add_message(const struct making *making, struct mounts *mounts,
                                 struct cor_err *err)
{
    const struct agent_pod *pod = making->pod;
    const struct pod_container *spec = pod_container(pod->pod, making->index);
    char *path = NULL;
    if (spec->message_path[0] != '/') {
        return COR_OK;
    }
    enum cor_code code = disk_make_message(pod->agent->cfg->root_dir, pod->pod, spec->name,
                                           making->attempt, &path, err);
    if (code == COR_OK) {
        add(mounts, spec->message_path, path, false, 0);
    }
    return code;
}

static enum cor_code add_mounts(const struct making *making, const struct facts *facts,
                                const struct env *env, struct mounts *mounts, struct cor_err *err)
{
    const struct pod_container *spec = pod_container(making->pod->pod, making->index);
    enum { OWN_MOUNTS = 2 };
    mounts->list = cor_calloc(spec->mount_count + OWN_MOUNTS, sizeof(*mounts->list));
    enum cor_code code = COR_OK;
    for (size_t i = 0; code == COR_OK && i < spec->mount_count; i++) {
        code = add_volume(making, i, env, mounts, err);
    }
    if (code == COR_OK) {
        code = add_hosts(making, facts, mounts, err);
    }
    return code == COR_OK ? add_message(making, mounts, err) : code;
}

/* What an ephemeral container needs: a folder for its log, for it was not there when the pod was
 * made, and the container that it looks at. */
static enum cor_code find_target(const struct making *making, const char **id_r,
                                 struct cor_err *err)
{
    const struct agent_pod *pod = making->pod;
    const char *name = pod_container(pod->pod, making->index)->target;
    if (!pod_is_ephemeral(pod->pod, making->index)) {
        return COR_OK;
    }
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    const char *logs = crispec_log_dir(arena, &pod->agent->node, pod->pod);
    enum cor_code code = disk_make_pod(pod->agent->cfg->root_dir, logs, pod->pod, err);
    size_t index = pod_find_container(pod->pod, name);
    if (code != COR_OK || name[0] == '\0') {
        return code;
    }
    if (index >= pod->run->count || pod->run->containers[index].state != RUN_RUNNING) {
        return cor_err_set(err, COR_NOTFOUND, "unable to find target container %s", name);
    }
    *id_r = pod->run->containers[index].id;
    return COR_OK;
}

static void create_now(struct making *making)
{
    struct agent_pod *pod = making->pod;
    const struct pod_container *spec = pod_container(pod->pod, making->index);
    struct cor_err err = COR_ERR_NONE;
    struct facts facts;
    struct inputs inputs = prepare_inputs(pod, &facts);
    auto_(env_free) struct env env = {0};
    auto_(mounts_free) struct mounts mounts = {0};
    enum cor_code code = env_build(pod->pod, spec, &inputs, &env, &err);
    if (code == COR_OK) {
        code = env_check_arguments(&env, spec, &err);
    }
    const char *target = NULL;
    if (code == COR_OK) {
        code = find_target(making, &target, &err);
    }
    if (code == COR_OK) {
        code = add_mounts(making, &facts, &env, &mounts, &err);
    }
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    struct crispec_devices devices;
    if (code == COR_OK) {
        code = devices_fill(pod, making->index, arena, &devices, &err);
    }
    if (code == COR_OK) {
        block_fill(pod->pod, spec, arena, &devices);
    }
    if (code != COR_OK) {
        making_end(making, NULL, true, err.text);
        return;
    }
    struct cri_container_config config;
    struct cri_sandbox_config sandbox;
    const struct crispec_node *node = &pod->agent->node;
    const struct crispec_attempt attempt = {making->index, making->attempt, &env,    mounts.list,
                                            mounts.count,  target,          &devices};
    crispec_container(arena, node, pod->pod, &attempt, &config);
    crispec_sandbox(arena, node, pod->pod, 0, &sandbox);
    cri_create_container(pod->agent->cri, pod->run->sandbox.id, &config, &sandbox, on_created,
                         making);
}

static void on_devices(void *self, const char *text)
{
    if (text != NULL) {
        making_end(self, NULL, true, text);
    } else {
        create_now(self);
    }
}

/* The container may be made: its devices are told. */
static void go_on(struct making *making)
{
    devices_pre_start(making->pod, making->index, on_devices, making);
}

/* kubelet's verifyRunAsNonRoot (kuberuntime/security_context.go). */
static void on_image(void *self, const struct cri_answer *answer)
{
    struct making *making = self;
    const struct cri_image *image = answer->image_count > 0 ? answer->images : NULL;
    const char *name = pod_container(making->pod->pod, making->index)->name;
    char text[256] = "";
    if (image != NULL && !image->has_uid && image->user[0] != '\0') {
        (void)snprintf(text, sizeof(text),
                       "container has runAsNonRoot and image has non-numeric user (%.60s), cannot "
                       "verify user is non-root (container: %s)",
                       image->user, name);
    } else if (image == NULL || !image->has_uid || image->uid == 0) {
        (void)snprintf(text, sizeof(text),
                       "container has runAsNonRoot and image will run as root (container: %s)",
                       name);
    }
    if (text[0] != '\0') {
        making_end(making, NULL, true, text);
    } else {
        go_on(making);
    }
}

void create(struct agent_pod *pod, const struct run_action *action)
{
    const struct pod_container *spec = pod_container(pod->pod, action->container);
    struct making *making = cor_alloc(sizeof(*making));
    *making = (struct making){pod, action->container, action->attempt};
    agent_hold(pod);
    if (spec->security.non_root && spec->security.user.given && spec->security.user.n == 0) {
        making_end(making, NULL, true,
                   "container's runAsUser breaks non-root policy (runAsNonRoot is set)");
    } else if (spec->security.non_root && !spec->security.user.given) {
        cri_image_status(pod->agent->cri, spec->image, on_image, making);
    } else {
        go_on(making);
    }
}
