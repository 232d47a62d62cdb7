// SPDX-License-Identifier: Apache-2.0
#include "rbac.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/httpd/uri.h"
#include "meta.h"
#include "shape.h"
#include "write.h"

static const char account_prefix[] = "system:serviceaccount:";

static bool same(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool lists(const struct cor_json *list, const char *wanted)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (same(cor_json_as_str(cor_json_item(list, i), ""), wanted)) {
            return true;
        }
    }
    return false;
}

/* "*", the resource with its subresource, or "*" and the subresource. */
static bool resource_fits(const struct cor_json *list, const struct kl_deed *deed)
{
    bool whole = deed->sub == NULL || deed->sub[0] == '\0';
    auto_(cor_freep) char *full =
        whole ? cor_strdup(deed->resource) : cor_sprintf("%s/%s", deed->resource, deed->sub);
    auto_(cor_freep) char *any = cor_sprintf("*/%s", whole ? "" : deed->sub);
    return lists(list, "*") || lists(list, full) || (!whole && lists(list, any));
}

/* A path, or the beginning of one before "*". */
static bool path_fits(const struct cor_json *list, const char *path)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const char *rule = cor_json_as_str(cor_json_item(list, i), "");
        size_t len = strlen(rule);
        bool open = len > 0 && rule[len - 1] == '*';
        if (open ? strncmp(rule, path, len - 1) == 0 : strcmp(rule, path) == 0) {
            return true;
        }
    }
    return false;
}

bool kl_rule_allows(const struct cor_json *rule, const struct kl_deed *deed)
{
    const struct cor_json *verbs = cor_json_get(rule, "verbs");
    const struct cor_json *groups = cor_json_get(rule, "apiGroups");
    const struct cor_json *names = cor_json_get(rule, "resourceNames");
    if (!lists(verbs, "*") && !lists(verbs, deed->verb)) {
        return false;
    }
    if (deed->resource == NULL) {
        return path_fits(cor_json_get(rule, "nonResourceURLs"), deed->path);
    }
    return (lists(groups, "*") || lists(groups, deed->group)) &&
           resource_fits(cor_json_get(rule, "resources"), deed) &&
           (cor_json_count(names) == 0 ||
            (deed->name != NULL && deed->name[0] != '\0' && lists(names, deed->name)));
}

static bool in_group(const struct kl_user *user, const char *group)
{
    for (size_t i = 0; user->groups[i] != NULL; i++) {
        if (strcmp(user->groups[i], group) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_account(const struct kl_user *user, const char *ns, const char *name)
{
    size_t len = sizeof(account_prefix) - 1;
    if (user->name == NULL || strncmp(user->name, account_prefix, len) != 0) {
        return false;
    }
    struct cor_view rest = cor_view_of(user->name + len);
    struct cor_view part;
    return cor_view_split(&rest, ':', &part) && cor_view_is(part, ns) && cor_view_is(rest, name);
}

static bool is_subject(const struct cor_json *subject, const struct kl_user *user, const char *ns)
{
    const char *kind = cor_json_str_at(subject, "kind", "");
    const char *name = cor_json_str_at(subject, "name", "");
    if (strcmp(kind, "User") == 0) {
        return same(user->name, name);
    }
    if (strcmp(kind, "Group") == 0) {
        return in_group(user, name);
    }
    const char *own = cor_json_str_at(subject, "namespace", ns == NULL ? "" : ns);
    return strcmp(kind, "ServiceAccount") == 0 && is_account(user, own, name);
}

bool kl_subjects_name(const struct cor_json *subjects, const struct kl_user *user, const char *ns)
{
    for (size_t i = 0; i < cor_json_count(subjects); i++) {
        if (is_subject(cor_json_item(subjects, i), user, ns)) {
            return true;
        }
    }
    return false;
}

/* The role that a binding refers to. Returns owned; NULL when it is not there. */
static struct cor_json *role_of(struct kl_api *api, const struct cor_json *binding, const char *ns)
{
    bool whole = strcmp(cor_json_str_at(binding, "roleRef.kind", ""), "ClusterRole") == 0;
    const char *name = cor_json_str_at(binding, "roleRef.name", "");
    return kl_storage_look(api->storage, kl_builtin(whole ? KL_CLUSTERROLE : KL_ROLE),
                           whole ? NULL : ns, name);
}

static bool bindings_allow(struct kl_api *api, const struct kl_user *user,
                           const struct kl_deed *deed, const char *ns)
{
    enum kl_builtin which = ns == NULL ? KL_CLUSTERROLEBINDING : KL_ROLEBINDING;
    auto_(cor_json_free) struct cor_json *bindings =
        kl_storage_objects(api->storage, kl_builtin(which), ns);
    for (size_t i = 0; i < cor_json_count(bindings); i++) {
        const struct cor_json *binding = cor_json_item(bindings, i);
        if (!kl_subjects_name(cor_json_get(binding, "subjects"), user, ns)) {
            continue;
        }
        auto_(cor_json_free) struct cor_json *role = role_of(api, binding, ns);
        const struct cor_json *rules = cor_json_get(role, "rules");
        for (size_t r = 0; r < cor_json_count(rules); r++) {
            if (kl_rule_allows(cor_json_item(rules, r), deed)) {
                return true;
            }
        }
    }
    return false;
}

bool kl_almighty(const struct kl_api *api, const struct kl_user *user)
{
    for (size_t i = 0; api->allow_groups[i] != NULL; i++) {
        if (in_group(user, api->allow_groups[i])) {
            return true;
        }
    }
    return false;
}

/* Whoever may write roles could give himself any right: that is for those who have all. */
static bool is_escalation(const struct kl_deed *deed)
{
    static const char *const reads[] = {"get", "list", "watch", "delete", "deletecollection"};
    if (!same(deed->group, "rbac.authorization.k8s.io")) {
        return false;
    }
    for (size_t i = 0; i < COR_COUNT(reads); i++) {
        if (strcmp(reads[i], deed->verb) == 0) {
            return false;
        }
    }
    return true;
}

bool kl_allowed(struct kl_api *api, const struct kl_user *user, const struct kl_deed *deed)
{
    static const struct kl_deed everything = {
        .verb = "*", .group = "*", .resource = "*", .sub = "", .name = ""};
    if (kl_almighty(api, user)) {
        return true;
    }
    if (is_escalation(deed) && !bindings_allow(api, user, &everything, NULL)) {
        return false;
    }
    return bindings_allow(api, user, deed, NULL) ||
           (deed->ns != NULL && deed->ns[0] != '\0' && bindings_allow(api, user, deed, deed->ns));
}

/* RequestInfo of k8s.io/apiserver/pkg/endpoints/request. */
static const char *verb_of(const struct kl_request *request)
{
    static const struct {
        const char *method;
        bool named;
        const char *verb;
    } verbs[] = {
        {"GET", true, "get"},       {"GET", false, "list"},
        {"POST", true, "create"},   {"POST", false, "create"},
        {"PUT", true, "update"},    {"PATCH", true, "patch"},
        {"DELETE", true, "delete"}, {"DELETE", false, "deletecollection"},
    };
    const char *method = cor_exchange_method(request->exchange);
    bool named = request->route.name != NULL;
    if (strcmp(method, "GET") == 0 && cor_query_is(request->query, "watch")) {
        return "watch";
    }
    for (size_t i = 0; i < COR_COUNT(verbs); i++) {
        if (strcmp(verbs[i].method, method) == 0 && verbs[i].named == named) {
            return verbs[i].verb;
        }
    }
    return "unknown";
}

struct kl_deed kl_deed_of(const struct kl_request *request)
{
    const struct kl_route *route = &request->route;
    return (struct kl_deed){.verb = verb_of(request),
                            .group = route->kind->group,
                            .resource = route->kind->plural,
                            .sub = kl_sub_name(route->sub),
                            .name = route->name,
                            .ns = route->ns};
}

void kl_user_add_group(struct kl_user *user, const char *group)
{
    for (size_t i = 0; i + 1 < KL_GROUPS_MAX; i++) {
        if (user->groups[i] == NULL) {
            user->groups[i] = cor_strdup(group);
            return;
        }
    }
}

void kl_user_free(struct kl_user *user)
{
    cor_freep(&user->name);
    for (size_t i = 0; user->groups[i] != NULL; i++) {
        cor_freep(&user->groups[i]);
    }
}

/* The user that a SubjectAccessReview asks about; else who asks. */
static void subject_of(const struct kl_request *request, const struct cor_json *spec,
                       struct kl_user *user)
{
    const struct cor_json *groups = cor_json_get(spec, "groups");
    if (kl_is(request->route.kind, KL_SELF_ACCESS_REVIEW)) {
        user->name = cor_strdup(request->user.name);
        for (size_t i = 0; request->user.groups[i] != NULL; i++) {
            kl_user_add_group(user, request->user.groups[i]);
        }
        return;
    }
    user->name = cor_strdup(cor_json_str_at(spec, "user", ""));
    for (size_t i = 0; i < cor_json_count(groups); i++) {
        kl_user_add_group(user, cor_json_as_str(cor_json_item(groups, i), ""));
    }
}

static struct cor_json *verdict(struct kl_request *request, const struct cor_json *spec)
{
    const struct cor_json *what = cor_json_get(spec, "resourceAttributes");
    const struct cor_json *path = cor_json_get(spec, "nonResourceAttributes");
    struct kl_deed deed = {.verb = cor_json_str_at(what != NULL ? what : path, "verb", ""),
                           .group = cor_json_str_at(what, "group", ""),
                           .resource = what != NULL ? cor_json_str_at(what, "resource", "") : NULL,
                           .sub = cor_json_str_at(what, "subresource", ""),
                           .name = cor_json_str_at(what, "name", ""),
                           .ns = cor_json_str_at(what, "namespace", ""),
                           .path = cor_json_str_at(path, "path", "")};
    auto_(kl_user_free) struct kl_user user = {0};
    subject_of(request, spec, &user);
    struct cor_json *status = cor_json_object();
    cor_json_set(status, "allowed", cor_json_bool(kl_allowed(request->api, &user, &deed)));
    return status;
}

/* pkg/apis/authorization/validation. */
static enum cor_code check_review(const struct kl_request *request, const struct cor_json *spec,
                                  struct kl_fail *fail)
{
    static const struct kl_kind nameless = {.group = "authorization.k8s.io", .kind = ""};
    auto_(kl_causes_free) struct kl_causes causes = {0};
    const struct cor_json *what = cor_json_get(spec, "resourceAttributes");
    const struct cor_json *path = cor_json_get(spec, "nonResourceAttributes");
    bool anybody = kl_is(request->route.kind, KL_ACCESS_REVIEW) &&
                   cor_json_str_at(spec, "user", "")[0] == '\0' &&
                   cor_json_count(cor_json_get(spec, "groups")) == 0;
    if (what != NULL && path != NULL) {
        kl_cause_invalid_str(&causes, "spec.nonResourceAttributes", "nonResourceAttributes",
                             "cannot be specified in combination with resourceAttributes");
    } else if (what == NULL && path == NULL) {
        kl_cause_invalid_text(&causes, "spec.resourceAttributes", "\"null\"",
                              "exactly one of nonResourceAttributes or resourceAttributes must be "
                              "specified");
    }
    if (anybody) {
        kl_cause_invalid_str(&causes, "spec.user", "",
                             "at least one of user or group must be specified");
    }
    return kl_causes_end(&causes, &nameless, "", fail);
}

void kl_write_review(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *review = NULL;
    enum cor_code code = kl_write_body(request, &review, &fail);
    if (code == COR_OK) {
        code = check_review(request, cor_json_get(review, "spec"), &fail);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    kl_set_type(request->route.kind, review);
    cor_json_set(review, "status", verdict(request, cor_json_get(review, "spec")));
    kl_reply(request, 201, NULL, review);
}
