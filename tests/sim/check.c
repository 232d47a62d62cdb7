// SPDX-License-Identifier: Apache-2.0
// Whether the world is as it was promised: the API, the stores of the edge and the devices agree
// with what was acknowledged to people and devices.
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "inner.h"
#include "people.h"
#include "runtime.h"

#define API "/apis/devices.kubeedge.io/v1beta1/namespaces/default/"

enum { JSON_MAX = 1 << 20, EVENTS_MAX = 100000 };

/* A store as somebody outside of the services sees it. */
struct store {
    sqlite3 *db;
    sqlite3_stmt *stmt;
};

static void store_close(struct store *store)
{
    (void)sqlite3_finalize(store->stmt);
    (void)sqlite3_close(store->db);
}

/* Opens the store for one question, to be asked any number of times. */
static void store_open(struct store *store, const char *name, const char *sql)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", sim_dir(), name);
    *store = (struct store){0};
    if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK) {
        (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        (void)sqlite3_prepare_v2(store->db, sql, -1, &store->stmt, NULL);
    }
}

/* The first column of the first row as JSON; NULL: no row. Returns owned. */
static struct cor_json *ask_store(struct store *store, const char *a, const char *b)
{
    struct cor_json *found = NULL;
    if (store->stmt == NULL) {
        return NULL;
    }
    (void)sqlite3_reset(store->stmt);
    (void)sqlite3_bind_text(store->stmt, 1, a, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(store->stmt, 2, b, -1, SQLITE_STATIC);
    if (sqlite3_step(store->stmt) == SQLITE_ROW) {
        struct cor_view text = {sqlite3_column_blob(store->stmt, 0),
                                (size_t)sqlite3_column_bytes(store->stmt, 0)};
        (void)!cor_json_parse(text, JSON_MAX, 0, &found, NULL);
    }
    (void)sqlite3_reset(store->stmt);
    return found;
}

#define META_SQL "SELECT body FROM object WHERE key = ? AND gone = 0"
#define TWIN_SQL "SELECT row FROM twin WHERE device = ? AND name = ?"

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

/* ---- at every moment ---- */

static bool is_well(enum sim_id id)
{
    return sim_core(id)->loop != NULL && sim_core(id)->self != NULL && !sim_core(id)->stopping;
}

/* The law, by the services' own books; one that has no time to answer is asked again later. */
static void on_books(const char *service, int64_t balance)
{
    if (balance > 0) {
        sim_broken("the law", "the books of %s are off by %" PRId64, service, balance);
    }
}

static void check_books(void)
{
    static const struct {
        enum sim_id id;
        const char *name;
    } BOOKS[] = {
        {SIM_BUS, "eventbus"},    {SIM_TWIN, "devicetwin"},   {SIM_CONTROLLER, "edgecontroller"},
        {SIM_EDGEHUB, "edgehub"}, {SIM_CLOUDHUB, "cloudhub"}, {SIM_META, "metamanager"},
        {SIM_EDGED, "edged"}};
    for (size_t i = 0; i < COR_COUNT(BOOKS); i++) {
        if (is_well(BOOKS[i].id)) {
            sim_ask_balance(BOOKS[i].name, on_books);
        }
    }
}

/* Pods, then devices. */
enum { THINGS = SIM_PODS + SIM_DEVICES };

/* The uids of what the edge has in its store; "" where there is nothing. Read anew when its files
 * have changed. */
static const char (*stored_uids(void))[64]
{
    static char uids[THINGS][64];
    static uint64_t version;
    auto_(cor_freep) char *path = cor_sprintf("%s/meta.db", sim_dir());
    uint64_t now = sim_files_version(path);
    if (now == version) {
        return uids;
    }
    version = now;
    auto_(store_close) struct store meta;
    store_open(&meta, "meta.db", META_SQL);
    for (size_t i = 0; i < THINGS; i++) {
        auto_(cor_freep) char *key = i < SIM_PODS
                                         ? cor_sprintf("default/pod/p%zu", i)
                                         : cor_sprintf("default/device/d%zu", i - SIM_PODS);
        auto_(cor_json_free) struct cor_json *object = ask_store(&meta, key, NULL);
        (void)snprintf(uids[i], sizeof(uids[i]), "%s",
                       cor_json_str_at(object, "metadata.uid", object == NULL ? "" : "none"));
    }
    return uids;
}

static void check_store(const struct sim_people *people)
{
    /* Number of the wish, plus one, under which it was there, and its uid: one of the wish before
     * may still be there, and goes. */
    static unsigned seen[THINGS];
    static unsigned came[THINGS];
    static char uids[THINGS][64];
    const char(*stored)[64] = stored_uids();
    for (size_t i = 0; i < THINGS; i++) {
        bool is_pod = i < SIM_PODS;
        unsigned wish = is_pod ? people->pod_flips[i] + 1 : 1;
        bool wanted = !is_pod || (people->pod_wanted[i] && !people->pod_doubt[i]);
        bool there = stored[i][0] != '\0';
        if (wanted && seen[i] == wish && !there) {
            sim_broken("desired state is never deleted by loss of contact", "%s %zu is gone",
                       is_pod ? "Pod" : "Device", is_pod ? i : i - SIM_PODS);
        }
        if (strcmp(stored[i], uids[i]) != 0) {
            memcpy(uids[i], stored[i], sizeof(uids[i]));
            came[i] = wish;
        }
        seen[i] = wanted && there && came[i] == wish ? wish : 0;
    }
}

void sim_check_always(void)
{
    const struct sim_people *people = sim_people();
    if (sim_world()->count > EVENTS_MAX) {
        sim_broken("no unbounded queue", "%zu events are due", sim_world()->count);
    }
    for (size_t i = 0; i < SIM_PODS; i++) {
        auto_(cor_freep) char *name = cor_sprintf("p%zu", i);
        if (sim_runtime_running(name) > 2) { /* one that ends and its successor */
            sim_broken("no duplicate effect", "%u containers of %s", sim_runtime_running(name),
                       name);
        }
    }
    if (people->settled) {
        check_books();
    }
    if (people->settled && is_well(SIM_META)) {
        check_store(people);
    }
}

/* ---- at the end ---- */

/* What differs; "" when all agrees. */
struct verdict {
    char why[256];
    sim_verdict_fn fn;
    unsigned waiting;
};

static struct verdict *verdict(void)
{
    static struct verdict it;
    return &it;
}

static void differ(const char *what, size_t index, uint64_t is, uint64_t should)
{
    if (verdict()->why[0] == '\0') {
        (void)snprintf(verdict()->why, sizeof(verdict()->why),
                       "%s %zu: %" PRIu64 ", should be %" PRIu64, what, index, is, should);
    }
}

static uint64_t number_at(const struct cor_json *json, const char *path)
{
    return strtoull(cor_json_str_at(json, path, "0"), NULL, 10);
}

static void compare(const char *what, size_t index, uint64_t is, uint64_t should)
{
    if (is != should) {
        differ(what, index, is, should);
    }
}

static uint64_t desired_in(const struct cor_json *device)
{
    return number_at(named(cor_json_at(device, "spec.properties"), "name", "interval"),
                     "desired.value");
}

static uint64_t taken(const struct sim_device *device)
{
    uint64_t count = 0;
    for (uint64_t i = 1; i <= device->reported; i++) {
        count += device->updates[i].taken ? 1 : 0;
    }
    return count;
}

static void check_twins(void)
{
    auto_(store_close) struct store twins;
    store_open(&twins, "twin.db", TWIN_SQL);
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        const struct sim_device *device = &sim_people()->devices[i];
        auto_(cor_freep) char *id = cor_sprintf("default/d%zu", i);
        auto_(cor_json_free) struct cor_json *wanted = ask_store(&twins, id, "interval");
        auto_(cor_json_free) struct cor_json *said = ask_store(&twins, id, "temperature");
        compare("desired value in twin.db, device", i, number_at(wanted, "expected.value"),
                device->desired);
        compare("reported value in twin.db, device", i, number_at(said, "actual.value"),
                device->reported);
        /* Each update sets the value, which has a number of its own. */
        compare("effects of updates, device", i,
                (uint64_t)cor_json_int_at(said, "actual_version.edge", 0), taken(device));
        compare("delta heard by device", i, device->heard, device->desired);
        compare("last result heard by device", i, device->last_result, device->reported);
    }
}

static void check_objects(void)
{
    const struct sim_people *people = sim_people();
    bool any_pod = false;
    auto_(store_close) struct store meta;
    store_open(&meta, "meta.db", META_SQL);
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        auto_(cor_freep) char *key = cor_sprintf("default/device/d%zu", i);
        auto_(cor_json_free) struct cor_json *object = ask_store(&meta, key, NULL);
        compare("desired value in meta.db, device", i, desired_in(object),
                people->devices[i].desired);
    }
    for (size_t i = 0; i < SIM_PODS; i++) {
        auto_(cor_freep) char *key = cor_sprintf("default/pod/p%zu", i);
        auto_(cor_json_free) struct cor_json *object = ask_store(&meta, key, NULL);
        auto_(cor_freep) char *name = cor_sprintf("p%zu", i);
        compare("pod in meta.db", i, object != NULL, people->pod_wanted[i]);
        compare("containers of pod", i, sim_runtime_running(name), people->pod_wanted[i]);
        any_pod = any_pod || people->pod_wanted[i];
    }
    auto_(cor_json_free) struct cor_json *config =
        any_pod ? ask_store(&meta, "default/configmap/c0", NULL) : NULL;
    if (any_pod) {
        compare("ConfigMap in meta.db", 0, number_at(config, "data.v"), people->config_taken);
    }
}

static void finish(void)
{
    struct verdict *v = verdict();
    if (--v->waiting == 0) {
        check_twins();
        check_objects();
        compare("uploads at the target", 0, sim_people()->arrived, sim_people()->uploaded);
        compare("messages at the broker", 0, sim_broker_waiting(), 0);
        v->fn(v->why[0] == '\0', v->why);
    }
}

static void on_statuses(void *self, const struct cor_kube_response *response)
{
    (void)self;
    const struct cor_json *items = cor_json_get(response->body, "items");
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        auto_(cor_freep) char *name = cor_sprintf("d%zu", i);
        const struct cor_json *twins =
            cor_json_at(named(items, "metadata.name", name), "status.twins");
        const struct sim_device *device = &sim_people()->devices[i];
        compare("reported value in the API, device", i,
                number_at(named(twins, "propertyName", "temperature"), "reported.value"),
                device->reported);
        compare("observed desired value in the API, device", i,
                number_at(named(twins, "propertyName", "interval"), "observedDesired.value"),
                device->desired);
    }
    finish();
}

static void on_devices(void *self, const struct cor_kube_response *response)
{
    (void)self;
    const struct cor_json *items = cor_json_get(response->body, "items");
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        auto_(cor_freep) char *name = cor_sprintf("d%zu", i);
        compare("desired value in the API, device", i,
                desired_in(named(items, "metadata.name", name)), sim_people()->devices[i].desired);
    }
    finish();
}

static void on_config(void *self, const struct cor_kube_response *response)
{
    (void)self;
    compare("ConfigMap in the API", 0, number_at(response->body, "data.v"),
            sim_people()->config_taken);
    finish();
}

static void on_balance(const char *service, int64_t balance)
{
    on_books(service, balance);
    compare("books that did not come:", 0, balance >= 0, 1);
    finish();
}

void sim_check(sim_verdict_fn fn)
{
    static const char *const BOOKS[] = {"eventbus", "devicetwin",  "edgecontroller", "edgehub",
                                        "cloudhub", "metamanager", "edged"};
    static const struct sim_wish WISHES[] = {
        {.method = "GET", .path = API "devicestatuses", .fn = on_statuses},
        {.method = "GET", .path = API "devices", .fn = on_devices},
        {.method = "GET", .path = "/api/v1/namespaces/default/configmaps/c0", .fn = on_config},
    };
    struct verdict *v = verdict();
    *v = (struct verdict){.fn = fn, .waiting = COR_COUNT(WISHES) + COR_COUNT(BOOKS)};
    for (enum sim_id id = SIM_KUBELITE; id < SIM_PEOPLE; id++) {
        if (!is_well(id)) {
            differ("a core that does not run:", id, 0, 1);
        }
    }
    if (v->why[0] != '\0') {
        fn(false, v->why);
        return;
    }
    for (size_t i = 0; i < COR_COUNT(WISHES); i++) {
        sim_ask(&WISHES[i]);
    }
    for (size_t i = 0; i < COR_COUNT(BOOKS); i++) {
        sim_ask_balance(BOOKS[i], on_balance);
    }
}
