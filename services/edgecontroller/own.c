// SPDX-License-Identifier: Apache-2.0
#include "own.h"

#include <string.h>

#include "common/base/mem.h"
#include "refs.h"

static bool own_pod(const struct ec_pods *pods, const char *node, const struct px_key *key)
{
    auto_(cor_freep) char *ns = cor_view_dup(key->ns);
    auto_(cor_freep) char *name = cor_view_dup(key->name);
    const struct cor_json *pod = pods->get(pods->self, ns, name);
    /* A Pod that is not there is nobody's: the API's own answer is the right one. */
    return pod == NULL || strcmp(ec_node_of(pod), node) == 0;
}

/* The next Pod of the node in the namespace of key. */
static const struct cor_json *next_own(const struct ec_pods *pods, const char *node,
                                       const struct px_key *key, size_t *at)
{
    const struct cor_json *pod = NULL;
    while ((pod = pods->next(pods->self, at)) != NULL) {
        if (strcmp(ec_node_of(pod), node) == 0 &&
            cor_view_is(key->ns, cor_json_str_at(pod, "metadata.namespace", ""))) {
            return pod;
        }
    }
    return NULL;
}

static bool needed(const struct ec_pods *pods, const char *node, const struct px_key *key)
{
    auto_(cor_freep) char *type = cor_view_dup(key->type);
    auto_(cor_freep) char *name = cor_view_dup(key->name);
    size_t at = 0;
    const struct cor_json *pod = NULL;
    while ((pod = next_own(pods, node, key, &at)) != NULL) {
        if (ec_pod_has_ref(pod, type, name)) {
            return true;
        }
    }
    return false;
}

static bool has_account(const struct ec_pods *pods, const char *node, const struct px_key *key)
{
    size_t at = 0;
    const struct cor_json *pod = NULL;
    while ((pod = next_own(pods, node, key, &at)) != NULL) {
        if (cor_view_is(key->name, cor_json_str_at(pod, "spec.serviceAccountName", "default"))) {
            return true;
        }
    }
    return false;
}

static bool has_claim(const struct cor_json *pod, struct cor_view name)
{
    const struct cor_json *volumes = cor_json_at(pod, "spec.volumes");
    for (size_t i = 0; i < cor_json_count(volumes); i++) {
        const struct cor_json *volume = cor_json_item(volumes, i);
        if (cor_view_is(name, cor_json_str_at(volume, "persistentVolumeClaim.claimName", ""))) {
            return true;
        }
    }
    return false;
}

static bool claimed(const struct ec_pods *pods, const char *node, const struct px_key *key)
{
    size_t at = 0;
    const struct cor_json *pod = NULL;
    while ((pod = next_own(pods, node, key, &at)) != NULL) {
        if (has_claim(pod, key->name)) {
            return true;
        }
    }
    return false;
}

static bool own_name(const struct ec_pods *pods, const char *node, const struct px_key *key)
{
    (void)pods;
    return cor_view_is(key->name, node);
}

static bool own_lease(const struct ec_pods *pods, const char *node, const struct px_key *key)
{
    return cor_view_is(key->ns, "kube-node-lease") && own_name(pods, node, key);
}

static bool anything(const struct ec_pods *pods, const char *node, const struct px_key *key)
{
    (void)pods;
    (void)node;
    (void)key;
    return true;
}

bool ec_is_own(const struct ec_pods *pods, const char *node, const struct px_key *key)
{
    static const struct {
        const char *type;
        bool (*rule)(const struct ec_pods *, const char *, const struct px_key *);
    } RULES[] = {
        {"node", own_name},
        {"nodepatch", own_name},
        {"lease", own_lease},
        {"pod", own_pod},
        {"podpatch", own_pod},
        {"configmap", needed},
        {"secret", needed},
        {"event", anything},
        {"serviceaccounttoken", has_account},
        {"persistentvolume", anything},
        {"persistentvolumeclaim", claimed},
        {"volumeattachment", anything},
    };
    for (size_t i = 0; i < COR_COUNT(RULES); i++) {
        if (cor_view_is(key->type, RULES[i].type)) {
            return RULES[i].rule(pods, node, key);
        }
    }
    return false;
}

bool ec_is_own_object(const struct ec_pods *pods, const char *node, const struct px_key *key,
                      const struct cor_json *object)
{
    if (cor_view_is(key->type, "volumeattachment")) {
        return strcmp(cor_json_str_at(object, "spec.nodeName", ""), node) == 0;
    }
    if (cor_view_is(key->type, "persistentvolume")) {
        struct px_key claim = {.ns =
                                   cor_json_as_view(cor_json_at(object, "spec.claimRef.namespace")),
                               .name = cor_json_as_view(cor_json_at(object, "spec.claimRef.name"))};
        return claim.name.len > 0 && claimed(pods, node, &claim);
    }
    return true;
}
