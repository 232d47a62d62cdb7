// SPDX-License-Identifier: Apache-2.0
#include "topic.h"

#include <string.h>

#include "common/base/mem.h"

static const struct {
    const char *prefix;
    const char *suffix;
    size_t levels; /* of the id */
    enum dt_action action;
} TOPICS[] = {
    {"$hw/events/device/", "/twin/update", 2, DT_TWIN_UPDATE},
    {"$hw/events/device/", "/twin/get", 2, DT_TWIN_GET},
    {"$hw/events/device/", "/state/update", 2, DT_STATE_UPDATE},
    {"$hw/events/node/", "/membership/get", 1, DT_MEMBERSHIP_GET},
};

static bool has_levels(struct cor_view id, size_t levels)
{
    size_t count = 0;
    struct cor_view part;
    while (cor_view_split(&id, '/', &part)) {
        count++;
        if (part.len == 0) {
            return false;
        }
    }
    return count == levels;
}

enum dt_action dt_topic_parse(struct cor_view topic, struct cor_view *id_r)
{
    for (size_t i = 0; i < COR_COUNT(TOPICS); i++) {
        size_t before = strlen(TOPICS[i].prefix);
        size_t behind = strlen(TOPICS[i].suffix);
        if (topic.len <= before + behind || !cor_view_starts(topic, TOPICS[i].prefix) ||
            !cor_view_ends(topic, TOPICS[i].suffix)) {
            continue;
        }
        struct cor_view id = {topic.ptr + before, topic.len - before - behind};
        if (has_levels(id, TOPICS[i].levels)) {
            *id_r = id;
            return TOPICS[i].action;
        }
    }
    return DT_NO_ACTION;
}

char *dt_topic_device(const char *id, const char *suffix)
{
    return cor_sprintf("$hw/events/device/%s/%s", id, suffix);
}

char *dt_topic_node(const char *node, const char *suffix)
{
    return cor_sprintf("$hw/events/node/%s/%s", node, suffix);
}
