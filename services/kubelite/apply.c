// SPDX-License-Identifier: Apache-2.0
#include "apply.h"

#include <string.h>

#include "common/base/mem.h"
#include "fields.h"
#include "meta.h"

enum { FIELDS_MAX = 10000 };

/* Entries of managedFields: their sets, flat, under "set" while they are worked on. */
static struct cor_json *load(const struct cor_json *object)
{
    struct cor_json *entries = cor_json_copy(cor_json_at(object, "metadata.managedFields"));
    if (!cor_json_is_array(entries)) {
        cor_json_free(&entries);
        entries = cor_json_array();
    }
    for (size_t i = 0; i < cor_json_count(entries); i++) {
        struct cor_json *one = cor_json_item(entries, i);
        cor_json_set(one, "set", kl_fields_from_v1(cor_json_get(one, "fieldsV1")));
        cor_json_del(one, "fieldsV1");
    }
    return entries;
}

static void store(struct cor_json *entries, struct cor_json *object)
{
    for (size_t i = cor_json_count(entries); i > 0; i--) {
        struct cor_json *one = cor_json_item(entries, i - 1);
        if (cor_json_count(cor_json_get(one, "set")) == 0) {
            cor_json_put(entries, i - 1, NULL);
            continue;
        }
        cor_json_set(one, "fieldsV1", kl_fields_v1(cor_json_get(one, "set")));
        cor_json_del(one, "set");
    }
    if (cor_json_count(entries) == 0) {
        cor_json_del(kl_meta(object), "managedFields");
        cor_json_free(&entries);
        return;
    }
    cor_json_set(kl_meta(object), "managedFields", entries);
}

/* The entry of a manager and operation, made when it is not there. Borrowed. */
static struct cor_json *entry_of(const struct kl_applying *applying, struct cor_json *entries,
                                 const char *manager, const char *operation)
{
    for (size_t i = 0; i < cor_json_count(entries); i++) {
        struct cor_json *one = cor_json_item(entries, i);
        if (strcmp(cor_json_str_at(one, "manager", ""), manager) == 0 &&
            strcmp(cor_json_str_at(one, "operation", ""), operation) == 0) {
            return one;
        }
    }
    char time[COR_RFC3339_SIZE];
    auto_(cor_buf_free) struct cor_buf version = {0};
    struct cor_json *one = cor_json_object();
    cor_wall_format(applying->now, time);
    kl_kind_api_version(applying->kind, &version);
    cor_json_set(one, "manager", cor_json_str(manager));
    cor_json_set(one, "operation", cor_json_str(operation));
    cor_json_set(one, "apiVersion", cor_json_view(cor_buf_as_view(&version)));
    cor_json_set(one, "time", cor_json_str(time));
    cor_json_set(one, "fieldsType", cor_json_str("FieldsV1"));
    cor_json_set(one, "set", cor_json_object());
    cor_json_add(entries, one);
    return one;
}

/* Sets of paths only: values do not count. */
static bool same_paths(const struct cor_json *a, const struct cor_json *b)
{
    auto_(cor_json_free) struct cor_json *common = kl_fields_common(a, b);
    return cor_json_count(common) == cor_json_count(a) && cor_json_count(a) == cor_json_count(b);
}

static void give(const struct kl_applying *applying, struct cor_json *entry, struct cor_json *set)
{
    if (!same_paths(cor_json_get(entry, "set"), set)) {
        char time[COR_RFC3339_SIZE];
        cor_wall_format(applying->now, time);
        cor_json_set(entry, "time", cor_json_str(time));
    }
    cor_json_set(entry, "set", set);
}

/* "conflict with NAME", as printManager writes it. */
static char *name_of(const struct cor_json *entry)
{
    const char *manager = cor_json_str_at(entry, "manager", "");
    if (strcmp(cor_json_str_at(entry, "operation", ""), "Update") != 0) {
        return cor_sprintf("\"%s\"", manager);
    }
    const char *time = cor_json_str_at(entry, "time", "");
    return cor_sprintf("\"%s\" using %s%s%s", manager, cor_json_str_at(entry, "apiVersion", ""),
                       time[0] == '\0' ? "" : " at ", time);
}

/* The conflicts of one manager: its name, [fields]. */
static void add_conflicts(struct cor_json *all, const struct cor_json *entry,
                          const struct cor_json *paths)
{
    struct cor_json *one = cor_json_object();
    struct cor_json *fields = cor_json_array();
    auto_(cor_freep) char *name = name_of(entry);
    void *at = NULL;
    const char *path = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(paths, &at, &path, &value)) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        kl_fields_text(path, &text);
        size_t place = 0;
        while (place < cor_json_count(fields) &&
               strcmp(cor_json_as_str(cor_json_item(fields, place), ""), text.data) < 0) {
            place++;
        }
        cor_json_insert(fields, place, cor_json_view(cor_buf_as_view(&text)));
    }
    cor_json_set(one, "name", cor_json_str(name));
    cor_json_set(one, "fields", fields);
    cor_json_add(all, one);
}

/* getConflictMessage of fieldmanager/internal/conflict.go. */
static enum cor_code conflict(const struct cor_json *all, struct kl_fail *fail)
{
    struct cor_json *causes = cor_json_array();
    struct cor_buf message = {0};
    size_t count = 0;
    const struct cor_json *first = cor_json_item(all, 0);
    for (size_t m = 0; m < cor_json_count(all); m++) {
        const struct cor_json *fields = cor_json_get(cor_json_item(all, m), "fields");
        count += cor_json_count(fields);
    }
    for (size_t m = 0; m < cor_json_count(all); m++) {
        const struct cor_json *one = cor_json_item(all, m);
        const struct cor_json *fields = cor_json_get(one, "fields");
        const char *name = cor_json_str_at(one, "name", "");
        cor_buf_fmt(&message, "%sconflicts with %s:", m == 0 ? "" : "\n", name);
        for (size_t i = 0; i < cor_json_count(fields); i++) {
            struct cor_json *cause = cor_json_object();
            const char *field = cor_json_as_str(cor_json_item(fields, i), "");
            cor_buf_fmt(&message, "\n- %s", field);
            cor_json_set(cause, "reason", cor_json_str("FieldManagerConflict"));
            cor_json_set(cause, "message", cor_json_fmt("conflict with %s", name));
            cor_json_set(cause, "field", cor_json_str(field));
            cor_json_add(causes, cause);
        }
    }
    if (count == 1) {
        cor_buf_clear(&message);
        cor_buf_fmt(&message, "conflict with %s: %s", cor_json_str_at(first, "name", ""),
                    cor_json_as_str(cor_json_item(cor_json_get(first, "fields"), 0), ""));
    }
    (void)kl_fail_other(fail, 409, "Conflict", "Apply failed with %zu conflict%s: %s", count,
                        count == 1 ? "" : "s", message.data);
    cor_buf_free(&message);
    fail->details = cor_json_object();
    cor_json_set(fail->details, "causes", causes);
    return COR_CONFLICT;
}

/* Others lose what changed and what went. COR_CONFLICT when they may not. */
static enum cor_code settle(const struct kl_applying *applying, struct cor_json *entries,
                            const struct cor_json *mine, const struct cor_json *changed,
                            const struct cor_json *removed, struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *conflicts = cor_json_array();
    for (size_t i = 0; i < cor_json_count(entries); i++) {
        struct cor_json *one = cor_json_item(entries, i);
        struct cor_json *set = cor_json_get(one, "set");
        auto_(cor_json_free) struct cor_json *lost = kl_fields_common(set, changed);
        if (one == mine) {
            continue;
        }
        if (cor_json_count(lost) > 0) {
            add_conflicts(conflicts, one, lost);
        }
        kl_fields_subtract(set, lost);
        kl_fields_subtract(set, removed);
    }
    return applying->force || cor_json_count(conflicts) == 0 ? COR_OK : conflict(conflicts, fail);
}

/* What was applied before and is not any more goes, unless somebody else manages it. */
static void prune(const struct kl_applying *applying, const struct cor_json *entries,
                  const struct cor_json *last, struct cor_json *object)
{
    auto_(cor_json_free) struct cor_json *kept = cor_json_object();
    auto_(cor_json_free) struct cor_json *doomed = cor_json_copy(last);
    for (size_t i = 0; i < cor_json_count(entries); i++) {
        kl_fields_add(kept, cor_json_get(cor_json_item(entries, i), "set"));
    }
    kl_fields_subtract(doomed, kept);
    if (cor_json_count(doomed) > 0) {
        kl_fields_prune(kl_shape_of_kind(applying->kind), object, doomed, kept);
    }
}

enum cor_code kl_apply(const struct kl_applying *applying, const struct cor_json *live,
                       const struct cor_json *config, struct cor_json **out_r, struct kl_fail *fail)
{
    struct kl_shape_of shape = kl_shape_of_kind(applying->kind);
    auto_(cor_json_free) struct cor_json *wanted = kl_fields_of(shape, config);
    if (cor_json_count(wanted) > FIELDS_MAX) {
        (void)kl_fail_other(fail, 413, "RequestEntityTooLarge",
                            "at most %d fields can be applied at once", FIELDS_MAX);
        return COR_TOOBIG;
    }
    struct cor_json *entries = load(live);
    auto_(cor_json_free) struct cor_json *before =
        live == NULL ? cor_json_object() : kl_fields_of(shape, live);
    auto_(cor_json_free) struct cor_json *after = NULL;
    auto_(cor_json_free) struct cor_json *changed = NULL;
    auto_(cor_json_free) struct cor_json *removed = NULL;
    if (live != NULL && cor_json_count(entries) == 0) {
        give(applying, entry_of(applying, entries, "before-first-apply", "Update"),
             cor_json_copy(before));
    }
    struct cor_json *mine = entry_of(applying, entries, applying->manager, "Apply");
    auto_(cor_json_free) struct cor_json *last = cor_json_ref(cor_json_get(mine, "set"));
    struct cor_json *object = kl_fields_merge(shape, live, config);
    give(applying, mine, take(&wanted));
    prune(applying, entries, last, object);
    after = kl_fields_of(shape, object);
    kl_fields_compare(before, after, &changed, &removed);
    enum cor_code code = settle(applying, entries, mine, changed, removed, fail);
    if (code != COR_OK) {
        cor_json_free(&entries);
        cor_json_free(&object);
        return code;
    }
    store(entries, object);
    *out_r = object;
    return COR_OK;
}

void kl_apply_track(const struct kl_applying *applying, const struct cor_json *old,
                    struct cor_json *object)
{
    if (cor_json_count(cor_json_at(old, "metadata.managedFields")) == 0) {
        return;
    }
    struct kl_shape_of shape = kl_shape_of_kind(applying->kind);
    auto_(cor_json_free) struct cor_json *before = kl_fields_of(shape, old);
    auto_(cor_json_free) struct cor_json *after = kl_fields_of(shape, object);
    auto_(cor_json_free) struct cor_json *changed = NULL;
    auto_(cor_json_free) struct cor_json *removed = NULL;
    auto_(kl_fail_free) struct kl_fail unused = {0};
    struct kl_applying forced = *applying;
    forced.force = true;
    struct cor_json *entries = load(old);
    kl_fields_compare(before, after, &changed, &removed);
    struct cor_json *mine = entry_of(applying, entries, applying->manager, "Update");
    struct cor_json *set = cor_json_copy(cor_json_get(mine, "set"));
    (void)!settle(&forced, entries, mine, changed, removed, &unused);
    kl_fields_add(set, changed);
    kl_fields_subtract(set, removed);
    give(applying, mine, set);
    store(entries, object);
}
