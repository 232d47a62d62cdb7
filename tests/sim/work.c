// SPDX-License-Identifier: Apache-2.0
// The load: devices report, people change what is desired.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "common/base/mem.h"
#include "people.h"

#define TOPIC "$hw/events/device/default/d%zu/twin/update"

enum { JSON_MAX = 1 << 20 };

struct job {
    struct cor_timer *timer;
    void (*fn)(size_t index);
    size_t index;
    int64_t least_us;
    int64_t spread_us;
};

static void plan(struct job *job)
{
    cor_timer_start(job->timer,
                    job->least_us + (int64_t)sim_pick(SIM_WORK, (uint64_t)job->spread_us));
}

static void on_job(void *self)
{
    struct job *job = self;
    if (!sim_people()->quiet) {
        job->fn(job->index);
        plan(job);
    }
}

/* ---- devices ---- */

static void report_one(size_t index)
{
    struct sim_device *device = &sim_people()->devices[index];
    if (device->reported + 1 >= SIM_UPDATES_MAX) {
        return;
    }
    uint64_t value = ++device->reported;
    auto_(cor_freep) char *topic = cor_sprintf(TOPIC, index);
    auto_(cor_freep) char *payload =
        cor_sprintf("{\"event_id\":\"d%zu-%" PRIu64 "\",\"timestamp\":0,\"twin\":{\"temperature\":"
                    "{\"actual\":{\"value\":\"%" PRIu64 "\"},\"metadata\":{\"type\":\"int\"}}}}",
                    index, value, value);
    sim_say("device d%zu reports %" PRIu64, index, value);
    sim_device_publish(topic, cor_view_of(payload));
}

static void report_some(size_t index)
{
    uint64_t count = sim_chance(SIM_WORK, 30000) ? 1 + sim_pick(SIM_WORK, 30) : 1;
    for (uint64_t i = 0; i < count; i++) {
        report_one(index);
    }
}

static void upload(size_t index)
{
    (void)index;
    struct sim_people *people = sim_people();
    uint64_t count = sim_chance(SIM_WORK, 50000) ? 1 + sim_pick(SIM_WORK, 40) : 1;
    for (uint64_t i = 0; i < count; i++) {
        auto_(cor_freep) char *payload = cor_sprintf("%" PRIu64, ++people->uploaded);
        sim_say("upload %s", payload);
        sim_device_publish("default/user/a", cor_view_of(payload));
    }
}

static void on_result(size_t index, const struct cor_json *json)
{
    struct sim_device *device = &sim_people()->devices[index];
    const char *id = cor_json_str_at(json, "event_id", "");
    const char *dash = strchr(id, '-');
    uint64_t value = dash == NULL ? 0 : strtoull(dash + 1, NULL, 10);
    if (value == 0 || value >= SIM_UPDATES_MAX) {
        sim_broken("results", "unknown event %s", id);
        return;
    }
    if (value > device->last_result + 1) {
        sim_broken("no acknowledged event is lost, order", "d%zu: %" PRIu64 " after %" PRIu64,
                   index, value, device->last_result);
    }
    sim_say("device d%zu hears the result of %" PRIu64, index, value);
    /* A refusal (the device is not known yet) has no effect. */
    device->updates[value].taken |= cor_json_get(json, "code") == NULL;
    device->last_result = value > device->last_result ? value : device->last_result;
}

static void on_delta(size_t index, const struct cor_json *json)
{
    const char *text = cor_json_str_at(json, "delta.interval", NULL);
    if (text != NULL) {
        sim_people()->devices[index].heard = strtoull(text, NULL, 10);
    }
}

static void on_heard(void *self, const char *topic, struct cor_view payload)
{
    (void)self;
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (cor_json_parse(payload, JSON_MAX, 0, &json, NULL) != COR_OK) {
        sim_broken("publications", "no JSON on %s", topic);
        return;
    }
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        auto_(cor_freep) char *result = cor_sprintf(TOPIC "/result", i);
        auto_(cor_freep) char *delta = cor_sprintf(TOPIC "/delta", i);
        if (strcmp(topic, result) == 0) {
            on_result(i, json);
        } else if (strcmp(topic, delta) == 0) {
            on_delta(i, json);
        }
    }
}

/* ---- desired state ---- */

static void on_desired(void *self, const struct cor_kube_response *response)
{
    struct sim_device *device = self;
    if (response->code == COR_OK) {
        device->desired = device->offered;
    } else {
        sim_broken("work", "desired value: %d %s", response->status, response->text);
    }
}

/* One at a time: what was taken last is then known. */
static void desire(size_t index)
{
    struct sim_device *device = &sim_people()->devices[index];
    if (device->offered != device->desired) {
        return;
    }
    device->offered++;
    auto_(cor_freep) char *path =
        cor_sprintf("/apis/devices.kubeedge.io/v1beta1/namespaces/default/devices/d%zu", index);
    auto_(cor_freep) char *body =
        cor_sprintf("{\"spec\":{\"properties\":[{\"name\":\"temperature\",\"reportToCloud\":true},"
                    "{\"name\":\"interval\",\"reportToCloud\":true,\"desired\":{\"value\":"
                    "\"%" PRIu64 "\"}}]}}",
                    device->offered);
    struct sim_wish wish = {.method = "PATCH",
                            .path = path,
                            .type = COR_KUBE_MERGE,
                            .body = body,
                            .fn = on_desired,
                            .self = device};
    sim_ask(&wish);
}

static void on_configured(void *self, const struct cor_kube_response *response)
{
    struct sim_people *people = self;
    if (response->code == COR_OK) {
        people->config_taken = people->config_offered;
    } else {
        sim_broken("work", "ConfigMap: %d %s", response->status, response->text);
    }
}

static void configure(size_t index)
{
    (void)index;
    struct sim_people *people = sim_people();
    if (people->config_offered != people->config_taken) {
        return;
    }
    people->config_offered++;
    auto_(cor_freep) char *body =
        cor_sprintf("{\"data\":{\"v\":\"%" PRIu64 "\"}}", people->config_offered);
    struct sim_wish wish = {.method = "PATCH",
                            .path = "/api/v1/namespaces/default/configmaps/c0",
                            .type = COR_KUBE_MERGE,
                            .body = body,
                            .fn = on_configured,
                            .self = people};
    sim_ask(&wish);
}

#define POD_BODY                                                                                   \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p%zu\"},\"spec\":"           \
    "{\"nodeName\":\"" SIM_NODE "\",\"containers\":[{\"name\":\"c\",\"image\":\"i:1\","            \
    "\"envFrom\":[{\"configMapRef\":{\"name\":\"c0\"}}]}]}}"

static void on_pod_changed(void *self, const struct cor_kube_response *response)
{
    bool *doubt = self;
    if (response->code != COR_OK && response->code != COR_EXISTS &&
        response->code != COR_NOTFOUND) {
        sim_broken("work", "Pod: %d %s", response->status, response->text);
    }
    *doubt = false;
}

/* Created, or deleted without waiting for the node. */
static void flip_pod(size_t index)
{
    struct sim_people *people = sim_people();
    if (people->pod_doubt[index]) {
        return;
    }
    people->pod_doubt[index] = true;
    people->pod_wanted[index] = !people->pod_wanted[index];
    people->pod_flips[index]++;
    auto_(cor_freep) char *path = cor_sprintf("/api/v1/namespaces/default/pods/p%zu", index);
    auto_(cor_freep) char *body = cor_sprintf(POD_BODY, index);
    struct sim_wish wish = {.method = people->pod_wanted[index] ? "POST" : "DELETE",
                            .path = people->pod_wanted[index] ? "/api/v1/namespaces/default/pods"
                                                              : path,
                            .body = people->pod_wanted[index] ? body : "{\"gracePeriodSeconds\":0}",
                            .fn = on_pod_changed,
                            .self = &people->pod_doubt[index]};
    sim_ask(&wish);
}

static void start_job(void (*fn)(size_t index), size_t index, int64_t least_us, int64_t spread_us)
{
    struct job *job = cor_alloc(sizeof(*job));
    job->fn = fn;
    job->index = index;
    job->least_us = least_us;
    job->spread_us = spread_us;
    job->timer = cor_timer_new(sim_core(SIM_PEOPLE)->loop, on_job, job);
    plan(job);
}

void sim_devices_begin(void)
{
    sim_device_listen(on_heard, NULL);
}

void sim_work_begin(void)
{
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        start_job(report_some, i, COR_SEC(1), COR_SEC(200));
        start_job(desire, i, COR_SEC(5), COR_SEC(600));
    }
    for (size_t i = 0; i < SIM_PODS; i++) {
        start_job(flip_pod, i, COR_SEC(1), COR_SEC(900));
    }
    start_job(upload, 0, COR_SEC(60), COR_SEC(100));
    start_job(configure, 0, COR_SEC(10), COR_SEC(600));
}
