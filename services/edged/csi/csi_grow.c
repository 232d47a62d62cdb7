// SPDX-License-Identifier: Apache-2.0
// Volumes of claims that have grown (NodeExpandVolume): looked at when they are mounted, and now
// and then while Pods run. The claim's status says when it is done. Source: k8s.io/kubernetes
// pkg/volume/util/operationexecutor/node_expander.go, pkg/volume/csi/expander.go.
#include <string.h>

#include "common/base/mem.h"
#include "csi_private.h"

enum { OBJECT_MAX = 1024 * 1024 };

/* A volume of a claim that is mounted; one step at a time is under way. */
struct growth {
    struct cor_link link;
    struct csi *csi;
    char *uid;
    char *name;
    char *target;
    char *staging;
    char *key; /* of the claim, while busy */
    struct cor_json *claim;
    struct cor_json *pv;
    struct csi_volume volume;
    int64_t bytes;
    bool busy;
    bool dead; /* the Pod has gone meanwhile */
};

static void growth_free(struct growth *growth)
{
    cor_free(growth->uid);
    cor_free(growth->name);
    cor_free(growth->target);
    cor_free(growth->staging);
    cor_free(growth);
}

/* Nothing is under way any more. */
static void done(struct growth *growth)
{
    growth->busy = false;
    cor_freep(&growth->key);
    cor_json_free(&growth->claim);
    cor_json_free(&growth->pv);
    csi_volume_free(&growth->volume);
    if (growth->dead) {
        growth_free(growth);
    }
}

/* NULL: it has gone, and so has the growth. */
static struct agent_pod *pod_of(const struct growth *growth)
{
    return growth->dead ? NULL : agent_find(growth->csi->agent, growth->uid);
}

static const struct pod_volume *volume_of(const struct growth *growth, const struct agent_pod *pod)
{
    for (size_t i = 0; pod != NULL && i < pod->pod->volume_count; i++) {
        const struct pod_volume *volume = &pod->pod->volumes[i];
        if (strcmp(volume->name, growth->name) == 0 && volume->type == POD_VOLUME_CLAIM) {
            return volume;
        }
    }
    return NULL;
}

static void ask(struct growth *growth, const char *key, meta_fn fn)
{
    if (!meta_call(growth->csi->agent->meta, PX_VERB_GET, key, 0, (struct cor_view){0}, fn,
                   growth)) {
        done(growth);
    }
}

/* ---- it is larger ---- */

static void on_patched(void *self, int status, struct cor_view body)
{
    struct growth *growth = self;
    if (status / 100 != 2) { /* it is told with the next look, for which it has not grown yet */
        LOGW(growth->csi->agent->log, "edged.claim-refused", "claim=%s status=%d answer=%s",
             growth->key, status, cor_log_esc(body));
    }
    done(growth);
}

static void tell(struct growth *growth, struct agent_pod *pod)
{
    auto_(cor_json_free) struct cor_json *patch = csi_grown(growth->claim, growth->pv);
    auto_(cor_freep) char *text = cor_json_text(patch);
    run_note(pod->run, false, "FileSystemResizeSuccessful", RUN_NO_CONTAINER,
             "MountVolume.NodeExpandVolume succeeded for volume \"%s\" %s", growth->volume.pv,
             growth->csi->agent->cfg->node_name);
    agent_touch(pod);
    if (!meta_call(growth->csi->agent->meta, PX_VERB_PATCH, growth->key, PX_PATCH_MERGE,
                   cor_view_of(text), on_patched, growth)) {
        done(growth);
    }
}

static void fail(struct growth *growth, struct agent_pod *pod, const char *why)
{
    if (pod != NULL) {
        run_note(pod->run, true, "VolumeResizeFailed", RUN_NO_CONTAINER,
                 "NodeExpandVolume.NodeExpandVolume failed for volume \"%s\" : %s",
                 growth->volume.pv, why);
        agent_touch(pod);
    }
    done(growth);
}

static void on_expanded(void *self, const struct csi_answer *answer)
{
    struct growth *growth = self;
    struct agent_pod *pod = pod_of(growth);
    if (answer->code != COR_OK || pod == NULL) {
        fail(growth, pod, answer->text);
    } else {
        tell(growth, pod);
    }
}

static void on_secret(void *self, const struct cor_json *secret, const char *error)
{
    struct growth *growth = self;
    struct agent_pod *pod = pod_of(growth);
    struct csi_driver *driver = csi_find(growth->csi, growth->volume.driver);
    Csi__V1__CapacityRange range = CSI__V1__CAPACITY_RANGE__INIT;
    Csi__V1__NodeExpandVolumeRequest request = CSI__V1__NODE_EXPAND_VOLUME_REQUEST__INIT;
    if (pod == NULL || driver == NULL || error != NULL) {
        fail(growth, pod, error != NULL ? error : "the driver is gone");
        return;
    }
    auto_(csi_secrets_free) struct csi_secrets secrets = csi_secrets_of(secret);
    auto_(csi_capability_free) struct csi_capability capability;
    csi_capability_fill(&capability, &growth->volume, &driver->can, pod->pod);
    range.required_bytes = growth->bytes;
    request.volume_id = growth->volume.handle;
    request.volume_path = growth->target;
    request.staging_target_path = growth->staging;
    request.capacity_range = &range;
    request.volume_capability = &capability.all;
    request.secrets = secrets.list;
    request.n_secrets = secrets.count;
    csi_client_ask(driver->node, "/csi.v1.Node/NodeExpandVolume", &request.base,
                   COR_SEC(CSI_TIMEOUT_S), on_expanded, growth);
}

/* ---- has it grown? ---- */

static void on_pv(void *self, int status, struct cor_view body)
{
    struct growth *growth = self;
    const struct agent_pod *pod = pod_of(growth);
    const struct pod_volume *volume = volume_of(growth, pod);
    struct cor_err err = COR_ERR_NONE;
    if (volume == NULL || status != 200 ||
        cor_json_parse(body, OBJECT_MAX, 0, &growth->pv, NULL) != COR_OK ||
        !csi_has_grown(growth->claim, growth->pv, &growth->bytes)) {
        done(growth);
        return;
    }
    struct pod_volume now = *volume;
    now.persistent = growth->pv;
    now.source = cor_json_at(growth->pv, "spec.csi");
    if (csi_volume_of(pod->pod, &now, &growth->volume, &err) != COR_OK || growth->volume.readonly) {
        done(growth);
        return;
    }
    csi_secret_ask(growth->csi, &growth->volume.expand, on_secret, growth);
}

/* While the cluster has not made it larger, the volume is not asked for. */
static void on_claim(void *self, int status, struct cor_view body)
{
    struct growth *growth = self;
    if (status != 200 || cor_json_parse(body, OBJECT_MAX, 0, &growth->claim, NULL) != COR_OK) {
        done(growth);
        return;
    }
    int64_t wanted = 0;
    struct cor_json *asked = cor_json_object();
    cor_json_set_at(asked, "spec.capacity.storage",
                    cor_json_ref(cor_json_at(growth->claim, "spec.resources.requests.storage")));
    bool grows = csi_has_grown(growth->claim, asked, &wanted);
    cor_json_free(&asked);
    if (!grows) {
        done(growth);
        return;
    }
    auto_(cor_freep) char *key = cor_sprintf("null/persistentvolume/%s",
                                             cor_json_str_at(growth->claim, "spec.volumeName", ""));
    ask(growth, key, on_pv);
}

static void look(struct growth *growth)
{
    const struct agent_pod *pod = pod_of(growth);
    const struct pod_volume *volume = volume_of(growth, pod);
    if (growth->busy || volume == NULL || volume->source == NULL || !growth->csi->agent->link) {
        return;
    }
    const struct csi_driver *driver =
        csi_find(growth->csi, cor_json_str_at(volume->source, "driver", ""));
    if (driver == NULL || !driver->can.grows) {
        return;
    }
    growth->busy = true;
    growth->key = cor_sprintf("%s/persistentvolumeclaim/%s", pod->pod->ns, volume->claim);
    ask(growth, growth->key, on_claim);
}

static void on_time(void *self)
{
    struct csi *csi = self;
    COR_LIST_EACH (link, &csi->growths) {
        look(COR_LIST_OBJECT(link, struct growth, link));
    }
}

void csi_grow_start(struct csi *csi)
{
    csi->grow = cor_timer_new(csi->agent->loop, on_time, csi);
}

static struct growth *find(const struct csi *csi, const char *uid, const char *name)
{
    COR_LIST_EACH (link, &csi->growths) {
        struct growth *growth = COR_LIST_OBJECT(link, struct growth, link);
        if (strcmp(growth->uid, uid) == 0 && strcmp(growth->name, name) == 0) {
            return growth;
        }
    }
    return NULL;
}

void csi_grow_begin(struct csi *csi, const char *uid, const char *name, const char *target,
                    const char *staging)
{
    struct growth *growth = find(csi, uid, name);
    if (growth == NULL) {
        growth = cor_alloc(sizeof(*growth));
        *growth = (struct growth){.csi = csi,
                                  .uid = cor_strdup(uid),
                                  .name = cor_strdup(name),
                                  .target = cor_strdup(target),
                                  .staging = cor_strdup(staging)};
        cor_list_add(&csi->growths, &growth->link);
    }
    if (!cor_timer_running(csi->grow)) {
        cor_timer_repeat(csi->grow, COR_SEC(csi->agent->cfg->csi_look_seconds));
    }
    look(growth);
}

void csi_grow_end(struct csi *csi, const char *uid)
{
    COR_LIST_EACH (link, &csi->growths) {
        struct growth *growth = COR_LIST_OBJECT(link, struct growth, link);
        if (uid != NULL && strcmp(growth->uid, uid) != 0) {
            continue;
        }
        cor_list_del(&growth->link);
        growth->dead = true;
        if (!growth->busy) {
            growth_free(growth);
        }
    }
    if (cor_list_empty(&csi->growths)) {
        cor_timer_stop(csi->grow);
    }
}
