// SPDX-License-Identifier: Apache-2.0
#include "twins.h"

#include <inttypes.h>
#include <string.h>

static const struct cor_json *named(const struct cor_json *list, const char *key, const char *name)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *item = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(item, key, ""), name) == 0) {
            return item;
        }
    }
    return NULL;
}

/* TwinProperty {value, metadata{timestamp, type}} of one side of a MsgTwin; NULL: not reported. */
static struct cor_json *side_of(const struct cor_json *msg, const char *side)
{
    const struct cor_json *object = cor_json_get(msg, side);
    const char *value = cor_json_str_at(object, "value", NULL);
    if (value == NULL) {
        return NULL;
    }
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "value", cor_json_str(value));
    struct cor_json *metadata = cor_json_object();
    cor_json_set(metadata, "timestamp",
                 cor_json_fmt("%" PRId64, cor_json_int_at(object, "metadata.timestamp", 0)));
    cor_json_set(metadata, "type", cor_json_str(cor_json_str_at(msg, "metadata.type", "string")));
    cor_json_set(out, "metadata", metadata);
    return out;
}

static struct cor_json *merged(const char *name, const struct cor_json *old,
                               const struct cor_json *msg)
{
    struct cor_json *twin = old == NULL ? cor_json_object() : cor_json_copy(old);
    struct cor_json *reported = side_of(msg, "actual");
    struct cor_json *desired = side_of(msg, "expected");
    cor_json_set(twin, "propertyName", cor_json_str(name));
    if (reported != NULL) {
        cor_json_set(twin, "reported", reported);
    }
    if (desired != NULL) {
        cor_json_set(twin, "observedDesired", desired);
    }
    return twin;
}

struct cor_json *ec_twins_after(const struct cor_json *device, const struct cor_json *current,
                                const struct cor_json *report)
{
    struct cor_json *after = cor_json_array();
    const struct cor_json *properties = cor_json_at(device, "spec.properties");
    for (size_t i = 0; i < cor_json_count(properties); i++) {
        const char *name = cor_json_str_at(cor_json_item(properties, i), "name", "");
        const struct cor_json *old = named(current, "propertyName", name);
        const struct cor_json *msg = cor_json_get(report, name);
        if (cor_json_is_object(msg)) {
            cor_json_add(after, merged(name, old, msg));
        } else if (old != NULL) {
            cor_json_add(after, cor_json_copy(old));
        }
    }
    return after;
}
