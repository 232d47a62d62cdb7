// SPDX-License-Identifier: Apache-2.0
// From the cloud to the node.
#include <string.h>

#include "common/base/mem.h"
#include "hub.h"
#include "proto/kubeedge/calls.h"
#include "proto/kubeedge/id.h"
#include "proto/kubeedge/rules.h"
#include "proto/kubeedge/show.h"
#include "relay.h"

static void drop(struct hub *hub, const struct px_kubeedge_in *in)
{
    hub->stats.down_dropped++;
    LOGW(hub->service->log, "link.message.dropped", "source=%s operation=%s resource=%s",
         cor_log_esc(cor_view_of(in->source)), cor_log_esc(cor_view_of(in->operation)),
         cor_log_esc(cor_view_of(in->resource)));
}

static void control(struct hub *hub, const struct px_kubeedge_in *in)
{
    struct px_kubeedge_out out = {.parent = in->id,
                                  .source = in->source,
                                  .group = in->group,
                                  .operation = "response",
                                  .resource = in->resource,
                                  .content = COR_VIEW("\"ack\"")};
    (void)up_send(hub, &out);
}

/* ---- answers ---- */

static void answer_call(const struct ask *ask, const struct px_kubeedge_in *in)
{
    auto_(cor_buf_free) struct cor_buf body = {0};
    uint64_t status = px_kubeedge_answered(cor_view_of(ask->key), in->content, &body);
    struct px_api_reply reply = {.status = status,
                                 .body =
                                     body.len == 0 ? (struct cor_view){0} : cor_buf_as_view(&body),
                                 .version = cor_view_of(in->version)};
    cor_ticket_reply(&ask->ticket, &reply);
}

static void answer_report(const struct ask *ask)
{
    struct px_done reply = {0};
    cor_ticket_reply(&ask->ticket, &reply);
}

/* Acknowledged even when nobody waits any more: CloudHub would send it for ever. */
static void answer(struct hub *hub, const struct px_kubeedge_in *in)
{
    auto_(ask_free) struct ask *ask = asks_take(hub->asks, cor_view_of(in->parent));
    if (ask == NULL) {
        hub->stats.unknown_answers++;
    } else if (ask->kind == ASK_CALL) {
        answer_call(ask, in);
    } else {
        answer_report(ask);
    }
    if (ask != NULL) {
        up_answered(hub, ask, true);
    }
    if (px_kubeedge_must_ack(in)) {
        (void)up_ack(hub, in->id, in->source, in->resource);
    }
}

/* ---- objects ---- */

static bool is_change(const char *operation, bool *gone_r)
{
    *gone_r = strcmp(operation, "delete") == 0;
    return *gone_r || strcmp(operation, "insert") == 0 || strcmp(operation, "update") == 0;
}

/* Why a message of group resource is no object for the store; NULL: it is one. */
static const char *fault_of(const struct px_kubeedge_in *in, const struct cor_json *object,
                            bool gone)
{
    struct px_key key;
    if (!px_key_parse(cor_view_of(in->resource), &key) || key.name.len == 0) {
        return "resource is no key";
    }
    return object == NULL && !gone ? "content is no object" : NULL;
}

static void store(struct hub *hub, const struct px_kubeedge_in *in, const struct cor_json *object,
                  bool gone)
{
    struct ack ack = {in->id, in->source, in->resource};
    auto_(cor_buf_free) struct cor_buf body = {0};
    struct cor_view version = cor_view_of(in->version);
    if (object != NULL) {
        cor_json_write(object, &body);
    }
    if (version.len == 0) {
        version = cor_view_of(cor_json_str_at(object, "metadata.resourceVersion", ""));
    }
    struct px_object message = {
        .key = cor_view_of(in->resource),
        .gone = gone,
        .uid = cor_view_of(cor_json_str_at(object, "metadata.uid", "")),
        .version = version,
        .source = cor_view_of(in->source),
        .body = body.len == 0 ? (struct cor_view){0} : cor_buf_as_view(&body),
    };
    acks_add(hub->acks, &ack, version, hub->frame);
    /* Not there: it gets this when it comes. No room: the cloud sends it again. */
    if (cor_send(hub->meta, PX_object, &message) == COR_BUSY) {
        LOGD(hub->service->log, "link.object.waits", "key=%s", in->resource);
    }
}

static void meta(struct hub *hub, const struct px_kubeedge_in *in)
{
    auto_(cor_json_free) struct cor_json *object = px_kubeedge_object(in->content);
    bool gone = false;
    const char *fault =
        is_change(in->operation, &gone) ? fault_of(in, object, gone) : "operation is not known";
    if (fault == NULL) {
        store(hub, in, object, gone);
        return;
    }
    LOGW(hub->service->log, "link.object.refused", "resource=%s operation=%s reason=%s",
         cor_log_esc(cor_view_of(in->resource)), cor_log_esc(cor_view_of(in->operation)),
         cor_log_esc(cor_view_of(fault)));
    if (up_ack(hub, in->id, in->source, in->resource)) { /* or it would hold up all others */
        cor_ledger_accept(hub->books.objects, 1, &hub->books.objects->dropped);
    }
}

/* ---- devices ---- */

/* The cloud says a membership once and does not hear whether it arrived, and a bus does not always
 * know at once that its peer has died. So all of this connection are kept, and told again to a
 * devicetwin that comes back: telling them twice in order does no harm. */
void down_more_memberships(struct hub *hub)
{
    while (hub->told < hub->member_count) {
        const struct membership *next = &hub->members[hub->told];
        struct px_membership message = {.body = cor_view_of(next->body), .whole = next->whole};
        if (cor_send(hub->twin, PX_membership, &message) != COR_OK) {
            return;
        }
        hub->told++;
    }
}

void down_tell_memberships(struct hub *hub)
{
    hub->told = 0;
    if (hub->members_lost) {
        link_restart(hub->link, "devicetwin needs all memberships again");
    }
    down_more_memberships(hub);
}

void down_free_memberships(struct hub *hub)
{
    for (size_t i = 0; i < hub->member_count; i++) {
        cor_freep(&hub->members[i].body);
    }
    hub->member_count = 0;
    hub->told = 0;
    hub->members_lost = false;
}

static void keep_membership(struct hub *hub, struct cor_view body, bool whole)
{
    if (hub->member_count == MEMBERS_MAX) {
        down_free_memberships(hub);
        hub->members_lost = true;
    }
    hub->members[hub->member_count++] = (struct membership){cor_view_dup(body), whole};
}

void down_membership(struct hub *hub, struct cor_view body, bool whole)
{
    keep_membership(hub, body, whole);
    down_more_memberships(hub);
}

static void twin(struct hub *hub, const struct px_kubeedge_in *in)
{
    auto_(cor_buf_free) struct cor_buf body = {0};
    bool whole = strcmp(in->resource, "membership/detail") == 0;
    if (!whole && strcmp(in->resource, "membership") != 0) {
        if (in->parent[0] != 0) {
            answer(hub, in); /* any answer with this parent confirms a report */
        } else {
            drop(hub, in);
        }
        return;
    }
    auto_(cor_json_free) struct cor_json *object = px_kubeedge_object(in->content);
    if (object == NULL) {
        drop(hub, in);
        return;
    }
    cor_json_write(object, &body);
    down_membership(hub, cor_buf_as_view(&body), whole);
}

/* ---- MQTT ---- */

static void publish(struct hub *hub, const struct px_kubeedge_in *in)
{
    auto_(cor_buf_free) struct cor_buf payload = {0};
    px_kubeedge_bytes(in->content, &payload);
    struct px_mqtt_out message = {.topic = cor_view_of(in->resource),
                                  .payload = cor_buf_as_view(&payload)};
    if (cor_send(hub->bus, PX_mqtt_out, &message) == COR_OK) {
        cor_ledger_accept(hub->books.publications, 1, &hub->books.publications->delivered);
    } else {
        cor_ledger_accept(hub->books.publications, 1, &hub->books.publications->dropped);
        drop(hub, in);
    }
}

static void subscribe(struct hub *hub, const struct px_kubeedge_in *in, bool off)
{
    struct px_mqtt_subscribe message = {.topic = cor_view_of(in->resource), .off = off};
    if (cor_send(hub->bus, PX_mqtt_subscribe, &message) != COR_OK) {
        drop(hub, in);
    }
}

static void eventbus(struct hub *hub, const struct px_kubeedge_in *in)
{
    if (strcmp(in->operation, "publish") == 0) {
        publish(hub, in);
    } else if (strcmp(in->operation, "subscribe") == 0) {
        subscribe(hub, in, false);
    } else if (strcmp(in->operation, "unsubscribe") == 0) {
        subscribe(hub, in, true);
    } else {
        drop(hub, in);
    }
}

static void (*const HANDLERS[])(struct hub *hub, const struct px_kubeedge_in *in) = {
    [PX_DOWN_CONTROL] = control, [PX_DOWN_ANSWER] = answer,     [PX_DOWN_META] = meta,
    [PX_DOWN_TWIN] = twin,       [PX_DOWN_EVENTBUS] = eventbus, [PX_DOWN_SERVICEBUS] = drop,
    [PX_DOWN_TASK] = drop,       [PX_DOWN_DROP] = drop,
};

static const struct px_kubeedge_way FROM_CLOUD = {.from = "cloudhub", .to = "edgehub"};

static void handle(struct hub *hub, struct cor_view text, const struct px_kubeedge_in *in)
{
    uint64_t cause = 0;
    if (!px_kubeedge_id_from_uuid(cor_view_of(in->id), &cause)) {
        cause = cor_bus_next_id(hub->service->bus);
    }
    hub->frame = text;
    cor_bus_set_cause(hub->service->bus, cause);
    HANDLERS[px_kubeedge_down(in)](hub, in);
    cor_bus_set_cause(hub->service->bus, 0);
    hub->frame = (struct cor_view){0};
}

void down_take(struct hub *hub, struct cor_view text)
{
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    struct cor_err err = COR_ERR_NONE;
    hub->stats.down++;
    if (px_kubeedge_read(text, &in, &err) != COR_OK) {
        hub->stats.down_bad++;
        link_restart(hub->link, err.text);
        return;
    }
    px_kubeedge_show_in(hub->service->bus, &FROM_CLOUD, &in, text.len);
    handle(hub, text, &in);
}

static void again(void *self, struct cor_view text)
{
    struct hub *hub = self;
    struct px_frame frame;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    if (link_is_coracle(hub->link)) {
        if (px_frame_read(text, &frame, NULL) == COR_OK) {
            relay_take(hub, &frame);
        }
    } else if (px_kubeedge_read(text, &in, NULL) == COR_OK) {
        handle(hub, text, &in);
    }
}

void down_again(struct hub *hub)
{
    acks_each(hub->acks, again, hub);
}
