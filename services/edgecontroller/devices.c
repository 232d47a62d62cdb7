// SPDX-License-Identifier: Apache-2.0
// Devices and their models to nodes, in KubeEdge's order: membership, model, device
// (cloud/pkg/devicecontroller/controller/downstream.go).
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/kube/path.h"
#include "edgecontroller.h"
#include "records.h"

#define DEVICES "devices.kubeedge.io/v1beta1"

static const char *model_of(const struct cor_json *device)
{
    return cor_json_str_at(device, "spec.deviceModelRef.name", "");
}

/* entry: takes. */
static void tell_membership(struct ec *ec, const char *node, struct cor_json *entry, bool added)
{
    char uuid[COR_UUID_LEN + 1];
    cor_uuid_new(uuid);
    struct cor_json *list = cor_json_array();
    cor_json_add(list, entry);
    auto_(cor_json_free) struct cor_json *payload = cor_json_object();
    cor_json_set(payload, "event_id", cor_json_str(uuid));
    cor_json_set(payload, "timestamp", cor_json_int(cor_wall_now().us / 1000));
    cor_json_set(payload, "added_devices", added ? list : cor_json_null());
    cor_json_set(payload, "removed_devices", added ? cor_json_null() : list);
    auto_(cor_freep) char *text = cor_json_text(payload);
    struct px_node_membership message = {.node = cor_view_of(node), .body = cor_view_of(text)};
    if (cor_map_get(ec->sessions, message.node) != NULL &&
        cor_send(ec->hub, PX_node_membership, &message) == COR_BUSY) {
        LOGD(ec->service->log, "controller.membership-dropped", "node=%s", node);
    }
}

/* again: an EdgeCore complains of a device that it knows, unless there are twins, if only none. */
static void send_membership(struct ec *ec, const char *node, const struct cor_json *device,
                            bool added, bool again)
{
    struct cor_json *entry = cor_json_object();
    cor_json_set(entry, "id", cor_json_fmt("%s/%s", ec_ns(device), ec_name(device)));
    if (again) {
        cor_json_set(entry, "twin", cor_json_object());
    }
    cor_json_set(entry, "name", cor_json_str(ec_name(device)));
    const char *description =
        cor_json_as_str(cor_json_get(cor_json_at(device, "metadata.labels"), "description"), "");
    if (description[0] != '\0') {
        cor_json_set(entry, "description", cor_json_str(description));
    }
    tell_membership(ec, node, entry, added);
}

void ec_send_left(struct ec *ec, const char *node, struct cor_view ns, struct cor_view name)
{
    struct cor_json *entry = cor_json_object();
    cor_json_set(entry, "id", cor_json_fmt("%.*s/%.*s", COR_VIEW_ARG(ns), COR_VIEW_ARG(name)));
    cor_json_set(entry, "name", cor_json_view(name));
    tell_membership(ec, node, entry, false);
}

static void send_device(struct ec *ec, const struct cor_json *device, bool is_new)
{
    const char *node = ec_node_of(device);
    const struct ec_session *session = cor_map_get(ec->sessions, cor_view_of(node));
    if (session == NULL) {
        return;
    }
    bool knows = session->records && ec_records_has(ec, node, device);
    const struct cor_json *model = ec_get(ec, EC_MODELS, ec_ns(device), model_of(device));
    if (is_new && (!knows || session->whole)) {
        send_membership(ec, node, device, true, knows);
    }
    if (model != NULL) {
        ec_send(ec, node, EC_MODELS, model, false);
    }
    ec_send(ec, node, EC_DEVICES, device, false);
}

/* After it has left ec->devices. */
static void remove_device(struct ec *ec, const struct cor_json *device)
{
    const char *node = ec_node_of(device);
    if (node[0] == '\0') {
        return;
    }
    send_membership(ec, node, device, false, false);
    const struct cor_json *model = ec_get(ec, EC_MODELS, ec_ns(device), model_of(device));
    if (model != NULL && !ec_bound_need(ec->devices, cor_view_of(node), cor_view_of(ec_ns(device)),
                                        "model", cor_view_of(model_of(device)))) {
        ec_send(ec, node, EC_MODELS, model, true);
    }
    ec_send(ec, node, EC_DEVICES, device, true);
}

static void send_again(void *self, const char *ns, const char *name)
{
    struct ec *ec = self;
    const struct cor_json *device = ec_get(ec, EC_DEVICES, ns, name);
    if (device != NULL) {
        send_device(ec, device, true);
    }
}

void ec_send_devices(struct ec *ec, const char *node)
{
    ec_bound_of(ec->devices, cor_view_of(node), send_again, ec);
}

/* ---- each Device has a DeviceStatus
 * ---------------------------------------------------------------- */

static void on_status_made(void *self, const struct cor_kube_response *response)
{
    struct ec *ec = self;
    if (response->code != COR_OK && response->code != COR_EXISTS) {
        LOGW(ec->service->log, "controller.no-device-status", "error=%s",
             cor_log_esc(cor_view_of(response->text)));
    }
}

void ec_make_status(struct ec *ec, const struct cor_json *device)
{
    if (!ec_is_synced(ec, EC_STATUSES) || ec_has(ec, EC_STATUSES, ec_ns(device), ec_name(device))) {
        return;
    }
    auto_(cor_json_free) struct cor_json *status = cor_json_object();
    cor_json_set(status, "apiVersion", cor_json_str(DEVICES));
    cor_json_set(status, "kind", cor_json_str("DeviceStatus"));
    cor_json_set_at(status, "metadata.name", cor_json_str(ec_name(device)));
    cor_json_set_at(status, "metadata.namespace", cor_json_str(ec_ns(device)));
    struct cor_json *owner = cor_json_object();
    cor_json_set(owner, "apiVersion", cor_json_str(DEVICES));
    cor_json_set(owner, "kind", cor_json_str("Device"));
    cor_json_set(owner, "name", cor_json_str(ec_name(device)));
    cor_json_set(owner, "uid", cor_json_str(cor_json_str_at(device, "metadata.uid", "")));
    cor_json_set(owner, "controller", cor_json_bool(true));
    struct cor_json *owners = cor_json_array();
    cor_json_add(owners, owner);
    cor_json_set_at(status, "metadata.ownerReferences", owners);
    cor_json_set(status, "spec", cor_json_object());
    auto_(cor_freep) char *text = cor_json_text(status);
    auto_(cor_buf_free) struct cor_buf path = {0};
    struct cor_kube_ref ref = {
        .group_version = DEVICES, .ns = ec_ns(device), .plural = "devicestatuses"};
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {
        .method = "POST", .path = path.data, .body = cor_view_of(text)};
    (void)cor_kube_send(ec->kube, &request, on_status_made, ec);
}

static bool same_spec(const struct cor_json *a, const struct cor_json *b)
{
    return cor_json_equal(cor_json_get(a, "spec"), cor_json_get(b, "spec"));
}

void ec_on_device(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old)
{
    struct ec *ec = self;
    if (change == COR_DELETED) {
        auto_(cor_freep) char *id = cor_sprintf("%s/%s", ec_ns(object), ec_name(object));
        (void)cor_map_del(ec->overlays, cor_view_of(id));
        ec_bound_del(ec->devices, object);
        remove_device(ec, object);
        return;
    }
    ec_bound_put(ec->devices, object);
    ec_make_status(ec, object);
    bool stays = old != NULL && strcmp(ec_node_of(old), ec_node_of(object)) == 0;
    if (old != NULL && !stays) {
        remove_device(ec, old);
    }
    if (!stays || !same_spec(object, old)) {
        send_device(ec, object, !stays);
    }
}

struct news {
    struct ec *ec;
    const struct cor_json *model;
};

static void tell_model(void *self, const char *node)
{
    const struct news *news = self;
    ec_send(news->ec, node, EC_MODELS, news->model, false);
}

/* KubeEdge sends nothing when only a model changes; its devices would keep the old one. */
void ec_on_model(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old)
{
    struct ec *ec = self;
    if (change == COR_DELETED || (old != NULL && same_spec(object, old))) {
        return;
    }
    struct news news = {ec, object};
    ec_bound_needing(ec->devices, ec_ns(object), "model", ec_name(object), tell_model, &news);
}

/* A DeviceStatus that somebody deleted is made again with the next report. */
void ec_on_status(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old)
{
    (void)old;
    struct ec *ec = self;
    if (change == COR_DELETED && ec_has(ec, EC_DEVICES, ec_ns(object), ec_name(object))) {
        auto_(cor_freep) char *id = cor_sprintf("%s/%s", ec_ns(object), ec_name(object));
        (void)cor_map_del(ec->overlays, cor_view_of(id));
    }
}
