// SPDX-License-Identifier: Apache-2.0
// What devices and applications say through the broker.
#include "common/base/mem.h"
#include "devicetwin.h"

enum { PAYLOAD_MAX = 1 << 20, NOT_FOUND = 404, BAD_REQUEST = 400, ANSWERS = 2 };

int64_t dt_now_ms(void)
{
    return cor_wall_now().us / 1000;
}

/* A request being handled. */
struct request {
    struct dt *dt;
    struct dt_tx *tx;
    struct cor_view id;          /* of the device or node */
    struct dt_device *device;    /* NULL: unknown */
    const struct cor_json *json; /* NULL: payload is no JSON object */
    const char *event_id;
    struct cor_view payload;
};

static char *topic_of(const struct request *r, const char *suffix)
{
    auto_(cor_freep) char *id = cor_view_dup(r->id);
    return dt_topic_device(id, suffix);
}

static void publish_error(const struct request *r, const char *suffix, int code, const char *reason)
{
    r->dt->refused++;
    dt_tx_publish(r->tx, topic_of(r, suffix),
                  dt_payload_error(r->event_id, dt_now_ms(), code, reason));
}

/* Before the change is applied. */
static void publish_document(struct dt_tx *tx, const struct dt_device *device,
                             const struct dt_change *change, const char *event_id)
{
    struct cor_json *document = dt_payload(event_id, dt_now_ms());
    cor_json_set(document, "twin", dt_msg_document(device, change));
    dt_tx_publish(tx, dt_topic_device(device->id, "twin/update/document"), document);
}

/* After it. */
static void publish_delta(struct dt_tx *tx, const struct dt_device *device)
{
    char uuid[COR_UUID_LEN + 1];
    cor_uuid_new(uuid);
    auto_(cor_json_free) struct cor_json *delta = dt_payload(uuid, dt_now_ms());
    if (dt_set_delta(device, delta)) {
        dt_tx_publish(tx, dt_topic_device(device->id, "twin/update/delta"), take(&delta));
    }
}

/* Makes the change true, without telling anybody. */
static void apply(struct dt *dt, struct dt_tx *tx, struct dt_device *device,
                  struct dt_change *change)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(change->changed, &at, NULL, &value)) {
        dt_tx_twin(tx, device, value);
    }
    dt_changed(dt, cor_map_count(change->changed));
    dt_apply(device, change);
    device->changes++;
    dt->updates++;
}

void dt_follow(struct dt *dt, struct dt_tx *tx, struct dt_device *device, struct dt_change *change,
               const char *event_id)
{
    if (change->changed == NULL) {
        return;
    }
    publish_document(tx, device, change, event_id);
    apply(dt, tx, device, change);
    publish_delta(tx, device);
    dt_report(dt, device);
}

/* A device that says more than its broker takes back: its values count, nobody is told here. */
static void unanswered(struct request *r, struct dt_change *change)
{
    r->dt->unanswered++;
    if (change->changed != NULL) {
        apply(r->dt, r->tx, r->device, change);
        dt_report(r->dt, r->device);
    }
}

static void twin_update(struct request *r)
{
    auto_(dt_change_free) struct dt_change change = {0};
    if (r->json == NULL) {
        publish_error(r, "twin/update/result", BAD_REQUEST,
                      "Unmarshal update request body failed, please check the request");
        return;
    }
    if (r->device == NULL) {
        publish_error(r, "twin/update/result", NOT_FOUND,
                      "update rejected due to the device is not existed");
        return;
    }
    dt_update(r->device, cor_json_get(r->json, "twin"), dt_now_ms(), &change);
    if (change.code != 0) {
        publish_error(r, "twin/update/result", change.code, change.reason);
        return;
    }
    if (!dt_tx_answers(r->tx, r->device, change.changed == NULL ? 1 : ANSWERS)) {
        unanswered(r, &change);
        return;
    }
    struct cor_json *result = dt_payload(r->event_id, dt_now_ms());
    cor_json_set(result, "twin", dt_msg_changed(&change));
    dt_tx_publish(r->tx, topic_of(r, "twin/update/result"), result);
    dt_follow(r->dt, r->tx, r->device, &change, r->event_id);
}

static void twin_get(struct request *r)
{
    if (r->json == NULL) {
        publish_error(r, "twin/get/result", BAD_REQUEST,
                      "Unmarshal twin info failed, please check the request");
        return;
    }
    if (r->device == NULL) {
        auto_(cor_freep) char *why =
            cor_sprintf("Device %.*s not found while getting twin", COR_VIEW_ARG(r->id));
        publish_error(r, "twin/get/result", NOT_FOUND, why);
        return;
    }
    struct cor_json *result = dt_payload(r->event_id, dt_now_ms());
    cor_json_set(result, "twin", dt_msg_twins(r->device));
    dt_tx_publish(r->tx, topic_of(r, "twin/get/result"), result);
}

static struct cor_json *state_payload(const struct dt_device *device)
{
    char uuid[COR_UUID_LEN + 1];
    cor_uuid_new(uuid);
    struct cor_json *payload = dt_payload(uuid, dt_now_ms());
    struct cor_json *part = cor_json_object();
    cor_json_set(part, "name", cor_json_str(device->name));
    cor_json_set(part, "state", cor_json_str(device->state));
    cor_json_set(part, "lastOnlineTime", cor_json_str(device->last_online));
    cor_json_set(payload, "device", part);
    return payload;
}

/* DMI reports spell the key "State"; Go reads either (kubeedge-edge 2.12). */
static struct cor_view state_in(const struct cor_json *json)
{
    struct cor_view state = cor_json_as_view(cor_json_get(json, "state"));
    return state.ptr != NULL ? state : cor_json_as_view(cor_json_get(json, "State"));
}

static void state_update(struct request *r)
{
    bool online = false;
    struct cor_view state = state_in(r->json);
    if (r->device == NULL || state.ptr == NULL || !dt_state_is_known(state, &online)) {
        r->dt->refused++; /* KubeEdge gives no answer either */
        return;
    }
    struct dt_device *device = r->device;
    char now[COR_RFC3339_SIZE] = "";
    if (online) {
        cor_wall_format(cor_wall_now(), now);
    }
    cor_free(device->state);
    cor_free(device->last_online);
    device->state = cor_view_dup(state);
    device->last_online = cor_strdup(now);
    device->dirty++;
    dt_changed(r->dt, 1);
    device->changes++;
    dt_tx_device(r->tx, device);
    dt_tx_publish(r->tx, topic_of(r, "state/update/result"), state_payload(device));
    r->dt->updates++;
    dt_report(r->dt, device);
}

static void membership_get(struct request *r)
{
    char *topic = dt_topic_node(r->dt->cfg->node_name, "membership/get/result");
    if (r->json == NULL) {
        dt_tx_publish(r->tx, topic,
                      dt_payload_error("", dt_now_ms(), BAD_REQUEST,
                                       "Unmarshal get membership info failed, please check the "
                                       "request"));
        return;
    }
    struct cor_json *list = cor_json_array();
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(r->dt->devices, &at, NULL, &value)) {
        cor_json_add(list, dt_msg_device(value));
    }
    struct cor_json *result = dt_payload(r->event_id, dt_now_ms());
    cor_json_set(result, "devices", list);
    dt_tx_publish(r->tx, topic, result);
}

enum cor_code dt_on_mqtt_in(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    static void (*const ACTIONS[DT_ACTIONS])(struct request *) = {
        [DT_TWIN_UPDATE] = twin_update,
        [DT_TWIN_GET] = twin_get,
        [DT_STATE_UPDATE] = state_update,
        [DT_MEMBERSHIP_GET] = membership_get,
    };
    struct dt *dt = self;
    const struct px_mqtt_in *message = body;
    if (in->head->stream != 0 && cor_inbox_is_taken(dt->inbox, in->head->stream, in->head->seq)) {
        return COR_OK;
    }
    if (in->head->stream != 0 && cor_outbox_is_full(dt->outbox)) {
        /* Its answers would have no room: eventbus keeps it. */
        return cor_err_set(err, COR_BUSY, "the queue to the broker is full");
    }
    struct request r = {.dt = dt, .event_id = "", .payload = message->payload};
    enum dt_action action = dt_topic_parse(message->topic, &r.id);
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (cor_json_parse(message->payload, PAYLOAD_MAX, 0, &json, err) == COR_OK &&
        cor_json_is_object(json)) {
        r.json = json;
        r.event_id = cor_json_str_at(json, "event_id", "");
    }
    r.device = cor_map_get(dt->devices, r.id);
    r.tx = dt_tx_begin(dt);
    if (in->head->stream != 0) {
        dt_tx_place(r.tx, in->head->stream, in->head->seq);
    }
    if (ACTIONS[action] != NULL) {
        ACTIONS[action](&r);
    } else {
        dt->refused++;
    }
    dt_tx_commit(r.tx);
    return COR_OK;
}
