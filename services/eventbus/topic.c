// SPDX-License-Identifier: Apache-2.0
#include "topic.h"

#include <string.h>

#include "common/base/attr.h"

const char *const EB_TOPICS[] = {
    "$hw/events/upload/#",          "$hw/events/device/+/+/state/update",
    "$hw/events/device/+/+/twin/+", "$hw/events/node/+/membership/get",
    "SYS/dis/upload_records",       "+/user/#",
};
const size_t EB_TOPIC_COUNT = COR_COUNT(EB_TOPICS);

static bool is_below(struct cor_view topic, const char *prefix)
{
    size_t len = strlen(prefix);
    return cor_view_starts(topic, prefix) && (topic.len == len || topic.ptr[len] == '/');
}

enum eb_way eb_topic_way(struct cor_view topic)
{
    static const char *const TWIN[] = {"$hw/events/device", "$hw/events/node"};
    if (!eb_topic_is_name(topic)) {
        return EB_NOWHERE;
    }
    for (size_t i = 0; i < COR_COUNT(TWIN); i++) {
        if (is_below(topic, TWIN[i])) {
            return EB_TO_TWIN;
        }
    }
    return EB_TO_CLOUD;
}

bool eb_topic_is_name(struct cor_view topic)
{
    return topic.len > 0 && topic.len <= 65535 && memchr(topic.ptr, '+', topic.len) == NULL &&
           memchr(topic.ptr, '#', topic.len) == NULL && cor_view_is_utf8(topic);
}

bool eb_topic_is_filter(struct cor_view filter)
{
    if (filter.len == 0 || filter.len > 65535 || !cor_view_is_utf8(filter)) {
        return false;
    }
    struct cor_view rest = filter;
    struct cor_view level;
    while (cor_view_split(&rest, '/', &level)) {
        bool has_hash = level.len > 0 && memchr(level.ptr, '#', level.len) != NULL;
        bool has_plus = level.len > 0 && memchr(level.ptr, '+', level.len) != NULL;
        if ((has_hash && (level.len != 1 || rest.ptr != NULL)) || (has_plus && level.len != 1)) {
            return false;
        }
    }
    return true;
}
