// SPDX-License-Identifier: Apache-2.0
// Every namespace has a default ServiceAccount and the ConfigMap kube-root-ca.crt; a namespace that
// ends loses its content, then its finalizer, then itself.
#include <string.h>

#include "common/base/mem.h"
#include "controller.h"
#include "meta.h"

static struct cor_json *named(const char *ns, const char *name)
{
    struct cor_json *object = cor_json_object();
    cor_json_set_at(object, "metadata.namespace", cor_json_str(ns));
    cor_json_set_at(object, "metadata.name", cor_json_str(name));
    return object;
}

/* Who signs the certificate that the API server shows to kubelets and others: where they look for
 * it (k8s.io/apiserver/pkg/server/options, authentication_dynamic_request_header.go). */
static void publish_ca(struct kl_api *api)
{
    struct cor_json *data = cor_json_object();
    struct cor_json *config = named("kube-system", "extension-apiserver-authentication");
    cor_json_set(data, "client-ca-file", cor_json_str(api->ca_pem));
    cor_json_set(config, "data", data);
    kl_own_create(api, kl_builtin(KL_CONFIGMAP), config);
}

void kl_furnish(struct kl_api *api, const char *ns)
{
    struct cor_json *data = cor_json_object();
    struct cor_json *config = named(ns, "kube-root-ca.crt");
    cor_json_set(data, "ca.crt", cor_json_str(api->ca_pem));
    cor_json_set(config, "data", data);
    kl_own_create(api, kl_builtin(KL_SERVICEACCOUNT), named(ns, "default"));
    kl_own_create(api, kl_builtin(KL_CONFIGMAP), config);
    if (strcmp(ns, "kube-system") == 0) {
        publish_ca(api);
    }
}

struct content {
    struct kl_api *api;
    struct cor_json *found; /* array of [key, name] */
};

static void on_name(void *self, const char *key, const char *name)
{
    struct content *content = self;
    struct cor_json *pair = cor_json_array();
    cor_json_add(pair, cor_json_str(key));
    cor_json_add(pair, cor_json_str(name));
    cor_json_add(content->found, pair);
}

/* Pods on a node get their grace period; what has finalizers is marked and waits. */
static void remove_one(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object)
{
    bool held = cor_json_count(cor_json_at(object, "metadata.finalizers")) > 0;
    bool runs = kl_is(kind, KL_POD) && cor_json_str_at(object, "spec.nodeName", "")[0] != '\0' &&
                cor_json_int_at(object, "metadata.deletionGracePeriodSeconds", 1) != 0;
    if (!held && !runs) {
        kl_own_delete(api, kind, object);
        return;
    }
    if (kl_meta_deleting(object)) {
        cor_json_free(&object);
        return;
    }
    struct cor_json *old = cor_json_copy(object);
    int64_t grace = runs ? cor_json_int_at(object, "spec.terminationGracePeriodSeconds", 30) : 0;
    char time[COR_RFC3339_SIZE];
    cor_wall_format((struct cor_wall){cor_wall_now().us + COR_SEC(grace)}, time);
    cor_json_set(kl_meta(object), "deletionTimestamp", cor_json_str(time));
    cor_json_set(kl_meta(object), "deletionGracePeriodSeconds", cor_json_int(grace));
    kl_own_update(api, kind, object, old);
}

static void empty(struct kl_api *api, const char *ns)
{
    auto_(cor_json_free) struct cor_json *found = cor_json_array();
    struct content content = {api, found};
    kl_storage_names(api->storage, ns, on_name, &content);
    for (size_t i = 0; i < cor_json_count(found); i++) {
        const struct cor_json *pair = cor_json_item(found, i);
        const struct kl_kind *kind =
            kl_kinds_of_key(api->kinds, cor_json_as_str(cor_json_item(pair, 0), ""));
        if (kind == NULL) {
            continue;
        }
        struct cor_json *object =
            kl_storage_get(api->storage, kind, ns, cor_json_as_str(cor_json_item(pair, 1), ""));
        if (object != NULL) {
            remove_one(api, kind, object);
        }
    }
}

static void end_namespace(struct kl_api *api, const char *name)
{
    if (kl_storage_count(api->storage, name) > 0) {
        empty(api, name);
        return;
    }
    struct cor_json *ns = kl_storage_get(api->storage, kl_builtin(KL_NAMESPACE), NULL, name);
    if (ns == NULL) {
        return;
    }
    if (cor_json_count(cor_json_at(ns, "metadata.finalizers")) > 0) {
        cor_json_free(&ns);
        return;
    }
    struct cor_json *old = cor_json_copy(ns);
    cor_json_set(ns, "spec", cor_json_object());
    struct cor_err err = COR_ERR_NONE;
    struct kl_edit edit = {KL_DELETED, kl_builtin(KL_NAMESPACE), ns, old};
    if (kl_storage_commit(api->storage, edit, NULL, NULL, &err) != COR_OK) {
        LOGW(api->log, "namespace.delete.refused", "name=%s error=%s", name,
             cor_log_esc(cor_view_of(err.text)));
    }
}

void kl_namespaces_pass(struct kl_api *api)
{
    auto_(cor_json_free) struct cor_json *list =
        kl_storage_objects(api->storage, kl_builtin(KL_NAMESPACE), NULL);
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *ns = cor_json_item(list, i);
        if (kl_meta_deleting(ns)) {
            end_namespace(api, kl_meta_str(ns, "name"));
        } else {
            kl_furnish(api, kl_meta_str(ns, "name"));
        }
    }
}
