// SPDX-License-Identifier: Apache-2.0
// Columns of workloads, Services and RBAC (pkg/printers/internalversion/printers.go).
#include <string.h>

#include "common/base/mem.h"
#include "labels.h"
#include "meta.h"
#include "table.h"

static const char none[] = "<none>";

static void add_str(struct cor_json *cells, const char *text)
{
    cor_json_add(cells, cor_json_str(text));
}

static void add_buf(struct cor_json *cells, const struct cor_buf *text)
{
    cor_json_add(cells, text->len == 0 ? cor_json_str(none) : cor_json_view(cor_buf_as_view(text)));
}

static void add_name(struct cor_json *cells, const struct cor_json *object)
{
    add_str(cells, kl_meta_str(object, "name"));
}

static void add_age(struct cor_json *cells, const struct cor_json *object, struct cor_wall now)
{
    auto_(cor_buf_free) struct cor_buf age = {0};
    kl_age(cor_json_at(object, "metadata.creationTimestamp"), now, &age);
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&age)));
}

static void add_int(struct cor_json *cells, const struct cor_json *object, const char *path)
{
    cor_json_add(cells, cor_json_int(cor_json_int_at(object, path, 0)));
}

/* Names and images of the template's containers, and the selector. */
static void add_template(struct cor_json *cells, const struct cor_json *object)
{
    static const char *const members[] = {"name", "image"};
    const struct cor_json *list = cor_json_at(object, "spec.template.spec.containers");
    for (size_t m = 0; m < COR_COUNT(members); m++) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        for (size_t i = 0; i < cor_json_count(list); i++) {
            cor_buf_fmt(&text, "%s%s", i == 0 ? "" : ",",
                        cor_json_str_at(cor_json_item(list, i), members[m], ""));
        }
        cor_json_add(cells, cor_json_view(cor_buf_as_view(&text)));
    }
    auto_(cor_buf_free) struct cor_buf selector = {0};
    kl_labels_text(cor_json_at(object, "spec.selector"), &selector);
    add_buf(cells, &selector);
}

void kl_deployment_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    add_name(cells, object);
    cor_json_add(cells, cor_json_fmt("%lld/%lld",
                                     (long long)cor_json_int_at(object, "status.readyReplicas", 0),
                                     (long long)cor_json_int_at(object, "spec.replicas", 0)));
    add_int(cells, object, "status.updatedReplicas");
    add_int(cells, object, "status.availableReplicas");
    add_age(cells, object, now);
    add_template(cells, object);
}

void kl_replicaset_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    add_name(cells, object);
    add_int(cells, object, "spec.replicas");
    add_int(cells, object, "status.replicas");
    add_int(cells, object, "status.readyReplicas");
    add_age(cells, object, now);
    add_template(cells, object);
}

void kl_daemonset_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    auto_(cor_buf_free) struct cor_buf selector = {0};
    add_name(cells, object);
    add_int(cells, object, "status.desiredNumberScheduled");
    add_int(cells, object, "status.currentNumberScheduled");
    add_int(cells, object, "status.numberReady");
    add_int(cells, object, "status.updatedNumberScheduled");
    add_int(cells, object, "status.numberAvailable");
    kl_labels_map_text(cor_json_at(object, "spec.template.spec.nodeSelector"), &selector);
    add_buf(cells, &selector);
    add_age(cells, object, now);
    add_template(cells, object);
}

static void add_duration(struct cor_json *cells, const struct cor_json *object, struct cor_wall now)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    const struct cor_json *start = cor_json_at(object, "status.startTime");
    const struct cor_json *end = cor_json_at(object, "status.completionTime");
    if (end != NULL) {
        (void)cor_wall_parse(cor_json_as_view(end), &now);
    }
    if (start != NULL) {
        kl_age(start, now, &text);
    }
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&text)));
}

void kl_job_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    const struct cor_json *wanted = cor_json_at(object, "spec.completions");
    long long done = (long long)cor_json_int_at(object, "status.succeeded", 0);
    long long parallel = (long long)cor_json_int_at(object, "spec.parallelism", 0);
    add_name(cells, object);
    if (wanted != NULL) {
        cor_json_add(cells, cor_json_fmt("%lld/%lld", done, (long long)cor_json_as_int(wanted, 0)));
    } else if (parallel > 1) {
        cor_json_add(cells, cor_json_fmt("%lld/1 of %lld", done, parallel));
    } else {
        cor_json_add(cells, cor_json_fmt("%lld/1", done));
    }
    add_duration(cells, object, now);
    add_age(cells, object, now);
    add_template(cells, object);
}

void kl_revision_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    const struct cor_json *owner = kl_meta_controller(object);
    auto_(cor_buf_free) struct cor_buf text = {0};
    const char *version = cor_json_str_at(owner, "apiVersion", "");
    const char *slash = strchr(version, '/');
    if (owner != NULL) {
        cor_buf_str(&text, cor_json_str_at(owner, "kind", ""));
        for (size_t i = 0; i < text.len; i++) {
            bool upper = text.data[i] >= 'A' && text.data[i] <= 'Z';
            text.data[i] = (char)(upper ? text.data[i] + 32 : text.data[i]);
        }
        cor_buf_fmt(&text, "%s%.*s/%s", slash == NULL ? "" : ".",
                    slash == NULL ? 0 : (int)(slash - version), version,
                    cor_json_str_at(owner, "name", ""));
    }
    add_name(cells, object);
    add_buf(cells, &text);
    add_int(cells, object, "revision");
    add_age(cells, object, now);
}

static void add_ports(struct cor_json *cells, const struct cor_json *ports)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    for (size_t i = 0; i < cor_json_count(ports); i++) {
        const struct cor_json *port = cor_json_item(ports, i);
        int64_t node = cor_json_int_at(port, "nodePort", 0);
        cor_buf_fmt(&text, "%s%lld", i == 0 ? "" : ",",
                    (long long)cor_json_int_at(port, "port", 0));
        if (node > 0) {
            cor_buf_fmt(&text, ":%lld", (long long)node);
        }
        cor_buf_fmt(&text, "/%s", cor_json_str_at(port, "protocol", ""));
    }
    add_buf(cells, &text);
}

static void add_external(struct cor_json *cells, const struct cor_json *service)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    const char *type = cor_json_str_at(service, "spec.type", "");
    const struct cor_json *ips = cor_json_at(service, "spec.externalIPs");
    const struct cor_json *ingress = cor_json_at(service, "status.loadBalancer.ingress");
    if (strcmp(type, "ExternalName") == 0) {
        add_str(cells, cor_json_str_at(service, "spec.externalName", ""));
        return;
    }
    for (size_t i = 0; i < cor_json_count(ingress); i++) {
        const struct cor_json *one = cor_json_item(ingress, i);
        cor_buf_fmt(&text, "%s%s", text.len == 0 ? "" : ",",
                    cor_json_str_at(one, "ip", cor_json_str_at(one, "hostname", "")));
    }
    for (size_t i = 0; i < cor_json_count(ips); i++) {
        cor_buf_fmt(&text, "%s%s", text.len == 0 ? "" : ",",
                    cor_json_as_str(cor_json_item(ips, i), ""));
    }
    cor_buf_str(&text, text.len == 0 && strcmp(type, "LoadBalancer") == 0 ? "<pending>" : "");
    add_buf(cells, &text);
}

void kl_service_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    auto_(cor_buf_free) struct cor_buf selector = {0};
    const char *address = cor_json_str_at(object, "spec.clusterIP", "");
    add_name(cells, object);
    add_str(cells, cor_json_str_at(object, "spec.type", ""));
    add_str(cells, address[0] == '\0' ? none : address);
    add_external(cells, object);
    add_ports(cells, cor_json_at(object, "spec.ports"));
    add_age(cells, object, now);
    kl_labels_map_text(cor_json_at(object, "spec.selector"), &selector);
    add_buf(cells, &selector);
}

/* At most three of the addresses, then how many more (formatEndpoints). */
struct addresses {
    struct cor_buf text;
    size_t count;
};

static void add_address(struct addresses *list, const char *ip, const struct cor_json *port)
{
    if (list->count++ >= 3) {
        return;
    }
    bool six = strchr(ip, ':') != NULL && port != NULL;
    cor_buf_fmt(&list->text, "%s%s%s%s", list->text.len == 0 ? "" : ",", six ? "[" : "", ip,
                six ? "]" : "");
    if (port != NULL) {
        cor_buf_fmt(&list->text, ":%lld", (long long)cor_json_int_at(port, "port", 0));
    }
}

static void add_subset(struct addresses *list, const struct cor_json *subset)
{
    const struct cor_json *ips = cor_json_get(subset, "addresses");
    const struct cor_json *ports = cor_json_get(subset, "ports");
    size_t rounds = cor_json_count(ports) == 0 ? 1 : cor_json_count(ports);
    for (size_t p = 0; p < rounds; p++) {
        const struct cor_json *port = cor_json_count(ports) == 0 ? NULL : cor_json_item(ports, p);
        for (size_t i = 0; i < cor_json_count(ips); i++) {
            add_address(list, cor_json_str_at(cor_json_item(ips, i), "ip", ""), port);
        }
    }
}

static void end_addresses(struct cor_json *cells, struct addresses *list)
{
    if (list->count > 3) {
        cor_buf_fmt(&list->text, " + %zu more...", list->count - 3);
    }
    add_buf(cells, &list->text);
    cor_buf_free(&list->text);
}

void kl_endpoints_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    struct addresses list = {0};
    const struct cor_json *subsets = cor_json_get(object, "subsets");
    for (size_t i = 0; i < cor_json_count(subsets); i++) {
        add_subset(&list, cor_json_item(subsets, i));
    }
    add_name(cells, object);
    end_addresses(cells, &list);
    add_age(cells, object, now);
}

void kl_slice_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    struct addresses ports = {0};
    struct addresses ips = {0};
    const struct cor_json *list = cor_json_get(object, "ports");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *port = cor_json_get(cor_json_item(list, i), "port");
        auto_(cor_freep) char *text =
            port == NULL ? cor_strdup("*")
                         : cor_sprintf("%lld", (long long)cor_json_as_int(port, 0));
        add_address(&ports, text, NULL);
    }
    list = cor_json_get(object, "endpoints");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *own = cor_json_get(cor_json_item(list, i), "addresses");
        for (size_t a = 0; a < cor_json_count(own); a++) {
            add_address(&ips, cor_json_as_str(cor_json_item(own, a), ""), NULL);
        }
    }
    add_name(cells, object);
    add_str(cells, cor_json_str_at(object, "addressType", ""));
    end_addresses(cells, &ports);
    end_addresses(cells, &ips);
    add_age(cells, object, now);
}

void kl_role_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    (void)now;
    add_name(cells, object);
    add_str(cells, cor_json_str_at(object, "metadata.creationTimestamp", ""));
}

void kl_binding_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    static const char *const kinds[] = {"User", "Group", "ServiceAccount"};
    const struct cor_json *subjects = cor_json_get(object, "subjects");
    add_name(cells, object);
    cor_json_add(cells, cor_json_fmt("%s/%s", cor_json_str_at(object, "roleRef.kind", ""),
                                     cor_json_str_at(object, "roleRef.name", "")));
    add_age(cells, object, now);
    for (size_t k = 0; k < COR_COUNT(kinds); k++) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        for (size_t i = 0; i < cor_json_count(subjects); i++) {
            const struct cor_json *one = cor_json_item(subjects, i);
            if (strcmp(cor_json_str_at(one, "kind", ""), kinds[k]) != 0) {
                continue;
            }
            bool account = k == 2;
            cor_buf_fmt(&text, "%s%s%s%s", text.len == 0 ? "" : ", ",
                        account ? cor_json_str_at(one, "namespace", "") : "", account ? "/" : "",
                        cor_json_str_at(one, "name", ""));
        }
        cor_json_add(cells, cor_json_view(cor_buf_as_view(&text)));
    }
}
