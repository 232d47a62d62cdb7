// SPDX-License-Identifier: Apache-2.0
#include "marks.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"

#define RECORD "coracle.io/settings"
#define AUTONOMOUS "coracle.io/autonomous"

enum { NAME_MAX_LEN = 63 };

/* ---- are they right ---- */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A part of a qualified name, or a label's value (apimachinery pkg/util/validation). */
static bool is_word(struct cor_view text)
{
    bool good = text.len > 0 && text.len <= NAME_MAX_LEN && is_alphanumeric(text.ptr[0]) &&
                is_alphanumeric(text.ptr[text.len - 1]);
    for (size_t i = 0; good && i < text.len; i++) {
        good = is_alphanumeric(text.ptr[i]) || strchr("-_.", text.ptr[i]) != NULL;
    }
    return good;
}

static bool is_key(struct cor_view text)
{
    struct cor_view rest = text;
    struct cor_view first = {0};
    (void)cor_view_split(&rest, '/', &first);
    return rest.ptr == NULL ? is_word(first) : cor_is_dns_subdomain(first) && is_word(rest);
}

static bool is_label(struct cor_view text)
{
    struct cor_view key = {0};
    (void)cor_view_split(&text, '=', &key);
    return is_key(key) && text.ptr != NULL && (text.len == 0 || is_word(text));
}

static bool is_annotation(struct cor_view text)
{
    struct cor_view key = {0};
    (void)cor_view_split(&text, '=', &key);
    return is_key(key) && text.ptr != NULL && cor_view_is_utf8(text);
}

static bool is_taint(struct cor_view text)
{
    static const char *const EFFECTS[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
    struct cor_view front = {0};
    struct cor_view key = {0};
    bool known = false;
    (void)cor_view_split(&text, ':', &front);
    (void)cor_view_split(&front, '=', &key);
    for (size_t i = 0; i < COR_COUNT(EFFECTS); i++) {
        known = known || cor_view_is(text, EFFECTS[i]);
    }
    return known && is_key(key) && (front.len == 0 || is_word(front));
}

enum cor_code marks_check(const struct cor_conf_strs *labels,
                          const struct cor_conf_strs *annotations,
                          const struct cor_conf_strs *taints, struct cor_err *err)
{
    const struct {
        const char *name;
        const struct cor_conf_strs *list;
        bool (*good)(struct cor_view text);
        const char *form;
    } KINDS[] = {{"node.labels", labels, is_label, "key=value"},
                 {"node.annotations", annotations, is_annotation, "key=value"},
                 {"node.taints", taints, is_taint, "key=value:Effect"}};
    for (size_t k = 0; k < COR_COUNT(KINDS); k++) {
        for (size_t i = 0; i < KINDS[k].list->count; i++) {
            if (!KINDS[k].good(cor_view_of(KINDS[k].list->items[i]))) {
                return cor_err_set(err, COR_INVALID, "%s: expected %s, not %.100s", KINDS[k].name,
                                   KINDS[k].form, KINDS[k].list->items[i]);
            }
        }
    }
    return COR_OK;
}

/* ---- what they give ---- */

static struct cor_json *keys_of(const char *const *items, size_t count)
{
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < count; i++) {
        struct cor_view rest = cor_view_of(items[i]);
        struct cor_view key = {0};
        (void)cor_view_split(&rest, '=', &key);
        cor_json_add(list, cor_json_view(key));
    }
    return list;
}

void marks_annotate(const struct node_info *info, struct cor_json *annotations)
{
    for (size_t i = 0; i < info->annotation_count; i++) {
        struct cor_view rest = cor_view_of(info->annotations[i]);
        struct cor_view key = {0};
        (void)cor_view_split(&rest, '=', &key);
        auto_(cor_freep) char *name = cor_view_dup(key);
        cor_json_set(annotations, name, cor_json_view(rest));
    }
    if (info->annotation_count + info->label_count > 0) {
        auto_(cor_json_free) struct cor_json *record = cor_json_object();
        cor_json_set(record, "labels", keys_of(info->labels, info->label_count));
        cor_json_set(record, "annotations", keys_of(info->annotations, info->annotation_count));
        auto_(cor_freep) char *text = cor_json_text(record);
        cor_json_set(annotations, RECORD, cor_json_str(text));
    }
}

/* ---- a Node that is there ---- */

/* What the settings gave it before. Returns owned; NULL: nothing, or nothing that can be read. */
static struct cor_json *record_of(const struct cor_json *there)
{
    struct cor_json *record = NULL;
    struct cor_view text =
        cor_json_as_view(cor_json_get(cor_json_at(there, "metadata.annotations"), RECORD));
    bool read = text.ptr != NULL && cor_json_parse(text, text.len, 0, &record, NULL) == COR_OK;
    return read ? record : NULL;
}

/* Takes away what is in the record's list, is there, and is wanted no more. */
static void forget(struct cor_json *patch, const struct cor_json *list,
                   const struct cor_json *there)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const char *key = cor_json_as_str(cor_json_item(list, i), "");
        if (cor_json_get(patch, key) == NULL && cor_json_get(there, key) != NULL) {
            cor_json_set(patch, key, cor_json_null());
        }
    }
}

static struct cor_json *texts_of(const struct cor_json *wanted, const struct cor_json *there,
                                 const struct cor_json *record, const char *what)
{
    auto_(cor_freep) char *path = cor_sprintf("metadata.%s", what);
    struct cor_json *patch = cor_json_copy(cor_json_at(wanted, path));
    cor_json_del(patch, AUTONOMOUS);
    forget(patch, cor_json_get(record, what), cor_json_at(there, path));
    return patch;
}

struct cor_json *marks_patch(const struct cor_json *wanted, const struct cor_json *there)
{
    auto_(cor_json_free) struct cor_json *record = record_of(there);
    struct cor_json *out = cor_json_object();
    struct cor_json *annotations = texts_of(wanted, there, record, "annotations");
    if (record != NULL && cor_json_get(annotations, RECORD) == NULL) {
        cor_json_set(annotations, RECORD, cor_json_null());
    }
    cor_json_set(out, "kind", cor_json_str("Node"));
    cor_json_set(out, "apiVersion", cor_json_str("v1"));
    cor_json_set_at(out, "metadata.name",
                    cor_json_str(cor_json_str_at(wanted, "metadata.name", "")));
    cor_json_set_at(out, "metadata.labels", texts_of(wanted, there, record, "labels"));
    cor_json_set_at(out, "metadata.annotations", annotations);
    return out;
}
