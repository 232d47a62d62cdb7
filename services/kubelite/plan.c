// SPDX-License-Identifier: Apache-2.0
#include "plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "meta.h"

void kl_plan_free(struct kl_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        cor_json_free(&plan->steps[i].object);
        cor_json_free(&plan->steps[i].old);
    }
    cor_freep(&plan->steps);
    plan->count = 0;
    plan->room = 0;
}

static void add(struct kl_plan *plan, struct kl_step step)
{
    if (plan->count == plan->room) {
        plan->room = plan->room == 0 ? 8 : plan->room * 2;
        plan->steps = cor_realloc(plan->steps, plan->room, sizeof(*plan->steps));
    }
    plan->steps[plan->count++] = step;
}

/* Plans keep references to what they were given: nobody changes it. */
static struct cor_json *shared(const struct cor_json *object)
{
    return cor_json_ref((struct cor_json *)(uintptr_t)object);
}

void kl_plan_create(struct kl_plan *plan, enum kl_builtin kind, struct cor_json *object)
{
    add(plan, (struct kl_step){KL_CREATE, kind, object, NULL});
}

static void update(struct kl_plan *plan, struct kl_step step)
{
    if (cor_json_equal(step.object, step.old)) {
        cor_json_free(&step.object);
        return;
    }
    step.old = shared(step.old);
    add(plan, step);
}

void kl_plan_update(struct kl_plan *plan, enum kl_builtin kind, struct cor_json *object,
                    const struct cor_json *old)
{
    update(plan, (struct kl_step){KL_UPDATE, kind, object, (struct cor_json *)(uintptr_t)old});
}

void kl_plan_status(struct kl_plan *plan, enum kl_builtin kind, struct cor_json *object,
                    const struct cor_json *old)
{
    update(plan,
           (struct kl_step){KL_UPDATE_STATUS, kind, object, (struct cor_json *)(uintptr_t)old});
}

void kl_plan_remove(struct kl_plan *plan, enum kl_builtin kind, const struct cor_json *object)
{
    add(plan, (struct kl_step){KL_REMOVE, kind, shared(object), NULL});
}

static struct cor_json *reference_to(enum kl_builtin kind, const struct cor_json *object)
{
    static const char *const members[] = {"namespace", "name", "uid", "resourceVersion"};
    struct cor_json *ref = cor_json_object();
    auto_(cor_buf_free) struct cor_buf version = {0};
    kl_kind_api_version(kl_builtin(kind), &version);
    cor_json_set(ref, "kind", cor_json_str(kl_builtin(kind)->kind));
    cor_json_set(ref, "apiVersion", cor_json_view(cor_buf_as_view(&version)));
    for (size_t i = 0; i < COR_COUNT(members); i++) {
        cor_json_set(ref, members[i], cor_json_str(kl_meta_str(object, members[i])));
    }
    return ref;
}

void kl_plan_event(struct kl_plan *plan, enum kl_builtin kind, const struct cor_json *object,
                   const char *reason, const char *fmt, ...)
{
    static const char *const sources[KL_BUILTIN_COUNT] = {
        [KL_DEPLOYMENT] = "deployment-controller",
        [KL_REPLICASET] = "replicaset-controller",
        [KL_DAEMONSET] = "daemonset-controller",
        [KL_JOB] = "job-controller",
        [KL_POD] = "taint-controller",
    };
    char *text = NULL;
    char time[COR_RFC3339_SIZE];
    cor_wall_format(plan->now, time);
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    struct cor_json *event = cor_json_object();
    cor_json_set_at(event, "metadata.namespace", cor_json_str(kl_meta_str(object, "namespace")));
    cor_json_set_at(event, "metadata.generateName",
                    cor_json_fmt("%s.", kl_meta_str(object, "name")));
    cor_json_set(event, "involvedObject", reference_to(kind, object));
    cor_json_set(event, "reason", cor_json_str(reason));
    cor_json_set(event, "message", cor_json_str(n < 0 ? "" : text));
    cor_json_set_at(event, "source.component", cor_json_str(sources[kind]));
    cor_json_set(event, "firstTimestamp", cor_json_str(time));
    cor_json_set(event, "lastTimestamp", cor_json_str(time));
    cor_json_set(event, "count", cor_json_int(1));
    cor_json_set(event, "type", cor_json_str("Normal"));
    free(text);
    kl_plan_create(plan, KL_EVENT, event);
}

void kl_plan_again(struct kl_plan *plan, int64_t us)
{
    us = us < 1 ? 1 : us;
    plan->again_us = plan->again_us == 0 || us < plan->again_us ? us : plan->again_us;
}

struct cor_json *kl_owner_ref(enum kl_builtin kind, const struct cor_json *object)
{
    struct cor_json *ref = cor_json_object();
    auto_(cor_buf_free) struct cor_buf version = {0};
    kl_kind_api_version(kl_builtin(kind), &version);
    cor_json_set(ref, "apiVersion", cor_json_view(cor_buf_as_view(&version)));
    cor_json_set(ref, "kind", cor_json_str(kl_builtin(kind)->kind));
    cor_json_set(ref, "name", cor_json_str(kl_meta_str(object, "name")));
    cor_json_set(ref, "uid", cor_json_str(kl_meta_str(object, "uid")));
    cor_json_set(ref, "controller", cor_json_bool(true));
    cor_json_set(ref, "blockOwnerDeletion", cor_json_bool(true));
    return ref;
}

struct cor_json *kl_pod_of(enum kl_builtin kind, const struct cor_json *controller)
{
    static const char *const members[] = {"labels", "annotations", "finalizers"};
    const struct cor_json *template = cor_json_at(controller, "spec.template");
    struct cor_json *pod = cor_json_object();
    struct cor_json *owners = cor_json_array();
    cor_json_add(owners, kl_owner_ref(kind, controller));
    cor_json_set_at(pod, "metadata.namespace", cor_json_str(kl_meta_str(controller, "namespace")));
    cor_json_set_at(pod, "metadata.generateName",
                    cor_json_fmt("%s-", kl_meta_str(controller, "name")));
    for (size_t i = 0; i < COR_COUNT(members); i++) {
        const struct cor_json *value = cor_json_get(cor_json_get(template, "metadata"), members[i]);
        if (value != NULL) {
            cor_json_set(kl_meta(pod), members[i], cor_json_copy(value));
        }
    }
    cor_json_set(kl_meta(pod), "ownerReferences", owners);
    cor_json_set(pod, "spec", cor_json_copy(cor_json_get(template, "spec")));
    return pod;
}

static void hash_bytes(uint32_t *hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++) {
        *hash = (*hash ^ at[i]) * 16777619U; /* FNV-1a */
    }
}

/* The order of members does not count: their hashes are added up. */
static void hash_value(uint32_t *hash, const struct cor_json *value)
{
    uint32_t sum = 0;
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(value, &at, &key, &child)) {
        uint32_t one = 2166136261U;
        hash_bytes(&one, key, strlen(key) + 1);
        hash_value(&one, child);
        sum += one;
    }
    if (cor_json_is_object(value)) {
        hash_bytes(hash, &sum, sizeof(sum));
        return;
    }
    for (size_t i = 0; cor_json_is_array(value) && i < cor_json_count(value); i++) {
        hash_value(hash, cor_json_item(value, i));
    }
    if (!cor_json_is_array(value)) {
        auto_(cor_freep) char *text = cor_json_text(value);
        hash_bytes(hash, text, strlen(text) + 1);
    }
}

void kl_template_hash(const struct cor_json *template, char out[KL_HASH_SIZE])
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789"; /* SafeEncodeString */
    char digits[KL_HASH_SIZE];
    uint32_t hash = 2166136261U;
    hash_value(&hash, template);
    (void)snprintf(digits, sizeof(digits), "%u", hash);
    size_t len = strlen(digits);
    for (size_t i = 0; i < len; i++) {
        out[i] = alphabet[(unsigned char)digits[i] % (sizeof(alphabet) - 1)];
    }
    out[len] = '\0';
}

bool kl_pod_active(const struct cor_json *pod)
{
    const char *phase = cor_json_str_at(pod, "status.phase", "");
    return strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0 &&
           !kl_meta_deleting(pod);
}

struct cor_json *kl_condition(const struct cor_json *object, const char *type)
{
    const struct cor_json *list = cor_json_at(object, "status.conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, "type", ""), type) == 0) {
            return one;
        }
    }
    return NULL;
}

bool kl_pod_ready(const struct cor_json *pod)
{
    return strcmp(cor_json_str_at(kl_condition(pod, "Ready"), "status", ""), "True") == 0;
}

int64_t kl_seconds_at(const struct cor_json *object, const char *path)
{
    struct cor_wall time = {0};
    return cor_wall_parse(cor_json_as_view(cor_json_at(object, path)), &time) ? time.us / 1000000
                                                                              : 0;
}

bool kl_pod_available(const struct cor_json *pod, int64_t min_ready, struct cor_wall now,
                      struct kl_plan *plan)
{
    if (!kl_pod_ready(pod)) {
        return false;
    }
    int64_t since = kl_seconds_at(kl_condition(pod, "Ready"), "lastTransitionTime");
    int64_t rest_us = COR_SEC(since + min_ready) - now.us;
    if (min_ready > 0 && rest_us > 0) {
        kl_plan_again(plan, rest_us);
        return false;
    }
    return true;
}

int64_t kl_share_of(const struct cor_json *value, int64_t total, bool up)
{
    const char *text = cor_json_as_str(value, NULL);
    if (text == NULL) {
        return cor_json_as_int(value, 0);
    }
    int64_t percent = strtol(text, NULL, 10);
    return (percent * total + (up ? 99 : 0)) / 100;
}

void kl_drop_condition(struct cor_json *object, const char *type)
{
    struct cor_json *list = cor_json_at(object, "status.conditions");
    for (size_t i = cor_json_count(list); i > 0; i--) {
        if (strcmp(cor_json_str_at(cor_json_item(list, i - 1), "type", ""), type) == 0) {
            cor_json_put(list, i - 1, NULL);
        }
    }
}

void kl_set_condition(struct cor_json *object, const struct kl_condition_spec *spec,
                      struct cor_wall now)
{
    char time[COR_RFC3339_SIZE];
    cor_wall_format(now, time);
    auto_(cor_json_free) struct cor_json *before = cor_json_ref(kl_condition(object, spec->type));
    bool same = strcmp(cor_json_str_at(before, "status", ""), spec->status) == 0;
    if (same && strcmp(cor_json_str_at(before, "reason", ""), spec->reason) == 0) {
        return;
    }
    struct cor_json *one = cor_json_object();
    const char *since = same ? cor_json_str_at(before, "lastTransitionTime", time) : time;
    cor_json_set(one, "type", cor_json_str(spec->type));
    cor_json_set(one, "status", cor_json_str(spec->status));
    if (spec->time_field != NULL) {
        cor_json_set(one, spec->time_field, cor_json_str(time));
    }
    cor_json_set(one, "lastTransitionTime", cor_json_str(since));
    if (spec->reason[0] != '\0') {
        cor_json_set(one, "reason", cor_json_str(spec->reason));
    }
    if (spec->message[0] != '\0') {
        cor_json_set(one, "message", cor_json_str(spec->message));
    }
    kl_drop_condition(object, spec->type);
    if (!cor_json_is_array(cor_json_at(object, "status.conditions"))) {
        cor_json_set_at(object, "status.conditions", cor_json_array());
    }
    cor_json_add(cor_json_at(object, "status.conditions"), one);
}

void kl_set_count(struct cor_json *object, const char *path, int64_t count)
{
    if (count != 0) {
        cor_json_set_at(object, path, cor_json_int(count));
    } else if (cor_json_at(object, path) != NULL) {
        const char *dot = strrchr(path, '.');
        auto_(cor_freep) char *parent = cor_view_dup((struct cor_view){path, (size_t)(dot - path)});
        cor_json_del(cor_json_at(object, parent), dot + 1);
    }
}
