// SPDX-License-Identifier: Apache-2.0
// Containers of a Pod.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "image.h"
#include "pod_read.h"
#include "quantity.h"

static const char *optional_text(const struct cor_json *json, const char *key,
                                 const char *otherwise)
{
    const char *text = pod_text(json, key);
    return text[0] != '\0' ? text : otherwise;
}

static void read_env_ref(const struct cor_json *from, struct pod_env *out)
{
    static const struct {
        const char *key;
        enum pod_env_from from;
        const char *object;
        const char *field;
    } kinds[] = {
        {"fieldRef", POD_ENV_FIELD, "", "fieldPath"},
        {"resourceFieldRef", POD_ENV_RESOURCE, "containerName", "resource"},
        {"configMapKeyRef", POD_ENV_CONFIGMAP, "name", "key"},
        {"secretKeyRef", POD_ENV_SECRET, "name", "key"},
    };
    for (size_t i = 0; i < COR_COUNT(kinds); i++) {
        const struct cor_json *ref = cor_json_get(from, kinds[i].key);
        if (ref != NULL) {
            out->from = kinds[i].from;
            out->object = pod_text(ref, kinds[i].object);
            out->key = pod_text(ref, kinds[i].field);
            out->divisor = cor_json_as_str(cor_json_get(ref, "divisor"), "1");
            out->optional = cor_json_bool_at(ref, "optional", false);
        }
    }
}

static void read_env(struct pod_reader *reader, const struct cor_json *list,
                     struct pod_container *out)
{
    out->env = pod_rows(reader, list, sizeof(*out->env), POD_LIST_MAX, "env", &out->env_count);
    for (size_t i = 0; i < out->env_count; i++) {
        const struct cor_json *json = cor_json_item(list, i);
        out->env[i].name = pod_text(json, "name");
        out->env[i].value = pod_text(json, "value");
        out->env[i].object = "";
        out->env[i].key = "";
        read_env_ref(cor_json_get(json, "valueFrom"), &out->env[i]);
    }
}

static void read_env_from(struct pod_reader *reader, const struct cor_json *list,
                          struct pod_container *out)
{
    out->env_from = pod_rows(reader, list, sizeof(*out->env_from), POD_LIST_MAX, "envFrom",
                             &out->env_from_count);
    for (size_t i = 0; i < out->env_from_count; i++) {
        const struct cor_json *json = cor_json_item(list, i);
        const struct cor_json *secret = cor_json_get(json, "secretRef");
        const struct cor_json *ref = secret != NULL ? secret : cor_json_get(json, "configMapRef");
        out->env_from[i] = (struct pod_env_source){
            .prefix = pod_text(json, "prefix"),
            .object = pod_text(ref, "name"),
            .secret = secret != NULL,
            .optional = cor_json_bool_at(ref, "optional", false),
        };
    }
}

static int propagation_of(const char *name)
{
    if (strcmp(name, "HostToContainer") == 0) {
        return 1;
    }
    return strcmp(name, "Bidirectional") == 0 ? 2 : 0;
}

static void read_mounts(struct pod_reader *reader, const struct cor_json *list,
                        struct pod_container *out)
{
    out->mounts = pod_rows(reader, list, sizeof(*out->mounts), POD_LIST_MAX, "volumeMounts",
                           &out->mount_count);
    for (size_t i = 0; i < out->mount_count; i++) {
        const struct cor_json *json = cor_json_item(list, i);
        const char *expr = pod_text(json, "subPathExpr");
        struct pod_mount *mount = &out->mounts[i];
        mount->volume = pod_text(json, "name");
        mount->path = pod_text(json, "mountPath");
        mount->sub_path_expr = expr[0] != '\0';
        mount->two_sub_paths = mount->sub_path_expr && pod_text(json, "subPath")[0] != '\0';
        mount->sub_path = mount->sub_path_expr ? expr : pod_text(json, "subPath");
        mount->readonly = cor_json_bool_at(json, "readOnly", false);
        mount->recursive = strcmp(pod_text(json, "recursiveReadOnly"), "Enabled") == 0;
        mount->propagation = propagation_of(pod_text(json, "mountPropagation"));
    }
}

static void read_devices(struct pod_reader *reader, const struct cor_json *list,
                         struct pod_container *out)
{
    out->devices = pod_rows(reader, list, sizeof(*out->devices), POD_LIST_MAX, "volumeDevices",
                            &out->device_count);
    for (size_t i = 0; i < out->device_count; i++) {
        const struct cor_json *json = cor_json_item(list, i);
        out->devices[i] = (struct pod_device){pod_text(json, "name"), pod_text(json, "devicePath")};
    }
}

static int protocol_of(const char *name)
{
    if (strcmp(name, "UDP") == 0) {
        return 1;
    }
    return strcmp(name, "SCTP") == 0 ? 2 : 0;
}

static void read_ports(struct pod_reader *reader, const struct cor_json *list,
                       struct pod_container *out)
{
    out->ports =
        pod_rows(reader, list, sizeof(*out->ports), POD_LIST_MAX, "ports", &out->port_count);
    for (size_t i = 0; i < out->port_count; i++) {
        const struct cor_json *json = cor_json_item(list, i);
        int64_t port = cor_json_int_at(json, "containerPort", 0);
        int64_t host = cor_json_int_at(json, "hostPort", 0);
        out->ports[i] = (struct pod_port){
            .name = pod_text(json, "name"),
            .host_ip = pod_text(json, "hostIP"),
            .container_port = (int)port,
            .host_port = (int)host,
            .protocol = protocol_of(pod_text(json, "protocol")),
        };
    }
}

static void read_amount(struct pod_reader *reader, const struct cor_json *json, const char *key,
                        bool milli, struct pod_amount *out)
{
    const struct cor_json *value = cor_json_get(json, key);
    if (cor_json_is_null(value)) {
        return;
    }
    out->given = milli ? quantity_json_milli(value, &out->n) : quantity_json_value(value, &out->n);
    if (!out->given || out->n < 0) {
        (void)pod_bad(reader, COR_INVALID, "resources: %s is no quantity", key);
        *out = (struct pod_amount){0};
    }
}

void pod_read_overhead(struct pod_reader *reader, const struct cor_json *json, struct pod *out)
{
    read_amount(reader, json, "cpu", true, &out->overhead_cpu);
    read_amount(reader, json, "memory", false, &out->overhead_memory);
}

/* Whether a resource is counted in whole units: the rest, but for huge pages, has a name of
 * Kubernetes. */
static bool is_extra(const char *name)
{
    bool own = strchr(name, '/') != NULL && strstr(name, "kubernetes.io/") == NULL;
    return own || strncmp(name, "hugepages-", strlen("hugepages-")) == 0;
}

static void read_extras(struct pod_reader *reader, const struct cor_json *limits,
                        struct pod_resources *out)
{
    void *at = NULL;
    const char *name = NULL;
    struct cor_json *value = NULL;
    size_t most = cor_json_is_object(limits) ? cor_json_count(limits) : 0;
    if (most > POD_LIST_MAX) {
        (void)pod_bad(reader, COR_TOOBIG, "resources: more than %d limits", (int)POD_LIST_MAX);
        return;
    }
    out->extras = cor_arena_alloc(reader->arena, (most + 1) * sizeof(*out->extras));
    if (out->extras == NULL) {
        (void)pod_bad(reader, COR_TOOBIG, "the pod is too big");
    }
    while (out->extras != NULL && cor_json_each(limits, &at, &name, &value)) {
        struct pod_amount amount = {0};
        if (!is_extra(name)) {
            continue;
        }
        read_amount(reader, limits, name, false, &amount);
        out->extras[out->extra_count++] = (struct pod_extra){name, amount.n};
    }
}

void pod_read_resources(struct pod_reader *reader, const struct cor_json *json,
                        struct pod_resources *out)
{
    const struct cor_json *limits = cor_json_get(json, "limits");
    const struct cor_json *requests = cor_json_get(json, "requests");
    read_amount(reader, limits, "cpu", true, &out->cpu_limit);
    read_amount(reader, limits, "memory", false, &out->memory_limit);
    read_amount(reader, limits, "ephemeral-storage", false, &out->storage_limit);
    read_amount(reader, requests, "cpu", true, &out->cpu_request);
    read_amount(reader, requests, "memory", false, &out->memory_request);
    read_amount(reader, requests, "ephemeral-storage", false, &out->storage_request);
    read_extras(reader, limits, out);
}

/* The container's value, else the pod's. */
static const struct cor_json *either(const struct cor_json *mine, const struct cor_json *pods,
                                     const char *key)
{
    const struct cor_json *value = cor_json_get(mine, key);
    return value != NULL ? value : cor_json_get(pods, key);
}

static struct pod_amount either_number(const struct cor_json *mine, const struct cor_json *pods,
                                       const char *key)
{
    const struct cor_json *value = either(mine, pods, key);
    return (struct pod_amount){cor_json_type(value) == COR_JSON_INT, cor_json_as_int(value, 0)};
}

static enum pod_profile profile_of(const char *type)
{
    if (strcmp(type, "RuntimeDefault") == 0) {
        return POD_PROFILE_DEFAULT;
    }
    return strcmp(type, "Localhost") == 0 ? POD_PROFILE_LOCALHOST : POD_PROFILE_UNCONFINED;
}

void pod_apparmor_note(const char *text, struct pod_security *out)
{
    static const char local[] = "localhost/";
    out->apparmor_given = true;
    out->apparmor = strcmp(text, "unconfined") == 0 ? POD_PROFILE_UNCONFINED : POD_PROFILE_DEFAULT;
    if (strncmp(text, local, sizeof(local) - 1) == 0) {
        out->apparmor = POD_PROFILE_LOCALHOST;
        out->apparmor_name = text + sizeof(local) - 1;
    }
}

static void read_security(struct pod_reader *reader, const struct cor_json *mine,
                          const struct cor_json *pods, struct pod_security *out)
{
    const struct cor_json *seccomp = either(mine, pods, "seccompProfile");
    const struct cor_json *capabilities = cor_json_get(mine, "capabilities");
    out->user = either_number(mine, pods, "runAsUser");
    out->group = either_number(mine, pods, "runAsGroup");
    out->non_root = cor_json_as_bool(either(mine, pods, "runAsNonRoot"), false);
    out->privileged = cor_json_bool_at(mine, "privileged", false);
    out->readonly_rootfs = cor_json_bool_at(mine, "readOnlyRootFilesystem", false);
    out->no_new_privs = !cor_json_bool_at(mine, "allowPrivilegeEscalation", true);
    out->seccomp = profile_of(pod_text(seccomp, "type"));
    out->seccomp_path = pod_text(seccomp, "localhostProfile");
    const struct cor_json *apparmor = either(mine, pods, "appArmorProfile");
    out->apparmor_given = apparmor != NULL;
    out->apparmor = profile_of(pod_text(apparmor, "type"));
    out->apparmor_name = pod_text(apparmor, "localhostProfile");
    out->unmasked = strcmp(pod_text(mine, "procMount"), "Unmasked") == 0;
    out->add = pod_strings(reader, cor_json_get(capabilities, "add"), "capabilities.add");
    out->drop = pod_strings(reader, cor_json_get(capabilities, "drop"), "capabilities.drop");
}

static void read_image(struct pod_reader *reader, const struct cor_json *json,
                       struct pod_container *out)
{
    const char *image = pod_text(json, "image");
    const char *policy = pod_text(json, "imagePullPolicy");
    out->image = image;
    out->image_error = "";
    bool latest = false;
    if (!image_is_valid(cor_view_of(image))) {
        out->image_error = "invalid reference format";
    } else if (image_lacks_tag(cor_view_of(image))) {
        auto_(cor_freep) char *full = cor_sprintf("%s:latest", image);
        out->image = pod_copy(reader, cor_view_of(full));
        latest = true;
    }
    latest = latest || cor_view_ends(cor_view_of(image), ":latest");
    if (strcmp(policy, "Never") == 0) {
        out->pull = POD_PULL_NEVER;
    } else if (strcmp(policy, "IfNotPresent") == 0) {
        out->pull = POD_PULL_IF_NOT_PRESENT;
    } else {
        out->pull = policy[0] != '\0' || latest ? POD_PULL_ALWAYS : POD_PULL_IF_NOT_PRESENT;
    }
}

/* Name and image: what kubelet restarts a container for (pickFieldsToHash of kubelet 1.32). */
static void hash_of(struct pod_container *out)
{
    uint64_t h = 0xcbf29ce484222325u;
    const char *const parts[] = {out->name, out->image};
    for (size_t p = 0; p < COR_COUNT(parts); p++) {
        for (const char *c = parts[p]; *c != '\0'; c++) {
            h = (h ^ (unsigned char)*c) * 0x100000001b3u;
        }
        h = (h ^ 0xffu) * 0x100000001b3u;
    }
    (void)snprintf(out->hash, sizeof(out->hash), "%016" PRIx64, h);
}

bool pod_read_container(struct pod_reader *reader, const struct cor_json *json,
                        const struct cor_json *defaults, struct pod_container *out)
{
    out->name = pod_text(json, "name");
    out->target = "";
    out->command = pod_strings(reader, cor_json_get(json, "command"), "command");
    out->args = pod_strings(reader, cor_json_get(json, "args"), "args");
    out->working_dir = pod_text(json, "workingDir");
    read_image(reader, json, out);
    read_env(reader, cor_json_get(json, "env"), out);
    read_env_from(reader, cor_json_get(json, "envFrom"), out);
    read_mounts(reader, cor_json_get(json, "volumeMounts"), out);
    read_devices(reader, cor_json_get(json, "volumeDevices"), out);
    read_ports(reader, cor_json_get(json, "ports"), out);
    pod_read_handlers(reader, json, out);
    pod_read_resources(reader, cor_json_get(json, "resources"), &out->resources);
    read_security(reader, cor_json_get(json, "securityContext"), defaults, &out->security);
    out->message_path = optional_text(json, "terminationMessagePath", "/dev/termination-log");
    out->message_from_log =
        strcmp(pod_text(json, "terminationMessagePolicy"), "FallbackToLogsOnError") == 0;
    out->stdin_open = cor_json_bool_at(json, "stdin", false);
    out->stdin_once = cor_json_bool_at(json, "stdinOnce", false);
    out->tty = cor_json_bool_at(json, "tty", false);
    out->sidecar = strcmp(pod_text(json, "restartPolicy"), "Always") == 0;
    hash_of(out);
    return reader->code == COR_OK;
}
