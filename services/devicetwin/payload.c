// SPDX-License-Identifier: Apache-2.0
#include "payload.h"

#include <string.h>

#include "common/base/mem.h"

struct cor_json *dt_payload(const char *event_id, int64_t now_ms)
{
    struct cor_json *payload = cor_json_object();
    cor_json_set(payload, "event_id", cor_json_str(event_id));
    cor_json_set(payload, "timestamp", cor_json_int(now_ms));
    return payload;
}

struct cor_json *dt_payload_error(const char *event_id, int64_t now_ms, int code,
                                  const char *reason)
{
    struct cor_json *payload = dt_payload(event_id, now_ms);
    cor_json_set(payload, "code", cor_json_int(code));
    cor_json_set(payload, "reason", cor_json_str(reason));
    return payload;
}

static void set_side(struct cor_json *msg, const char *name, const struct dt_side *side)
{
    if (side->value == NULL) {
        return;
    }
    struct cor_json *object = cor_json_object();
    cor_json_set(object, "value", cor_json_str(side->value));
    if (side->timestamp_ms != 0) {
        cor_json_set_at(object, "metadata.timestamp", cor_json_int(side->timestamp_ms));
    }
    cor_json_set(msg, name, object);
}

static void set_version(struct cor_json *msg, const char *name, const struct dt_side *side)
{
    if (side->versioned) {
        struct cor_json *version = cor_json_object();
        cor_json_set(version, "cloud", cor_json_int(side->cloud));
        cor_json_set(version, "edge", cor_json_int(side->edge));
        cor_json_set(msg, name, version);
    }
}

static struct cor_json *whole(const struct dt_twin *twin, bool versions)
{
    struct cor_json *msg = cor_json_object();
    set_side(msg, "expected", &twin->expected);
    set_side(msg, "actual", &twin->actual);
    cor_json_set(msg, "optional", cor_json_bool(twin->optional));
    cor_json_set_at(msg, "metadata.type", cor_json_str(twin->type));
    if (versions) {
        set_version(msg, "expected_version", &twin->expected);
        set_version(msg, "actual_version", &twin->actual);
    }
    return msg;
}

struct cor_json *dt_msg_twin(const struct dt_twin *twin, bool versions)
{
    return dt_twin_is_deleted(twin) ? cor_json_null() : whole(twin, versions);
}

struct cor_json *dt_msg_twins(const struct dt_device *device)
{
    struct cor_json *twins = cor_json_object();
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(device->twins, &at, NULL, &value)) {
        const struct dt_twin *twin = value;
        if (!dt_twin_is_deleted(twin)) {
            cor_json_set(twins, twin->name, dt_msg_twin(twin, false));
        }
    }
    return twins;
}

struct cor_json *dt_msg_changed(const struct dt_change *change)
{
    struct cor_json *twins = cor_json_object();
    size_t at = 0;
    void *value = NULL;
    while (change->changed != NULL && cor_map_next(change->changed, &at, NULL, &value)) {
        const struct dt_twin *twin = value;
        cor_json_set(twins, twin->name, dt_msg_twin(twin, false));
    }
    return twins;
}

struct cor_json *dt_msg_document(const struct dt_device *device, const struct dt_change *change)
{
    struct cor_json *twins = cor_json_object();
    size_t at = 0;
    void *value = NULL;
    while (change->changed != NULL && cor_map_next(change->changed, &at, NULL, &value)) {
        const struct dt_twin *twin = value;
        const struct dt_twin *old = cor_map_get(device->twins, cor_view_of(twin->name));
        struct cor_json *entry = cor_json_object();
        cor_json_set(entry, "last", old == NULL ? cor_json_null() : dt_msg_twin(old, false));
        cor_json_set(entry, "current", dt_msg_twin(twin, false));
        cor_json_set(twins, twin->name, entry);
    }
    return twins;
}

bool dt_set_delta(const struct dt_device *device, struct cor_json *payload)
{
    struct cor_json *twins = cor_json_object();
    struct cor_json *delta = cor_json_object();
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(device->twins, &at, NULL, &value)) {
        const struct dt_twin *twin = value;
        const char *expected = twin->expected.value;
        if (dt_twin_is_deleted(twin) || expected == NULL || expected[0] == '\0') {
            continue;
        }
        cor_json_set(twins, twin->name, dt_msg_twin(twin, false));
        const char *actual = twin->actual.value == NULL ? "" : twin->actual.value;
        if (strcmp(expected, actual) != 0) {
            cor_json_set(delta, twin->name, cor_json_str(expected));
        }
    }
    bool differs = cor_json_count(delta) > 0;
    cor_json_set(payload, "twin", twins);
    cor_json_set(payload, "delta", delta);
    return differs;
}

struct cor_json *dt_msg_dirty(const struct dt_device *device)
{
    struct cor_json *twins = NULL;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(device->twins, &at, NULL, &value)) {
        const struct dt_twin *twin = value;
        if (twin->dirty != 0) {
            twins = twins == NULL ? cor_json_object() : twins;
            cor_json_set(twins, twin->name, whole(twin, true));
        }
    }
    return twins;
}

struct cor_json *dt_msg_device(const struct dt_device *device)
{
    static const struct {
        const char *key;
        size_t offset;
    } ROWS[] = {
        {"id", offsetof(struct dt_device, id)},
        {"name", offsetof(struct dt_device, name)},
        {"description", offsetof(struct dt_device, description)},
        {"state", offsetof(struct dt_device, state)},
        {"last_online", offsetof(struct dt_device, last_online)},
    };
    struct cor_json *msg = cor_json_object();
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        const char *text = *(char *const *)((const char *)device + ROWS[i].offset);
        if (text[0] != '\0') {
            cor_json_set(msg, ROWS[i].key, cor_json_str(text));
        }
    }
    return msg;
}

struct cor_json *dt_row_of_twin(const struct dt_twin *twin)
{
    struct cor_json *row = whole(twin, true);
    cor_json_set(row, "dirty", cor_json_int((int64_t)twin->dirty));
    return row;
}

static void read_side(const struct cor_json *row, const char *name, const char *version,
                      struct dt_side *side)
{
    const struct cor_json *object = cor_json_get(row, name);
    const struct cor_json *numbers = cor_json_get(row, version);
    side->value = cor_strdup(cor_json_str_at(object, "value", NULL));
    side->timestamp_ms = cor_json_int_at(object, "metadata.timestamp", 0);
    side->versioned = numbers != NULL;
    side->cloud = cor_json_int_at(numbers, "cloud", 0);
    side->edge = cor_json_int_at(numbers, "edge", 0);
}

struct dt_twin *dt_twin_of_row(struct cor_view name, const struct cor_json *row)
{
    struct dt_twin *twin = cor_alloc(sizeof(*twin));
    twin->name = cor_view_dup(name);
    twin->type = cor_strdup(cor_json_str_at(row, "metadata.type", "string"));
    twin->optional = cor_json_bool_at(row, "optional", true);
    twin->dirty = (uint64_t)cor_json_int_at(row, "dirty", 0);
    read_side(row, "expected", "expected_version", &twin->expected);
    read_side(row, "actual", "actual_version", &twin->actual);
    return twin;
}

struct cor_json *dt_row_of_device(const struct dt_device *device)
{
    struct cor_json *row = dt_msg_device(device);
    cor_json_set(row, "dirty", cor_json_int((int64_t)device->dirty));
    if (device->early) {
        cor_json_set(row, "early", cor_json_bool(true));
    }
    return row;
}

struct dt_device *dt_device_of_row(struct cor_view id, const struct cor_json *row)
{
    struct dt_device *device = dt_device_new(id, cor_view_of(cor_json_str_at(row, "name", "")),
                                             cor_view_of(cor_json_str_at(row, "description", "")));
    cor_free(device->state);
    cor_free(device->last_online);
    device->state = cor_strdup(cor_json_str_at(row, "state", ""));
    device->last_online = cor_strdup(cor_json_str_at(row, "last_online", ""));
    device->dirty = (uint64_t)cor_json_int_at(row, "dirty", 0);
    device->early = cor_json_bool_at(row, "early", false);
    return device;
}
