// SPDX-License-Identifier: Apache-2.0
#include "record.h"

#include <string.h>

#include "common/base/mem.h"

char *ec_record_name(const char *node, const char *uid)
{
    return cor_sprintf("%s.%s", node, uid);
}

bool ec_record_split(struct cor_view name, struct cor_view *node_r, struct cor_view *uid_r)
{
    size_t dot = name.len;
    while (dot > 0 && name.ptr[dot - 1] != '.') {
        dot--;
    }
    if (dot < 2 || dot == name.len) {
        return false;
    }
    *node_r = (struct cor_view){name.ptr, dot - 1};
    *uid_r = (struct cor_view){name.ptr + dot, name.len - dot};
    return true;
}

struct cor_json *ec_record_new(const struct ec_subject *subject)
{
    struct cor_json *record = cor_json_object();
    bool of_cluster = subject->ns[0] == '\0';
    cor_json_set(record, "apiVersion", cor_json_str(EC_RECORD_API));
    cor_json_set(record, "kind", cor_json_str(of_cluster ? "ClusterObjectSync" : "ObjectSync"));
    cor_json_set_at(record, "metadata.name", cor_json_fmt("%s.%s", subject->node, subject->uid));
    if (!of_cluster) {
        cor_json_set_at(record, "metadata.namespace", cor_json_str(subject->ns));
    }
    cor_json_set_at(record, "spec.objectAPIVersion", cor_json_str(subject->api_version));
    cor_json_set_at(record, "spec.objectKind", cor_json_str(subject->kind));
    cor_json_set_at(record, "spec.objectName", cor_json_str(subject->name));
    return record;
}

struct cor_json *ec_record_patch(const char *version)
{
    struct cor_json *patch = cor_json_object();
    cor_json_set_at(patch, "status.objectResourceVersion", cor_json_str(version));
    return patch;
}

const char *ec_record_version(const struct cor_json *record)
{
    return cor_json_str_at(record, "status.objectResourceVersion", "");
}

bool ec_record_covers(const struct cor_json *record, struct cor_view version)
{
    uint64_t has = 0;
    uint64_t wants = 0;
    return cor_view_u64(cor_view_of(ec_record_version(record)), &has) &&
           cor_view_u64(version, &wants) && has >= wants;
}
