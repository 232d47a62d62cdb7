// SPDX-License-Identifier: Apache-2.0
#include "admit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "affinity.h"
#include "common/base/view.h"
#include "services/edged/pod/quantity.h"

/* ---- resources ---- */

/* A limit is a request too where there is none: the API server writes that into Pods, but not into
 * those that come from elsewhere. */
static int64_t either(struct pod_amount request, struct pod_amount limit)
{
    return request.given ? request.n : limit.n;
}

static void add(struct pod_amount *sum, int64_t more)
{
    sum->n = quantity_sum(sum->n, more);
}

static void add_to(struct pod_resources *sum, const struct pod_resources *more)
{
    add(&sum->cpu_request, either(more->cpu_request, more->cpu_limit));
    add(&sum->memory_request, either(more->memory_request, more->memory_limit));
    add(&sum->storage_request, either(more->storage_request, more->storage_limit));
}

static void add_sum(struct pod_resources *sum, const struct pod_resources *more)
{
    add(&sum->cpu_request, more->cpu_request.n);
    add(&sum->memory_request, more->memory_request.n);
    add(&sum->storage_request, more->storage_request.n);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What the Pod itself asks for counts instead of its containers; its limit when they ask for
 * nothing (resource.PodRequests). */
static void apply_level(struct pod_amount *sum, struct pod_amount request, struct pod_amount limit)
{
    if (request.given) {
        sum->n = request.n;
    } else if (sum->n == 0) {
        sum->n = limit.n;
    }
}

struct pod_resources admit_requests(const struct pod *pod)
{
    struct pod_resources sidecars = {0};
    struct pod_resources most = {0};
    for (size_t i = 0; i < pod->init_count; i++) {
        struct pod_resources now = sidecars;
        add_to(&now, &pod->init[i].resources);
        most.cpu_request.n = larger(most.cpu_request.n, now.cpu_request.n);
        most.memory_request.n = larger(most.memory_request.n, now.memory_request.n);
        most.storage_request.n = larger(most.storage_request.n, now.storage_request.n);
        if (pod->init[i].sidecar) {
            sidecars = now;
        }
    }
    struct pod_resources sum = sidecars;
    for (size_t i = 0; i < pod->main_count; i++) {
        add_to(&sum, &pod->main[i].resources);
    }
    sum.cpu_request.n = larger(sum.cpu_request.n, most.cpu_request.n);
    sum.memory_request.n = larger(sum.memory_request.n, most.memory_request.n);
    sum.storage_request.n = larger(sum.storage_request.n, most.storage_request.n);
    apply_level(&sum.cpu_request, pod->level.cpu_request, pod->level.cpu_limit);
    apply_level(&sum.memory_request, pod->level.memory_request, pod->level.memory_limit);
    add(&sum.cpu_request, pod->overhead_cpu.n);
    add(&sum.memory_request, pod->overhead_memory.n);
    return sum;
}

static int64_t extra_of(const struct pod_container *container, const char *resource)
{
    const struct pod_resources *r = &container->resources;
    for (size_t i = 0; i < r->extra_count; i++) {
        if (strcmp(r->extras[i].name, resource) == 0) {
            return r->extras[i].n;
        }
    }
    return 0;
}

int64_t admit_extra_request(const struct pod *pod, const char *resource)
{
    int64_t stays = 0;
    int64_t most = 0;
    for (size_t i = 0; i < pod_main_end(pod); i++) {
        const struct pod_container *container = pod_container(pod, i);
        int64_t now = quantity_sum(stays, extra_of(container, resource));
        most = larger(most, now);
        stays = !pod_is_init(pod, i) || container->sidecar ? now : stays;
    }
    return larger(stays, most);
}

/* reason is "OutOf" and the resource. */
static bool lacks(struct admit_refusal *out, const char *reason, int64_t requested, int64_t used,
                  int64_t capacity)
{
    const char *resource = reason + strlen("OutOf");
    if (requested == 0 || requested <= capacity - used) {
        return false;
    }
    out->reason = reason;
    (void)snprintf(out->message, sizeof(out->message),
                   "Node didn't have enough resource: %s, requested: %" PRId64 ", used: %" PRId64
                   ", capacity: %" PRId64,
                   resource, requested, used, capacity);
    return true;
}

static bool lacks_extra(const struct admit_node *node, const struct pod *const *others,
                        size_t count, const struct pod *pod, struct admit_refusal *out)
{
    for (size_t i = 0; i < node->extra_count; i++) {
        const struct pod_extra *extra = &node->extras[i];
        int64_t wanted = admit_extra_request(pod, extra->name);
        int64_t used = 0;
        for (size_t k = 0; wanted > 0 && k < count; k++) {
            used = quantity_sum(used, admit_extra_request(others[k], extra->name));
        }
        (void)snprintf(out->own, sizeof(out->own), "OutOf%s", extra->name);
        if (lacks(out, out->own, wanted, used, extra->n)) {
            return true;
        }
    }
    return false;
}

static bool lacks_any(const struct admit_node *node, const struct pod *const *others, size_t count,
                      const struct pod *pod, struct admit_refusal *out)
{
    struct pod_resources wanted = admit_requests(pod);
    struct pod_resources used = {0};
    for (size_t i = 0; i < count; i++) {
        struct pod_resources one = admit_requests(others[i]);
        add_sum(&used, &one);
    }
    return lacks(out, "OutOfpods", 1, (int64_t)count, node->pods) ||
           lacks(out, "OutOfcpu", wanted.cpu_request.n, used.cpu_request.n, node->cpu_milli) ||
           lacks(out, "OutOfmemory", wanted.memory_request.n, used.memory_request.n,
                 node->memory) ||
           lacks(out, "OutOfephemeral-storage", wanted.storage_request.n, used.storage_request.n,
                 node->storage) ||
           lacks_extra(node, others, count, pod, out);
}

/* ---- ports ---- */

static bool any_address(const char *ip)
{
    return ip[0] == '\0' || strcmp(ip, "0.0.0.0") == 0;
}

static bool ports_clash(const struct pod_port *a, const struct pod_port *b)
{
    return a->host_port > 0 && a->host_port == b->host_port && a->protocol == b->protocol &&
           (any_address(a->host_ip) || any_address(b->host_ip) ||
            strcmp(a->host_ip, b->host_ip) == 0);
}

static bool container_clashes(const struct pod_container *a, const struct pod_container *b)
{
    for (size_t i = 0; i < a->port_count; i++) {
        for (size_t k = 0; k < b->port_count; k++) {
            if (ports_clash(&a->ports[i], &b->ports[k])) {
                return true;
            }
        }
    }
    return false;
}

static bool pods_clash(const struct pod *a, const struct pod *b)
{
    for (size_t i = 0; i < a->main_count; i++) {
        for (size_t k = 0; k < b->main_count; k++) {
            if (container_clashes(&a->main[i], &b->main[k])) {
                return true;
            }
        }
    }
    return false;
}

static bool ports_taken(const struct pod *const *others, size_t count, const struct pod *pod)
{
    for (size_t i = 0; i < count; i++) {
        if (pods_clash(pod, others[i])) {
            return true;
        }
    }
    return false;
}

/* ---- sysctls ---- */

/* Those that concern the Pod's own namespaces only and harm nobody (Kubernetes 1.32). */
static const char *const SAFE[] = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
};

static bool matches_sysctl(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);
    return len > 0 && pattern[len - 1] == '*' ? strncmp(pattern, name, len - 1) == 0
                                              : strcmp(pattern, name) == 0;
}

static bool is_allowed(const struct admit_node *node, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < COR_COUNT(SAFE); i++) {
        found = found || strcmp(SAFE[i], name) == 0;
    }
    for (size_t i = 0; i < node->sysctl_count; i++) {
        found = found || matches_sysctl(node->sysctls[i], name);
    }
    return found;
}

/* Of the network and of IPC only a Pod with namespaces of its own may set any. */
static const char *why_not(const struct admit_node *node, const struct pod *pod, const char *name)
{
    struct cor_view view = cor_view_of(name);
    bool ipc = cor_view_starts(view, "kernel.shm") || cor_view_starts(view, "kernel.msg") ||
               cor_view_starts(view, "kernel.sem") || cor_view_starts(view, "fs.mqueue.");
    if (!is_allowed(node, name)) {
        return "not allowlisted";
    }
    if (cor_view_starts(view, "net.") && pod->host_network) {
        return "not allowed with host net enabled";
    }
    return ipc && pod->host_ipc ? "not allowed with host ipc enabled" : NULL;
}

static bool sysctl_forbidden(const struct admit_node *node, const struct pod *pod,
                             struct admit_refusal *out)
{
    for (size_t i = 0; i < pod->sysctl_count; i++) {
        const char *why = why_not(node, pod, pod->sysctls[i].name);
        if (why != NULL) {
            out->reason = "SysctlForbidden";
            (void)snprintf(out->message, sizeof(out->message), "forbidden sysctl: \"%.200s\" %s",
                           pod->sysctls[i].name, why);
            return true;
        }
    }
    return false;
}

/* ---- all of it ---- */

static bool refuse(struct admit_refusal *out, const char *reason, const char *message)
{
    out->reason = reason;
    (void)snprintf(out->message, sizeof(out->message), "%s", message);
    return false;
}

static bool wrong_os(const struct pod *pod)
{
    const char *os = cor_json_str_at(pod->object, "spec.os.name", "");
    return os[0] != '\0' && strcmp(os, "linux") != 0;
}

static bool wrong_os_label(const struct pod *pod)
{
    const struct cor_json *selector = cor_json_at(pod->object, "spec.nodeSelector");
    const char *os = cor_json_as_str(cor_json_get(selector, "kubernetes.io/os"), "linux");
    return strcmp(os, "linux") != 0;
}

/* Whether a container asks for a profile (k8s.io/kubernetes pkg/security/apparmor isRequired). */
static bool wants_apparmor(const struct pod *pod)
{
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        const struct pod_security *security = &pod_container(pod, i)->security;
        if (security->apparmor_given && security->apparmor != POD_PROFILE_UNCONFINED) {
            return true;
        }
    }
    return false;
}

/* Groups of the image must not count, but the runtime adds them. */
static bool wants_strict_groups(const struct pod *pod)
{
    return strcmp(cor_json_str_at(pod->object, "spec.securityContext.supplementalGroupsPolicy", ""),
                  "Strict") == 0;
}

bool admit_pod(const struct admit_node *node, const struct pod *const *others, size_t count,
               const struct pod *pod, struct admit_refusal *out)
{
    const struct cor_json *labels = cor_json_at(node->object, "metadata.labels");
    const struct cor_json *taints = cor_json_at(node->object, "spec.taints");
    bool mirrored = cor_json_get(cor_json_at(pod->object, "metadata.annotations"),
                                 "kubernetes.io/config.mirror") != NULL;
    if (sysctl_forbidden(node, pod, out)) {
        return false;
    }
    if (!node->apparmor && wants_apparmor(pod)) {
        return refuse(out, "AppArmor",
                      "Cannot enforce AppArmor: AppArmor is not enabled on the host");
    }
    if (wants_strict_groups(pod)) {
        return refuse(out, "SupplementalGroupsPolicyNotSupported",
                      "SupplementalGroupsPolicy=Strict is not supported in this node");
    }
    if (wrong_os_label(pod)) {
        return refuse(
            out, "PodOSSelectorNodeLabelDoesNotMatch",
            "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label");
    }
    if (wrong_os(pod)) {
        return refuse(out, "PodOSNotSupported",
                      "Failed to admit pod as the OS field doesn't match node OS");
    }
    if (lacks_any(node, others, count, pod, out)) {
        return false;
    }
    if (node->object != NULL && !affinity_matches(pod->object, node->name, labels)) {
        return refuse(out, "NodeAffinity",
                      "Predicate NodeAffinity failed: node(s) didn't match Pod's node "
                      "affinity/selector");
    }
    if (ports_taken(others, count, pod)) {
        return refuse(out, "NodePorts",
                      "Predicate NodePorts failed: node(s) didn't have free ports for the "
                      "requested pod ports");
    }
    if (!mirrored && !affinity_tolerates(pod->object, taints, "NoExecute")) {
        return refuse(out, "TaintToleration",
                      "Predicate TaintToleration failed: node(s) had taints that the pod didn't "
                      "tolerate");
    }
    return true;
}
