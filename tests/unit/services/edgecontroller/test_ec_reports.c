// SPDX-License-Identifier: Apache-2.0
// Reports of devices, with stand-ins for the API, the mirrors and the bus: what is asked of the API
// is noted, the test gives the answers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/edgecontroller/edgecontroller.h"
#include "services/edgecontroller/records.h"

#define STATUSES "/apis/devices.kubeedge.io/v1beta1/namespaces/default/devicestatuses"

enum { ASKED_MAX = 8 };

struct asked {
    char what[160]; /* "METHOD PATH" */
    cor_kube_fn fn;
    void *self;
};

static struct {
    struct cor_json *device; /* in the mirror */
    bool statuses_listed;
    struct asked asked[ASKED_MAX];
    size_t count;
    enum cor_code failed; /* how the node's call ended; COR_OK: not, or well */
    bool replied;
} set;

/* ---- stand-ins ---- */

struct cor_json *ec_get(struct ec *ec, enum ec_kind kind, const char *ns, const char *name)
{
    (void)ec;
    bool is = kind == EC_DEVICES && strcmp(ns, "default") == 0 && strcmp(name, "d0") == 0;
    return is ? set.device : NULL;
}

struct cor_json *ec_next(struct ec *ec, enum ec_kind kind, size_t *at)
{
    (void)ec;
    (void)kind;
    (void)at;
    return NULL;
}

bool ec_has(const struct ec *ec, enum ec_kind kind, const char *ns, const char *name)
{
    (void)ec;
    return kind == EC_DEVICES && strcmp(ns, "default") == 0 && strcmp(name, "d0") == 0 &&
           set.device != NULL;
}

bool ec_is_synced(const struct ec *ec, enum ec_kind kind)
{
    (void)ec;
    return kind != EC_STATUSES || set.statuses_listed;
}

const char *ec_ns(const struct cor_json *object)
{
    return cor_json_str_at(object, "metadata.namespace", "");
}

const char *ec_name(const struct cor_json *object)
{
    return cor_json_str_at(object, "metadata.name", "");
}

bool ec_records_has(struct ec *ec, const char *node, const struct cor_json *object)
{
    (void)ec;
    (void)node;
    (void)object;
    return false;
}

void ec_send(struct ec *ec, const char *node, enum ec_kind kind, const struct cor_json *object,
             bool gone)
{
    (void)ec;
    (void)node;
    (void)kind;
    (void)object;
    (void)gone;
}

struct cor_kube_call *cor_kube_send(struct cor_kube *kube, const struct cor_kube_request *request,
                                    cor_kube_fn fn, void *self)
{
    (void)kube;
    assert_true(set.count < ASKED_MAX);
    struct asked *asked = &set.asked[set.count++];
    (void)snprintf(asked->what, sizeof(asked->what), "%s %s", request->method, request->path);
    asked->fn = fn;
    asked->self = self;
    return NULL;
}

enum cor_code cor_send(struct cor_port *port, uint16_t number, const void *body)
{
    (void)port;
    (void)number;
    (void)body;
    return COR_OK;
}

struct cor_ticket cor_defer(struct cor_in *in)
{
    (void)in;
    return (struct cor_ticket){0};
}

void cor_reply(struct cor_in *in, const void *body)
{
    (void)in;
    (void)body;
    set.replied = true;
}

void cor_ticket_reply(const struct cor_ticket *ticket, const void *body)
{
    (void)ticket;
    (void)body;
    set.replied = true;
}

void cor_ticket_fail(const struct cor_ticket *ticket, const struct cor_err *err)
{
    (void)ticket;
    set.failed = err->code;
}

uint64_t cor_bus_cause(const struct cor_bus *bus)
{
    (void)bus;
    return 0;
}

void cor_bus_set_cause(struct cor_bus *bus, uint64_t cause)
{
    (void)bus;
    (void)cause;
}

void cor_ledger_accept(struct cor_ledger_counts *account, uint64_t count, uint64_t *column)
{
    (void)account;
    *column += count;
}

void cor_ledger_refuse(struct cor_ledger_counts *account, uint64_t count)
{
    account->refused += count;
}

/* ---- tests ---- */

static struct cor_json *parsed(const char *text)
{
    struct cor_json *json = NULL;
    assert_int_equal(cor_json_parse(cor_view_of(text), SIZE_MAX, 0, &json, NULL), COR_OK);
    return json;
}

static void answer(size_t index, int status)
{
    struct cor_kube_response response = {
        .status = status, .code = status == 404 ? COR_NOTFOUND : COR_OK, .text = ""};
    set.asked[index].fn(set.asked[index].self, &response);
}

static void report(struct ec *ec)
{
    static const char body[] =
        "{\"twin\":{\"temperature\":{\"actual\":{\"value\":\"7\"},\"metadata\":{}}}}";
    struct px_node_report message = {.node = COR_VIEW("n1"),
                                     .device = COR_VIEW("default/d0"),
                                     .kind = PX_REPORT_TWIN,
                                     .body = COR_VIEW(body)};
    struct cor_err err = COR_ERR_NONE;
    set.failed = COR_OK;
    set.replied = false;
    assert_int_equal(ec_on_report(ec, NULL, &message, &err), COR_OK);
}

/* The Device came when the statuses were not listed yet, so nobody made its DeviceStatus: the first
 * report finds that out. */
static void a_status_that_is_missing_is_made(void **state)
{
    (void)state;
    memset(&set, 0, sizeof(set));
    struct cor_service service = {0};
    auto_(cor_map_free) struct cor_map *overlays = cor_map_new(ec_overlay_drop);
    auto_(cor_map_free) struct cor_map *sessions = cor_map_new(NULL);
    struct cor_ledger_counts books = {0};
    auto_(ec_bound_free) struct ec_bound *devices = ec_bound_new();
    struct ec ec = {.service = &service,
                    .overlays = overlays,
                    .sessions = sessions,
                    .devices = devices,
                    .report_books = &books};
    auto_(cor_json_free) struct cor_json *device =
        parsed("{\"metadata\":{\"namespace\":\"default\",\"name\":\"d0\",\"uid\":\"u\"},\"spec\":"
               "{\"nodeName\":\"n1\",\"properties\":[{\"name\":\"temperature\"}]}}");
    set.device = device;
    ec_on_device(&ec, COR_ADDED, device, NULL);
    assert_int_equal(set.count, 0);
    set.statuses_listed = true;
    report(&ec);
    assert_int_equal(set.count, 1);
    assert_string_equal(set.asked[0].what, "PATCH " STATUSES "/d0");
    answer(0, 404);
    assert_int_equal(set.count, 2);
    assert_string_equal(set.asked[1].what, "POST " STATUSES);
    assert_int_equal(set.failed, COR_RETRY); /* the node reports again */
    answer(1, 201);
    report(&ec);
    assert_string_equal(set.asked[2].what, "PATCH " STATUSES "/d0");
    answer(2, 200);
    answer(3, 200); /* the Device's own status */
    assert_int_equal(set.failed, COR_OK);
    assert_true(set.replied);
    assert_int_equal(books.refused, 1);
    assert_int_equal(books.delivered, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_status_that_is_missing_is_made)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
