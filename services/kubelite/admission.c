// SPDX-License-Identifier: Apache-2.0
// What the server adds to new Pods: ServiceAccount and its token volume, priority, tolerations
// (plugin/pkg/admission/{serviceaccount,priority,defaulttolerationseconds}).
#include <string.h>

#include "common/base/mem.h"
#include "common/pki/digest.h"
#include "meta.h"
#include "runtimeclass.h"
#include "write.h"

static const char token_mount[] = "/var/run/secrets/kubernetes.io/serviceaccount";
enum { TOLERATION_SECONDS = 300 };

static struct cor_json *parse(const char *text)
{
    struct cor_json *value = NULL;
    return cor_json_parse(cor_view_of(text), 4096, 0, &value, NULL) == COR_OK ? value
                                                                              : cor_json_object();
}

/* The volume that every Pod has since 1.21: token, CA, namespace. */
static struct cor_json *token_volume(const char *name)
{
    static const char sources[] =
        "{\"defaultMode\":420,\"sources\":[{\"serviceAccountToken\":{\"expirationSeconds\":3607,"
        "\"path\":\"token\"}},{\"configMap\":{\"name\":\"kube-root-ca.crt\",\"items\":[{\"key\":"
        "\"ca.crt\",\"path\":\"ca.crt\"}]}},{\"downwardAPI\":{\"items\":[{\"path\":\"namespace\","
        "\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":\"metadata.namespace\"}}]}}]}";
    struct cor_json *volume = cor_json_object();
    cor_json_set(volume, "name", cor_json_str(name));
    cor_json_set(volume, "projected", parse(sources));
    return volume;
}

static bool has_mount(const struct cor_json *container)
{
    const struct cor_json *mounts = cor_json_get(container, "volumeMounts");
    for (size_t i = 0; i < cor_json_count(mounts); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(mounts, i), "mountPath", ""), token_mount) == 0) {
            return true;
        }
    }
    return false;
}

static bool mount_in(struct cor_json *list, const char *name)
{
    bool any = false;
    for (size_t i = 0; i < cor_json_count(list); i++) {
        struct cor_json *container = cor_json_item(list, i);
        if (has_mount(container)) {
            continue;
        }
        struct cor_json *mount = cor_json_object();
        cor_json_set(mount, "name", cor_json_str(name));
        cor_json_set(mount, "readOnly", cor_json_bool(true));
        cor_json_set(mount, "mountPath", cor_json_str(token_mount));
        if (!cor_json_is_array(cor_json_get(container, "volumeMounts"))) {
            cor_json_set(container, "volumeMounts", cor_json_array());
        }
        cor_json_add(cor_json_get(container, "volumeMounts"), mount);
        any = true;
    }
    return any;
}

static void mount_token(struct cor_json *spec)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    uint8_t random[5];
    char name[] = "kube-api-access-.....";
    cor_random(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++) {
        name[sizeof(name) - 6 + i] = alphabet[random[i] % (sizeof(alphabet) - 1)];
    }
    bool any = mount_in(cor_json_get(spec, "initContainers"), name);
    any = mount_in(cor_json_get(spec, "containers"), name) || any;
    if (!any) {
        return;
    }
    if (!cor_json_is_array(cor_json_get(spec, "volumes"))) {
        cor_json_set(spec, "volumes", cor_json_array());
    }
    cor_json_add(cor_json_get(spec, "volumes"), token_volume(name));
}

/* Mirror Pods and Pods that ask for none get no token. */
static bool wants_token(const struct cor_json *spec, const struct cor_json *account)
{
    const struct cor_json *of_pod = cor_json_get(spec, "automountServiceAccountToken");
    const struct cor_json *of_account = cor_json_get(account, "automountServiceAccountToken");
    return cor_json_as_bool(of_pod, cor_json_as_bool(of_account, true));
}

static enum cor_code admit_account(struct kl_api *api, struct cor_json *pod, struct kl_fail *fail)
{
    struct cor_json *spec = cor_json_get(pod, "spec");
    const char *ns = kl_meta_str(pod, "namespace");
    if (cor_json_str_at(spec, "serviceAccountName", "")[0] == '\0') {
        cor_json_set(spec, "serviceAccountName", cor_json_str("default"));
        cor_json_set(spec, "serviceAccount", cor_json_str("default"));
    }
    const char *name = cor_json_str_at(spec, "serviceAccountName", "");
    auto_(cor_json_free) struct cor_json *account =
        kl_storage_look(api->storage, kl_builtin(KL_SERVICEACCOUNT), ns, name);
    if (account == NULL) {
        auto_(cor_freep) char *why =
            cor_sprintf("error looking up service account %s/%s: serviceaccount \"%s\" not found",
                        ns, name, name);
        return kl_fail_forbidden(fail, kl_builtin(KL_POD), kl_meta_str(pod, "name"), why);
    }
    if (wants_token(spec, account)) {
        mount_token(spec);
    }
    const struct cor_json *secrets = cor_json_get(account, "imagePullSecrets");
    if (cor_json_count(cor_json_get(spec, "imagePullSecrets")) == 0 &&
        cor_json_count(secrets) > 0) {
        cor_json_set(spec, "imagePullSecrets", cor_json_copy(secrets));
    }
    return COR_OK;
}

static bool tolerates(const struct cor_json *list, const char *key)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        const char *has = cor_json_str_at(one, "key", "");
        const char *effect = cor_json_str_at(one, "effect", "");
        if ((has[0] == '\0' || strcmp(has, key) == 0) &&
            (effect[0] == '\0' || strcmp(effect, "NoExecute") == 0)) {
            return true;
        }
    }
    return false;
}

static void add_tolerations(struct cor_json *spec)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    for (size_t i = 0; i < COR_COUNT(keys); i++) {
        if (tolerates(cor_json_get(spec, "tolerations"), keys[i])) {
            continue;
        }
        struct cor_json *one = cor_json_object();
        cor_json_set(one, "key", cor_json_str(keys[i]));
        cor_json_set(one, "operator", cor_json_str("Exists"));
        cor_json_set(one, "effect", cor_json_str("NoExecute"));
        cor_json_set(one, "tolerationSeconds", cor_json_int(TOLERATION_SECONDS));
        if (!cor_json_is_array(cor_json_get(spec, "tolerations"))) {
            cor_json_set(spec, "tolerations", cor_json_array());
        }
        cor_json_add(cor_json_get(spec, "tolerations"), one);
    }
}

enum cor_code kl_admit_pod(struct kl_api *api, struct cor_json *pod, struct kl_fail *fail)
{
    struct cor_json *spec = cor_json_get(pod, "spec");
    enum cor_code code = admit_account(api, pod, fail);
    code = code == COR_OK ? kl_admit_runtime_class(api, pod, fail) : code;
    if (code != COR_OK) {
        return code;
    }
    if (cor_json_get(spec, "priority") == NULL) {
        cor_json_set(spec, "priority", cor_json_int(0));
    }
    if (cor_json_get(spec, "preemptionPolicy") == NULL) {
        cor_json_set(spec, "preemptionPolicy", cor_json_str("PreemptLowerPriority"));
    }
    add_tolerations(spec);
    return COR_OK;
}

enum { NODE_PORT_FIRST = 30000, NODE_PORT_COUNT = 2768, HOST_COUNT = 65533, TRIES = 64 };

static bool is_used(const struct cor_json *services, const char *address, int64_t node_port)
{
    for (size_t i = 0; i < cor_json_count(services); i++) {
        const struct cor_json *spec = cor_json_get(cor_json_item(services, i), "spec");
        const struct cor_json *ports = cor_json_get(spec, "ports");
        if (address != NULL && strcmp(cor_json_str_at(spec, "clusterIP", ""), address) == 0) {
            return true;
        }
        for (size_t p = 0; node_port != 0 && p < cor_json_count(ports); p++) {
            if (cor_json_int_at(cor_json_item(ports, p), "nodePort", 0) == node_port) {
                return true;
            }
        }
    }
    return false;
}

static unsigned any_of(unsigned count)
{
    uint32_t random = 0;
    cor_random((uint8_t *)&random, sizeof(random));
    return random % count;
}

/* An address of 10.96.0.0/16 that no Service has; 10.96.0.1 is the API's own. */
static void give_address(struct cor_json *spec, const struct cor_json *services)
{
    for (int i = 0; i < TRIES && cor_json_get(spec, "clusterIP") == NULL; i++) {
        unsigned host = 2 + any_of(HOST_COUNT);
        auto_(cor_freep) char *address = cor_sprintf("10.96.%u.%u", host >> 8, host & 255);
        if (!is_used(services, address, 0)) {
            struct cor_json *list = cor_json_array();
            cor_json_add(list, cor_json_str(address));
            cor_json_set(spec, "clusterIP", cor_json_str(address));
            cor_json_set(spec, "clusterIPs", list);
        }
    }
}

static void give_node_port(struct cor_json *port, const struct cor_json *services)
{
    for (int i = 0; i < TRIES && cor_json_get(port, "nodePort") == NULL; i++) {
        int64_t number = NODE_PORT_FIRST + (int64_t)any_of(NODE_PORT_COUNT);
        if (!is_used(services, NULL, number)) {
            cor_json_set(port, "nodePort", cor_json_int(number));
        }
    }
}

static enum cor_code check_address(const struct cor_json *service, const struct cor_json *services,
                                   struct kl_fail *fail)
{
    auto_(kl_causes_free) struct kl_causes causes = {0};
    const char *address = cor_json_str_at(service, "spec.clusterIP", "");
    bool none = address[0] == '\0' || strcmp(address, "None") == 0;
    if (!none && is_used(services, address, 0)) {
        auto_(cor_freep) char *text = cor_sprintf("[]string{\"%s\"}", address);
        auto_(cor_freep) char *detail = cor_sprintf(
            "failed to allocated ip:%s with error:provided IP is already allocated", address);
        kl_cause_invalid_text(&causes, "spec.clusterIPs", text, detail);
    }
    return kl_causes_end(&causes, kl_builtin(KL_SERVICE), kl_meta_str(service, "name"), fail);
}

enum cor_code kl_admit_service(struct kl_api *api, struct cor_json *service, struct kl_fail *fail)
{
    struct cor_json *spec = cor_json_get(service, "spec");
    const char *type = cor_json_str_at(spec, "type", "");
    const struct cor_json *ports = cor_json_get(spec, "ports");
    if (strcmp(type, "ExternalName") == 0) {
        return COR_OK;
    }
    auto_(cor_json_free) struct cor_json *services =
        kl_storage_objects(api->storage, kl_builtin(KL_SERVICE), NULL);
    enum cor_code code = check_address(service, services, fail);
    if (code != COR_OK) {
        return code;
    }
    give_address(spec, services);
    for (size_t i = 0; strcmp(type, "ClusterIP") != 0 && i < cor_json_count(ports); i++) {
        give_node_port(cor_json_item(ports, i), services);
    }
    return COR_OK;
}
