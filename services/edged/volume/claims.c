// SPDX-License-Identifier: Apache-2.0
#include "claims.h"

#include <string.h>

#include "claim.h"
#include "common/base/mem.h"
#include "services/edged/agent.h"
#include "services/edged/csi/csi.h"

enum { OBJECT_MAX = 1024 * 1024 };

static struct claim *find(const struct claims *claims, const char *name)
{
    for (size_t i = 0; i < claims->count; i++) {
        if (strcmp(claims->list[i].name, name) == 0) {
            return &claims->list[i];
        }
    }
    return NULL;
}

void claims_collect(struct claims *claims, const struct pod *pod)
{
    for (size_t i = 0; i < pod->volume_count; i++) {
        const struct pod_volume *volume = &pod->volumes[i];
        if (volume->type == POD_VOLUME_CLAIM && find(claims, volume->claim) == NULL) {
            claims->list = cor_realloc(claims->list, claims->count + 1, sizeof(*claims->list));
            claims->list[claims->count++] = (struct claim){.name = cor_strdup(volume->claim)};
        }
    }
}

bool claims_are_asked(const struct claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        if (claims->list[i].state == REF_ASKED) {
            return true;
        }
    }
    return false;
}

static void forget(struct claim *claim)
{
    cor_json_free(&claim->claim);
    cor_json_free(&claim->volume);
    cor_freep(&claim->error);
    claim->state = REF_UNKNOWN;
}

void claims_ask_again(struct claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        if (claims->list[i].state == REF_FAILED) {
            forget(&claims->list[i]);
        }
    }
}

void claims_free(struct claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        forget(&claims->list[i]);
        cor_free(claims->list[i].name);
    }
    cor_free(claims->list);
    *claims = (struct claims){0};
}

/* ---- questions ---- */

struct question {
    struct agent_pod *pod;
    void (*done)(struct agent_pod *pod);
    char *name; /* of the claim */
};

static void question_free(struct question *question)
{
    agent_release(question->pod);
    cor_free(question->name);
    cor_free(question);
}

static void fail(struct claim *claim, const char *what, int status, struct cor_view body)
{
    auto_(cor_json_free) struct cor_json *json = NULL;
    auto_(cor_freep) char *text = cor_view_dup(body);
    if (status != 0 && cor_json_parse(body, OBJECT_MAX, 0, &json, NULL) == COR_OK) {
        cor_free(text);
        text = cor_strdup(cor_json_str_at(json, "message", ""));
    }
    if (text[0] == '\0') {
        cor_free(text);
        text = status == 404 ? cor_strdup("not found") : cor_sprintf("HTTP status %d", status);
    }
    claim->state = REF_FAILED;
    cor_free(claim->error);
    claim->error = cor_sprintf("failed to fetch %s from API server: %s", what, text);
}

/* False: the claim has failed. */
static bool send(struct question *question, const char *key, meta_fn fn)
{
    struct agent_pod *pod = question->pod;
    if (!meta_call(pod->agent->meta, PX_VERB_GET, key, 0, (struct cor_view){0}, fn, question)) {
        fail(find(&pod->claims, question->name), "PVC", 0, COR_VIEW("metamanager does not answer"));
        return false;
    }
    return true;
}

static void finish(struct question *question)
{
    if (!claims_are_asked(&question->pod->claims)) {
        question->done(question->pod);
    }
    question_free(question);
}

static void on_volume(void *self, int status, struct cor_view body)
{
    struct question *question = self;
    struct claim *claim = find(&question->pod->claims, question->name);
    if (status == 200 && cor_json_parse(body, OBJECT_MAX, 0, &claim->volume, NULL) == COR_OK) {
        claim->state = REF_HERE;
    } else {
        auto_(cor_freep) char *what =
            cor_sprintf("PV %s", cor_json_str_at(claim->claim, "spec.volumeName", ""));
        fail(claim, what, status, body);
    }
    finish(question);
}

static void on_claim(void *self, int status, struct cor_view body)
{
    struct question *question = self;
    struct claim *claim = find(&question->pod->claims, question->name);
    struct cor_err err = COR_ERR_NONE;
    const char *volume = "";
    if (status != 200 || cor_json_parse(body, OBJECT_MAX, 0, &claim->claim, NULL) != COR_OK) {
        fail(claim, "PVC", status, body);
        finish(question);
        return;
    }
    if (claim_bound_to(claim->claim, &volume, &err) != COR_OK) {
        claim->state = REF_FAILED;
        claim->error = cor_strdup(err.text);
        finish(question);
        return;
    }
    auto_(cor_freep) char *key = cor_sprintf("null/persistentvolume/%s", volume);
    if (!send(question, key, on_volume)) {
        finish(question);
    }
}

void claims_ask(struct agent_pod *pod, void (*done)(struct agent_pod *pod))
{
    for (size_t i = 0; i < pod->claims.count; i++) {
        struct claim *claim = &pod->claims.list[i];
        if (claim->state != REF_UNKNOWN) {
            continue;
        }
        struct question *question = cor_alloc(sizeof(*question));
        *question = (struct question){pod, done, cor_strdup(claim->name)};
        auto_(cor_freep) char *key =
            cor_sprintf("%s/persistentvolumeclaim/%s", pod->pod->ns, claim->name);
        claim->state = REF_ASKED;
        agent_hold(pod);
        if (!send(question, key, on_claim)) {
            question_free(question);
        }
    }
}

/* ---- where they are ---- */

/* Those of the Node as the API has it, as far as known; those that this node gives it itself are
 * there before and without the cloud. */
static struct cor_json *node_labels(const struct agent *agent)
{
    const struct cor_json *node = registrar_object(agent->registrar);
    struct cor_json *out = cor_json_object();
    void *at = NULL;
    const char *label = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(cor_json_at(node, "metadata.labels"), &at, &label, &value)) {
        cor_json_set(out, label, cor_json_ref(value));
    }
    csi_add_topology(agent->csi, out);
    cor_json_set(out, "kubernetes.io/hostname", cor_json_str(agent->cfg->node_name));
    cor_json_set(out, "kubernetes.io/os", cor_json_str("linux"));
    for (size_t i = 0; i < agent->cfg->node_labels.count; i++) {
        struct cor_view rest = cor_view_of(agent->cfg->node_labels.items[i]);
        struct cor_view key = {0};
        (void)cor_view_split(&rest, '=', &key);
        auto_(cor_freep) char *name = cor_view_dup(key);
        cor_json_set(out, name, cor_json_view(rest));
    }
    return out;
}

/* What cannot be used as it is now is asked for again. */
static enum cor_code apply(struct agent_pod *pod, struct pod_volume *volume,
                           const struct cor_json *labels, struct cor_err *err)
{
    struct claim *claim = find(&pod->claims, volume->claim);
    struct claim_place place = {.path = "", .type = ""};
    enum cor_code code = COR_RETRY;
    if (claim->state != REF_HERE) {
        (void)cor_err_set(err, code, "%s", claim->error == NULL ? "" : claim->error);
    } else {
        code = claim_place(claim->claim, claim->volume, labels, &place, err);
        if (code == COR_OK) {
            code = claim_mode(pod->pod, volume->name, place.block, err);
        }
        claim->state = code == COR_OK ? REF_HERE : REF_FAILED;
    }
    if (code != COR_OK && claim->error == NULL) {
        claim->error = cor_strdup(err->text);
    }
    volume->path = code == COR_OK ? place.path : "";
    volume->path_type = code == COR_OK ? place.type : "";
    volume->external = code == COR_OK ? place.external : POD_EXTERNAL_NONE;
    volume->source = code == COR_OK ? place.source : NULL;
    volume->persistent = code == COR_OK ? claim->volume : NULL;
    volume->block = code == COR_OK && place.block;
    return code == COR_OK
               ? code
               : cor_err_wrap(err, "error processing PVC %s/%s", pod->pod->ns, volume->claim);
}

enum cor_code claims_apply(struct agent_pod *pod, struct cor_err *err)
{
    enum cor_code code = COR_OK;
    auto_(cor_json_free) struct cor_json *labels = node_labels(pod->agent);
    for (size_t i = 0; i < pod->pod->volume_count; i++) {
        struct pod_volume *volume = &pod->pod->volumes[i];
        struct cor_err why = COR_ERR_NONE;
        if (volume->type != POD_VOLUME_CLAIM || apply(pod, volume, labels, &why) == COR_OK) {
            continue;
        }
        if (code == COR_OK) {
            code = cor_err_set(err, why.code,
                               "Unable to attach or mount volumes: unmounted volumes=[%s], "
                               "unattached volumes=[], failed to process volumes=[%s]: %s",
                               volume->name, volume->name, why.text);
        }
    }
    return code;
}

/* ---- volumes of one pod only ---- */

static bool is_for_one_pod(const struct cor_json *volume)
{
    const struct cor_json *modes = cor_json_at(volume, "spec.accessModes");
    for (size_t i = 0; i < cor_json_count(modes); i++) {
        if (strcmp(cor_json_as_str(cor_json_item(modes, i), ""), "ReadWriteOncePod") == 0) {
            return true;
        }
    }
    return false;
}

static bool has_claim(const struct agent_pod *pod, const char *ns, const char *claim)
{
    bool has = false;
    for (size_t i = 0; i < pod->pod->volume_count; i++) {
        const struct pod_volume *volume = &pod->pod->volumes[i];
        has = has || (volume->type == POD_VOLUME_CLAIM && strcmp(volume->claim, claim) == 0);
    }
    return has && strcmp(pod->pod->ns, ns) == 0;
}

/* One that mounts its volumes, or has, or had before edged was started. */
static bool is_elsewhere(const struct agent_pod *pod, const char *claim)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(pod->agent->pods, &at, NULL, &value)) {
        const struct agent_pod *other = value;
        if (other != pod && other->run->over == NULL && has_claim(other, pod->pod->ns, claim) &&
            (other->externals.list != NULL || externals_are_used(other))) {
            return true;
        }
    }
    return false;
}

/* Until all Pods are known one of those that are not may have it. */
enum cor_code claims_alone(const struct agent_pod *pod, struct cor_err *err)
{
    for (size_t i = 0; i < pod->pod->volume_count; i++) {
        const struct pod_volume *volume = &pod->pod->volumes[i];
        if (volume->type != POD_VOLUME_CLAIM || !is_for_one_pod(volume->persistent) ||
            externals_are_used(pod)) {
            continue;
        }
        const char *why = is_elsewhere(pod, volume->claim) ? "is already in use by another pod"
                          : pod->agent->desired_known      ? NULL
                                                      : "the Pods of this node are not known yet";
        if (why != NULL) {
            return cor_err_set(err, COR_RETRY,
                               "MountVolume.SetUp failed for volume \"%s\" : volume uses the "
                               "ReadWriteOncePod access mode and %s",
                               volume->name, why);
        }
    }
    return COR_OK;
}
