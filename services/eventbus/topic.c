// SPDX-License-Identifier: Apache-2.0
#include "topic.h"

#include <string.h>

#include "common/base/attr.h"
#include "common/base/mem.h"

/* mosquitto(8), "Broker Status": retained, said when it has changed. */
#define DROPPED "$SYS/broker/publish/messages/dropped"

const char *const EB_TOPICS[] = {
    "$hw/events/upload/#",
    "$hw/events/device/+/+/state/update",
    "$hw/events/device/+/+/twin/+",
    "$hw/events/node/+/membership/get",
    "SYS/dis/upload_records",
    "+/user/#",
    DROPPED,
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
    if (cor_view_eq(topic, COR_VIEW(DROPPED))) {
        return EB_DROPPED;
    }
    for (size_t i = 0; i < COR_COUNT(TWIN); i++) {
        if (is_below(topic, TWIN[i])) {
            return EB_TO_TWIN;
        }
    }
    return EB_TO_CLOUD;
}

char *eb_topic_stream(struct cor_view topic)
{
    static const struct {
        const char *prefix;
        const char *kind;
        int levels; /* that name it */
    } KINDS[] = {{"$hw/events/device/", "device", 2}, {"$hw/events/node/", "node", 1}};
    for (size_t i = 0; i < COR_COUNT(KINDS); i++) {
        size_t skip = strlen(KINDS[i].prefix);
        if (!cor_view_starts(topic, KINDS[i].prefix)) {
            continue;
        }
        struct cor_view rest = {topic.ptr + skip, topic.len - skip};
        struct cor_view name = {rest.ptr, 0};
        struct cor_view level = {0};
        for (int n = 0; n < KINDS[i].levels && cor_view_split(&rest, '/', &level); n++) {
            name.len = (size_t)(level.ptr - name.ptr) + level.len;
        }
        return cor_sprintf("%s/%.*s", KINDS[i].kind, COR_VIEW_ARG(name));
    }
    return cor_sprintf("topic/%.*s", COR_VIEW_ARG(topic));
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

uint64_t eb_dropped_since(uint64_t before, uint64_t said)
{
    return said >= before ? said - before : said;
}
