// SPDX-License-Identifier: Apache-2.0
// NodeStageVolume, where the driver wants it, then NodePublishVolume.
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "csi_private.h"
#include "services/edged/csi/csi.pb-c.h"
#include "services/edged/disk/disk.h"
#include "services/edged/volume/external.h"
#include "services/edged/volume/owner.h"
#include "spec.h"

enum { FOLDER = 0750, SINGLE_NODE_SINGLE_WRITER = 6 };

struct job {
    struct csi *csi;
    struct agent_pod *pod; /* held by who asks */
    struct csi_volume volume;
    struct csi_policy policy;
    struct csi_turn turn;
    char *target;
    char *staging; /* "": it is not staged */
    void (*fn)(void *self, const char *error);
    void *self;
};

static void end(struct job *job, const char *error)
{
    auto_(cor_freep) char *text = error == NULL ? NULL : cor_strdup(error);
    job->fn(job->self, text);
    csi_turn_end(&job->turn);
    csi_volume_free(&job->volume);
    cor_free(job->target);
    cor_free(job->staging);
    cor_free(job);
}

static void fail(struct job *job, const char *what, const char *text)
{
    auto_(cor_freep) char *error = cor_sprintf("%s%s", what, text);
    end(job, error);
}

/* The driver, or the end of the job. */
static struct csi_driver *driver_of(struct job *job)
{
    struct csi_driver *driver = job->csi->closing ? NULL : csi_find(job->csi, job->volume.driver);
    if (driver == NULL) {
        auto_(cor_freep) char *text =
            cor_sprintf("kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name "
                        "%s not found in the list of registered CSI drivers",
                        job->volume.driver);
        end(job, text);
    }
    return driver;
}

/* ---- requests ---- */

struct lists {
    Csi__V1__KeyText *pairs;
    Csi__V1__KeyText **context;
    size_t count;
    char **flags;
    size_t flag_count;
};

static void lists_free(struct lists *lists)
{
    cor_free(lists->pairs);
    cor_free(lists->context);
    cor_free(lists->flags);
}

static struct lists lists_of(const struct csi_volume *volume)
{
    struct lists out = {0};
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    size_t most = cor_json_count(volume->context);
    out.pairs = cor_calloc(most + 1, sizeof(*out.pairs));
    out.context = cor_calloc(most + 1, sizeof(*out.context));
    while (cor_json_each(volume->context, &at, &key, &value)) {
        Csi__V1__KeyText *pair = &out.pairs[out.count];
        csi__v1__key_text__init(pair);
        pair->key = (char *)(uintptr_t)key;
        pair->value = (char *)(uintptr_t)cor_json_as_str(value, "");
        out.context[out.count++] = pair;
    }
    out.flags = cor_calloc(cor_json_count(volume->options) + 1, sizeof(*out.flags));
    for (size_t i = 0; i < cor_json_count(volume->options); i++) {
        out.flags[out.flag_count++] =
            (char *)(uintptr_t)cor_json_as_str(cor_json_item(volume->options, i), "");
    }
    return out;
}

struct capability {
    Csi__V1__VolumeCapability all;
    Csi__V1__MountVolume mount;
    Csi__V1__AccessMode mode;
    char group[24];
};

static void fill(const struct job *job, const struct csi_driver *driver, const struct lists *lists,
                 struct capability *out)
{
    const struct pod *pod = job->pod->pod;
    csi__v1__volume_capability__init(&out->all);
    csi__v1__mount_volume__init(&out->mount);
    csi__v1__access_mode__init(&out->mode);
    out->all.mount = &out->mount;
    out->all.access_mode = &out->mode;
    out->mount.fs_type = job->volume.fs_type;
    out->mount.mount_flags = lists->flags;
    out->mount.n_mount_flags = lists->flag_count;
    out->mode.mode =
        driver->one_writer && job->volume.one_pod ? SINGLE_NODE_SINGLE_WRITER : job->volume.mode;
    out->group[0] = '\0';
    if (driver->sets_group && pod->fs_group.given) {
        (void)snprintf(out->group, sizeof(out->group), "%lld", (long long)pod->fs_group.n);
        out->mount.volume_mount_group = out->group;
    }
}

/* ---- publish ---- */

static void on_given(void *self, int error)
{
    struct job *job = self;
    if (error == 0) {
        end(job, NULL);
        return;
    }
    auto_(cor_freep) char *what =
        cor_sprintf("applyFSGroup failed for vol %s: ", job->volume.handle);
    fail(job, what, strerror(error));
}

/* To the pod's group, unless the driver does it, or the pod has it already. */
static bool is_to_be_given(const struct job *job)
{
    const struct csi_driver *driver = csi_find(job->csi, job->volume.driver);
    return driver != NULL && !driver->sets_group && !externals_are_used(job->pod) &&
           csi_wants_group(&job->volume, &job->policy, job->pod->pod);
}

static void on_published(void *self, const struct csi_answer *answer)
{
    struct job *job = self;
    const struct pod *pod = job->pod->pod;
    if (answer->code != COR_OK) {
        fail(job, "", answer->text);
    } else if (is_to_be_given(job)) {
        owner_give(job->csi->agent->loop, job->target, (gid_t)pod->fs_group.n,
                   pod->group_on_mismatch, on_given, job);
    } else {
        end(job, NULL);
    }
}

/* What is to be undone is known before it is done. */
static enum cor_code note(const struct job *job, const char *folder, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *data =
        csi_vol_data(&job->volume, job->csi->agent->cfg->node_name);
    auto_(cor_freep) char *text = cor_json_text(data);
    auto_(cor_freep) char *path = cor_sprintf("%s/vol_data.json", folder);
    enum cor_code code = cor_mkdirs(folder, FOLDER, err);
    return code == COR_OK ? cor_file_write(path, cor_view_of(text), 0644, err) : code;
}

static void publish(struct job *job)
{
    struct csi_driver *driver = driver_of(job);
    struct cor_err err = COR_ERR_NONE;
    if (driver == NULL) {
        return;
    }
    auto_(cor_freep) char *folder =
        cor_memdup(job->target, (size_t)(strrchr(job->target, '/') - job->target));
    if (note(job, folder, &err) != COR_OK) {
        end(job, err.text);
        return;
    }
    auto_(lists_free) struct lists lists = lists_of(&job->volume);
    struct capability capability;
    Csi__V1__NodePublishVolumeRequest request = CSI__V1__NODE_PUBLISH_VOLUME_REQUEST__INIT;
    fill(job, driver, &lists, &capability);
    request.volume_id = job->volume.handle;
    request.staging_target_path = job->staging;
    request.target_path = job->target;
    request.volume_capability = &capability.all;
    request.readonly = job->volume.readonly;
    request.volume_context = lists.context;
    request.n_volume_context = lists.count;
    csi_client_ask(driver->node, "/csi.v1.Node/NodePublishVolume", &request.base,
                   COR_SEC(CSI_TIMEOUT_S), on_published, job);
}

/* ---- stage ---- */

static void on_staged(void *self, const struct csi_answer *answer)
{
    struct job *job = self;
    if (answer->code != COR_OK) {
        fail(job, "MountVolume.MountDevice failed: ", answer->text);
    } else {
        publish(job);
    }
}

static void stage(struct job *job, struct csi_driver *driver)
{
    auto_(lists_free) struct lists lists = lists_of(&job->volume);
    struct capability capability;
    Csi__V1__NodeStageVolumeRequest request = CSI__V1__NODE_STAGE_VOLUME_REQUEST__INIT;
    fill(job, driver, &lists, &capability);
    request.volume_id = job->volume.handle;
    request.staging_target_path = job->staging;
    request.volume_capability = &capability.all;
    request.volume_context = lists.context;
    request.n_volume_context = lists.count;
    csi_client_ask(driver->node, "/csi.v1.Node/NodeStageVolume", &request.base,
                   COR_SEC(CSI_TIMEOUT_S), on_staged, job);
}

/* Its turn has come. */
static void go(void *self)
{
    struct job *job = self;
    struct csi_driver *driver = driver_of(job);
    struct cor_err err = COR_ERR_NONE;
    if (driver == NULL) {
        return;
    }
    if (!driver->stages || job->volume.pv[0] == '\0') {
        publish(job);
        return;
    }
    auto_(cor_freep) char *folder = cor_sprintf("%s/plugins/kubernetes.io/csi/pv/%s",
                                                job->csi->agent->cfg->root_dir, job->volume.pv);
    cor_free(job->staging);
    job->staging = cor_sprintf("%s/globalmount", folder);
    if (note(job, folder, &err) != COR_OK || cor_mkdirs(job->staging, FOLDER, &err) != COR_OK) {
        end(job, err.text);
        return;
    }
    stage(job, driver);
}

static void on_policy(void *self, int status, struct cor_view body)
{
    struct job *job = self;
    struct cor_err err = COR_ERR_NONE;
    if (csi_policy_of(&job->volume, status, body, &job->policy, &err) != COR_OK) {
        end(job, err.text);
        return;
    }
    if (job->policy.pod_info) {
        csi_add_pod_info(&job->volume, job->pod->pod);
    }
    const char *key = job->volume.pv[0] != '\0' ? job->volume.pv : job->volume.handle;
    csi_turn_begin(job->csi, &job->turn, key, go, job);
}

void csi_mount(struct agent_pod *pod, const struct pod_volume *volume,
               void (*fn)(void *self, const char *error), void *self)
{
    struct csi *csi = pod->agent->csi;
    struct cor_err err = COR_ERR_NONE;
    if (csi == NULL) {
        fn(self, "CSI volumes are not supported by this node: csi.enabled is false");
        return;
    }
    struct job *job = cor_alloc(sizeof(*job));
    job->csi = csi;
    job->pod = pod;
    job->fn = fn;
    job->self = self;
    job->staging = cor_strdup("");
    job->target = disk_volume_path(pod->agent->cfg->root_dir, pod->pod, volume);
    if (csi_volume_of(pod->pod, volume, &job->volume, &err) != COR_OK) {
        end(job, err.text);
        return;
    }
    if (driver_of(job) == NULL) {
        return;
    }
    auto_(cor_freep) char *key = cor_sprintf("null/csidriver/%s", job->volume.driver);
    if (!meta_call(pod->agent->meta, PX_VERB_GET, key, 0, (struct cor_view){0}, on_policy, job)) {
        on_policy(job, 0, COR_VIEW("metamanager does not answer"));
    }
}
