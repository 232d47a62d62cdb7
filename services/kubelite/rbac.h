// SPDX-License-Identifier: Apache-2.0
// Who may do what, by Roles and their bindings (k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac,
// pkg/registry/rbac/validation).
#ifndef KUBELITE_RBAC_H
#define KUBELITE_RBAC_H

#include "api.h"

/* What somebody wants to do. Strings are borrowed; "" or NULL: none. */
struct kl_deed {
    const char *verb; /* "get", "deletecollection" ... */
    const char *group;
    const char *resource; /* plural; NULL: path counts */
    const char *sub;
    const char *name;
    const char *ns;
    const char *path; /* of what is no resource */
};

/* Whether one rule (a PolicyRule) allows the deed. Pure. */
bool kl_rule_allows(const struct cor_json *rule, const struct kl_deed *deed);

/* Whether the subjects of a binding name the user; ns: of the binding. Pure. */
bool kl_subjects_name(const struct cor_json *subjects, const struct kl_user *user, const char *ns);

/* Whether user may: by the groups of api->allow_groups, or by the stored roles. */
bool kl_allowed(struct kl_api *api, const struct kl_user *user, const struct kl_deed *deed);

/* Whether user is in a group that may do everything. */
bool kl_almighty(const struct kl_api *api, const struct kl_user *user);

/* The deed of a request. Strings are borrowed from it. */
struct kl_deed kl_deed_of(const struct kl_request *request);

/* Adds a group (copied) to user; one too many is left out. */
void kl_user_add_group(struct kl_user *user, const char *group);

/* Frees what user owns. For auto_(). */
void kl_user_free(struct kl_user *user);

#endif
