// SPDX-License-Identifier: Apache-2.0
#include "proto/kubeedge/message.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Member of an object whose key differs at most in case; Go prefers the exact one. */
static struct cor_json *member(const struct cor_json *object, const char *key)
{
    struct cor_json *exact = cor_json_get(object, key);
    void *at = NULL;
    const char *name = NULL;
    struct cor_json *child = NULL;
    while (exact == NULL && cor_json_each(object, &at, &name, &child)) {
        exact = strcasecmp(name, key) == 0 ? child : NULL;
    }
    return exact;
}

static const struct {
    const char *part;
    const char *key;
    size_t offset;
} TEXTS[] = {
    {"header", "msg_id", offsetof(struct px_kubeedge_in, id)},
    {"header", "parent_msg_id", offsetof(struct px_kubeedge_in, parent)},
    {"header", "resourceversion", offsetof(struct px_kubeedge_in, version)},
    {"route", "source", offsetof(struct px_kubeedge_in, source)},
    {"route", "group", offsetof(struct px_kubeedge_in, group)},
    {"route", "operation", offsetof(struct px_kubeedge_in, operation)},
    {"route", "resource", offsetof(struct px_kubeedge_in, resource)},
};

/* Fields that nobody here uses; still, Go refuses them with a wrong type. */
static const struct {
    const char *part;
    const char *key;
    enum cor_json_type type;
} UNUSED[] = {
    {"header", "sync", COR_JSON_BOOL},
    {"header", "type", COR_JSON_STRING},
    {"route", "destination", COR_JSON_STRING},
};

static enum cor_code wrong(struct cor_err *err, const char *part, const char *key)
{
    return cor_err_set(err, COR_INVALID, "%s.%s has the wrong type", part, key);
}

static enum cor_code read_texts(struct px_kubeedge_in *in, struct cor_err *err)
{
    for (size_t i = 0; i < COR_COUNT(TEXTS); i++) {
        const struct cor_json *value = member(member(in->tree, TEXTS[i].part), TEXTS[i].key);
        if (!cor_json_is_null(value) && !cor_json_is_string(value)) {
            return wrong(err, TEXTS[i].part, TEXTS[i].key);
        }
        const char *text = cor_json_as_str(value, "");
        if (strlen(text) != cor_json_as_view(value).len) {
            return cor_err_set(err, COR_INVALID, "%s.%s has a NUL byte", TEXTS[i].part,
                               TEXTS[i].key);
        }
        *(const char **)(void *)((char *)in + TEXTS[i].offset) = text;
    }
    for (size_t i = 0; i < COR_COUNT(UNUSED); i++) {
        const struct cor_json *value = member(member(in->tree, UNUSED[i].part), UNUSED[i].key);
        if (!cor_json_is_null(value) && cor_json_type(value) != UNUSED[i].type) {
            return wrong(err, UNUSED[i].part, UNUSED[i].key);
        }
    }
    return COR_OK;
}

static enum cor_code read_parts(struct px_kubeedge_in *in, struct cor_err *err)
{
    static const char *const parts[] = {"header", "route"};
    if (!cor_json_is_object(in->tree)) {
        return cor_err_set(err, COR_INVALID, "message is not a JSON object");
    }
    for (size_t i = 0; i < COR_COUNT(parts); i++) {
        const struct cor_json *part = member(in->tree, parts[i]);
        if (!cor_json_is_null(part) && !cor_json_is_object(part)) {
            return cor_err_set(err, COR_INVALID, "%s is not an object", parts[i]);
        }
    }
    const struct cor_json *timestamp = member(member(in->tree, "header"), "timestamp");
    if (!cor_json_is_null(timestamp) && cor_json_type(timestamp) != COR_JSON_INT) {
        return wrong(err, "header", "timestamp");
    }
    in->timestamp = cor_json_as_int(timestamp, 0);
    struct cor_json *content = member(in->tree, "content");
    in->content = cor_json_is_null(content) ? NULL : content;
    return read_texts(in, err);
}

enum cor_code px_kubeedge_read(struct cor_view text, struct px_kubeedge_in *in_r,
                               struct cor_err *err)
{
    *in_r = (struct px_kubeedge_in){0};
    enum cor_code code =
        cor_json_parse(text, PX_KUBEEDGE_MAX, COR_JSON_PREFIX | COR_JSON_NUL, &in_r->tree, err);
    return code == COR_OK ? read_parts(in_r, err) : code;
}

void px_kubeedge_in_free(struct px_kubeedge_in *in)
{
    cor_json_free(&in->tree);
    *in = (struct px_kubeedge_in){0};
}

/* Each byte that is not of UTF-8 becomes U+FFFD; NUL stays, which is none for cor_view_utf8_len. */
static void add_utf8(struct cor_buf *out, struct cor_view text)
{
    while (text.len > 0) {
        size_t n = cor_view_utf8_len(text);
        cor_buf_add(out, text.ptr, n);
        if (n < text.len) {
            const struct cor_view other = COR_VIEW("\xef\xbf\xbd");
            cor_buf_view(out, text.ptr[n] == 0 ? (struct cor_view){"", 1} : other);
            n++;
        }
        text.ptr += n;
        text.len -= n;
    }
}

void px_kubeedge_quote(struct cor_view text, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf utf8 = {0};
    bool is_plain = cor_view_is_utf8(text);
    if (!is_plain) {
        add_utf8(&utf8, text);
    }
    auto_(cor_json_free) struct cor_json *string =
        cor_json_view(is_plain ? text : cor_buf_as_view(&utf8));
    cor_json_write(string, out);
}

/* ,"key":"value" unless value is empty; the comma only if something stands before. */
static void add_text(struct cor_buf *text, const char *key, const char *value, bool first)
{
    if (value != NULL && value[0] != 0) {
        cor_buf_fmt(text, "%s\"%s\":", first ? "" : ",", key);
        px_kubeedge_quote(cor_view_of(value), text);
    }
}

void px_kubeedge_write(const struct px_kubeedge_out *out, struct cor_buf *text)
{
    cor_buf_str(text, "{\"header\":{\"msg_id\":");
    px_kubeedge_quote(cor_view_of(out->id), text);
    add_text(text, "parent_msg_id", out->parent, false);
    cor_buf_fmt(text, ",\"timestamp\":%lld", (long long)out->timestamp);
    add_text(text, "resourceversion", out->version, false);
    cor_buf_str(text, "},\"route\":{\"source\":");
    px_kubeedge_quote(cor_view_of(out->source), text);
    add_text(text, "group", out->group, false);
    add_text(text, "operation", out->operation, false);
    add_text(text, "resource", out->resource, false);
    cor_buf_str(text, "},\"content\":");
    if (out->content.ptr == NULL) {
        cor_buf_str(text, "null");
    } else {
        cor_buf_view(text, out->content);
    }
    cor_buf_str(text, "}\n");
}

void px_kubeedge_bytes(const struct cor_json *content, struct cor_buf *out)
{
    if (cor_json_is_string(content)) {
        cor_buf_view(out, cor_json_as_view(content));
    } else if (content != NULL) {
        cor_json_write(content, out);
    } else {
        cor_buf_str(out, "null");
    }
}

struct cor_json *px_kubeedge_object(struct cor_json *content)
{
    if (cor_json_is_object(content)) {
        return cor_json_ref(content);
    }
    struct cor_json *inner = NULL;
    if (!cor_json_is_string(content) ||
        cor_json_parse(cor_json_as_view(content), PX_KUBEEDGE_MAX, 0, &inner, NULL) != COR_OK) {
        return NULL;
    }
    if (!cor_json_is_object(inner)) {
        cor_json_free(&inner);
    }
    return inner;
}
