// SPDX-License-Identifier: Apache-2.0
#include "meta.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"

enum { LABEL_MAX = 63, PREFIX_MAX = 253, ANNOTATIONS_MAX = 256 << 10, GENERATED_BASE = 58 };

/* k8s.io/apimachinery/pkg/util/validation/validation.go */
const char *const kl_text_subdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const char *const kl_text_label =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
static const char text_1035[] =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
static const char text_qualified[] =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
static const char text_label_value[] =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const char *const kl_finalizer_orphan = "orphan";
const char *const kl_finalizer_foreground = "foregroundDeletion";

void kl_meta_drop_finalizer(struct cor_json *object, const char *finalizer)
{
    struct cor_json *list = cor_json_at(object, "metadata.finalizers");
    for (size_t i = cor_json_count(list); i > 0; i--) {
        if (strcmp(cor_json_as_str(cor_json_item(list, i - 1), ""), finalizer) == 0) {
            cor_json_put(list, i - 1, NULL);
        }
    }
    if (list != NULL && cor_json_count(list) == 0) {
        cor_json_del(cor_json_get(object, "metadata"), "finalizers");
    }
}

bool kl_meta_has_finalizer(const struct cor_json *object, const char *finalizer)
{
    const struct cor_json *list = cor_json_at(object, "metadata.finalizers");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_as_str(cor_json_item(list, i), ""), finalizer) == 0) {
            return true;
        }
    }
    return false;
}

const struct cor_json *kl_meta_controller(const struct cor_json *object)
{
    const struct cor_json *list = cor_json_at(object, "metadata.ownerReferences");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        if (cor_json_bool_at(one, "controller", false)) {
            return one;
        }
    }
    return NULL;
}

struct cor_json *kl_meta(struct cor_json *object)
{
    if (!cor_json_is_object(cor_json_get(object, "metadata"))) {
        cor_json_set(object, "metadata", cor_json_object());
    }
    return cor_json_get(object, "metadata");
}

const char *kl_meta_str(const struct cor_json *object, const char *name)
{
    return cor_json_as_str(cor_json_get(cor_json_get(object, "metadata"), name), "");
}

bool kl_meta_deleting(const struct cor_json *object)
{
    return !cor_json_is_null(cor_json_at(object, "metadata.deletionTimestamp"));
}

void kl_meta_create(struct cor_json *object, struct cor_wall now, const char *uid)
{
    static const char *const cleared[] = {"resourceVersion", "deletionTimestamp",
                                          "deletionGracePeriodSeconds", "selfLink", "generation"};
    struct cor_json *meta = kl_meta(object);
    for (size_t i = 0; i < COR_COUNT(cleared); i++) {
        cor_json_del(meta, cleared[i]);
    }
    char time[COR_RFC3339_SIZE];
    cor_wall_format(now, time);
    cor_json_set(meta, "creationTimestamp", cor_json_str(time));
    cor_json_set(meta, "uid", cor_json_str(uid));
}

void kl_meta_generate_name(struct cor_json *object, const uint8_t random[5])
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789"; /* util/rand: no vowels */
    const char *base = kl_meta_str(object, "generateName");
    char suffix[6] = "";
    for (int i = 0; i < 5; i++) {
        suffix[i] = alphabet[random[i] % (sizeof(alphabet) - 1)];
    }
    cor_json_set(kl_meta(object), "name", cor_json_fmt("%.*s%s", GENERATED_BASE, base, suffix));
}

void kl_meta_update(struct cor_json *object, const struct cor_json *old)
{
    static const char *const kept[] = {
        "uid",          "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
        "generation",   "generateName",      "selfLink",          "resourceVersion",
        "managedFields"};
    struct cor_json *meta = kl_meta(object);
    const struct cor_json *before = cor_json_get(old, "metadata");
    for (size_t i = 0; i < COR_COUNT(kept); i++) {
        cor_json_set(meta, kept[i], cor_json_ref(cor_json_get(before, kept[i])));
    }
}

static bool is_word(struct cor_view text, size_t max)
{
    if (text.ptr == NULL) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool inner = c == '-' || c == '_' || c == '.';
        if (!alnum && !(inner && i > 0 && i + 1 < text.len)) {
            return false;
        }
    }
    return text.len > 0 && text.len <= max;
}

bool kl_is_qualified_name(struct cor_view text)
{
    struct cor_view name = text;
    struct cor_view prefix;
    if (memchr(text.ptr == NULL ? "" : text.ptr, '/', text.len) == NULL) {
        return is_word(text, LABEL_MAX);
    }
    return cor_view_split(&name, '/', &prefix) && prefix.len <= PREFIX_MAX &&
           cor_is_dns_subdomain(prefix) && is_word(name, LABEL_MAX);
}

void kl_meta_check_labels(const struct cor_json *labels, const char *path, struct kl_causes *causes)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(labels, &at, &key, &value)) {
        struct cor_view text = cor_json_as_view(value);
        if (!kl_is_qualified_name(cor_view_of(key))) {
            kl_cause_invalid_str(causes, path, key, text_qualified);
        }
        if (text.len > LABEL_MAX) {
            kl_cause_invalid(causes, path, value, "must be no more than 63 characters");
        } else if (text.len > 0 && !is_word(text, LABEL_MAX)) {
            kl_cause_invalid(causes, path, value, text_label_value);
        }
    }
}

static void check_annotations(const struct cor_json *annotations, struct kl_causes *causes)
{
    size_t total = 0;
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(annotations, &at, &key, &value)) {
        if (!kl_is_qualified_name(cor_view_of(key))) {
            kl_cause_invalid_str(causes, "metadata.annotations", key, text_qualified);
        }
        total += strlen(key) + cor_json_as_view(value).len;
    }
    if (total > ANNOTATIONS_MAX) {
        kl_cause_invalid_str(causes, "metadata.annotations", "", "must have at most 262144 bytes");
    }
}

static void check_finalizers(const struct cor_json *list, struct kl_causes *causes)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *item = cor_json_item(list, i);
        if (!kl_is_qualified_name(cor_json_as_view(item))) {
            kl_cause_invalid(causes, "metadata.finalizers", item, text_qualified);
        }
    }
}

static void check_owners(const struct cor_json *list, struct kl_causes *causes)
{
    static const char *const needed[] = {"apiVersion", "kind", "name", "uid"};
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *owner = cor_json_item(list, i);
        for (size_t n = 0; n < COR_COUNT(needed); n++) {
            if (cor_json_as_view(cor_json_get(owner, needed[n])).len > 0) {
                continue;
            }
            auto_(cor_freep) char *path = cor_sprintf("metadata.ownerReferences.%s", needed[n]);
            auto_(cor_freep) char *text =
                cor_sprintf("%s must not be empty", n == 0 ? "version" : needed[n]);
            kl_cause_invalid_str(causes, path, "", text);
        }
    }
}

/* path.IsValidPathSegmentName of k8s.io/apimachinery/pkg/api/validation. */
static const char *bad_segment(struct cor_view name)
{
    if (cor_view_is(name, ".")) {
        return "may not be '.'";
    }
    if (cor_view_is(name, "..")) {
        return "may not be '..'";
    }
    if (memchr(name.ptr, '/', name.len) != NULL) {
        return "may not contain '/'";
    }
    return memchr(name.ptr, '%', name.len) != NULL ? "may not contain '%'" : NULL;
}

static const char *bad_name(struct cor_view name, enum kl_name_rule rule)
{
    size_t max = rule == KL_NAME_SUBDOMAIN ? PREFIX_MAX : LABEL_MAX;
    if (rule == KL_NAME_PATH) {
        return bad_segment(name);
    }
    if (name.len > max) {
        return rule == KL_NAME_SUBDOMAIN ? "must be no more than 253 characters"
                                         : "must be no more than 63 characters";
    }
    if (rule == KL_NAME_SUBDOMAIN) {
        return cor_is_dns_subdomain(name) ? NULL : kl_text_subdomain;
    }
    if (rule == KL_NAME_LABEL) {
        return cor_is_dns_label(name) ? NULL : kl_text_label;
    }
    return cor_is_dns_label(name) && (name.ptr[0] < '0' || name.ptr[0] > '9') ? NULL : text_1035;
}

static void check_name(struct cor_view name, enum kl_name_rule rule, struct kl_causes *causes)
{
    const char *text = bad_name(name, rule);
    if (text != NULL) {
        auto_(cor_json_free) struct cor_json *value = cor_json_view(name);
        kl_cause_invalid(causes, "metadata.name", value, text);
    }
}

void kl_meta_check(const struct cor_json *object, bool namespaced, enum kl_name_rule rule,
                   struct kl_causes *causes)
{
    const struct cor_json *meta = cor_json_get(object, "metadata");
    struct cor_view name = cor_json_as_view(cor_json_get(meta, "name"));
    struct cor_view ns = cor_json_as_view(cor_json_get(meta, "namespace"));
    if (name.len == 0) {
        kl_cause_required(causes, "metadata.name", "name or generateName is required");
    } else {
        check_name(name, rule, causes);
    }
    if (namespaced && !cor_is_dns_label(ns)) {
        auto_(cor_json_free) struct cor_json *value = cor_json_view(ns);
        kl_cause_invalid(causes, "metadata.namespace", value, kl_text_label);
    } else if (!namespaced && ns.len > 0) {
        kl_cause_forbidden(causes, "metadata.namespace", "not allowed on this type");
    }
    kl_meta_check_labels(cor_json_get(meta, "labels"), "metadata.labels", causes);
    check_annotations(cor_json_get(meta, "annotations"), causes);
    check_owners(cor_json_get(meta, "ownerReferences"), causes);
    check_finalizers(cor_json_get(meta, "finalizers"), causes);
}
