// SPDX-License-Identifier: Apache-2.0
// Life of the cores: in place of common/service and of the supervisor.
#include <inttypes.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "inner.h"
#include "seams.h"
#include "services/cloudhub/cloudhub.h"
#include "services/edgehub/edgehub.h"
#include "services/kubelite/kubelite.h"

/* Each service declares its spec in a header of its own room, together with types whose names
 * others use too: here only the specs are needed. */
const struct cor_service_spec *ec_spec(void);
const struct cor_service_spec *meta_spec(void);
const struct cor_service_spec *dt_spec(void);
const struct cor_service_spec *eb_spec(void);
const struct cor_service_spec *edged_spec(void);

enum { ROUNDS_MAX = 100000 };

static void start_again(struct sim_core *core, int64_t after_us);

void sim_cores_begin(void)
{
    const struct {
        enum sim_id id;
        const char *name;
        enum sim_machine machine;
        const struct cor_service_spec *spec;
    } rows[] = {
        {SIM_KUBELITE, "kubelite", SIM_CLOUD, &kl_service_spec},
        {SIM_CLOUDHUB, "cloudhub", SIM_CLOUD, cloudhub_spec()},
        {SIM_CONTROLLER, "edgecontroller", SIM_CLOUD, ec_spec()},
        {SIM_EDGEHUB, "edgehub", SIM_EDGE, edgehub_spec()},
        {SIM_META, "metamanager", SIM_EDGE, meta_spec()},
        {SIM_TWIN, "devicetwin", SIM_EDGE, dt_spec()},
        {SIM_BUS, "eventbus", SIM_EDGE, eb_spec()},
        {SIM_EDGED, "edged", SIM_EDGE, edged_spec()},
        {SIM_PEOPLE, "people", SIM_CLOUD, NULL},
    };
    struct sim_world *w = sim_world();
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        w->cores[rows[i].id] = (struct sim_core){.id = rows[i].id,
                                                 .name = rows[i].name,
                                                 .machine = rows[i].machine,
                                                 .spec = rows[i].spec};
    }
    cor_list_init(&w->zsocks);
    cor_list_init(&w->ws);
    cor_list_init(&w->wires);
    cor_list_init(&w->flows);
    cor_list_init(&w->files);
}

bool sim_core_is_well(const struct sim_core *core)
{
    return core->loop != NULL && core->frozen_until <= sim_now();
}

/* ---- start ---- */

static enum cor_code open_bus(struct sim_core *core, struct cor_err *err)
{
    const struct cor_service_cfg *cfg = core->cfg;
    struct cor_bus_spec spec = {
        .service = core->name,
        .run_dir = cfg->run_dir,
        .loop = core->loop,
        .log = core->service.log,
        .messages = core->spec->messages(),
    };
    return cor_bus_new(&spec, &core->service.bus, err);
}

static enum cor_code start_service(struct sim_core *core, struct cor_err *err)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s.yaml", sim_dir(), core->name);
    core->cfg = cor_alloc(core->spec->cfg_size);
    enum cor_code code = cor_conf_load(&core->spec->conf, path, core->cfg, err);
    if (code == COR_OK && core->spec->check != NULL) {
        code = core->spec->check(core->cfg, err);
    }
    must(code == COR_OK);
    core->service = (struct cor_service){
        .loop = core->loop,
        .log = cor_log_new(core->name, sim_verbose() ? COR_LEVEL_DEBUG : COR_LEVEL_ERROR),
        .cfg = core->cfg,
        .name = core->name,
    };
    code = open_bus(core, err);
    return code == COR_OK ? core->spec->start(&core->service, &core->self, err) : code;
}

static void on_start(void *self)
{
    struct sim_core *core = self;
    struct cor_err err = COR_ERR_NONE;
    sim_say("%s starts", core->name);
    if (core->spec == NULL) {
        return;
    }
    if (start_service(core, &err) == COR_OK) {
        core->refused = 0;
        return;
    }
    sim_say("%s does not start: %s", core->name, err.text);
    core->refused++;
    core->stopping = true;
}

void sim_core_start(struct sim_core *core)
{
    if (core->loop != NULL) {
        return;
    }
    core->life++;
    core->self = NULL;
    core->cfg = NULL;
    core->service = (struct cor_service){0};
    core->stopping = false;
    core->draining = false;
    core->kicked = false;
    core->frozen_until = 0;
    core->parked_count = 0; /* of an earlier life */
    core->loop = sim_loop_new(core);
    sim_trace("start", core->id, core->life);
    sim_post(core, 0, on_start, core);
}

/* The world's own event: the core has no loop yet. */
static void on_again(void *self)
{
    sim_core_start(self);
}

static void start_again(struct sim_core *core, int64_t after_us)
{
    sim_post(NULL, after_us, on_again, core);
}

/* ---- end ---- */

static void forget(struct sim_core *core)
{
    core->life++;
    core->loop = NULL;
    core->self = NULL;
    core->stopping = false;
    sim_world()->crash_in[core->id] = 0;
}

/* As measured of s6: 17 to 81 ms; a machine needs longer. */
static int64_t absence(bool power)
{
    return power ? COR_SEC(4) + (int64_t)sim_pick(SIM_FAULT, COR_SEC(8))
                 : COR_MS(17) + (int64_t)sim_pick(SIM_FAULT, COR_MS(64));
}

void sim_core_crash(struct sim_core *core, bool power)
{
    struct sim_world *w = sim_world();
    bool is_self = w->running == core;
    if (core->loop == NULL) {
        return;
    }
    sim_say("%s is killed%s", core->name, power ? " (power)" : "");
    sim_trace("crash", core->id, power);
    core->crashes++;
    sim_zsock_died(core);
    sim_ws_died(core);
    sim_http_died(core);
    sim_mqtt_died(core);
    sim_files_died(core);
    sim_heap_died(core);
    forget(core);
    start_again(core, absence(power));
    if (is_self) {
        longjmp(w->death, 1);
    }
}

void sim_core_crash_in(struct sim_core *core, unsigned points)
{
    sim_world()->crash_in[core->id] = points;
}

void sim_point(void)
{
    struct sim_world *w = sim_world();
    struct sim_core *core = w->running;
    if (core != NULL && w->crash_in[core->id] > 0 && --w->crash_in[core->id] == 0) {
        sim_core_crash(core, false);
    }
}

/* stop() has the last word of the service; what it has on disk stays. */
static void end(struct sim_core *core)
{
    if (core->self != NULL && core->spec != NULL) {
        core->spec->stop(core->self);
        core->self = NULL;
    }
    cor_bus_free(&core->service.bus);
    cor_log_free(&core->service.log);
    if (core->cfg != NULL) {
        cor_conf_free(&core->spec->conf, core->cfg);
        cor_freep(&core->cfg);
    }
    cor_loop_free(&core->loop);
    sim_say("%s has stopped", core->name);
    sim_zsock_died(core);
    sim_ws_died(core);
    sim_http_died(core);
    sim_mqtt_died(core);
    sim_files_died(core);
    forget(core);
    start_again(core, core->refused > 0 ? COR_SEC(1) : absence(false));
}

void sim_core_round(struct sim_core *core)
{
    unsigned rounds = 0;
    while (!core->stopping && sim_loop_hooks(core->loop)) {
        if (++rounds > ROUNDS_MAX) {
            sim_broken("no livelock", "%s goes round and round", core->name);
            return;
        }
    }
    if (core->stopping) {
        end(core);
    }
}

static void on_drain_over(void *self)
{
    struct sim_core *core = self;
    core->stopping = true;
}

static void on_term(void *self)
{
    struct sim_core *core = self;
    if (core->spec == NULL || core->spec->drain == NULL || core->draining || core->self == NULL) {
        core->stopping = true;
        return;
    }
    const struct cor_service_cfg *cfg = core->cfg;
    core->draining = true;
    sim_post(core, COR_MS(cfg->drain_ms), on_drain_over, core);
    core->spec->drain(core->self);
}

void sim_core_stop(struct sim_core *core)
{
    if (core->loop != NULL) {
        sim_say("%s is asked to stop", core->name);
        sim_post(core, 0, on_term, core);
    }
}

static void on_thaw(void *self)
{
    struct sim_core *core = self;
    if (core->frozen_until <= sim_now()) {
        sim_thaw(core);
    }
}

void sim_core_freeze(struct sim_core *core, int64_t us)
{
    int64_t until = sim_now() + us;
    if (core->loop != NULL && until > core->frozen_until) {
        sim_say("%s sleeps for %" PRId64 " ms", core->name, us / 1000);
        core->frozen_until = until;
        sim_post(NULL, us, on_thaw, core);
    }
}

/* ---- what services call ---- */

static struct sim_core *core_of(struct cor_service *service)
{
    return COR_CONTAINER(service, struct sim_core, service);
}

void cor_service_ready(struct cor_service *service)
{
    sim_say("%s is ready", core_of(service)->name);
}

void cor_service_calm(struct cor_service *service)
{
    (void)service;
}

void cor_service_drained(struct cor_service *service)
{
    struct sim_core *core = core_of(service);
    core->stopping = core->stopping || core->draining;
}

void cor_service_fail(struct cor_service *service, const struct cor_err *err)
{
    struct sim_core *core = core_of(service);
    sim_say("%s gives up: %s", core->name, err->text);
    core->refused++;
    core->stopping = true;
}
