// SPDX-License-Identifier: Apache-2.0
#include "refs.h"

#include <string.h>

#include "common/base/mem.h"

struct ref *refs_find(const struct refs *refs, bool secret, const char *name)
{
    for (size_t i = 0; i < refs->count; i++) {
        if (refs->list[i].secret == secret && strcmp(refs->list[i].name, name) == 0) {
            return &refs->list[i];
        }
    }
    return NULL;
}

static void add(struct refs *refs, bool secret, const char *name)
{
    if (name[0] == '\0' || refs_find(refs, secret, name) != NULL) {
        return;
    }
    if (refs->count == refs->cap) {
        refs->cap = refs->cap == 0 ? 8 : refs->cap * 2;
        refs->list = cor_realloc(refs->list, refs->cap, sizeof(*refs->list));
    }
    refs->list[refs->count++] = (struct ref){.secret = secret, .name = cor_strdup(name)};
}

struct ref_token *refs_find_token(const struct refs *refs, const char *audience, int64_t seconds)
{
    for (size_t i = 0; i < refs->token_count; i++) {
        if (refs->tokens[i].seconds == seconds && strcmp(refs->tokens[i].audience, audience) == 0) {
            return &refs->tokens[i];
        }
    }
    return NULL;
}

static void add_token(struct refs *refs, const char *audience, int64_t seconds)
{
    if (refs_find_token(refs, audience, seconds) != NULL) {
        return;
    }
    if (refs->token_count == refs->token_cap) {
        refs->token_cap = refs->token_cap == 0 ? 2 : refs->token_cap * 2;
        refs->tokens = cor_realloc(refs->tokens, refs->token_cap, sizeof(*refs->tokens));
    }
    refs->tokens[refs->token_count++] = (struct ref_token){
        .audience = cor_strdup(audience), .seconds = seconds, .due = {INT64_MAX}};
}

static void collect_volume(struct refs *refs, const struct pod_volume *volume)
{
    for (size_t i = 0; i < volume->source_count; i++) {
        const struct pod_source *source = &volume->sources[i];
        if (source->type == POD_VOLUME_PROJECTED) {
            add_token(refs, source->audience, source->expiration_seconds);
        } else if (source->type != POD_VOLUME_DOWNWARD) {
            add(refs, source->type == POD_VOLUME_SECRET, source->object);
        }
    }
}

static void collect_container(struct refs *refs, const struct pod_container *container)
{
    for (size_t i = 0; i < container->env_from_count; i++) {
        add(refs, container->env_from[i].secret, container->env_from[i].object);
    }
    for (size_t i = 0; i < container->env_count; i++) {
        const struct pod_env *env = &container->env[i];
        if (env->from == POD_ENV_CONFIGMAP || env->from == POD_ENV_SECRET) {
            add(refs, env->from == POD_ENV_SECRET, env->object);
        }
    }
}

void refs_collect(struct refs *refs, const struct pod *pod)
{
    for (size_t i = 0; i < pod->volume_count; i++) {
        collect_volume(refs, &pod->volumes[i]);
    }
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        collect_container(refs, pod_container(pod, i));
    }
    for (size_t i = 0; i < pod->pull_secrets.count; i++) {
        add(refs, true, pod->pull_secrets.item[i]);
    }
}

void refs_ask_again(struct refs *refs, struct cor_mono now)
{
    for (size_t i = 0; i < refs->count; i++) {
        struct ref *ref = &refs->list[i];
        if (ref->state == REF_ABSENT || ref->state == REF_FAILED) {
            ref->state = REF_UNKNOWN;
        }
    }
    for (size_t i = 0; i < refs->token_count; i++) {
        struct ref_token *token = &refs->tokens[i];
        bool due = token->state == REF_HERE && token->due.us <= now.us;
        if (due || token->state == REF_ABSENT || token->state == REF_FAILED) {
            token->state = REF_UNKNOWN;
        }
    }
}

bool refs_are_asked(const struct refs *refs)
{
    for (size_t i = 0; i < refs->count; i++) {
        if (refs->list[i].state == REF_ASKED) {
            return true;
        }
    }
    for (size_t i = 0; i < refs->token_count; i++) {
        if (refs->tokens[i].state == REF_ASKED) {
            return true;
        }
    }
    return false;
}

bool refs_set(struct ref *ref, struct cor_json *json)
{
    bool news = !cor_json_equal(ref->object, json) || ref->state == REF_UNKNOWN ||
                ref->state == REF_FAILED || (ref->state == REF_ASKED && ref->object == NULL);
    cor_json_free(&ref->object);
    cor_freep(&ref->error);
    ref->object = json;
    ref->state = json != NULL ? REF_HERE : REF_ABSENT;
    return news;
}

void refs_fail(struct ref *ref, const char *error)
{
    ref->state = REF_FAILED;
    cor_free(ref->error);
    ref->error = cor_strdup(error);
}

static void drop_token(struct ref_token *token)
{
    if (token->token != NULL) {
        cor_wipe(token->token, strlen(token->token));
    }
    cor_freep(&token->token);
}

/* kubelet asks again when less than 20 % of the life is left, or after 24 h
 * (pkg/kubelet/token/token_manager.go); one second later metamanager agrees that it is time. */
static struct cor_mono due_of(struct cor_wall expiry, int64_t seconds, struct cor_wall now,
                              struct cor_mono now_mono)
{
    int64_t left = expiry.us - now.us;
    int64_t wait = left - COR_SEC(seconds) / 5 + COR_SEC(1);
    wait = wait > COR_SEC(24 * 3600) ? COR_SEC(24 * 3600) : wait;
    return cor_mono_add(now_mono, wait < COR_SEC(10) ? COR_SEC(10) : wait);
}

bool refs_set_token(struct ref_token *token, const struct cor_json *request, struct cor_wall now,
                    struct cor_mono now_mono)
{
    struct cor_view text = cor_json_as_view(cor_json_at(request, "status.token"));
    struct cor_view until = cor_json_as_view(cor_json_at(request, "status.expirationTimestamp"));
    struct cor_wall expiry;
    if (text.len == 0 || !cor_wall_parse(until, &expiry)) {
        return false;
    }
    drop_token(token);
    cor_freep(&token->error);
    token->token = cor_view_dup(text);
    token->state = REF_HERE;
    token->due = due_of(expiry, token->seconds, now, now_mono);
    return true;
}

void refs_fail_token(struct ref_token *token, const char *error, struct cor_mono now)
{
    cor_free(token->error);
    token->error = cor_strdup(error);
    token->state = token->token != NULL ? REF_HERE : REF_FAILED;
    token->due =
        token->token != NULL ? cor_mono_add(now, COR_SEC(60)) : (struct cor_mono){INT64_MAX};
}

struct cor_json *refs_token_request(const struct ref_token *token, const struct pod *pod)
{
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "kind", cor_json_str("TokenRequest"));
    cor_json_set(out, "apiVersion", cor_json_str("authentication.k8s.io/v1"));
    cor_json_set_at(out, "metadata.creationTimestamp", cor_json_null());
    struct cor_json *audiences = cor_json_null();
    if (token->audience[0] != '\0') {
        cor_json_free(&audiences);
        audiences = cor_json_array();
        cor_json_add(audiences, cor_json_str(token->audience));
    }
    cor_json_set_at(out, "spec.audiences", audiences);
    cor_json_set_at(out, "spec.expirationSeconds", cor_json_int(token->seconds));
    cor_json_set_at(out, "spec.boundObjectRef.kind", cor_json_str("Pod"));
    cor_json_set_at(out, "spec.boundObjectRef.apiVersion", cor_json_str("v1"));
    cor_json_set_at(out, "spec.boundObjectRef.name", cor_json_str(pod->name));
    cor_json_set_at(out, "spec.boundObjectRef.uid", cor_json_str(pod->uid));
    return out;
}

struct cor_mono refs_next_due(const struct refs *refs)
{
    struct cor_mono due = {INT64_MAX};
    for (size_t i = 0; i < refs->token_count; i++) {
        /* One that is asked for is not due: its answer comes, or its failure. */
        if (refs->tokens[i].state == REF_HERE && refs->tokens[i].due.us < due.us) {
            due = refs->tokens[i].due;
        }
    }
    return due;
}

void refs_free(struct refs *refs)
{
    for (size_t i = 0; i < refs->count; i++) {
        cor_json_free(&refs->list[i].object);
        cor_free(refs->list[i].name);
        cor_free(refs->list[i].error);
    }
    for (size_t i = 0; i < refs->token_count; i++) {
        drop_token(&refs->tokens[i]);
        cor_free(refs->tokens[i].audience);
        cor_free(refs->tokens[i].error);
    }
    cor_free(refs->list);
    cor_free(refs->tokens);
    *refs = (struct refs){0};
}
