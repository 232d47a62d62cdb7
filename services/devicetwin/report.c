// SPDX-License-Identifier: Apache-2.0
// Reports to the cloud: each device has at most one under way; what changes meanwhile, or is not
// confirmed, is reported again. Nothing is forgotten until the cloud has it: "dirty" is stored.
#include <stdlib.h>

#include "common/base/mem.h"
#include "devicetwin.h"

/* A cloud service that was killed takes reports with it: they are sent again soon enough that twins
 * travel within 5 s. A report that is only slow arrives twice, which does no harm (STATE). */
enum { WITHIN_US = 2500 * 1000 };

/* Each report is two writes to the API. A device that has changed more than FEW times while its
 * last report was under way, or was reported OFTEN in this second, is a fast one: what it says is
 * gathered for so long. */
enum { EVERY_US = 250 * 1000, FEW = 3, OFTEN = 8 };

/* What a report under way said, to know what its confirmation confirms. */
struct report {
    struct dt *dt;
    char *id; /* owned */
    enum px_report kind;
    bool dropped; /* the cloud knows no such device */
    uint64_t state_dirty;
    struct cor_map *dirty; /* twin name -> uint64_t, owned */
};

static void report_free(struct report *report)
{
    cor_map_free(&report->dirty);
    cor_free(report->id);
    cor_free(report);
}

static void note_dirty(struct report *report, const struct dt_device *device)
{
    size_t at = 0;
    void *value = NULL;
    report->dirty = cor_map_new(cor_free);
    while (cor_map_next(device->twins, &at, NULL, &value)) {
        const struct dt_twin *twin = value;
        if (twin->dirty != 0) {
            uint64_t *dirty = cor_alloc(sizeof(*dirty));
            *dirty = twin->dirty;
            cor_map_set(report->dirty, cor_view_of(twin->name), dirty);
        }
    }
    report->state_dirty = device->dirty;
}

/* ---- books: STATE, of which the newest value of each property counts ---- */

static uint64_t unconfirmed(const struct dt_device *device)
{
    uint64_t sum = device->dirty;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(device->twins, &at, NULL, &value)) {
        sum += ((const struct dt_twin *)value)->dirty;
    }
    return sum;
}

static uint64_t all_unconfirmed(const struct dt *dt)
{
    uint64_t sum = 0;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(dt->devices, &at, NULL, &value)) {
        sum += unconfirmed(value);
    }
    return sum;
}

void dt_changed(struct dt *dt, uint64_t count)
{
    dt->changes.offered += count;
    dt->changes.accepted += count;
}

void dt_changes_load(struct dt *dt)
{
    dt_changed(dt, all_unconfirmed(dt));
}

void dt_changes_drop(struct dt *dt, const struct dt_device *device)
{
    dt->changes.dropped += unconfirmed(device);
}

void dt_changes_tell(const struct dt *dt, struct cor_ledger_writer *out)
{
    struct cor_ledger_row row = {.flow = "reports",
                                 .role = COR_LEDGER_ORIGIN,
                                 .stream = COR_VIEW("devices"),
                                 .n = dt->changes};
    row.n.stored = all_unconfirmed(dt);
    cor_ledger_row(out, &row);
}

/* The last of so many changes has arrived, or is about nothing that the cloud has. */
static void count_end(const struct report *report, uint64_t changes)
{
    struct cor_ledger_counts *n = &report->dt->changes;
    n->superseded += changes - 1;
    n->delivered += !report->dropped;
    n->dropped += report->dropped;
}

/* ---- confirmations ---- */

static void confirm_twins(struct report *report, struct dt_device *device, struct dt_tx *tx)
{
    size_t at = 0;
    struct cor_view name;
    void *value = NULL;
    while (cor_map_next(report->dirty, &at, &name, &value)) {
        struct dt_twin *twin = cor_map_get(device->twins, name);
        if (twin != NULL && twin->dirty == *(uint64_t *)value) {
            count_end(report, twin->dirty);
            twin->dirty = 0;
            dt_tx_twin(tx, device, twin);
        }
    }
}

static void confirmed(struct report *report, struct dt_device *device)
{
    struct dt_tx *tx = dt_tx_begin(report->dt);
    if (report->kind == PX_REPORT_TWIN) {
        confirm_twins(report, device, tx);
    } else if (device->dirty == report->state_dirty) {
        count_end(report, device->dirty);
        device->dirty = 0;
        dt_tx_device(tx, device);
    }
    dt_tx_commit(tx);
}

static void retry_later(struct dt *dt)
{
    if (!cor_timer_running(dt->retry)) {
        cor_timer_start(dt->retry, cor_backoff_next(&dt->backoff, (double)random() / RAND_MAX));
    }
}

static void on_done(void *self, const void *body, const struct cor_err *err)
{
    struct report *report = self;
    struct dt *dt = report->dt;
    struct dt_device *device = cor_map_get(dt->devices, cor_view_of(report->id));
    if (device != NULL) {
        device->reporting = false;
    }
    if (body == NULL) {
        LOGD(dt->service->log, "twin.report-failed", "device=%s error=%s", report->id,
             cor_log_esc(cor_view_of(err->text)));
        retry_later(dt);
    } else if (device != NULL) {
        dt->reports++;
        cor_backoff_reset(&dt->backoff);
        report->dropped = ((const struct px_done *)body)->dropped;
        confirmed(report, device);
        dt_report(dt, device);
    }
    report_free(report);
}

/* Takes text. */
static void send(struct dt *dt, struct dt_device *device, enum px_report kind,
                 struct cor_json *payload)
{
    auto_(cor_json_free) struct cor_json *owned = payload;
    auto_(cor_freep) char *text = cor_json_text(owned);
    struct px_device_report body = {
        .device = cor_view_of(device->id), .kind = kind, .body = cor_view_of(text)};
    struct report *report = cor_alloc(sizeof(*report));
    report->dt = dt;
    report->id = cor_strdup(device->id);
    report->kind = kind;
    note_dirty(report, device);
    if (body.body.len > 1u << 20 ||
        cor_call(dt->hub, PX_device_report, &body, WITHIN_US, on_done, report) != COR_OK) {
        report_free(report);
        retry_later(dt);
        return;
    }
    device->reporting = true;
    device->reported = cor_loop_now(dt->service->loop);
    dt_pace_count(&device->reports, device->reported);
    device->changes = 0;
}

/* Whether the device is fast and has just reported; then its turn comes. */
static bool must_wait(struct dt *dt, const struct dt_device *device)
{
    struct cor_mono now = cor_loop_now(dt->service->loop);
    int64_t since = cor_mono_since(now, device->reported);
    if (device->reported.us == 0 || since >= EVERY_US ||
        (device->changes <= FEW && !dt_pace_is_used(&device->reports, OFTEN, now))) {
        return false;
    }
    if (!cor_timer_running(dt->pace)) {
        cor_timer_start(dt->pace, EVERY_US - since);
    }
    return true;
}

static struct cor_json *state_report(const struct dt_device *device)
{
    struct cor_json *part = cor_json_object();
    cor_json_set(part, "name", cor_json_str(device->name));
    cor_json_set(part, "state", cor_json_str(device->state));
    cor_json_set(part, "lastOnlineTime", cor_json_str(device->last_online));
    return part;
}

void dt_report(struct dt *dt, struct dt_device *device)
{
    if (device->reporting || !dt->link_up || !cor_port_is_up(dt->hub) || must_wait(dt, device)) {
        return;
    }
    char uuid[COR_UUID_LEN + 1];
    cor_uuid_new(uuid);
    struct cor_json *twins = dt_msg_dirty(device);
    if (twins != NULL) {
        struct cor_json *payload = dt_payload(uuid, dt_now_ms());
        cor_json_set(payload, "twin", twins);
        send(dt, device, PX_REPORT_TWIN, payload);
    } else if (device->dirty != 0) {
        struct cor_json *payload = dt_payload(uuid, dt_now_ms());
        cor_json_set(payload, "device", state_report(device));
        send(dt, device, PX_REPORT_STATE, payload);
    }
}

void dt_report_all(struct dt *dt)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(dt->devices, &at, NULL, &value)) {
        dt_report(dt, value);
    }
}

void dt_on_retry(void *self)
{
    dt_report_all(self);
}

enum cor_code dt_on_link(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    struct dt *dt = self;
    const struct px_link *link = body;
    if (in->port != dt->hub) {
        return COR_OK; /* metamanager passes it on; edgehub knows first */
    }
    dt->link_up = link->up;
    cor_backoff_reset(&dt->backoff);
    dt_report_all(dt);
    return COR_OK;
}

void dt_on_hub_up(void *self, struct cor_port *port)
{
    (void)self;
    (void)port; /* LINK follows */
}

void dt_on_hub_down(void *self, struct cor_port *port)
{
    (void)port;
    struct dt *dt = self;
    dt->link_up = false;
}
