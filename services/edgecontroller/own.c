// SPDX-License-Identifier: Apache-2.0
#include "own.h"

#include <string.h>

static bool own_pod(const struct ec_bound *pods, const char *node, const struct px_key *key)
{
    /* A Pod that is not there is nobody's: the API's own answer is the right one. */
    const char *of = ec_bound_node(pods, key->ns, key->name);
    return of == NULL || strcmp(of, node) == 0;
}

static bool own_configmap(const struct ec_bound *pods, const char *node, const struct px_key *key)
{
    return ec_bound_need(pods, cor_view_of(node), key->ns, "configmap", key->name);
}

static bool own_secret(const struct ec_bound *pods, const char *node, const struct px_key *key)
{
    return ec_bound_need(pods, cor_view_of(node), key->ns, "secret", key->name);
}

static bool own_account(const struct ec_bound *pods, const char *node, const struct px_key *key)
{
    return ec_bound_need(pods, cor_view_of(node), key->ns, "serviceaccount", key->name);
}

static bool claimed(const struct ec_bound *pods, const char *node, const struct px_key *key)
{
    return ec_bound_need(pods, cor_view_of(node), key->ns, "persistentvolumeclaim", key->name);
}

static bool own_name(const struct ec_bound *pods, const char *node, const struct px_key *key)
{
    (void)pods;
    return cor_view_is(key->name, node);
}

static bool own_lease(const struct ec_bound *pods, const char *node, const struct px_key *key)
{
    return cor_view_is(key->ns, "kube-node-lease") && own_name(pods, node, key);
}

static bool anything(const struct ec_bound *pods, const char *node, const struct px_key *key)
{
    (void)pods;
    (void)node;
    (void)key;
    return true;
}

bool ec_is_own(const struct ec_bound *pods, const char *node, const struct px_key *key)
{
    static const struct {
        const char *type;
        bool (*rule)(const struct ec_bound *, const char *, const struct px_key *);
    } RULES[] = {
        {"node", own_name},
        {"nodepatch", own_name},
        {"lease", own_lease},
        {"csinode", own_name},
        {"pod", own_pod},
        {"podpatch", own_pod},
        {"configmap", own_configmap},
        {"secret", own_secret},
        {"event", anything},
        {"serviceaccounttoken", own_account},
        {"persistentvolume", anything},
        {"persistentvolumeclaim", claimed},
        {"volumeattachment", anything},
        {"runtimeclass", anything},
        {"csidriver", anything},
    };
    for (size_t i = 0; i < COR_COUNT(RULES); i++) {
        if (cor_view_is(key->type, RULES[i].type)) {
            return RULES[i].rule(pods, node, key);
        }
    }
    return false;
}

bool ec_is_own_object(const struct ec_bound *pods, const char *node, const struct px_key *key,
                      const struct cor_json *object)
{
    if (cor_view_is(key->type, "volumeattachment") || cor_view_is(key->type, "pod") ||
        cor_view_is(key->type, "podpatch")) {
        return strcmp(cor_json_str_at(object, "spec.nodeName", ""), node) == 0;
    }
    if (cor_view_is(key->type, "event")) {
        return strcmp(cor_json_str_at(object, "source.host", ""), node) == 0;
    }
    if (cor_view_is(key->type, "persistentvolume")) {
        struct px_key claim = {.ns =
                                   cor_json_as_view(cor_json_at(object, "spec.claimRef.namespace")),
                               .name = cor_json_as_view(cor_json_at(object, "spec.claimRef.name"))};
        return claim.name.len > 0 && claimed(pods, node, &claim);
    }
    return true;
}
