// SPDX-License-Identifier: Apache-2.0
// Strategies of Services (pkg/registry/core/service) and of what RBAC is made of
// (pkg/apis/rbac/validation).
#include <string.h>

#include <arpa/inet.h>

#include "common/base/mem.h"
#include "meta.h"
#include "strategy.h"

static bool is_address(const char *text)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool has_type(const struct cor_json *service, const char *type)
{
    return strcmp(cor_json_str_at(service, "spec.type", ""), type) == 0;
}

/* SetDefaults_Service of pkg/apis/core/v1. */
void kl_service_fill(struct cor_json *service)
{
    struct cor_json *spec = cor_json_get(service, "spec");
    const struct cor_json *ports = cor_json_get(spec, "ports");
    for (size_t i = 0; i < cor_json_count(ports); i++) {
        struct cor_json *port = cor_json_item(ports, i);
        const struct cor_json *target = cor_json_get(port, "targetPort");
        bool unset = target == NULL ||
                     (cor_json_type(target) == COR_JSON_INT && cor_json_as_int(target, 0) == 0);
        if (unset || cor_json_as_view(target).len + (cor_json_is_string(target) ? 0 : 1) == 0) {
            cor_json_set(port, "targetPort", cor_json_ref(cor_json_get(port, "port")));
        }
    }
    bool outside = has_type(service, "NodePort") || has_type(service, "LoadBalancer");
    if (outside && cor_json_get(spec, "externalTrafficPolicy") == NULL) {
        cor_json_set(spec, "externalTrafficPolicy", cor_json_str("Cluster"));
    }
    if (strcmp(cor_json_str_at(spec, "sessionAffinity", ""), "ClientIP") == 0 &&
        cor_json_at(spec, "sessionAffinityConfig.clientIP.timeoutSeconds") == NULL) {
        cor_json_set_at(spec, "sessionAffinityConfig.clientIP.timeoutSeconds", cor_json_int(10800));
    }
    const char *address = cor_json_str_at(spec, "clusterIP", "");
    if (address[0] != '\0' && cor_json_get(spec, "clusterIPs") == NULL) {
        struct cor_json *list = cor_json_array();
        cor_json_add(list, cor_json_str(address));
        cor_json_set(spec, "clusterIPs", list);
    }
}

/* Addresses and node ports that were given stay (patchAllocatedValues). */
void kl_service_update(struct kl_draft *draft)
{
    static const char *const kept[] = {"clusterIP", "clusterIPs"};
    struct cor_json *spec = cor_json_get(draft->object, "spec");
    const struct cor_json *old = cor_json_get(draft->old, "spec");
    if (has_type(draft->object, "ExternalName")) {
        return;
    }
    if (cor_json_get(spec, "clusterIP") == NULL) {
        for (size_t i = 0; i < COR_COUNT(kept); i++) {
            cor_json_set(spec, kept[i], cor_json_copy(cor_json_get(old, kept[i])));
        }
    }
    if (has_type(draft->object, "ClusterIP")) {
        return;
    }
    const struct cor_json *ports = cor_json_get(spec, "ports");
    const struct cor_json *before = cor_json_get(old, "ports");
    for (size_t i = 0; i < cor_json_count(ports) && i < cor_json_count(before); i++) {
        struct cor_json *port = cor_json_item(ports, i);
        const struct cor_json *was = cor_json_get(cor_json_item(before, i), "nodePort");
        if (cor_json_get(port, "nodePort") == NULL && was != NULL) {
            cor_json_set(port, "nodePort", cor_json_copy(was));
        }
    }
}

static void check_port(const struct cor_json *port, size_t index, bool named,
                       struct kl_causes *causes)
{
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    auto_(cor_freep) char *path = cor_sprintf("spec.ports[%zu]", index);
    auto_(cor_freep) char *name = cor_sprintf("%s.name", path);
    auto_(cor_freep) char *number = cor_sprintf("%s.port", path);
    auto_(cor_freep) char *protocol = cor_sprintf("%s.protocol", path);
    int64_t value = cor_json_int_at(port, "port", 0);
    bool known = false;
    if (named && cor_json_get(port, "name") == NULL) {
        kl_cause_required(causes, name, NULL);
    }
    if (value < 1 || value > 65535) {
        kl_cause_invalid(causes, number, cor_json_get(port, "port"),
                         "must be between 1 and 65535, inclusive");
    }
    for (size_t i = 0; protocols[i] != NULL; i++) {
        known = known || strcmp(cor_json_str_at(port, "protocol", ""), protocols[i]) == 0;
    }
    if (!known) {
        kl_cause_unsupported(causes, protocol, cor_json_str_at(port, "protocol", ""), protocols);
    }
}

void kl_service_check(struct kl_draft *draft)
{
    static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort",
                                        NULL};
    const struct cor_json *spec = cor_json_get(draft->object, "spec");
    const struct cor_json *ports = cor_json_get(spec, "ports");
    size_t count = cor_json_count(ports);
    bool headless = strcmp(cor_json_str_at(spec, "clusterIP", ""), "None") == 0;
    bool known = false;
    if (draft->sub == KL_SUB_STATUS) {
        return;
    }
    if (count == 0 && !headless && !has_type(draft->object, "ExternalName")) {
        kl_cause_required(&draft->causes, "spec.ports", NULL);
    }
    if (has_type(draft->object, "ExternalName") && cor_json_get(spec, "externalName") == NULL) {
        kl_cause_required(&draft->causes, "spec.externalName", NULL);
    }
    for (size_t i = 0; i < count; i++) {
        check_port(cor_json_item(ports, i), i, count > 1, &draft->causes);
    }
    kl_meta_check_labels(cor_json_get(spec, "selector"), "spec.selector", &draft->causes);
    for (size_t i = 0; types[i] != NULL; i++) {
        known = known || has_type(draft->object, types[i]);
    }
    if (!known) {
        kl_cause_unsupported(&draft->causes, "spec.type", cor_json_str_at(spec, "type", ""), types);
    }
}

void kl_service_check_update(struct kl_draft *draft)
{
    const char *was = cor_json_str_at(draft->old, "spec.clusterIP", "");
    const char *is = cor_json_str_at(draft->object, "spec.clusterIP", "");
    if (was[0] != '\0' && !has_type(draft->object, "ExternalName") && strcmp(was, is) != 0) {
        auto_(cor_freep) char *text = cor_sprintf("[]string{\"%s\"}", is);
        kl_cause_invalid_text(&draft->causes, "spec.clusterIPs[0]", text,
                              "may not change once set");
    }
}

static void check_addresses(const struct cor_json *list, const char *path, struct kl_causes *causes)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const char *ip = cor_json_str_at(cor_json_item(list, i), "ip", "");
        auto_(cor_freep) char *field = cor_sprintf("%s[%zu].ip", path, i);
        if (!is_address(ip)) {
            kl_cause_invalid_str(causes, field, ip,
                                 "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
            kl_cause_invalid_str(causes, field, ip, "must be a valid IP address");
        }
    }
}

static void check_subset(const struct cor_json *subset, size_t index, struct kl_causes *causes)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    const struct cor_json *ports = cor_json_get(subset, "ports");
    auto_(cor_freep) char *path = cor_sprintf("subsets[%zu]", index);
    size_t addresses = 0;
    for (size_t i = 0; i < COR_COUNT(lists); i++) {
        auto_(cor_freep) char *field = cor_sprintf("%s.%s", path, lists[i]);
        addresses += cor_json_count(cor_json_get(subset, lists[i]));
        check_addresses(cor_json_get(subset, lists[i]), field, causes);
    }
    if (addresses == 0) {
        kl_cause_required(causes, path, "must specify `addresses` or `notReadyAddresses`");
    }
    for (size_t i = 0; cor_json_count(ports) > 1 && i < cor_json_count(ports); i++) {
        auto_(cor_freep) char *field = cor_sprintf("%s.ports[%zu].name", path, i);
        if (cor_json_get(cor_json_item(ports, i), "name") == NULL) {
            kl_cause_required(causes, field, NULL);
        }
    }
}

/* ValidateEndpoints of pkg/apis/core/validation. */
void kl_endpoints_check(struct kl_draft *draft)
{
    const struct cor_json *subsets = cor_json_get(draft->object, "subsets");
    for (size_t i = 0; i < cor_json_count(subsets); i++) {
        check_subset(cor_json_item(subsets, i), i, &draft->causes);
    }
}

/* SetDefaults_Subject and SetDefaults_RoleBinding of pkg/apis/rbac/v1. */
void kl_binding_fill(struct cor_json *binding)
{
    static const char group[] = "rbac.authorization.k8s.io";
    struct cor_json *ref = cor_json_get(binding, "roleRef");
    const struct cor_json *subjects = cor_json_get(binding, "subjects");
    if (ref != NULL && cor_json_str_at(ref, "apiGroup", "")[0] == '\0') {
        cor_json_set(ref, "apiGroup", cor_json_str(group));
    }
    for (size_t i = 0; i < cor_json_count(subjects); i++) {
        struct cor_json *subject = cor_json_item(subjects, i);
        const char *kind = cor_json_str_at(subject, "kind", "");
        bool person = strcmp(kind, "User") == 0 || strcmp(kind, "Group") == 0;
        if (person && cor_json_get(subject, "apiGroup") == NULL) {
            cor_json_set(subject, "apiGroup", cor_json_str(group));
        }
    }
}

static void check_rule(const struct cor_json *rule, size_t index, struct kl_causes *causes)
{
    static const struct {
        const char *member;
        const char *text;
    } needed[] = {
        {"apiGroups", "resource rules must supply at least one api group"},
        {"resources", "resource rules must supply at least one resource"},
    };
    auto_(cor_freep) char *verbs = cor_sprintf("rules[%zu].verbs", index);
    if (cor_json_count(cor_json_get(rule, "verbs")) == 0) {
        kl_cause_required(causes, verbs, "verbs must contain at least one value");
    }
    for (size_t i = 0; i < COR_COUNT(needed); i++) {
        auto_(cor_freep) char *path = cor_sprintf("rules[%zu].%s", index, needed[i].member);
        if (cor_json_count(cor_json_get(rule, "nonResourceURLs")) == 0 &&
            cor_json_count(cor_json_get(rule, needed[i].member)) == 0) {
            kl_cause_required(causes, path, needed[i].text);
        }
    }
}

void kl_role_check(struct kl_draft *draft)
{
    const struct cor_json *rules = cor_json_get(draft->object, "rules");
    for (size_t i = 0; i < cor_json_count(rules); i++) {
        check_rule(cor_json_item(rules, i), i, &draft->causes);
    }
}

static void check_subject(const struct cor_json *subject, size_t index, bool namespaced,
                          struct kl_causes *causes)
{
    static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
    const char *kind = cor_json_str_at(subject, "kind", "");
    auto_(cor_freep) char *name = cor_sprintf("subjects[%zu].name", index);
    auto_(cor_freep) char *path = cor_sprintf("subjects[%zu].kind", index);
    auto_(cor_freep) char *ns = cor_sprintf("subjects[%zu].namespace", index);
    bool known = false;
    for (size_t i = 0; kinds[i] != NULL; i++) {
        known = known || strcmp(kinds[i], kind) == 0;
    }
    if (cor_json_str_at(subject, "name", "")[0] == '\0') {
        kl_cause_required(causes, name, NULL);
    }
    if (!known) {
        kl_cause_unsupported(causes, path, kind, kinds);
    }
    if (!namespaced && strcmp(kind, "ServiceAccount") == 0 &&
        cor_json_get(subject, "namespace") == NULL) {
        kl_cause_required(causes, ns, NULL);
    }
}

void kl_role_binding_check(struct kl_draft *draft)
{
    static const char *const kinds[] = {"Role", "ClusterRole", NULL};
    static const char *const wide[] = {"ClusterRole", NULL};
    bool namespaced = draft->kind->namespaced;
    const char *kind = cor_json_str_at(draft->object, "roleRef.kind", "");
    bool known = strcmp(kind, "ClusterRole") == 0 || (namespaced && strcmp(kind, "Role") == 0);
    const struct cor_json *subjects = cor_json_get(draft->object, "subjects");
    if (!known) {
        kl_cause_unsupported(&draft->causes, "roleRef.kind", kind, namespaced ? kinds : wide);
    }
    if (cor_json_str_at(draft->object, "roleRef.name", "")[0] == '\0') {
        kl_cause_required(&draft->causes, "roleRef.name", NULL);
    }
    for (size_t i = 0; i < cor_json_count(subjects); i++) {
        check_subject(cor_json_item(subjects, i), i, namespaced, &draft->causes);
    }
}

void kl_role_binding_check_update(struct kl_draft *draft)
{
    const struct cor_json *ref = cor_json_get(draft->object, "roleRef");
    if (!cor_json_equal(ref, cor_json_get(draft->old, "roleRef"))) {
        auto_(cor_freep) char *text =
            cor_sprintf("rbac.RoleRef{APIGroup:\"%s\", Kind:\"%s\", Name:\"%s\"}",
                        cor_json_str_at(ref, "apiGroup", ""), cor_json_str_at(ref, "kind", ""),
                        cor_json_str_at(ref, "name", ""));
        kl_cause_invalid_text(&draft->causes, "roleRef", text, "cannot change roleRef");
    }
}
