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

enum { FOLDER = 0750 };

struct job {
    struct csi *csi;
    struct agent_pod *pod; /* held by who asks */
    struct csi_volume volume;
    struct csi_policy policy;
    struct csi_attach attach;
    struct csi_turn turn;
    char *name; /* in the Pod */
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
    cor_free(job->name);
    cor_free(job->target);
    cor_free(job->staging);
    cor_free(job);
}

static void fail(struct job *job, const char *what, const char *text)
{
    auto_(cor_freep) char *error = cor_sprintf("%s%s", what, text);
    end(job, error);
}

static void fail_secret(struct job *job, const char *member, const struct csi_secret_ref *ref,
                        const char *why)
{
    auto_(cor_freep) char *error =
        cor_sprintf("fetching %s %s/%s failed: %s", member, ref->ns, ref->name, why);
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
    return driver != NULL && !driver->can.sets_group && !externals_are_used(job->pod) &&
           csi_wants_group(&job->volume, &job->policy, job->pod->pod);
}

static void on_published(void *self, const struct csi_answer *answer)
{
    struct job *job = self;
    const struct pod *pod = job->pod->pod;
    if (answer->code != COR_OK) {
        fail(job, "", answer->text);
        return;
    }
    csi_stats_begin(job->csi, job->pod->uid, job->name, &job->volume, job->target, job->staging);
    if (job->volume.pv[0] != '\0') {
        csi_grow_begin(job->csi, job->pod->uid, job->name, job->target, job->staging);
    }
    if (is_to_be_given(job)) {
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

static void ask_publish(struct job *job, struct csi_driver *driver, const struct cor_json *secret)
{
    Csi__V1__NodePublishVolumeRequest request = CSI__V1__NODE_PUBLISH_VOLUME_REQUEST__INIT;
    auto_(csi_texts_free) struct csi_texts context = csi_texts_of(job->volume.context);
    auto_(csi_texts_free) struct csi_texts attached = csi_texts_of(job->volume.attached);
    auto_(csi_secrets_free) struct csi_secrets secrets = csi_secrets_of(secret);
    auto_(csi_capability_free) struct csi_capability capability;
    csi_capability_fill(&capability, &job->volume, &driver->can, job->pod->pod);
    request.volume_id = job->volume.handle;
    request.publish_context = attached.list;
    request.n_publish_context = attached.count;
    request.staging_target_path = job->staging;
    request.target_path = job->target;
    request.volume_capability = &capability.all;
    request.readonly = job->volume.readonly;
    request.secrets = secrets.list;
    request.n_secrets = secrets.count;
    request.volume_context = context.list;
    request.n_volume_context = context.count;
    csi_client_ask(driver->node, "/csi.v1.Node/NodePublishVolume", &request.base,
                   COR_SEC(CSI_TIMEOUT_S), on_published, job);
}

static void on_publish_secret(void *self, const struct cor_json *secret, const char *error)
{
    struct job *job = self;
    struct csi_driver *driver = NULL;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *folder =
        cor_memdup(job->target, (size_t)(strrchr(job->target, '/') - job->target));
    if (error != NULL) {
        fail_secret(job, "NodePublishSecretRef", &job->volume.publish, error);
    } else if ((driver = driver_of(job)) == NULL) {
        return;
    } else if (note(job, folder, &err) != COR_OK) {
        end(job, err.text);
    } else {
        ask_publish(job, driver, secret);
    }
}

static void publish(struct job *job)
{
    csi_secret_ask(job->csi, &job->volume.publish, on_publish_secret, job);
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

static void ask_stage(struct job *job, struct csi_driver *driver, const struct cor_json *secret)
{
    Csi__V1__NodeStageVolumeRequest request = CSI__V1__NODE_STAGE_VOLUME_REQUEST__INIT;
    auto_(csi_texts_free) struct csi_texts context = csi_texts_of(job->volume.context);
    auto_(csi_texts_free) struct csi_texts attached = csi_texts_of(job->volume.attached);
    auto_(csi_secrets_free) struct csi_secrets secrets = csi_secrets_of(secret);
    auto_(csi_capability_free) struct csi_capability capability;
    csi_capability_fill(&capability, &job->volume, &driver->can, job->pod->pod);
    request.volume_id = job->volume.handle;
    request.publish_context = attached.list;
    request.n_publish_context = attached.count;
    request.staging_target_path = job->staging;
    request.volume_capability = &capability.all;
    request.secrets = secrets.list;
    request.n_secrets = secrets.count;
    request.volume_context = context.list;
    request.n_volume_context = context.count;
    csi_client_ask(driver->node, "/csi.v1.Node/NodeStageVolume", &request.base,
                   COR_SEC(CSI_TIMEOUT_S), on_staged, job);
}

static enum cor_code make_staging(struct job *job, struct cor_err *err)
{
    auto_(cor_freep) char *folder = cor_sprintf("%s/plugins/kubernetes.io/csi/pv/%s",
                                                job->csi->agent->cfg->root_dir, job->volume.pv);
    cor_free(job->staging);
    job->staging = cor_sprintf("%s/globalmount", folder);
    enum cor_code code = note(job, folder, err);
    return code == COR_OK ? cor_mkdirs(job->staging, FOLDER, err) : code;
}

static void on_stage_secret(void *self, const struct cor_json *secret, const char *error)
{
    struct job *job = self;
    struct csi_driver *driver = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (error != NULL) {
        fail_secret(job, "NodeStageSecretRef", &job->volume.stage, error);
    } else if ((driver = driver_of(job)) == NULL) {
        return;
    } else if (make_staging(job, &err) != COR_OK) {
        end(job, err.text);
    } else {
        ask_stage(job, driver, secret);
    }
}

/* Its turn has come. */
static void go(void *self)
{
    struct job *job = self;
    struct csi_driver *driver = driver_of(job);
    if (driver == NULL) {
        return;
    }
    if (!driver->can.stages || job->volume.pv[0] == '\0') {
        publish(job);
    } else {
        csi_secret_ask(job->csi, &job->volume.stage, on_stage_secret, job);
    }
}

static void begin(void *self, const char *error)
{
    struct job *job = self;
    if (error != NULL) {
        end(job, error);
        return;
    }
    const char *key = job->volume.pv[0] != '\0' ? job->volume.pv : job->volume.handle;
    csi_turn_begin(job->csi, &job->turn, key, go, job);
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
    if (job->policy.attach) {
        csi_attach(job->csi, &job->attach, job->pod->uid, &job->volume, begin, job);
    } else {
        begin(job, NULL);
    }
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
    job->name = cor_strdup(volume->name);
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
