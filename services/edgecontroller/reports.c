// SPDX-License-Identifier: Apache-2.0
// What devices report, into DeviceStatus and into the status of Device. One write per device at a
// time; the next report builds on what the last one wrote, which the mirror may not show yet.
#include <inttypes.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/kube/path.h"
#include "edgecontroller.h"
#include "twins.h"

#define DEVICES "devices.kubeedge.io/v1beta1"

enum { WAITING_MAX = 64, BODY_MAX = 1 << 20 };

/* A report that has come. */
struct report {
    struct cor_link link;
    struct cor_ticket ticket;
    struct cor_json *json; /* owned */
    enum px_report kind;
    uint64_t cause;
};

/* A device whose status is being written. */
struct ec_overlay {
    struct ec *ec;
    char *id;                /* owned: "<ns>/<name>" */
    struct cor_json *twins;  /* as last written, owned; NULL: see the mirror */
    struct cor_link waiting; /* struct report */
    size_t waiting_count;
    struct report *writing; /* owned; NULL: none */
    bool dropped;           /* the device is gone; freed when the write ends */
};

static void report_free(struct report *report)
{
    cor_json_free(&report->json);
    cor_free(report);
}

/* A report was written, was about nothing that is there, or failed. */
static void count_end(const struct ec *ec, const struct cor_err *err, bool dropped)
{
    struct cor_ledger_counts *books = ec->report_books;
    if (err != NULL) {
        cor_ledger_refuse(books, 1);
    } else {
        cor_ledger_accept(books, 1, dropped ? &books->dropped : &books->delivered);
    }
}

static void overlay_free(struct ec_overlay *overlay)
{
    COR_LIST_EACH (node, &overlay->waiting) {
        struct report *report = COR_LIST_OBJECT(node, struct report, link);
        struct px_done done = {.dropped = true};
        count_end(overlay->ec, NULL, true);
        cor_ticket_reply(&report->ticket, &done);
        cor_list_del(&report->link);
        report_free(report);
    }
    cor_json_free(&overlay->twins);
    cor_free(overlay->id);
    cor_free(overlay);
}

void ec_overlay_drop(void *overlay)
{
    struct ec_overlay *self = overlay;
    if (self->writing != NULL && self->ec->kube != NULL) {
        self->dropped = true; /* the answer to the write under way frees it */
        return;
    }
    if (self->writing != NULL) {
        report_free(self->writing);
    }
    overlay_free(self);
}

static void write_next(struct ec_overlay *overlay);

static void split_id(const struct ec_overlay *overlay, char **ns_r, char **name_r)
{
    const char *slash = strchr(overlay->id, '/');
    *ns_r = cor_memdup(overlay->id, (size_t)(slash - overlay->id));
    *name_r = cor_strdup(slash + 1);
}

static const struct cor_json *device_of(const struct ec_overlay *overlay)
{
    auto_(cor_freep) char *ns = NULL;
    auto_(cor_freep) char *name = NULL;
    split_id(overlay, &ns, &name);
    return ec_get(overlay->ec, EC_DEVICES, ns, name);
}

static void patch(struct ec_overlay *overlay, const char *plural, const struct cor_json *body,
                  cor_kube_fn fn)
{
    auto_(cor_freep) char *ns = NULL;
    auto_(cor_freep) char *name = NULL;
    split_id(overlay, &ns, &name);
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_freep) char *text = cor_json_text(body);
    struct cor_kube_ref ref = {.group_version = DEVICES, .ns = ns, .plural = plural, .name = name};
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {
        .method = "PATCH",
        .path = path.data,
        .content_type = COR_KUBE_MERGE,
        .body = cor_view_of(text),
    };
    (void)cor_kube_send(overlay->ec->kube, &request, fn, overlay);
}

/* {"status": ...} that the report means. */
static struct cor_json *status_of(const struct ec_overlay *overlay)
{
    struct cor_json *body = cor_json_object();
    const struct report *report = overlay->writing;
    if (report->kind == PX_REPORT_TWIN) {
        cor_json_set_at(body, "status.twins", cor_json_copy(overlay->twins));
        return body;
    }
    static const char *const PARTS[] = {"state", "lastOnlineTime"};
    const struct cor_json *device = cor_json_get(report->json, "device");
    for (size_t i = 0; i < COR_COUNT(PARTS); i++) {
        auto_(cor_freep) char *to = cor_sprintf("status.%s", PARTS[i]);
        cor_json_set_at(body, to, cor_json_str(cor_json_str_at(device, PARTS[i], "")));
    }
    return body;
}

static void end_write(struct ec_overlay *overlay, const struct cor_err *err, bool dropped)
{
    struct report *report = overlay->writing;
    overlay->writing = NULL;
    count_end(overlay->ec, err, dropped);
    if (err != NULL) {
        cor_json_free(&overlay->twins); /* it is not known what was written */
        cor_ticket_fail(&report->ticket, err);
    } else {
        struct px_done done = {.dropped = dropped};
        overlay->ec->reports++;
        cor_ticket_reply(&report->ticket, &done);
    }
    report_free(report);
    if (overlay->dropped) {
        overlay_free(overlay);
    } else {
        write_next(overlay);
    }
}

/* The Device's own status is for people; whether a cluster's Device has one depends on its CRD. */
static void on_device_patched(void *self, const struct cor_kube_response *response)
{
    struct ec_overlay *overlay = self;
    if (response->code == COR_OK && overlay->writing->kind == PX_REPORT_TWIN &&
        cor_json_at(response->body, "status.twins") == NULL) {
        overlay->ec->device_status_pruned = true;
    }
    end_write(overlay, NULL, false);
}

static void on_status_patched(void *self, const struct cor_kube_response *response)
{
    struct ec_overlay *overlay = self;
    cor_bus_set_cause(overlay->ec->service->bus, overlay->writing->cause);
    if (response->code != COR_OK) {
        struct cor_err err = COR_ERR_NONE;
        const struct cor_json *device = device_of(overlay);
        if (response->code == COR_NOTFOUND && device != NULL) {
            ec_make_status(overlay->ec, device); /* the node reports again */
        }
        (void)cor_err_set(&err, response->code == COR_NOTFOUND ? COR_RETRY : response->code,
                          "DeviceStatus %s: %s", overlay->id, response->text);
        end_write(overlay, &err, false);
    } else if (overlay->ec->device_status_pruned || overlay->dropped) {
        end_write(overlay, NULL, false);
    } else {
        auto_(cor_json_free) struct cor_json *body = status_of(overlay);
        patch(overlay, "devices", body, on_device_patched);
    }
    cor_bus_set_cause(overlay->ec->service->bus, 0);
}

static void write_next(struct ec_overlay *overlay)
{
    if (overlay->writing != NULL || cor_list_empty(&overlay->waiting)) {
        return;
    }
    struct report *report = COR_LIST_OBJECT(overlay->waiting.next, struct report, link);
    cor_list_del(&report->link);
    overlay->waiting_count--;
    overlay->writing = report;
    const struct cor_json *device = device_of(overlay);
    if (device == NULL) {
        end_write(overlay, NULL, true);
        return;
    }
    if (report->kind == PX_REPORT_TWIN) {
        const struct cor_json *status =
            ec_get(overlay->ec, EC_STATUSES, ec_ns(device), ec_name(device));
        const struct cor_json *current =
            overlay->twins != NULL ? overlay->twins : cor_json_at(status, "status.twins");
        struct cor_json *after =
            ec_twins_after(device, current, cor_json_get(report->json, "twin"));
        cor_json_free(&overlay->twins);
        overlay->twins = after;
    }
    auto_(cor_json_free) struct cor_json *body = status_of(overlay);
    patch(overlay, "devicestatuses", body, on_status_patched);
}

static struct ec_overlay *overlay_of(struct ec *ec, struct cor_view id)
{
    struct ec_overlay *overlay = cor_map_get(ec->overlays, id);
    if (overlay == NULL) {
        overlay = cor_alloc(sizeof(*overlay));
        overlay->ec = ec;
        overlay->id = cor_view_dup(id);
        cor_list_init(&overlay->waiting);
        cor_map_set(ec->overlays, id, overlay);
    }
    return overlay;
}

static const struct cor_json *reported_device(struct ec *ec, struct cor_view id)
{
    struct cor_view rest = id;
    struct cor_view ns_view;
    if (!cor_view_split(&rest, '/', &ns_view) || rest.len == 0) {
        return NULL;
    }
    auto_(cor_freep) char *ns = cor_view_dup(ns_view);
    auto_(cor_freep) char *name = cor_view_dup(rest);
    return ec_get(ec, EC_DEVICES, ns, name);
}

static enum cor_code take_report(struct ec *ec, struct cor_in *in,
                                 const struct px_node_report *message, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (!ec_is_synced(ec, EC_DEVICES) || !ec_is_synced(ec, EC_STATUSES)) {
        return cor_err_set(err, COR_RETRY, "the cloud side is still starting");
    }
    if (message->kind != PX_REPORT_TWIN && message->kind != PX_REPORT_STATE) {
        return cor_err_set(err, COR_UNSUPPORTED, "report of kind %" PRIu64, message->kind);
    }
    if (cor_json_parse(message->body, BODY_MAX, 0, &json, err) != COR_OK) {
        return cor_err_wrap(err, "device report");
    }
    const struct cor_json *device = reported_device(ec, message->device);
    if (device == NULL || !cor_view_is(message->node, ec_node_of(device))) {
        struct px_done done = {.dropped = true};
        if (device != NULL) {
            ec_denied(ec, message->node, message->device, "another node's device");
        }
        count_end(ec, NULL, true);
        cor_reply(in, &done);
        return COR_OK;
    }
    struct ec_overlay *overlay = overlay_of(ec, message->device);
    if (overlay->waiting_count >= WAITING_MAX) {
        return cor_err_set(err, COR_BUSY, "%d reports of the device wait", WAITING_MAX);
    }
    struct report *report = cor_alloc(sizeof(*report));
    report->ticket = cor_defer(in);
    report->json = take(&json);
    report->kind = (enum px_report)message->kind;
    report->cause = cor_bus_cause(ec->service->bus);
    cor_list_init(&report->link);
    cor_list_add(&overlay->waiting, &report->link);
    overlay->waiting_count++;
    write_next(overlay);
    return COR_OK;
}

enum cor_code ec_on_report(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct ec *ec = self;
    enum cor_code code = take_report(ec, in, body, err);
    if (code != COR_OK) {
        count_end(ec, err, false);
    }
    return code;
}
