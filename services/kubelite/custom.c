// SPDX-License-Identifier: Apache-2.0
// Strategies of CustomResourceDefinitions and of the objects they define.
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "crd.h"
#include "meta.h"
#include "schema.h"
#include "strategy.h"

static struct cor_json *lower(const char *text)
{
    auto_(cor_freep) char *copy = cor_strdup(text);
    for (char *c = copy; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    }
    return cor_json_str(copy);
}

/* SetDefaults_CustomResourceDefinitionSpec. */
void kl_crd_fill(struct cor_json *crd)
{
    struct cor_json *names = cor_json_at(crd, "spec.names");
    const char *kind = cor_json_str_at(names, "kind", "");
    if (names != NULL && cor_json_get(names, "singular") == NULL) {
        cor_json_set(names, "singular", lower(kind));
    }
    if (names != NULL && cor_json_get(names, "listKind") == NULL) {
        cor_json_set(names, "listKind", cor_json_fmt("%sList", kind));
    }
}

static struct cor_json *condition(const char *type, const char *reason, const char *message,
                                  const char *time)
{
    struct cor_json *one = cor_json_object();
    cor_json_set(one, "type", cor_json_str(type));
    cor_json_set(one, "status", cor_json_str("True"));
    cor_json_set(one, "lastTransitionTime", cor_json_str(time));
    cor_json_set(one, "reason", cor_json_str(reason));
    cor_json_set(one, "message", cor_json_str(message));
    return one;
}

/* Names are accepted and served at once: what the controllers of the real server do a little later.
 */
void kl_crd_create(struct kl_draft *draft)
{
    struct cor_json *status = cor_json_object();
    struct cor_json *conditions = cor_json_array();
    struct cor_json *stored = cor_json_array();
    const struct cor_json *versions = cor_json_at(draft->object, "spec.versions");
    const char *time = kl_meta_str(draft->object, "creationTimestamp");
    cor_json_add(conditions, condition("NamesAccepted", "NoConflicts", "no conflicts found", time));
    cor_json_add(conditions, condition("Established", "InitialNamesAccepted",
                                       "the initial names have been accepted", time));
    for (size_t i = 0; i < cor_json_count(versions); i++) {
        const struct cor_json *one = cor_json_item(versions, i);
        if (cor_json_bool_at(one, "storage", false)) {
            cor_json_add(stored, cor_json_str(cor_json_str_at(one, "name", "")));
        }
    }
    cor_json_set(status, "conditions", conditions);
    cor_json_set(status, "acceptedNames", cor_json_copy(cor_json_at(draft->object, "spec.names")));
    cor_json_set(status, "storedVersions", stored);
    cor_json_set(draft->object, "status", status);
}

static void check_versions(const struct cor_json *versions, struct kl_causes *causes)
{
    size_t storage = 0;
    for (size_t i = 0; i < cor_json_count(versions); i++) {
        const struct cor_json *one = cor_json_item(versions, i);
        auto_(cor_freep) char *name = cor_sprintf("spec.versions[%zu].name", i);
        auto_(cor_freep) char *schema = cor_sprintf("spec.versions[%zu].schema.openAPIV3Schema", i);
        storage += cor_json_bool_at(one, "storage", false) ? 1 : 0;
        if (!cor_is_dns_label(cor_json_as_view(cor_json_get(one, "name")))) {
            kl_cause_invalid_str(causes, name, cor_json_str_at(one, "name", ""), kl_text_label);
        }
        const struct cor_json *is = cor_json_at(one, "schema.openAPIV3Schema");
        if (is == NULL) {
            kl_cause_required(causes, schema, "schemas are required");
        } else if (strcmp(cor_json_str_at(is, "type", ""), "object") != 0) {
            auto_(cor_freep) char *type = cor_sprintf("%s.type", schema);
            kl_cause_invalid_str(causes, type, cor_json_str_at(is, "type", ""),
                                 "must be object at the root");
        }
    }
    if (storage != 1) {
        auto_(cor_json_free) struct cor_json *list = cor_json_array();
        kl_cause_invalid(causes, "spec.versions", list,
                         "must have exactly one version marked as storage version");
    }
}

void kl_crd_check(struct kl_draft *draft)
{
    static const char *const scopes[] = {"Cluster", "Namespaced", NULL};
    const struct cor_json *spec = cor_json_get(draft->object, "spec");
    const char *group = cor_json_str_at(spec, "group", "");
    const char *plural = cor_json_str_at(spec, "names.plural", "");
    const char *scope = cor_json_str_at(spec, "scope", "");
    const char *name = kl_meta_str(draft->object, "name");
    auto_(cor_freep) char *wanted = cor_sprintf("%s.%s", plural, group);
    if (strcmp(name, wanted) != 0) {
        kl_cause_invalid_str(&draft->causes, "metadata.name", name,
                             "must be spec.names.plural+\".\"+spec.group");
    }
    if (group[0] == '\0') {
        kl_cause_required(&draft->causes, "spec.group", NULL);
    } else if (!cor_is_dns_subdomain(cor_view_of(group)) || strchr(group, '.') == NULL) {
        kl_cause_invalid_str(&draft->causes, "spec.group", group,
                             "should be a domain with at least one dot");
    }
    if (strcmp(scope, scopes[0]) != 0 && strcmp(scope, scopes[1]) != 0) {
        kl_cause_unsupported(&draft->causes, "spec.scope", scope, scopes);
    }
    if (plural[0] == '\0') {
        kl_cause_required(&draft->causes, "spec.names.plural", NULL);
    }
    if (cor_json_str_at(spec, "names.kind", "")[0] == '\0') {
        kl_cause_required(&draft->causes, "spec.names.kind", NULL);
    }
    check_versions(cor_json_get(spec, "versions"), &draft->causes);
}

void kl_crd_check_update(struct kl_draft *draft)
{
    static const char *const fixed[] = {"group", "scope"};
    static const char *const fixed_names[] = {"kind", "plural"};
    const struct cor_json *spec = cor_json_get(draft->object, "spec");
    const struct cor_json *old = cor_json_get(draft->old, "spec");
    for (size_t i = 0; i < COR_COUNT(fixed); i++) {
        const struct cor_json *value = cor_json_get(spec, fixed[i]);
        if (!cor_json_equal(value, cor_json_get(old, fixed[i]))) {
            auto_(cor_freep) char *path = cor_sprintf("spec.%s", fixed[i]);
            kl_cause_invalid(&draft->causes, path, value, "field is immutable");
        }
    }
    for (size_t i = 0; i < COR_COUNT(fixed_names); i++) {
        const struct cor_json *value = cor_json_get(cor_json_get(spec, "names"), fixed_names[i]);
        if (!cor_json_equal(value, cor_json_get(cor_json_get(old, "names"), fixed_names[i]))) {
            auto_(cor_freep) char *path = cor_sprintf("spec.names.%s", fixed_names[i]);
            kl_cause_invalid(&draft->causes, path, value, "field is immutable");
        }
    }
}

void kl_custom_fill(const struct kl_kind *kind, struct cor_json *object, struct cor_json *unknown)
{
    const struct cor_json *schema = kl_crd_schema(kind->custom);
    if (schema != NULL) {
        kl_schema_prune(schema, object, unknown);
        kl_schema_default(schema, object);
    }
}

void kl_custom_check(struct kl_draft *draft)
{
    const struct cor_json *schema = kl_crd_schema(draft->kind->custom);
    if (schema == NULL) {
        return;
    }
    /* metadata was checked by its own rules; the schema may only restrict its name. */
    auto_(cor_json_free) struct cor_json *object = cor_json_copy(draft->object);
    cor_json_del(object, "metadata");
    kl_schema_check(schema, object, "", &draft->causes);
}
