// SPDX-License-Identifier: Apache-2.0
#include "runtimeclass.h"

#include "common/base/mem.h"
#include "common/json/json.h"

enum { OBJECT_MAX = 1024 * 1024 };

enum cor_code runtimeclass_handler(const char *name, int status, struct cor_view body,
                                   char **handler_r, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (status == 404) {
        return cor_err_set(err, COR_NOTFOUND, "runtimeclass.node.k8s.io \"%.100s\" not found",
                           name);
    }
    if (status == 0) {
        return cor_err_set(err, COR_RETRY, "failed to lookup RuntimeClass %.60s: %.*s", name,
                           COR_VIEW_ARG(body));
    }
    bool read = cor_json_parse(body, OBJECT_MAX, 0, &json, NULL) == COR_OK;
    if (status != 200) {
        return cor_err_set(err, COR_RETRY, "failed to lookup RuntimeClass %.60s: HTTP status %d %s",
                           name, status, cor_json_str_at(json, "message", ""));
    }
    const char *handler = cor_json_str_at(json, "handler", "");
    if (!read || handler[0] == '\0') {
        return cor_err_set(err, COR_RETRY,
                           "failed to lookup RuntimeClass %.60s: it names no handler", name);
    }
    *handler_r = cor_strdup(handler);
    return COR_OK;
}
