// SPDX-License-Identifier: Apache-2.0
// What the cloud says: which devices belong to this node, and which values it wants.
#include <string.h>

#include "common/base/mem.h"
#include "devicetwin.h"

enum { OBJECT_MAX = 16 << 20 };

void dt_drop_json(void *value)
{
    struct cor_json *json = value;
    cor_json_free(&json);
}

static void tell_membership(struct dt *dt, struct dt_tx *tx, const struct dt_device *device,
                            bool added)
{
    char uuid[COR_UUID_LEN + 1];
    cor_uuid_new(uuid);
    struct cor_json *list = cor_json_array();
    cor_json_add(list, dt_msg_device(device));
    struct cor_json *payload = dt_payload(uuid, dt_now_ms());
    cor_json_set(payload, added ? "added_devices" : "removed_devices", list);
    cor_json_set(payload, added ? "removed_devices" : "added_devices", cor_json_null());
    dt_tx_publish(tx, dt_topic_node(dt->cfg->node_name, "membership/updated"), payload);
}

/* early: its object is to come. */
static struct dt_device *add_device(struct dt *dt, struct dt_tx *tx, struct cor_view id,
                                    struct cor_view name, struct cor_view description, bool early)
{
    struct dt_device *device = cor_map_get(dt->devices, id);
    if (device != NULL) {
        if (device->early && !early) {
            device->early = false;
            dt_tx_device(tx, device);
        }
        return device;
    }
    device = dt_device_new(id, name, description);
    device->early = early;
    cor_map_set(dt->devices, id, device);
    dt_tx_device(tx, device);
    tell_membership(dt, tx, device, true);
    LOGI(dt->service->log, "twin.device-added", "device=%s", device->id);
    return device;
}

static void remove_device(struct dt *dt, struct dt_tx *tx, struct cor_view id)
{
    struct dt_device *device = cor_map_get(dt->devices, id);
    if (device == NULL) {
        return;
    }
    LOGI(dt->service->log, "twin.device-removed", "device=%s", device->id);
    tell_membership(dt, tx, device, false);
    dt_tx_remove(tx, device->id);
    dt_changes_drop(dt, device);
    (void)cor_map_del(dt->devices, id);
}

/* Type of a property: the model's (devices.kubeedge.io/v1beta1), in the words of MQTT twins. */
static const char *type_of(const struct cor_json *model, const char *property)
{
    static const char *const TYPES[][2] = {
        {"INT", "int"},
        {"FLOAT", "float"},
        {"DOUBLE", "float"},
        {"BOOLEAN", "boolean"},
    };
    const struct cor_json *properties = cor_json_at(model, "spec.properties");
    for (size_t i = 0; i < cor_json_count(properties); i++) {
        const struct cor_json *p = cor_json_item(properties, i);
        if (strcmp(cor_json_str_at(p, "name", ""), property) != 0) {
            continue;
        }
        const char *type = cor_json_str_at(p, "type", "");
        for (size_t t = 0; t < COR_COUNT(TYPES); t++) {
            if (strcmp(type, TYPES[t][0]) == 0) {
                return TYPES[t][1];
            }
        }
    }
    return "string";
}

/* The values a Device wants. */
static void desire(struct dt *dt, struct dt_tx *tx, struct dt_device *device,
                   const struct cor_json *object, const struct cor_json *model)
{
    auto_(dt_change_free) struct dt_change change = {0};
    const struct cor_json *properties = cor_json_at(object, "spec.properties");
    for (size_t i = 0; i < cor_json_count(properties); i++) {
        const struct cor_json *p = cor_json_item(properties, i);
        struct cor_view value = cor_json_as_view(cor_json_at(p, "desired.value"));
        const char *name = cor_json_str_at(p, "name", "");
        struct cor_err err = COR_ERR_NONE;
        if (value.len > 0 && dt_desire(device, cor_view_of(name), value, type_of(model, name),
                                       dt_now_ms(), &change, &err) != COR_OK) {
            LOGW(dt->service->log, "twin.not-desired", "device=%s error=%s", device->id,
                 cor_log_esc(cor_view_of(err.text)));
        }
    }
    char uuid[COR_UUID_LEN + 1];
    cor_uuid_new(uuid);
    dt_follow(dt, tx, device, &change, uuid);
}

static char *model_key(const struct cor_json *device)
{
    return cor_sprintf("%s/%s", cor_json_str_at(device, "metadata.namespace", ""),
                       cor_json_str_at(device, "spec.deviceModelRef.name", ""));
}

static void take_device(struct dt *dt, struct cor_view id, const struct cor_json *object)
{
    auto_(cor_freep) char *key = model_key(object);
    const struct cor_json *model = cor_map_get(dt->models, cor_view_of(key));
    struct dt_tx *tx = dt_tx_begin(dt);
    const struct cor_json *labels = cor_json_at(object, "metadata.labels");
    struct dt_device *device =
        add_device(dt, tx, id, cor_view_of(cor_json_str_at(object, "metadata.name", "")),
                   cor_view_of(cor_json_str_at(labels, "description", "")), false);
    desire(dt, tx, device, object, model);
    dt_tx_commit(tx);
}

/* Devices that waited for their model; with every set, all of them. */
static void take_waiting(struct dt *dt, struct cor_view model, bool every)
{
    size_t at = 0;
    struct cor_view id;
    void *value = NULL;
    while (cor_map_next(dt->waiting, &at, &id, &value)) {
        auto_(cor_freep) char *key = model_key(value);
        if (every || cor_view_is(model, key)) {
            take_device(dt, id, value);
            (void)cor_map_del(dt->waiting, id);
        }
    }
}

static void device_object(struct dt *dt, struct cor_view id, const struct px_object *object,
                          struct cor_json *json)
{
    if (object->gone) {
        struct dt_tx *tx = dt_tx_begin(dt);
        (void)cor_map_del(dt->waiting, id);
        remove_device(dt, tx, id);
        dt_tx_commit(tx);
        return;
    }
    if (!dt->snapshot_done) {
        cor_map_set(dt->seen, id, dt);
    }
    auto_(cor_freep) char *model = model_key(json);
    bool is_here = cor_map_get(dt->models, cor_view_of(model)) != NULL;
    if (!is_here && !dt->snapshot_done) {
        cor_map_set(dt->waiting, id, cor_json_ref(json));
        return;
    }
    take_device(dt, id, json);
}

static void model_object(struct dt *dt, struct cor_view id, const struct px_object *object,
                         struct cor_json *json)
{
    if (object->gone) {
        (void)cor_map_del(dt->models, id);
        return;
    }
    cor_map_set(dt->models, id, cor_json_ref(json));
    take_waiting(dt, id, false);
}

enum cor_code dt_on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    struct dt *dt = self;
    const struct px_object *object = body;
    struct px_key key;
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (!px_key_parse(object->key, &key) || key.name.len == 0) {
        return cor_err_set(err, COR_INVALID, "object key %s", cor_log_esc(object->key));
    }
    if (!object->gone && (cor_json_parse(object->body, OBJECT_MAX, 0, &json, err) != COR_OK ||
                          !cor_json_is_object(json))) {
        return cor_err_set(err, COR_INVALID, "object %s is no JSON object",
                           cor_log_esc(object->key));
    }
    auto_(cor_freep) char *id =
        cor_sprintf("%.*s/%.*s", COR_VIEW_ARG(key.ns), COR_VIEW_ARG(key.name));
    if (cor_view_is(key.type, "device")) {
        device_object(dt, cor_view_of(id), object, json);
    } else if (cor_view_is(key.type, "devicemodel")) {
        model_object(dt, cor_view_of(id), object, json);
    }
    return COR_OK;
}

void dt_on_meta_up(void *self, struct cor_port *port)
{
    (void)port;
    struct dt *dt = self;
    dt->snapshot_done = false;
    cor_map_free(&dt->seen);
    dt->seen = cor_map_new(NULL);
}

/* metamanager has sent all it has, what it knows to be gone too: devices that it had and that are
 * not among it were deleted while we were away. One that only the membership has told of may not be
 * stored there yet (a full disk): what it has reported is kept. */
enum cor_code dt_on_objects_done(void *self, struct cor_in *in, const void *body,
                                 struct cor_err *err)
{
    (void)in;
    (void)body;
    (void)err;
    struct dt *dt = self;
    dt->snapshot_done = true;
    take_waiting(dt, (struct cor_view){0}, true);
    struct dt_tx *tx = dt_tx_begin(dt);
    size_t at = 0;
    struct cor_view id;
    void *value = NULL;
    while (cor_map_next(dt->devices, &at, &id, &value)) {
        const struct dt_device *device = value;
        if (!device->early && cor_map_get(dt->seen, id) == NULL) {
            remove_device(dt, tx, id);
        }
    }
    dt_tx_commit(tx);
    cor_map_free(&dt->seen);
    dt->seen = cor_map_new(NULL);
    return COR_OK;
}

/* Membership adds early what the Device object will tell in full; removal is left to the object,
 * which is stored and acknowledged, and this message is not (KubeEdge's hub never acks it). */
enum cor_code dt_on_membership(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    struct dt *dt = self;
    const struct px_membership *message = body;
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (cor_json_parse(message->body, OBJECT_MAX, 0, &json, err) != COR_OK) {
        return cor_err_wrap(err, "membership");
    }
    const struct cor_json *added = cor_json_get(json, "added_devices");
    struct dt_tx *tx = dt_tx_begin(dt);
    for (size_t i = 0; i < cor_json_count(added); i++) {
        const struct cor_json *device = cor_json_item(added, i);
        struct cor_view id = cor_json_as_view(cor_json_get(device, "id"));
        if (id.len == 0 || id.len > 320) {
            continue;
        }
        (void)add_device(dt, tx, id, cor_json_as_view(cor_json_get(device, "name")),
                         cor_json_as_view(cor_json_get(device, "description")), true);
        if (!dt->snapshot_done) {
            cor_map_set(dt->seen, id, dt);
        }
    }
    dt_tx_commit(tx);
    return COR_OK;
}
