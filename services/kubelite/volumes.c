// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "meta.h"
#include "podspec.h"
#include "proto/k8s/k8s.h"

static const char mode_text[] = "must be a number between 0 and 0777 (octal), both inclusive";

static bool has_backstep(const char *path)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    while (cor_view_split(&rest, '/', &part)) {
        if (cor_view_is(part, "..")) {
            return true;
        }
    }
    return false;
}

static void check_mode(const struct cor_json *mode, const char *field, struct kl_causes *causes)
{
    if (mode != NULL && (cor_json_as_int(mode, 0) < 0 || cor_json_as_int(mode, 0) > 0777)) {
        kl_cause_invalid(causes, field, mode, mode_text);
    }
}

static void check_local_path(const char *path, const char *field, struct kl_causes *causes)
{
    if (path[0] == '/') {
        kl_cause_invalid_str(causes, field, path, "must be a relative path");
    }
    if (has_backstep(path)) {
        kl_cause_invalid_str(causes, field, path, "must not contain '..'");
    } else if (strncmp(path, "..", 2) == 0) {
        kl_cause_invalid_str(causes, field, path, "must not start with '..'");
    }
}

/* items of configMap and secret sources. */
static void check_items(const struct cor_json *items, const char *path, struct kl_causes *causes)
{
    for (size_t i = 0; i < cor_json_count(items); i++) {
        const struct cor_json *item = cor_json_item(items, i);
        auto_(cor_freep) char *key = cor_sprintf("%s.items[%zu].key", path, i);
        auto_(cor_freep) char *target = cor_sprintf("%s.items[%zu].path", path, i);
        auto_(cor_freep) char *mode = cor_sprintf("%s.items[%zu].mode", path, i);
        if (cor_json_str_at(item, "key", "")[0] == '\0') {
            kl_cause_required(causes, key, NULL);
        }
        if (cor_json_str_at(item, "path", "")[0] == '\0') {
            kl_cause_required(causes, target, NULL);
        }
        check_local_path(cor_json_str_at(item, "path", ""), target, causes);
        check_mode(cor_json_get(item, "mode"), mode, causes);
    }
}

static void check_required(const struct cor_json *source, const char *member, const char *path,
                           struct kl_causes *causes)
{
    if (cor_json_as_view(cor_json_get(source, member)).len == 0) {
        auto_(cor_freep) char *field = cor_sprintf("%s.%s", path, member);
        kl_cause_required(causes, field, NULL);
    }
}

static void check_downward(const struct cor_json *source, const char *path,
                           struct kl_causes *causes)
{
    const struct cor_json *items = cor_json_get(source, "items");
    for (size_t i = 0; i < cor_json_count(items); i++) {
        const struct cor_json *item = cor_json_item(items, i);
        auto_(cor_freep) char *target = cor_sprintf("%s.path", path);
        const char *text = cor_json_str_at(item, "path", "");
        if (text[0] == '\0') {
            kl_cause_required(causes, target, NULL);
        }
        check_local_path(text, target, causes);
        bool field = cor_json_get(item, "fieldRef") != NULL;
        bool resource = cor_json_get(item, "resourceFieldRef") != NULL;
        if (field && resource) {
            kl_cause_invalid_str(
                causes, path, "resource",
                "fieldRef and resourceFieldRef can not be specified simultaneously");
        } else if (!field && !resource) {
            kl_cause_required(causes, path, "one of fieldRef and resourceFieldRef is required");
        }
    }
}

static void check_projected(const struct cor_json *source, const char *path,
                            struct kl_causes *causes)
{
    const struct cor_json *sources = cor_json_get(source, "sources");
    static const char *const kinds[] = {"secret", "configMap", "downwardAPI",
                                        "serviceAccountToken"};
    for (size_t i = 0; i < cor_json_count(sources); i++) {
        const struct cor_json *one = cor_json_item(sources, i);
        size_t found = 0;
        for (size_t k = 0; k < COR_COUNT(kinds); k++) {
            const struct cor_json *part = cor_json_get(one, kinds[k]);
            if (part == NULL) {
                continue;
            }
            found++;
            auto_(cor_freep) char *field = cor_sprintf("%s.sources[%zu].%s", path, i, kinds[k]);
            if (k < 2) {
                check_required(part, "name", field, causes);
                check_items(cor_json_get(part, "items"), field, causes);
            } else if (k == 2) {
                check_downward(part, field, causes);
            } else {
                check_required(part, "path", field, causes);
            }
        }
        if (found > 1) {
            auto_(cor_freep) char *field = cor_sprintf("%s.sources[%zu]", path, i);
            kl_cause_forbidden(causes, field, "may not specify more than 1 volume type");
        }
    }
}

static void check_hostpath(const struct cor_json *source, const char *path,
                           struct kl_causes *causes)
{
    static const char *const types[] = {
        "",           "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket",
        "CharDevice", "BlockDevice",       NULL};
    check_required(source, "path", path, causes);
    const char *text = cor_json_str_at(source, "path", "");
    if (has_backstep(text)) {
        auto_(cor_freep) char *field = cor_sprintf("%s.path", path);
        kl_cause_invalid_str(causes, field, text, "must not contain '..'");
    }
    const char *type = cor_json_str_at(source, "type", "");
    bool known = false;
    for (size_t i = 0; types[i] != NULL; i++) {
        known = known || strcmp(types[i], type) == 0;
    }
    if (!known) {
        auto_(cor_freep) char *field = cor_sprintf("%s.type", path);
        kl_cause_unsupported(causes, field, type, types + 1);
    }
}

static void check_configmap(const struct cor_json *source, const char *path,
                            struct kl_causes *causes)
{
    check_required(source, "name", path, causes);
    check_items(cor_json_get(source, "items"), path, causes);
}

static void check_secret(const struct cor_json *source, const char *path, struct kl_causes *causes)
{
    check_required(source, "secretName", path, causes);
    check_items(cor_json_get(source, "items"), path, causes);
}

static void check_claim(const struct cor_json *source, const char *path, struct kl_causes *causes)
{
    check_required(source, "claimName", path, causes);
}

static const struct {
    const char *name;
    void (*check)(const struct cor_json *source, const char *path, struct kl_causes *causes);
} sources[] = {
    {"hostPath", check_hostpath},    {"configMap", check_configmap},
    {"secret", check_secret},        {"projected", check_projected},
    {"downwardAPI", check_downward}, {"persistentVolumeClaim", check_claim},
};

static void check_source(const struct cor_json *volume, const char *path, struct kl_causes *causes)
{
    size_t found = 0;
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *source = NULL;
    while (cor_json_each(volume, &at, &key, &source)) {
        if (strcmp(key, "name") == 0) {
            continue;
        }
        auto_(cor_freep) char *field = cor_sprintf("%s.%s", path, key);
        if (found++ > 0) {
            kl_cause_forbidden(causes, field, "may not specify more than 1 volume type");
            continue;
        }
        auto_(cor_freep) char *mode = cor_sprintf("%s.defaultMode", field);
        check_mode(cor_json_get(source, "defaultMode"), mode, causes);
        for (size_t i = 0; i < COR_COUNT(sources); i++) {
            if (strcmp(sources[i].name, key) == 0) {
                sources[i].check(source, field, causes);
            }
        }
    }
    if (found == 0) {
        kl_cause_required(causes, path, "must specify a volume type");
    }
}

void kl_volumes_check(const struct cor_json *volumes, struct cor_json *names,
                      struct kl_causes *causes)
{
    for (size_t i = 0; i < cor_json_count(volumes); i++) {
        const struct cor_json *volume = cor_json_item(volumes, i);
        auto_(cor_freep) char *path = cor_sprintf("spec.volumes[%zu]", i);
        auto_(cor_freep) char *field = cor_sprintf("%s.name", path);
        const char *name = cor_json_str_at(volume, "name", "");
        check_source(volume, path, causes);
        if (name[0] == '\0') {
            kl_cause_required(causes, field, NULL);
        } else if (!cor_is_dns_label(cor_view_of(name))) {
            kl_cause_invalid_str(causes, field, name, kl_text_label);
        } else if (cor_json_get(names, name) != NULL) {
            kl_cause_duplicate(causes, field, name);
        } else {
            cor_json_set(names, name, cor_json_bool(true));
        }
    }
}
