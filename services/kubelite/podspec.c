// SPDX-License-Identifier: Apache-2.0
#include "podspec.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "meta.h"
#include "quantity.h"

static const char port_text[] = "must be between 1 and 65535, inclusive";
static const char negative_text[] = "must be greater than or equal to 0";

struct scope {
    struct kl_causes *causes;
    const char *path;               /* of the container */
    const struct cor_json *volumes; /* names */
};

static void check_one_of(const struct cor_json *object, const char *member, const char *path,
                         const char *const *known, struct kl_causes *causes)
{
    const char *value = cor_json_str_at(object, member, "");
    for (size_t i = 0; known[i] != NULL; i++) {
        if (strcmp(known[i], value) == 0) {
            return;
        }
    }
    auto_(cor_freep) char *field = cor_sprintf("%s.%s", path, member);
    kl_cause_unsupported(causes, field, value, known);
}

static void check_port_number(const struct cor_json *port, const char *field,
                              struct kl_causes *causes)
{
    int64_t number = cor_json_as_int(port, 0);
    if (number < 1 || number > 65535) {
        kl_cause_invalid(causes, field, port, port_text);
    }
}

static void check_ports(const struct scope *scope, const struct cor_json *ports)
{
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    auto_(cor_json_free) struct cor_json *names = cor_json_object();
    for (size_t i = 0; i < cor_json_count(ports); i++) {
        const struct cor_json *port = cor_json_item(ports, i);
        auto_(cor_freep) char *path = cor_sprintf("%s.ports[%zu]", scope->path, i);
        auto_(cor_freep) char *inner = cor_sprintf("%s.containerPort", path);
        auto_(cor_freep) char *outer = cor_sprintf("%s.hostPort", path);
        auto_(cor_freep) char *named = cor_sprintf("%s.name", path);
        const char *name = cor_json_str_at(port, "name", "");
        if (name[0] != '\0' && strlen(name) > 15) {
            kl_cause_invalid_str(scope->causes, named, name, "must be no more than 15 characters");
        } else if (name[0] != '\0' && cor_json_get(names, name) != NULL) {
            kl_cause_duplicate(scope->causes, named, name);
        } else if (name[0] != '\0') {
            cor_json_set(names, name, cor_json_bool(true));
        }
        if (cor_json_int_at(port, "containerPort", 0) == 0) {
            kl_cause_required(scope->causes, inner, NULL);
        } else {
            check_port_number(cor_json_get(port, "containerPort"), inner, scope->causes);
        }
        if (cor_json_int_at(port, "hostPort", 0) != 0) {
            check_port_number(cor_json_get(port, "hostPort"), outer, scope->causes);
        }
        check_one_of(port, "protocol", path, protocols, scope->causes);
    }
}

static bool is_env_name(const char *name)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return name[good] == '\0' && !(name[0] >= '0' && name[0] <= '9') && strcmp(name, ".") != 0 &&
           strncmp(name, "..", 2) != 0;
}

static void check_env_source(const struct scope *scope, const struct cor_json *env,
                             const char *path)
{
    static const char *const kinds[] = {"fieldRef", "resourceFieldRef", "configMapKeyRef",
                                        "secretKeyRef"};
    const struct cor_json *from = cor_json_get(env, "valueFrom");
    auto_(cor_freep) char *field = cor_sprintf("%s.valueFrom", path);
    if (from == NULL) {
        return;
    }
    size_t found = 0;
    for (size_t i = 0; i < COR_COUNT(kinds); i++) {
        const struct cor_json *part = cor_json_get(from, kinds[i]);
        found += part == NULL ? 0 : 1;
        if (part != NULL && i >= 2 && cor_json_str_at(part, "key", "")[0] == '\0') {
            auto_(cor_freep) char *key = cor_sprintf("%s.%s.key", field, kinds[i]);
            kl_cause_required(scope->causes, key, NULL);
        }
    }
    if (found == 0) {
        kl_cause_invalid_str(scope->causes, field, "",
                             "must specify one of: `fieldRef`, `resourceFieldRef`, "
                             "`configMapKeyRef` or `secretKeyRef`");
    } else if (cor_json_str_at(env, "value", "")[0] != '\0') {
        kl_cause_invalid_str(scope->causes, field, "",
                             "may not be specified when `value` is not empty");
    } else if (found > 1) {
        kl_cause_invalid_str(scope->causes, field, "",
                             "may not have more than one field specified at a time");
    }
}

static void check_env(const struct scope *scope, const struct cor_json *list)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *env = cor_json_item(list, i);
        auto_(cor_freep) char *path = cor_sprintf("%s.env[%zu]", scope->path, i);
        auto_(cor_freep) char *field = cor_sprintf("%s.name", path);
        const char *name = cor_json_str_at(env, "name", "");
        if (name[0] == '\0') {
            kl_cause_required(scope->causes, field, NULL);
        } else if (!is_env_name(name)) {
            kl_cause_invalid_str(
                scope->causes, field, name,
                "a valid environment variable name must consist of alphabetic characters, digits, "
                "'_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or "
                "'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is "
                "'[-._a-zA-Z][-._a-zA-Z0-9]*')");
        }
        check_env_source(scope, env, path);
    }
}

static void check_sub_path(const struct scope *scope, const char *member, const char *text)
{
    auto_(cor_freep) char *field = cor_sprintf("%s.volumeMounts.%s", scope->path, member);
    if (text[0] == '/') {
        kl_cause_invalid_str(scope->causes, field, text, "must be a relative path");
    }
    struct cor_view rest = cor_view_of(text);
    struct cor_view part;
    while (cor_view_split(&rest, '/', &part)) {
        if (cor_view_is(part, "..")) {
            kl_cause_invalid_str(scope->causes, field, text, "must not contain '..'");
            return;
        }
    }
}

static void check_mounts(const struct scope *scope, const struct cor_json *list)
{
    auto_(cor_json_free) struct cor_json *paths = cor_json_object();
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *mount = cor_json_item(list, i);
        auto_(cor_freep) char *named = cor_sprintf("%s.volumeMounts[%zu].name", scope->path, i);
        auto_(cor_freep) char *at = cor_sprintf("%s.volumeMounts[%zu].mountPath", scope->path, i);
        const char *name = cor_json_str_at(mount, "name", "");
        const char *path = cor_json_str_at(mount, "mountPath", "");
        if (name[0] == '\0') {
            kl_cause_required(scope->causes, named, NULL);
        }
        if (cor_json_get(scope->volumes, name) == NULL) {
            kl_cause_notfound(scope->causes, named, name);
        }
        if (path[0] == '\0') {
            kl_cause_required(scope->causes, at, NULL);
        }
        if (cor_json_get(paths, path) != NULL) {
            kl_cause_invalid_str(scope->causes, at, path, "must be unique");
        }
        cor_json_set(paths, path, cor_json_bool(true));
        check_sub_path(scope, "subPath", cor_json_str_at(mount, "subPath", ""));
        check_sub_path(scope, "subPathExpr", cor_json_str_at(mount, "subPathExpr", ""));
    }
}

static void check_probe(const struct scope *scope, const struct cor_json *container,
                        const char *name)
{
    static const char *const numbers[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                          "successThreshold", "failureThreshold"};
    static const char *const handlers[] = {"exec", "httpGet", "tcpSocket", "grpc"};
    const struct cor_json *probe = cor_json_get(container, name);
    if (probe == NULL) {
        return;
    }
    auto_(cor_freep) char *path = cor_sprintf("%s.%s", scope->path, name);
    size_t found = 0;
    for (size_t i = 0; i < COR_COUNT(handlers); i++) {
        if (cor_json_get(probe, handlers[i]) != NULL && found++ > 0) {
            auto_(cor_freep) char *field = cor_sprintf("%s.%s", path, handlers[i]);
            kl_cause_forbidden(scope->causes, field, "may not specify more than 1 handler type");
        }
    }
    if (found == 0) {
        kl_cause_required(scope->causes, path, "must specify a handler type");
    }
    for (size_t i = 0; i < COR_COUNT(numbers); i++) {
        const struct cor_json *number = cor_json_get(probe, numbers[i]);
        if (cor_json_as_int(number, 0) < 0) {
            auto_(cor_freep) char *field = cor_sprintf("%s.%s", path, numbers[i]);
            kl_cause_invalid(scope->causes, field, number, negative_text);
        }
    }
    const struct cor_json *success = cor_json_get(probe, "successThreshold");
    if (strcmp(name, "readinessProbe") != 0 && cor_json_as_int(success, 1) != 1) {
        auto_(cor_freep) char *field = cor_sprintf("%s.successThreshold", path);
        kl_cause_invalid(scope->causes, field, success, "must be 1");
    }
}

static void check_quantities(const struct scope *scope, const struct cor_json *resources,
                             const char *which)
{
    const struct cor_json *limits = cor_json_get(resources, "limits");
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(cor_json_get(resources, which), &at, &key, &value)) {
        auto_(cor_freep) char *field = cor_sprintf("%s.resources.%s[%s]", scope->path, which, key);
        int64_t milli = kl_quantity_milli(cor_json_as_view(value));
        if (milli < 0) {
            kl_cause_invalid(scope->causes, field, value, negative_text);
        }
        const struct cor_json *limit = cor_json_get(limits, key);
        if (limit != NULL && milli > kl_quantity_milli(cor_json_as_view(limit))) {
            auto_(cor_freep) char *requests = cor_sprintf("%s.resources.requests", scope->path);
            auto_(cor_freep) char *text =
                cor_sprintf("must be less than or equal to %s limit", key);
            kl_cause_invalid(scope->causes, requests, value, text);
        }
    }
}

static void check_container(const struct scope *scope, const struct cor_json *container)
{
    static const char *const policies[] = {"Always", "IfNotPresent", "Never", NULL};
    auto_(cor_freep) char *image = cor_sprintf("%s.image", scope->path);
    if (cor_json_str_at(container, "image", "")[0] == '\0') {
        kl_cause_required(scope->causes, image, NULL);
    }
    check_probe(scope, container, "livenessProbe");
    check_probe(scope, container, "startupProbe");
    check_probe(scope, container, "readinessProbe");
    check_ports(scope, cor_json_get(container, "ports"));
    check_env(scope, cor_json_get(container, "env"));
    check_mounts(scope, cor_json_get(container, "volumeMounts"));
    check_one_of(container, "imagePullPolicy", scope->path, policies, scope->causes);
    check_quantities(scope, cor_json_get(container, "resources"), "limits");
    check_quantities(scope, cor_json_get(container, "resources"), "requests");
}

/* Only an init container has a restartPolicy of its own: a sidecar (validateInitContainers). */
static void check_restart(const struct cor_json *container, const char *which, const char *path,
                          struct kl_causes *causes)
{
    static const char *const policies[] = {"Always", NULL};
    auto_(cor_freep) char *field = cor_sprintf("%s.restartPolicy", path);
    if (cor_json_get(container, "restartPolicy") == NULL) {
        return;
    }
    if (strcmp(which, "initContainers") == 0) {
        check_one_of(container, "restartPolicy", path, policies, causes);
    } else {
        kl_cause_forbidden(causes, field, "may not be set for non-init containers");
    }
}

static void check_containers(const struct cor_json *list, const char *which,
                             const struct cor_json *volumes, struct cor_json *names,
                             struct kl_causes *causes)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *container = cor_json_item(list, i);
        auto_(cor_freep) char *path = cor_sprintf("spec.%s[%zu]", which, i);
        auto_(cor_freep) char *field = cor_sprintf("%s.name", path);
        const char *name = cor_json_str_at(container, "name", "");
        if (name[0] == '\0') {
            kl_cause_required(causes, field, NULL);
        } else if (!cor_is_dns_label(cor_view_of(name))) {
            kl_cause_invalid_str(causes, field, name, kl_text_label);
        }
        if (cor_json_get(names, name) != NULL) {
            kl_cause_duplicate(causes, field, name);
        }
        cor_json_set(names, name, cor_json_bool(true));
        check_container(&(struct scope){causes, path, volumes}, container);
        check_restart(container, which, path, causes);
    }
}

static void check_tolerations(const struct cor_json *list, struct kl_causes *causes)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    static const char *const operators[] = {"Equal", "Exists", NULL};
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        auto_(cor_freep) char *path = cor_sprintf("spec.tolerations[%zu]", i);
        bool exists = strcmp(cor_json_str_at(one, "operator", ""), "Exists") == 0;
        if (cor_json_get(one, "operator") != NULL) {
            check_one_of(one, "operator", path, operators, causes);
        }
        if (cor_json_get(one, "effect") != NULL) {
            check_one_of(one, "effect", path, effects, causes);
        }
        if (exists && cor_json_get(one, "value") != NULL) {
            auto_(cor_freep) char *field = cor_sprintf("%s.operator", path);
            kl_cause_invalid(causes, field, one, "value must be empty when `operator` is 'Exists'");
        }
        if (cor_json_get(one, "key") == NULL && !exists) {
            auto_(cor_freep) char *field = cor_sprintf("%s.operator", path);
            kl_cause_invalid_str(causes, field, cor_json_str_at(one, "operator", ""),
                                 "operator must be Exists when `key` is empty, which means \"match "
                                 "all values and all keys\"");
        }
    }
}

static void check_names(const struct cor_json *spec, struct kl_causes *causes)
{
    static const struct {
        const char *member;
        const char *path;
        bool label;
    } names[] = {
        {"serviceAccountName", "spec.serviceAccountName", false},
        {"nodeName", "spec.nodeName", false},
        {"hostname", "spec.hostname", true},
        {"subdomain", "spec.subdomain", true},
    };
    for (size_t i = 0; i < COR_COUNT(names); i++) {
        struct cor_view name = cor_json_as_view(cor_json_get(spec, names[i].member));
        bool good = names[i].label ? cor_is_dns_label(name) : cor_is_dns_subdomain(name);
        if (name.len > 0 && !good) {
            kl_cause_invalid(causes, names[i].path, cor_json_get(spec, names[i].member),
                             names[i].label ? kl_text_label : kl_text_subdomain);
        }
    }
}

void kl_podspec_check(const struct cor_json *spec, struct kl_causes *causes)
{
    static const char *const restart[] = {"Always", "OnFailure", "Never", NULL};
    static const char *const dns[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None",
                                      NULL};
    auto_(cor_json_free) struct cor_json *volumes = cor_json_object();
    auto_(cor_json_free) struct cor_json *names = cor_json_object();
    kl_volumes_check(cor_json_get(spec, "volumes"), volumes, causes);
    if (cor_json_count(cor_json_get(spec, "containers")) == 0) {
        kl_cause_required(causes, "spec.containers", NULL);
    }
    check_containers(cor_json_get(spec, "containers"), "containers", volumes, names, causes);
    check_containers(cor_json_get(spec, "initContainers"), "initContainers", volumes, names,
                     causes);
    check_one_of(spec, "restartPolicy", "spec", restart, causes);
    check_one_of(spec, "dnsPolicy", "spec", dns, causes);
    kl_meta_check_labels(cor_json_get(spec, "nodeSelector"), "spec.nodeSelector", causes);
    check_names(spec, causes);
    const struct cor_json *grace = cor_json_get(spec, "terminationGracePeriodSeconds");
    if (cor_json_as_int(grace, 0) < 0) {
        kl_cause_invalid(causes, "spec.terminationGracePeriodSeconds", grace, negative_text);
    }
    const struct cor_json *deadline = cor_json_get(spec, "activeDeadlineSeconds");
    if (deadline != NULL && cor_json_as_int(deadline, 0) < 1) {
        kl_cause_invalid(causes, "spec.activeDeadlineSeconds", deadline,
                         "must be between 1 and 2147483647, inclusive");
    }
    check_tolerations(cor_json_get(spec, "tolerations"), causes);
}
