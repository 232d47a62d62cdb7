// SPDX-License-Identifier: Apache-2.0
#include "pod.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/text.h"
#include "pod_read.h"
#include "shape.h"

bool pod_bad(struct pod_reader *reader, enum cor_code code, const char *fmt, ...)
{
    if (reader->code == COR_OK) {
        char text[sizeof(reader->err->text)];
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        reader->code = cor_err_set(reader->err, code, "%s", text);
    }
    return false;
}

const char *pod_text(const struct cor_json *json, const char *key)
{
    return cor_json_as_str(cor_json_get(json, key), "");
}

void *pod_rows(struct pod_reader *reader, const struct cor_json *list, size_t row, size_t max,
               const char *what, size_t *count_r)
{
    size_t count = cor_json_is_null(list) ? 0 : cor_json_count(list);
    *count_r = 0;
    if (!cor_json_is_null(list) && !cor_json_is_array(list)) {
        (void)pod_bad(reader, COR_INVALID, "%s: expected a list", what);
        return NULL;
    }
    if (count > max) {
        (void)pod_bad(reader, COR_TOOBIG, "%s: %zu entries, at most %zu", what, count, max);
        return NULL;
    }
    void *rows = cor_arena_alloc(reader->arena, (count + 1) * row);
    if (rows == NULL) {
        (void)pod_bad(reader, COR_TOOBIG, "%s: the pod is too big", what);
        return NULL;
    }
    *count_r = count;
    return rows;
}

struct pod_strings pod_strings(struct pod_reader *reader, const struct cor_json *list,
                               const char *what)
{
    struct pod_strings out = {0};
    out.item = pod_rows(reader, list, sizeof(*out.item), POD_LIST_MAX, what, &out.count);
    for (size_t i = 0; i < out.count; i++) {
        out.item[i] = cor_json_as_str(cor_json_item(list, i), "");
    }
    return out;
}

const char *pod_copy(struct pod_reader *reader, struct cor_view text)
{
    const char *copy = cor_arena_dup(reader->arena, text);
    if (copy == NULL) {
        (void)pod_bad(reader, COR_TOOBIG, "the pod is too big");
        return "";
    }
    return copy;
}

struct pod_amount pod_number(const struct cor_json *json, const char *key)
{
    const struct cor_json *value = cor_json_get(json, key);
    return (struct pod_amount){cor_json_type(value) == COR_JSON_INT, cor_json_as_int(value, 0)};
}

bool pod_path_is_inside(const char *path)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    if (path[0] == '/') {
        return false;
    }
    while (cor_view_split(&rest, '/', &part)) {
        if (cor_view_is(part, "..")) {
            return false;
        }
    }
    return true;
}

static struct pod_container *read_containers(struct pod_reader *reader, const struct cor_json *spec,
                                             const char *key, size_t *count_r)
{
    const struct cor_json *list = cor_json_get(spec, key);
    struct pod_container *rows =
        pod_rows(reader, list, sizeof(*rows), POD_CONTAINERS_MAX, key, count_r);
    for (size_t i = 0; i < *count_r; i++) {
        if (!pod_read_container(reader, cor_json_item(list, i),
                                cor_json_get(spec, "securityContext"), &rows[i])) {
            *count_r = 0;
        }
    }
    return rows;
}

/* They are started once and have neither probes nor hooks. */
static void read_targets(const struct cor_json *list, struct pod *pod)
{
    for (size_t i = 0; i < pod->ephemeral_count; i++) {
        struct pod_container *c = &pod->ephemeral[i];
        c->target = pod_text(cor_json_item(list, i), "targetContainerName");
        memset(c->probes, 0, sizeof(c->probes));
        c->post_start = NULL;
        c->pre_stop = NULL;
        c->sidecar = false;
    }
}

/* dnsConfig.options: {name, value} become "name:value" as resolv.conf has them. */
static struct pod_strings read_dns_options(struct pod_reader *reader, const struct cor_json *list)
{
    struct pod_strings out = {0};
    out.item =
        pod_rows(reader, list, sizeof(*out.item), POD_LIST_MAX, "dnsConfig.options", &out.count);
    for (size_t i = 0; i < out.count; i++) {
        const struct cor_json *option = cor_json_item(list, i);
        const char *value = pod_text(option, "value");
        out.item[i] = pod_text(option, "name");
        if (value[0] != '\0') {
            auto_(cor_freep) char *both = cor_sprintf("%s:%s", out.item[i], value);
            out.item[i] = pod_copy(reader, cor_view_of(both));
        }
    }
    return out;
}

static void read_aliases(struct pod_reader *reader, const struct cor_json *list, struct pod *pod)
{
    pod->aliases = pod_rows(reader, list, sizeof(*pod->aliases), POD_LIST_MAX, "hostAliases",
                            &pod->alias_count);
    for (size_t i = 0; i < pod->alias_count; i++) {
        const struct cor_json *alias = cor_json_item(list, i);
        pod->aliases[i].ip = pod_text(alias, "ip");
        pod->aliases[i].names = pod_strings(reader, cor_json_get(alias, "hostnames"), "hostnames");
    }
}

static void read_security(struct pod_reader *reader, const struct cor_json *json, struct pod *pod)
{
    pod->fs_group = pod_number(json, "fsGroup");
    pod->group_on_mismatch = strcmp(pod_text(json, "fsGroupChangePolicy"), "OnRootMismatch") == 0;
    const struct cor_json *groups = cor_json_get(json, "supplementalGroups");
    pod->groups = pod_rows(reader, groups, sizeof(*pod->groups), POD_LIST_MAX, "supplementalGroups",
                           &pod->group_count);
    for (size_t i = 0; i < pod->group_count; i++) {
        pod->groups[i] = cor_json_as_int(cor_json_item(groups, i), 0);
    }
    if (pod->fs_group.given && pod->groups != NULL) {
        pod->groups[pod->group_count++] = pod->fs_group.n; /* pod_rows leaves room for one more */
    }
    const struct cor_json *sysctls = cor_json_get(json, "sysctls");
    pod->sysctls = pod_rows(reader, sysctls, sizeof(*pod->sysctls), POD_LIST_MAX, "sysctls",
                            &pod->sysctl_count);
    for (size_t i = 0; i < pod->sysctl_count; i++) {
        pod->sysctls[i].name = pod_text(cor_json_item(sysctls, i), "name");
        pod->sysctls[i].value = pod_text(cor_json_item(sysctls, i), "value");
    }
}

static void read_pull_secrets(struct pod_reader *reader, const struct cor_json *list,
                              struct pod *pod)
{
    struct pod_strings *out = &pod->pull_secrets;
    out->item =
        pod_rows(reader, list, sizeof(*out->item), POD_LIST_MAX, "imagePullSecrets", &out->count);
    for (size_t i = 0; i < out->count; i++) {
        out->item[i] = pod_text(cor_json_item(list, i), "name");
    }
}

static void read_gates(struct pod_reader *reader, const struct cor_json *list, struct pod *pod)
{
    struct pod_strings *out = &pod->gates;
    out->item =
        pod_rows(reader, list, sizeof(*out->item), POD_LIST_MAX, "readinessGates", &out->count);
    for (size_t i = 0; i < out->count; i++) {
        out->item[i] = pod_text(cor_json_item(list, i), "conditionType");
    }
}

static enum pod_restart restart_of(const char *name)
{
    if (strcmp(name, "Never") == 0) {
        return POD_RESTART_NEVER;
    }
    return strcmp(name, "OnFailure") == 0 ? POD_RESTART_ON_FAILURE : POD_RESTART_ALWAYS;
}

static void read_metadata(const struct cor_json *object, struct pod *pod)
{
    const struct cor_json *metadata = cor_json_get(object, "metadata");
    pod->name = pod_text(metadata, "name");
    pod->ns = pod_text(metadata, "namespace");
    pod->uid = pod_text(metadata, "uid");
    pod->deleted = pod_text(metadata, "deletionTimestamp")[0] != '\0';
    int64_t grace = cor_json_int_at(metadata, "deletionGracePeriodSeconds", -1);
    pod->delete_grace_seconds = grace > INT32_MAX ? INT32_MAX : grace;
}

enum { GRACE_SECONDS = 30 }; /* core/v1 default of terminationGracePeriodSeconds */

/* kubelet's least is 1 (pod_workers.go); the most is what can be counted in microseconds. */
static int64_t grace_of(const struct cor_json *spec)
{
    int64_t grace = cor_json_int_at(spec, "terminationGracePeriodSeconds", GRACE_SECONDS);
    return grace < 0 ? 1 : grace > INT32_MAX ? INT32_MAX : grace;
}

/* The annotations that were before the field, for containers that have no field. */
static void read_apparmor_notes(const struct cor_json *object, struct pod *pod)
{
    const struct cor_json *notes = cor_json_at(object, "metadata.annotations");
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        struct pod_container *container =
            pod_is_init(pod, i) ? &pod->init[i] : &pod->main[i - pod->init_count];
        auto_(cor_freep) char *key =
            cor_sprintf("container.apparmor.security.beta.kubernetes.io/%s", container->name);
        const char *value = pod_text(notes, key);
        if (value[0] != '\0' && !container->security.apparmor_given) {
            pod_apparmor_note(value, &container->security);
        }
    }
}

static void read_spec(struct pod_reader *reader, const struct cor_json *spec, struct pod *pod)
{
    const struct cor_json *dns = cor_json_get(spec, "dnsConfig");
    pod->node = pod_text(spec, "nodeName");
    pod->account = pod_text(spec, "serviceAccountName");
    pod->hostname = pod_text(spec, "hostname");
    pod->subdomain = pod_text(spec, "subdomain");
    pod->dns_policy = pod_text(spec, "dnsPolicy");
    pod->dns_servers = pod_strings(reader, cor_json_get(dns, "nameservers"), "nameservers");
    pod->dns_searches = pod_strings(reader, cor_json_get(dns, "searches"), "searches");
    pod->dns_options = read_dns_options(reader, cor_json_get(dns, "options"));
    pod->host_network = cor_json_bool_at(spec, "hostNetwork", false);
    pod->host_pid = cor_json_bool_at(spec, "hostPID", false);
    pod->user_namespace = !cor_json_bool_at(spec, "hostUsers", true);
    pod->fqdn = cor_json_bool_at(spec, "setHostnameAsFQDN", false);
    pod->runtime_class = pod_text(spec, "runtimeClassName");
    pod_read_overhead(reader, cor_json_get(spec, "overhead"), pod);
    pod_read_resources(reader, cor_json_get(spec, "resources"), &pod->level);
    pod->host_ipc = cor_json_bool_at(spec, "hostIPC", false);
    pod->share_pid = cor_json_bool_at(spec, "shareProcessNamespace", false);
    pod->restart = restart_of(pod_text(spec, "restartPolicy"));
    pod->grace_seconds = grace_of(spec);
    pod->deadline_seconds = pod_number(spec, "activeDeadlineSeconds");
    read_security(reader, cor_json_get(spec, "securityContext"), pod);
    read_aliases(reader, cor_json_get(spec, "hostAliases"), pod);
    read_pull_secrets(reader, cor_json_get(spec, "imagePullSecrets"), pod);
    read_gates(reader, cor_json_get(spec, "readinessGates"), pod);
    pod->init = read_containers(reader, spec, "initContainers", &pod->init_count);
    pod->main = read_containers(reader, spec, "containers", &pod->main_count);
    pod->ephemeral = read_containers(reader, spec, "ephemeralContainers", &pod->ephemeral_count);
    read_targets(cor_json_get(spec, "ephemeralContainers"), pod);
    (void)pod_read_volumes(reader, cor_json_get(spec, "volumes"), pod);
}

static bool asks(const struct pod_resources *r)
{
    return (r->cpu_request.n | r->cpu_limit.n | r->memory_request.n | r->memory_limit.n) != 0;
}

/* Limits cpu and memory, and asks for just that. */
static bool is_limited(const struct pod_resources *r)
{
    bool cpu = r->cpu_limit.n != 0 && (!r->cpu_request.given || r->cpu_request.n == r->cpu_limit.n);
    bool memory = r->memory_limit.n != 0 &&
                  (!r->memory_request.given || r->memory_request.n == r->memory_limit.n);
    return cpu && memory;
}

/* core/v1 GetPodQOS: Guaranteed when each container limits cpu and memory and asks for just that;
 * BestEffort when none asks for anything; what the Pod itself says counts instead
 * (k8s.io/kubernetes pkg/apis/core/v1/helper/qos). */
static enum pod_qos qos_of(const struct pod *pod)
{
    bool any = asks(&pod->level);
    bool all_limited = !any || is_limited(&pod->level);
    for (size_t i = 0; !asks(&pod->level) && i < pod_main_end(pod); i++) {
        const struct pod_resources *r = &pod_container(pod, i)->resources;
        any = any || asks(r);
        all_limited = all_limited && is_limited(r);
    }
    if (!any) {
        return POD_QOS_BEST_EFFORT;
    }
    return all_limited ? POD_QOS_GUARANTEED : POD_QOS_BURSTABLE;
}

enum cor_code pod_parse(struct cor_json *object, struct pod **pod_r, struct cor_err *err)
{
    auto_(pod_free) struct pod *pod = cor_alloc(sizeof(*pod));
    *pod_r = NULL;
    pod->object = object;
    pod->arena = cor_arena_new(POD_ARENA_MAX);
    struct pod_reader reader = {.arena = pod->arena, .err = err};
    cor_json_drop_nulls(cor_json_get(object, "metadata"));
    cor_json_drop_nulls(cor_json_get(object, "spec"));
    if (!shape_check(&reader, NULL, object, pod_fields)) {
        return reader.code;
    }
    read_metadata(object, pod);
    read_spec(&reader, cor_json_get(object, "spec"), pod);
    read_apparmor_notes(object, pod);
    if (reader.code != COR_OK || !pod_rules(&reader, pod)) {
        return reader.code;
    }
    pod->qos = qos_of(pod);
    cor_json_del(object, "status");
    cor_json_del(cor_json_get(object, "metadata"), "managedFields");
    *pod_r = take(&pod);
    return COR_OK;
}

struct pod *pod_refused(const struct cor_json *object)
{
    const struct cor_json *metadata = cor_json_get(object, "metadata");
    auto_(pod_free) struct pod *pod = cor_alloc(sizeof(*pod));
    pod->arena = cor_arena_new(POD_ARENA_MAX);
    pod->object = cor_json_object();
    static const char *const kept[] = {"name", "namespace", "uid", "deletionTimestamp",
                                       "deletionGracePeriodSeconds"};
    for (size_t i = 0; i < COR_COUNT(kept); i++) {
        auto_(cor_freep) char *path = cor_sprintf("metadata.%s", kept[i]);
        cor_json_set_at(pod->object, path, cor_json_ref(cor_json_get(metadata, kept[i])));
    }
    cor_json_set_at(pod->object, "spec", cor_json_object());
    struct cor_err err = COR_ERR_NONE;
    struct pod_reader reader = {.arena = pod->arena, .err = &err};
    read_metadata(pod->object, pod);
    read_spec(&reader, NULL, pod);
    pod->restart = POD_RESTART_NEVER;
    pod->qos = POD_QOS_BEST_EFFORT;
    bool good = cor_is_dns_subdomain(cor_view_of(pod->name)) &&
                cor_is_dns_label(cor_view_of(pod->ns)) &&
                cor_is_dns_subdomain(cor_view_of(pod->uid));
    return good ? take(&pod) : NULL;
}

void pod_free(struct pod **pod)
{
    if (*pod != NULL) {
        cor_json_free(&(*pod)->object);
        cor_arena_free(&(*pod)->arena);
        cor_freep(pod);
    }
}

size_t pod_container_count(const struct pod *pod)
{
    return pod_main_end(pod) + pod->ephemeral_count;
}

size_t pod_main_end(const struct pod *pod)
{
    return pod->init_count + pod->main_count;
}

bool pod_is_ephemeral(const struct pod *pod, size_t index)
{
    return index >= pod_main_end(pod);
}

const char *pod_list_of(const struct pod *pod, size_t index)
{
    if (pod_is_init(pod, index)) {
        return "initContainers";
    }
    return pod_is_ephemeral(pod, index) ? "ephemeralContainers" : "containers";
}

bool pod_is_init(const struct pod *pod, size_t index)
{
    return index < pod->init_count;
}

const struct pod_container *pod_container(const struct pod *pod, size_t index)
{
    must(index < pod_container_count(pod));
    if (pod_is_ephemeral(pod, index)) {
        return &pod->ephemeral[index - pod_main_end(pod)];
    }
    return pod_is_init(pod, index) ? &pod->init[index] : &pod->main[index - pod->init_count];
}

size_t pod_find_container(const struct pod *pod, const char *name)
{
    size_t i = 0;
    while (i < pod_container_count(pod) && strcmp(pod_container(pod, i)->name, name) != 0) {
        i++;
    }
    return i;
}

const struct pod_volume *pod_find_volume(const struct pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->volume_count; i++) {
        if (strcmp(pod->volumes[i].name, name) == 0) {
            return &pod->volumes[i];
        }
    }
    return NULL;
}

const char *pod_qos_name(enum pod_qos qos)
{
    static const char *const names[] = {"Guaranteed", "Burstable", "BestEffort"};
    return names[qos];
}

int64_t pod_oom_score(const struct pod *pod, const struct pod_container *container,
                      int64_t memory_capacity)
{
    enum { GUARANTEED = -997, BEST_EFFORT = 1000, LEAST = 1000 + GUARANTEED };
    if (pod->qos == POD_QOS_GUARANTEED) {
        return GUARANTEED;
    }
    if (pod->qos == POD_QOS_BEST_EFFORT || memory_capacity <= 0) {
        return BEST_EFFORT;
    }
    double share = (double)container->resources.memory_request.n / (double)memory_capacity;
    int64_t score = 1000 - (int64_t)(1000 * (share > 1 ? 1 : share));
    if (score < LEAST) {
        return LEAST;
    }
    return score == BEST_EFFORT ? BEST_EFFORT - 1 : score;
}
