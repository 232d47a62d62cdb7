// SPDX-License-Identifier: Apache-2.0
// Sets the cluster and the node up, as deploy/up and a person with kubectl do.
#include "people.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/text.h"
#include "common/conf/yaml.h"

#define DEVICES "/apis/devices.kubeedge.io/v1beta1/namespaces/default/"

#define RULES "/apis/rules.kubeedge.io/v1/namespaces/default/"

enum { FILE_MAX_BYTES = 1 << 20, PATIENCE_US = 500000 };

struct sim_people *sim_people(void)
{
    static struct sim_people people;
    return &people;
}

/* ---- requests ---- */

struct asked {
    struct sim_wish wish; /* texts are owned */
    struct cor_timer *again;
};

static void send_it(void *self);

static void asked_free(struct asked *asked)
{
    cor_timer_free(&asked->again);
    cor_free((char *)asked->wish.path);
    cor_free((char *)asked->wish.body);
    cor_free(asked);
}

/* No answer, or one that asks to come again. What was created by a request whose answer was lost is
 * there: that is well. */
static bool is_final(const struct cor_kube_response *response)
{
    return response->status >= 200 && response->status < 500 && response->status != 429;
}

static void on_answer(void *self, const struct cor_kube_response *response)
{
    struct asked *asked = self;
    if (!is_final(response)) {
        cor_timer_start(asked->again, PATIENCE_US + (int64_t)sim_pick(SIM_WORK, PATIENCE_US));
        return;
    }
    sim_people()->doing--;
    sim_say("people: %s %s: %d %s", asked->wish.method, asked->wish.path, response->status,
            response->text);
    if (asked->wish.fn != NULL) {
        asked->wish.fn(asked->wish.self, response);
    }
    asked_free(asked);
}

static void send_it(void *self)
{
    struct asked *asked = self;
    struct cor_kube_request request = {.method = asked->wish.method,
                                       .path = asked->wish.path,
                                       .content_type = asked->wish.type,
                                       .body = cor_view_of(asked->wish.body),
                                       .timeout_us = COR_SEC(5)};
    (void)cor_kube_send(sim_people()->kube, &request, on_answer, asked);
}

void sim_ask(const struct sim_wish *wish)
{
    struct asked *asked = cor_alloc(sizeof(*asked));
    asked->wish = *wish;
    asked->wish.path = cor_strdup(wish->path);
    asked->wish.body = cor_strdup(wish->body);
    asked->again = cor_timer_new(sim_core(SIM_PEOPLE)->loop, send_it, asked);
    sim_people()->doing++;
    send_it(asked);
}

/* ---- the cluster ---- */

static const struct {
    const char *path;
    const char *file; /* under deploy/crds */
    const char *body;
} THINGS[] = {
    {"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "device.yaml", NULL},
    {"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "devicemodel.yaml", NULL},
    {"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "devicestatus.yaml", NULL},
    {"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "ruleendpoint.yaml", NULL},
    {"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "rule.yaml", NULL},
    {RULES "ruleendpoints", NULL,
     "{\"apiVersion\":\"rules.kubeedge.io/v1\",\"kind\":\"RuleEndpoint\",\"metadata\":{\"name\":"
     "\"broker\"},\"spec\":{\"ruleEndpointType\":\"eventbus\"}}"},
    {RULES "ruleendpoints", NULL,
     "{\"apiVersion\":\"rules.kubeedge.io/v1\",\"kind\":\"RuleEndpoint\",\"metadata\":{\"name\":"
     "\"web\"},\"spec\":{\"ruleEndpointType\":\"rest\"}}"},
    {RULES "rules", NULL,
     "{\"apiVersion\":\"rules.kubeedge.io/v1\",\"kind\":\"Rule\",\"metadata\":{\"name\":\"r0\"},"
     "\"spec\":{\"source\":\"broker\",\"sourceResource\":{\"topic\":\"user/a\",\"node_name\":"
     "\"" SIM_NODE "\"},\"target\":\"web\",\"targetResource\":{\"resource\":"
     "\"http://192.0.2.9/a\"}}}"},
    {"/api/v1/namespaces/default/configmaps", NULL,
     "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c0\"},"
     "\"data\":{\"v\":\"0\"}}"},
    {DEVICES "devicemodels", NULL,
     "{\"apiVersion\":\"devices.kubeedge.io/v1beta1\",\"kind\":\"DeviceModel\",\"metadata\":"
     "{\"name\":\"m0\"},\"spec\":{\"protocol\":\"mqtt\",\"properties\":[{\"name\":\"temperature\","
     "\"type\":\"INT\",\"accessMode\":\"ReadOnly\"},{\"name\":\"interval\",\"type\":\"INT\","
     "\"accessMode\":\"ReadWrite\"}]}}"},
};

#define DEVICE_BODY                                                                                \
    "{\"apiVersion\":\"devices.kubeedge.io/v1beta1\",\"kind\":\"Device\",\"metadata\":{\"name\":"  \
    "\"d%zu\"},\"spec\":{\"deviceModelRef\":{\"name\":\"m0\"},\"nodeName\":\"" SIM_NODE            \
    "\",\"protocol\":{\"protocolName\":\"mqtt\"},\"properties\":[{\"name\":\"temperature\","       \
    "\"reportToCloud\":true},{\"name\":\"interval\",\"reportToCloud\":true,\"desired\":"           \
    "{\"value\":\"1\"}}]}}"

static char *crd_text(size_t thing)
{
    auto_(cor_freep) char *path =
        cor_sprintf("%s/deploy/crds/%s", CORACLE_SOURCE_DIR, THINGS[thing].file);
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *tree = NULL;
    struct cor_err err = COR_ERR_NONE;
    must(cor_file_read(path, FILE_MAX_BYTES, &text, &err) == COR_OK);
    must(cor_yaml_parse(cor_buf_as_view(&text), FILE_MAX_BYTES, NULL, NULL, &tree, &err) == COR_OK);
    return cor_json_text(tree);
}

/* Texts of the CRDs, read once for all worlds. */
static char **crd_texts(void)
{
    static char *texts[COR_COUNT(THINGS)];
    return texts;
}

void sim_people_load(void)
{
    for (size_t i = 0; i < COR_COUNT(THINGS); i++) {
        crd_texts()[i] = THINGS[i].file == NULL ? NULL : crd_text(i);
    }
}

static void next_thing(void *self);
static void ask_token(void *self);

struct setup {
    size_t done;
    struct cor_timer *timer;
};

static void on_thing(void *self, const struct cor_kube_response *response)
{
    struct setup *setup = self;
    bool is_there = response->code == COR_OK || response->code == COR_EXISTS;
    if (is_there) {
        setup->done++;
    } else if (response->code != COR_NOTFOUND) { /* a new kind is served a moment later */
        sim_broken("set-up", "thing %zu: %d %s", setup->done, response->status, response->text);
        return;
    }
    cor_timer_start(setup->timer, COR_MS(is_there ? 1 : 100));
}

static void next_thing(void *self)
{
    struct setup *setup = self;
    size_t device = setup->done - COR_COUNT(THINGS);
    if (setup->done == COR_COUNT(THINGS) + SIM_DEVICES) {
        ask_token(setup);
        return;
    }
    struct sim_wish wish = {.method = "POST", .fn = on_thing, .self = setup};
    auto_(cor_freep) char *text = NULL;
    if (setup->done >= COR_COUNT(THINGS)) {
        text = cor_sprintf(DEVICE_BODY, device);
        wish.path = DEVICES "devices";
    } else {
        text = cor_strdup(THINGS[setup->done].file != NULL ? crd_texts()[setup->done]
                                                           : THINGS[setup->done].body);
        wish.path = THINGS[setup->done].path;
    }
    wish.body = text;
    sim_ask(&wish);
}

/* ---- the node ---- */

static void start_edge(void)
{
    for (enum sim_id id = SIM_EDGEHUB; id < SIM_PEOPLE; id++) {
        sim_core_start(sim_core(id));
    }
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        sim_people()->devices[i].desired = 1;
        sim_people()->devices[i].offered = 1;
        sim_people()->devices[i].updates = cor_calloc(SIM_UPDATES_MAX, sizeof(struct sim_update));
    }
    sim_devices_begin();
    sim_people()->settled = true;
    if (!sim_people()->waits) {
        sim_work_begin();
    }
}

static void on_token(void *self, const struct cor_kube_response *response)
{
    struct setup *setup = self;
    const char *data = cor_json_str_at(response->body, "data.tokendata", NULL);
    auto_(cor_buf_free) struct cor_buf token = {0};
    if (data == NULL || !cor_base64_decode(&token, cor_view_of(data))) {
        cor_timer_start(setup->timer, COR_MS(500));
        return;
    }
    auto_(cor_freep) char *path = cor_sprintf("%s/token", sim_dir());
    struct cor_err err = COR_ERR_NONE;
    must(cor_file_write(path, cor_buf_as_view(&token), 0600, &err) == COR_OK);
    start_edge();
}

/* Cloudhub makes it when it starts. */
static void ask_token(void *self)
{
    struct sim_wish wish = {.method = "GET",
                            .path = "/api/v1/namespaces/kubeedge/secrets/tokensecret",
                            .fn = on_token,
                            .self = self};
    sim_ask(&wish);
}

/* ---- the beginning ---- */

static void on_look(void *self)
{
    struct setup *setup = self;
    auto_(cor_freep) char *path = cor_sprintf("%s/admin.kubeconfig", sim_dir());
    auto_(cor_kube_config_free) struct cor_kube_config config = {0};
    struct cor_err err = COR_ERR_NONE;
    if (sim_people()->kube != NULL) {
        next_thing(setup);
        return;
    }
    if (cor_kube_config_load(path, &config, &err) != COR_OK) {
        cor_timer_start(setup->timer, COR_MS(100));
        return;
    }
    must(cor_kube_new(sim_core(SIM_PEOPLE)->loop, &config, &sim_people()->kube, &err) == COR_OK);
    cor_timer_start(setup->timer, COR_MS(1));
}

/* No world lasts so long: nothing may be too old. */
#define RULES_OF_AGE "queue-rules: [\"# max-age=2h\"]\n"

static void write_config(const char *name, const char *text)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s.yaml", sim_dir(), name);
    auto_(cor_freep) char *whole =
        cor_sprintf("run-dir: %s\nuser-prefix: \"\"\n%s", sim_dir(), text);
    struct cor_err err = COR_ERR_NONE;
    must(cor_file_write(path, cor_view_of(whole), 0600, &err) == COR_OK);
}

static void write_configs(void)
{
    const char *d = sim_dir();
    const struct {
        const char *name;
        char *text;
    } rows[] = {
        {"kubelite", cor_sprintf("state-dir: %s\nadmin-kubeconfig: %s/admin.kubeconfig\n"
                                 "cloud-kubeconfig: %s/cloud.kubeconfig\n",
                                 d, d, d)},
        {"cloudhub", cor_sprintf("kubeconfig: %s/cloud.kubeconfig\nnames: [192.0.2.2]\n"
                                 "enrol:\n  reusable-token: true\nstreams:\n  listen: \"\"\n",
                                 d)},
        {"edgecontroller", cor_sprintf("kubeconfig: %s/cloud.kubeconfig\n", d)},
        {"edgehub", cor_sprintf("node:\n  name: " SIM_NODE "\ncloud:\n  host: 192.0.2.2\n"
                                "identity: %s/identity\ntoken-file: %s/token\n",
                                d, d)},
        {"metamanager", cor_sprintf("database: %s/meta.db\n", d)},
        {"devicetwin",
         cor_sprintf("database: %s/twin.db\nnode:\n  name: " SIM_NODE "\n" RULES_OF_AGE, d)},
        {"eventbus", cor_sprintf("database: %s/bus.db\n" RULES_OF_AGE, d)},
        {"edged", cor_sprintf("node:\n  name: " SIM_NODE "\n  status-seconds: 60\n  lease-seconds:"
                              " 30\npods:\n  dir: %s/pods\n  log-dir: %s/logs\n"
                              "api:\n  socket: \"\"\n  listen: \"\"\ndevices:\n  dir: \"\"\n",
                              d, d)},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        write_config(rows[i].name, rows[i].text);
        cor_free(rows[i].text);
    }
}

void sim_people_begin(void)
{
    write_configs();
    sim_core_start(sim_core(SIM_PEOPLE));
    for (enum sim_id id = SIM_KUBELITE; id <= SIM_CONTROLLER; id++) {
        sim_core_start(sim_core(id));
    }
    struct setup *setup = cor_alloc(sizeof(*setup));
    /* Everything of people runs on their core: the timer belongs to its loop. */
    setup->timer = cor_timer_new(sim_core(SIM_PEOPLE)->loop, on_look, setup);
    cor_timer_start(setup->timer, COR_MS(50));
}

void sim_people_rest(void)
{
    sim_people()->quiet = true;
}
