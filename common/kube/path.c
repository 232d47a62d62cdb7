// SPDX-License-Identifier: Apache-2.0
#include "common/kube/path.h"

#include <string.h>

#include "common/base/attr.h"

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("-._~", c) != NULL);
}

void cor_percent_encode(struct cor_view text, struct cor_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_unreserved(text.ptr[i])) {
            cor_buf_add(out, text.ptr + i, 1);
        } else {
            cor_buf_fmt(out, "%%%02X", (unsigned)(unsigned char)text.ptr[i]);
        }
    }
}

static void add_part(const char *before, const char *part, struct cor_buf *out)
{
    if (part != NULL) {
        cor_buf_str(out, before);
        cor_percent_encode(cor_view_of(part), out);
    }
}

void cor_kube_path(const struct cor_kube_ref *ref, struct cor_buf *out)
{
    /* The legacy core group has a root of its own. */
    cor_buf_fmt(out, "%s/%s", strchr(ref->group_version, '/') == NULL ? "/api" : "/apis",
                ref->group_version);
    add_part("/namespaces/", ref->ns, out);
    add_part("/", ref->plural, out);
    add_part("/", ref->name, out);
    add_part("/", ref->sub, out);
}

enum cor_code cor_kube_code(int status, const struct cor_json *body)
{
    static const struct {
        int status;
        enum cor_code code;
    } rows[] = {
        {0, COR_RETRY},         {401, COR_UNAUTHENTICATED},
        {403, COR_DENIED},      {404, COR_NOTFOUND},
        {405, COR_UNSUPPORTED}, {408, COR_TIMEOUT},
        {409, COR_CONFLICT},    {410, COR_GONE},
        {413, COR_TOOBIG},      {415, COR_UNSUPPORTED},
        {429, COR_BUSY},
    };
    if (status >= 200 && status < 300) {
        return COR_OK;
    }
    if (status == 409 && strcmp(cor_json_str_at(body, "reason", ""), "AlreadyExists") == 0) {
        return COR_EXISTS;
    }
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (rows[i].status == status) {
            return rows[i].code;
        }
    }
    return status >= 500 ? COR_RETRY : COR_INVALID;
}
