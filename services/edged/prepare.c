// SPDX-License-Identifier: Apache-2.0
// What a pod needs before its containers start: the objects it refers to, from metamanager, and its
// volumes on disk. The same again when something it refers to changes.
#include <string.h>

#include "agent.h"
#include "common/base/mem.h"
#include "services/edged/device/devices.h"
#include "services/edged/disk/disk.h"
#include "services/edged/pod/payload.h"

enum { OBJECT_MAX = 16 * 1024 * 1024 };

/* A question to metamanager under way. */
struct ask {
    struct agent_pod *pod;
    bool secret;
    char *name;     /* object; NULL: a token */
    char *audience; /* token */
    int64_t seconds;
};

static const struct cor_json *object_of(void *self, bool secret, const char *name)
{
    const struct agent_pod *pod = self;
    const struct ref *ref = refs_find(&pod->refs, secret, name);
    return ref == NULL ? NULL : ref->object;
}

static const char *token_of(void *self, const struct pod_source *source)
{
    const struct agent_pod *pod = self;
    const struct ref_token *token =
        refs_find_token(&pod->refs, source->audience, source->expiration_seconds);
    return token == NULL ? NULL : token->token;
}

struct inputs prepare_inputs(struct agent_pod *pod, struct facts *facts)
{
    *facts = pod->agent->facts;
    const struct run_sandbox *sandbox = &pod->run->sandbox;
    for (size_t i = 0; i < sandbox->ip_count; i++) {
        facts->pod_ips[i] = sandbox->ips[i];
    }
    facts->pod_ip_count = sandbox->ip_count;
    if (pod->pod->host_network) {
        memcpy(facts->pod_ips, facts->host_ips, sizeof(facts->pod_ips));
        facts->pod_ip_count = facts->host_ip_count;
    }
    return (struct inputs){facts, object_of, token_of, pod};
}

/* Why nobody could say what an object or token is; "" when all is known. */
static void first_failure(const struct agent_pod *pod, struct cor_err *err)
{
    for (size_t i = 0; i < pod->refs.count; i++) {
        const struct ref *ref = &pod->refs.list[i];
        if (ref->state == REF_FAILED && ref->object == NULL) {
            (void)cor_err_set(err, COR_RETRY, "failed to fetch %s \"%s\": %s",
                              ref->secret ? "secret" : "configmap", ref->name, ref->error);
            return;
        }
    }
    for (size_t i = 0; i < pod->refs.token_count; i++) {
        const struct ref_token *token = &pod->refs.tokens[i];
        if (token->state == REF_FAILED) {
            (void)cor_err_set(err, COR_RETRY, "failed to fetch token: %s", token->error);
            return;
        }
    }
}

static enum cor_code write_content(struct agent_pod *pod, size_t index, struct cor_err *err)
{
    const struct pod_volume *volume = &pod->pod->volumes[index];
    const char *root = pod->agent->cfg->root_dir;
    struct facts facts;
    struct inputs inputs = prepare_inputs(pod, &facts);
    auto_(payload_free) struct payload payload = {0};
    enum cor_code code = payload_build(pod->pod, volume, &inputs, &payload, err);
    if (code != COR_OK) {
        /* What was mounted stays as it is, as with kubelet, while its source is away. */
        return disk_volume_is_written(root, pod->pod, volume) ? COR_OK : code;
    }
    uint64_t sum = payload_hash(&payload);
    if (pod->volume_made[index] && pod->volume_sums[index] == sum) {
        return COR_OK;
    }
    code = disk_write_volume(root, pod->pod, volume, &payload, cor_wall_now().us, err);
    if (code == COR_OK) {
        code = disk_make_nested(root, pod->pod, volume, err);
    }
    pod->volume_made[index] = code == COR_OK;
    pod->volume_sums[index] = sum;
    return code;
}

static enum cor_code make_volume(struct agent_pod *pod, size_t index, struct cor_err *err)
{
    const struct pod_volume *volume = &pod->pod->volumes[index];
    const char *root = pod->agent->cfg->root_dir;
    if (volume->type == POD_VOLUME_UNSUPPORTED) {
        return cor_err_set(err, COR_UNSUPPORTED, "volumes of type \"%s\" are not supported",
                           volume->unsupported);
    }
    if (externals_concern(pod, index)) {
        enum cor_code mounted = externals_check(pod, index, err);
        if (mounted != COR_OK || volume->external != POD_EXTERNAL_NONE) {
            return mounted;
        }
    }
    if (payload_is_dynamic(volume)) {
        return write_content(pod, index, err);
    }
    enum cor_code code = COR_OK;
    if (!pod->volume_made[index]) {
        code = disk_make_volume(root, pod->pod, volume, err);
        if (code == COR_OK) {
            code = disk_make_nested(root, pod->pod, volume, err);
        }
        pod->volume_made[index] = code == COR_OK;
    }
    return code;
}

static bool is_asking(const struct agent_pod *pod)
{
    return refs_are_asked(&pod->refs) || claims_are_asked(&pod->claims) || devices_are_asked(pod) ||
           externals_are_asked(pod);
}

static void go_on(struct agent_pod *pod);

/* All is known: makes the volumes; the first that fails is the one that is told. */
static void finish(struct agent_pod *pod)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(POD_ARENA_MAX);
    struct cor_mono now = cor_loop_now(pod->agent->loop);
    const char *logs = crispec_log_dir(arena, &pod->agent->node, pod->pod);
    first_failure(pod, &err);
    enum cor_code code = err.code;
    if (code == COR_OK) {
        code = devices_check(pod, &err);
    }
    if (code == COR_OK) {
        code = claims_apply(pod, &err);
    }
    if (code == COR_OK) {
        code = claims_alone(pod, &err);
    }
    if (code == COR_OK) {
        code = disk_make_pod(pod->agent->cfg->root_dir, logs, pod->pod, &err);
    }
    if (code == COR_OK) {
        externals_mount(pod, go_on);
        if (externals_are_asked(pod)) {
            return; /* go_on comes here again */
        }
    }
    for (size_t i = 0; code == COR_OK && i < pod->pod->volume_count; i++) {
        code = make_volume(pod, i, &err);
        if (code != COR_OK) {
            (void)cor_err_wrap(&err, "MountVolume.SetUp failed for volume \"%s\" ",
                               pod->pod->volumes[i].name);
        }
    }
    run_prepared(pod->run, code == COR_OK ? NULL : err.text, now);
    agent_touch(pod);
}

static void ask_free(struct ask *ask)
{
    agent_release(ask->pod);
    cor_free(ask->name);
    cor_free(ask->audience);
    cor_free(ask);
}

/* The message of a metav1.Status, or what the status number says. Returns owned. */
static char *error_of(int status, struct cor_view body)
{
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (status == 0) {
        return cor_view_dup(body);
    }
    if (cor_json_parse(body, OBJECT_MAX, 0, &json, NULL) == COR_OK) {
        const char *message = cor_json_str_at(json, "message", "");
        if (message[0] != '\0') {
            return cor_strdup(message);
        }
    }
    return cor_sprintf("HTTP status %d", status);
}

static void take_object(struct ref *ref, int status, struct cor_view body)
{
    struct cor_json *json = NULL;
    if (ref->state != REF_ASKED) {
        return; /* it was pushed meanwhile, which is newer */
    }
    if (status == 404) {
        (void)refs_set(ref, NULL);
    } else if (status == 200 && cor_json_parse(body, OBJECT_MAX, 0, &json, NULL) == COR_OK) {
        (void)refs_set(ref, json);
    } else {
        auto_(cor_freep) char *error = error_of(status, body);
        refs_fail(ref, error);
    }
}

static void take_token(struct agent_pod *pod, struct ref_token *token, int status,
                       struct cor_view body)
{
    struct cor_mono now = cor_loop_now(pod->agent->loop);
    auto_(cor_json_free) struct cor_json *json = NULL;
    bool good = (status == 200 || status == 201) &&
                cor_json_parse(body, OBJECT_MAX, 0, &json, NULL) == COR_OK &&
                refs_set_token(token, json, cor_wall_now(), now);
    if (!good) {
        auto_(cor_freep) char *error = error_of(status, body);
        refs_fail_token(token, error, now);
    }
}

/* One of the answers has come. */
static void go_on(struct agent_pod *pod)
{
    if (!is_asking(pod) && pod->run->preparing) {
        finish(pod);
    }
}

static void on_answer(void *self, int status, struct cor_view body)
{
    struct ask *ask = self;
    struct agent_pod *pod = ask->pod;
    struct ref *ref = ask->name == NULL ? NULL : refs_find(&pod->refs, ask->secret, ask->name);
    struct ref_token *token =
        ask->name != NULL ? NULL : refs_find_token(&pod->refs, ask->audience, ask->seconds);
    if (ref != NULL) {
        take_object(ref, status, body);
    }
    if (token != NULL) {
        take_token(pod, token, status, body);
    }
    go_on(pod);
    ask_free(ask);
}

static void ask_object(struct agent_pod *pod, struct ref *ref)
{
    struct ask *ask = cor_alloc(sizeof(*ask));
    *ask = (struct ask){.pod = pod, .secret = ref->secret, .name = cor_strdup(ref->name)};
    auto_(cor_freep) char *key =
        cor_sprintf("%s/%s/%s", pod->pod->ns, ref->secret ? "secret" : "configmap", ref->name);
    agent_hold(pod);
    ref->state = REF_ASKED;
    if (!meta_call(pod->agent->meta, PX_VERB_GET, key, 0, (struct cor_view){0}, on_answer, ask)) {
        refs_fail(ref, "metamanager does not answer");
        ask_free(ask);
    }
}

static void ask_token(struct agent_pod *pod, struct ref_token *token)
{
    struct ask *ask = cor_alloc(sizeof(*ask));
    *ask = (struct ask){
        .pod = pod, .audience = cor_strdup(token->audience), .seconds = token->seconds};
    auto_(cor_freep) char *key =
        cor_sprintf("%s/serviceaccounttoken/%s", pod->pod->ns, pod->pod->account);
    auto_(cor_json_free) struct cor_json *request = refs_token_request(token, pod->pod);
    auto_(cor_freep) char *body = cor_json_text(request);
    agent_hold(pod);
    token->state = REF_ASKED;
    if (!meta_call(pod->agent->meta, PX_VERB_CREATE, key, 0, cor_view_of(body), on_answer, ask)) {
        refs_fail_token(token, "metamanager does not answer", cor_loop_now(pod->agent->loop));
        ask_free(ask);
    }
}

void prepare(struct agent_pod *pod)
{
    refs_ask_again(&pod->refs, cor_loop_now(pod->agent->loop));
    claims_ask_again(&pod->claims);
    externals_retry(pod);
    for (size_t i = 0; i < pod->refs.count; i++) {
        if (pod->refs.list[i].state == REF_UNKNOWN) {
            ask_object(pod, &pod->refs.list[i]);
        }
    }
    for (size_t i = 0; i < pod->refs.token_count; i++) {
        if (pod->refs.tokens[i].state == REF_UNKNOWN) {
            ask_token(pod, &pod->refs.tokens[i]);
        }
    }
    claims_ask(pod, go_on);
    devices_ask(pod, go_on);
    if (!is_asking(pod) && pod->run->preparing) {
        finish(pod);
    }
}

void prepare_object(struct agent *agent, bool secret, struct cor_view ns, struct cor_view name,
                    struct cor_json *json)
{
    size_t at = 0;
    void *value = NULL;
    auto_(cor_freep) char *text = cor_view_dup(name);
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        struct ref *ref =
            cor_view_is(ns, pod->pod->ns) ? refs_find(&pod->refs, secret, text) : NULL;
        if (ref != NULL && refs_set(ref, cor_json_ref(json))) {
            pod->cause = cor_bus_cause(agent->service->bus);
            run_inputs_changed(pod->run);
            agent_touch(pod);
        }
    }
}
