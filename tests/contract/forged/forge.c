// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/forged/forge.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/file.h"
#include "common/base/must.h"
#include "common/base/socket.h"
#include "proto/kubeedge/calls.h"
#include "proto/kubeedge/id.h"
#include "tests/support/bus/stats.h"
#include "tests/support/text/text.h"

enum { SILENCE_MS = 600000 };

/* ---- the cloud side ---- */

/* Its log goes to a file of the folder. */
static void start_logged(struct forge *f, const char *program, const char *config,
                         struct test_process *process)
{
    const char *dir = f->w.stage->dir;
    char line[64];
    auto_(cor_freep) char *path = cor_sprintf(CORACLE_BINARY_DIR "/bin/%s", program);
    auto_(cor_freep) char *name = cor_sprintf("%s.yaml", program);
    auto_(cor_freep) char *file = cor_sprintf("%s/%s", dir, name);
    auto_(cor_freep) char *log = cor_sprintf("%s/%s.log", dir, program);
    auto_(cor_freep) char *text = cor_sprintf("run-dir: %s/run\n%s", dir, config);
    test_write(dir, name, text);
    const char *const argv[] = {path, "--config", file, "--ready-fd", "READY-FD", NULL};
    test_process_start(process, argv, log, line, sizeof(line));
}

static void start_kubelite(struct forge *f)
{
    int fd = -1;
    assert_int_equal(cor_socket_listen("127.0.0.1", 0, &fd, NULL), COR_OK);
    f->w.api_port = cor_socket_port(fd);
    cor_fd_close(&fd);
    auto_(cor_freep) char *file = cor_sprintf("%s/admin.kubeconfig", f->w.stage->dir);
    auto_(cor_freep) char *text =
        cor_sprintf("state-dir: %s/state\nlisten: [\"127.0.0.1:%d\"]\nadmin-kubeconfig: "
                    "%s\nlog-level: warn\n",
                    f->w.stage->dir, f->w.api_port, file);
    start_logged(f, "kubelite", text, &f->kubelite);
    struct cor_kube_config config = {0};
    assert_int_equal(cor_kube_config_load(file, &config, NULL), COR_OK);
    assert_int_equal(cor_kube_new(f->w.stage->loop, &config, &f->w.kube, NULL), COR_OK);
    cor_kube_config_free(&config);
}

static void start_controller(struct forge *f)
{
    auto_(cor_freep) char *config = cor_sprintf(
        "kubeconfig: %s/admin.kubeconfig\nentrance: {enable: false}\n", f->w.stage->dir);
    start_logged(f, "edgecontroller", config, &f->controller);
}

static void start_hub(struct forge *f)
{
    auto_(cor_freep) char *config = cor_sprintf(
        "kubeconfig: %s/admin.kubeconfig\nnames: [127.0.0.1]\n"
        "listen: {address: 127.0.0.1, port: 0}\n"
        "enrol: {address: 127.0.0.1, port: 0}\nstreams: {listen: \"\"}\nlink: {keepalive-ms: %d}\n",
        f->w.stage->dir, SILENCE_MS);
    start_logged(f, "cloudhub", config, &f->hub.hub);
    auto_(cor_freep) char *log = test_read(f->w.stage->dir, "cloudhub.log");
    f->hub.link_port = (int)test_number(log, "link");
    f->hub.enrol_port = (int)test_number(log, "enrol");
    assert_true(f->hub.link_port > 0 && f->hub.enrol_port > 0);
}

/* ---- what there is ---- */

#define CORE "/api/v1/namespaces/"
#define DEVICES "/apis/devices.kubeedge.io/v1beta1/namespaces/default/"
#define EVENT_OF_N2                                                                                \
    "'involvedObject':{'kind':'Pod','namespace':'default','name':'p2'},'source':{'host':'n2'},"    \
    "'reason':'r','message':'m','count':1,'type':'Normal'"

/* n1 has p1, which names s1, c1; n2 has the rest. Pod p0 is nobody's yet. */
static const struct {
    const char *path, *body;
} THINGS[] = {
    {"/api/v1/nodes",
     "{'metadata':{'name':'n1','labels':{'node-role.kubernetes.io/edge':''}},'spec':{}}"},
    {"/api/v1/nodes",
     "{'metadata':{'name':'n2','labels':{'node-role.kubernetes.io/edge':''}},'spec':{}}"},
    {CORE "default/serviceaccounts", "{'metadata':{'name':'robot1'}}"},
    {CORE "default/serviceaccounts", "{'metadata':{'name':'robot2'}}"},
    {CORE "default/secrets", "{'metadata':{'name':'s1'},'data':{'k':'MQ=='}}"},
    {CORE "default/secrets", "{'metadata':{'name':'s2'},'data':{'k':'Mg=='}}"},
    {CORE "default/configmaps", "{'metadata':{'name':'c1'},'data':{'k':'1'}}"},
    {CORE "default/configmaps", "{'metadata':{'name':'c2'},'data':{'k':'2'}}"},
    {CORE "default/pods",
     "{'metadata':{'name':'p1'},'spec':{'nodeName':'n1','serviceAccountName':'robot1','volumes':[{"
     "'name':'v','secret':{'secretName':'s1'}},{'name':'w','configMap':{'name':'c1'}}],"
     "'containers':[{'name':'c','image':'i:1'}]}}"},
    {CORE "default/pods",
     "{'metadata':{'name':'p2'},'spec':{'nodeName':'n2','serviceAccountName':'robot2','volumes':[{"
     "'name':'v','secret':{'secretName':'s2'}},{'name':'w','configMap':{'name':'c2'}}],"
     "'containers':[{'name':'c','image':'i:1'}]}}"},
    {CORE "default/pods", "{'metadata':{'name':'p0'},'spec':{'nodeSelector':{'nowhere':'1'},"
                          "'containers':[{'name':'c','image':'i:1'}]}}"},
    {CORE "default/events", "{'metadata':{'name':'e2','namespace':'default'}," EVENT_OF_N2 "}"},
    {"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
     "{'metadata':{'name':'n2'},'spec':{'holderIdentity':'n2','leaseDurationSeconds':40,"
     "'renewTime':'2030-01-01T00:00:00.000000Z'}}"},
    {DEVICES "devicemodels",
     "{'apiVersion':'devices.kubeedge.io/v1beta1','kind':'DeviceModel','metadata':{'name':'m'},"
     "'spec':{'properties':[{'name':'t','type':'INT','accessMode':'ReadWrite'}],'protocol':'x'}}"},
    {DEVICES "devices",
     "{'apiVersion':'devices.kubeedge.io/v1beta1','kind':'Device','metadata':{'name':'d2'},"
     "'spec':{'nodeName':'n2','deviceModelRef':{'name':'m'},'protocol':{'protocolName':'x'},"
     "'properties':[{'name':'t','desired':{'value':'1'},'visitors':{'protocolName':'x'}}]}}"},
    {"/apis/reliablesyncs.kubeedge.io/v1alpha1/namespaces/default/objectsyncs",
     "{'apiVersion':'reliablesyncs.kubeedge.io/v1alpha1','kind':'ObjectSync','metadata':{'name':"
     "'n2.0b8b1f6e-0000-4000-8000-000000000000'},'spec':{'objectAPIVersion':'v1','objectKind':"
     "'Pod','objectName':'p2'}}"},
};

struct thing {
    struct forge *f;
    const char *path, *text;
};

static bool is_taken(void *self)
{
    const struct thing *thing = self;
    world_api(&thing->f->w, "POST", thing->path, thing->text);
    return thing->f->w.status == 201;
}

/* Until it is taken: kinds and namespaces become known by and by. */
static void make(struct forge *f, const char *path, const char *body)
{
    auto_(cor_freep) char *text = test_quoted(body);
    struct thing thing = {f, path, text};
    if (stage_poll(f->w.stage, is_taken, &thing)) {
        return;
    }
    auto_(cor_freep) char *why = cor_json_text(f->w.body);
    fail_msg("%s: %d %s", path, f->w.status, why);
}

static void make_all(struct forge *f)
{
    static const char *const CRDS[] = {
        "device.yaml", "devicemodel.yaml",  "objectsync.yaml",  "clusterobjectsync.yaml",
        "rule.yaml",   "ruleendpoint.yaml", "devicestatus.yaml"};
    for (size_t i = 0; i < COR_COUNT(CRDS); i++) {
        world_crd(&f->w, CRDS[i]);
    }
    for (size_t i = 0; i < COR_COUNT(THINGS); i++) {
        make(f, THINGS[i].path, THINGS[i].body);
    }
}

static const char *const LISTS[] = {
    "/api/v1/nodes",
    "/api/v1/pods",
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/api/v1/events",
    "/api/v1/serviceaccounts",
    "/api/v1/services",
    "/api/v1/namespaces",
    "/apis/coordination.k8s.io/v1/leases",
    "/apis/apps/v1/deployments",
    "/apis/devices.kubeedge.io/v1beta1/devices",
    "/apis/devices.kubeedge.io/v1beta1/devicemodels",
    "/apis/devices.kubeedge.io/v1beta1/devicestatuses",
    "/apis/reliablesyncs.kubeedge.io/v1alpha1/objectsyncs",
    "/apis/reliablesyncs.kubeedge.io/v1alpha1/clusterobjectsyncs",
    "/apis/rules.kubeedge.io/v1/rules",
};

static char *look(struct forge *f)
{
    struct cor_buf text = {0};
    for (size_t i = 0; i < COR_COUNT(LISTS); i++) {
        world_api(&f->w, "GET", LISTS[i], NULL);
        assert_int_equal(f->w.status, 200);
        cor_buf_fmt(&text, "%s\n", LISTS[i]);
        const struct cor_json *items = cor_json_get(f->w.body, "items");
        for (size_t k = 0; k < cor_json_count(items); k++) {
            cor_json_write(cor_json_item(items, k), &text);
            cor_buf_str(&text, "\n");
        }
    }
    return cor_buf_take(&text);
}

/* When nothing changes any more: controllers end what they are about. */
char *forge_snapshot(struct forge *forge)
{
    enum { LOOKS = 150, SAME = 3 };
    char *now = look(forge);
    int same = 0;
    for (int i = 0; i < LOOKS && same < SAME; i++) {
        stage_idle(forge->w.stage, 200);
        auto_(cor_freep) char *before = now;
        now = look(forge);
        same = strcmp(before, now) == 0 ? same + 1 : 0;
    }
    if (same == SAME) {
        return now;
    }
    fail_msg("the API does not come to rest");
    return now;
}

/* ---- the link ---- */

static void end_one(struct forge *f, struct cor_view id, int status, struct cor_view text)
{
    char *key = cor_map_take(f->asked, id);
    if (key == NULL) {
        return; /* not an answer */
    }
    f->answered++;
    f->last.status = status;
    (void)snprintf(f->last.text, sizeof(f->last.text), "%.*s", COR_VIEW_ARG(text));
    if (status / 100 == 2) {
        cor_buf_fmt(&f->taken, "%s %d\n", key, status);
    }
    cor_free(key);
}

static void on_text(void *self, struct cor_view message)
{
    struct forge *f = self;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    auto_(cor_buf_free) struct cor_buf body = {0};
    assert_int_equal(px_kubeedge_read(message, &in, NULL), COR_OK);
    if (cor_map_get(f->asked, cor_view_of(in.parent)) != NULL) {
        bool report = strcmp(in.group, "twin") == 0;
        uint64_t status =
            report ? 0 : px_kubeedge_answered(cor_view_of(in.resource), in.content, &body);
        end_one(f, cor_view_of(in.parent), (int)status, cor_buf_as_view(&body));
    }
}

static void on_reply(struct forge *f, const struct px_frame *frame)
{
    auto_(cor_freep) char *id = cor_sprintf("%lu", (unsigned long)frame->head.re);
    struct px_api_reply reply = {0};
    if (frame->head.number == PX_api_reply) {
        assert_int_equal(px_frame_body(frame, NULL, &reply, NULL), COR_OK);
    }
    end_one(f, cor_view_of(id), (int)reply.status, reply.body);
}

static void on_binary(void *self, struct cor_view bytes)
{
    struct forge *f = self;
    auto_(cor_buf_free) struct cor_buf keep = {0};
    struct px_frame frame;
    bool whole = false;
    assert_int_equal(px_lanes_hear(&f->lanes, bytes, &keep, &frame, &whole, NULL), COR_OK);
    if (!whole || frame.message == NULL) {
        return;
    }
    if (frame.head.number == PX_link_hello) {
        struct px_link_hello hello;
        assert_int_equal(px_frame_body(&frame, NULL, &hello, NULL), COR_OK);
        assert_int_equal(px_end_hello(&f->end, &hello, NULL), COR_OK);
    } else if (frame.head.number == COR_WIRE_CREDIT) {
        struct cor_wire_credit credit;
        assert_int_equal(px_frame_body(&frame, NULL, &credit, NULL), COR_OK);
        px_end_credit(&f->end, credit.limit);
    } else if (frame.head.re != 0) {
        on_reply(f, &frame);
    }
}

static void put(struct forge *f, const struct cor_wire_header *head, const void *body)
{
    auto_(cor_buf_free) struct cor_buf frame = {0};
    px_frame_write(head, body, (struct cor_view){0}, &frame);
    assert_int_equal(cor_ws_send_binary(f->conn, cor_buf_as_view(&frame)), COR_OK);
    if (px_frame_is_counted(px_frame_message(head->number))) {
        px_end_sent(&f->end);
    }
}

static void on_opened(void *self, struct cor_ws_conn *conn)
{
    struct forge *f = self;
    f->conn = conn;
    f->opened = true;
    assert_int_equal(cor_ws_subprotocol(conn) != NULL, f->coracle);
    if (f->coracle) {
        struct cor_wire_header head = {.number = PX_link_hello};
        struct px_link_hello hello;
        px_end_begin(&f->end, &hello);
        hello.heartbeat_ms = SILENCE_MS;
        put(f, &head, &hello);
    }
}

static void on_closed(void *self, const char *reason)
{
    struct forge *f = self;
    (void)reason;
    f->conn = NULL;
    f->closed = true;
}

static const struct cor_ws_events NODE = {
    .opened = on_opened, .message = on_text, .binary = on_binary, .closed = on_closed};

static bool is_up(void *arg)
{
    const struct forge *f = arg;
    return f->closed || (f->opened && (!f->coracle || f->end.open));
}

static void connect_node(struct forge *f)
{
    const struct cor_ws_header headers[] = {
        {"Node_id", "n1"}, {"Project_id", "p"}, {"Connectionuse", "msg"}, {NULL, NULL}};
    struct cor_ws_target target = {.host = "127.0.0.1",
                                   .port = f->hub.link_port,
                                   .path = "/p/n1/events",
                                   .headers = headers,
                                   .tls = {.cert = f->n1.cert, .key = f->n1.key, .ca = f->n1.ca},
                                   .timeout_us = COR_SEC(30)};
    f->conn = cor_ws_dial(f->hub.ws, &target, 0, &NODE, f);
    world_until(&f->w, is_up, f);
    assert_false(f->closed);
}

/* ---- saying ---- */

static const char *word_of(enum px_verb verb)
{
    static const char *const words[] = {
        [PX_VERB_GET] = "query",     [PX_VERB_LIST] = "query",  [PX_VERB_CREATE] = "insert",
        [PX_VERB_UPDATE] = "update", [PX_VERB_PATCH] = "patch", [PX_VERB_DELETE] = "delete"};
    return words[verb];
}

/* Remembers that the message is answered. */
static void expect(struct forge *f, const char *id, const char *key)
{
    f->expected++;
    cor_map_set(f->asked, cor_view_of(id), cor_strdup(key));
}

static void send_text(struct forge *f, const char *id, const char *route, const char *body,
                      const char *key)
{
    auto_(cor_freep) char *text = cor_sprintf(
        "{\"header\":{\"msg_id\":\"%s\",\"timestamp\":1},\"route\":{%s},\"content\":%s}\n", id,
        route, body);
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    auto_(px_kubeedge_call_free) struct px_kubeedge_call call = {0};
    assert_int_equal(px_kubeedge_read(cor_view_of(text), &in, NULL), COR_OK);
    bool edged = strcmp(in.source, "edged") == 0;
    if (edged && px_kubeedge_asked(&in, &call) && px_kubeedge_is_answered(cor_view_of(call.key))) {
        expect(f, id, key);
    }
    assert_int_equal(cor_ws_send(f->conn, cor_view_of(text)), COR_OK);
}

static void say_kubeedge(struct forge *f, const struct said *said, const char *body)
{
    char id[COR_UUID_LEN + 1];
    px_kubeedge_id_to_uuid(f->said, 1, id);
    auto_(cor_freep) char *route =
        cor_sprintf("\"source\":\"%s\",\"group\":\"meta\",\"operation\":\"%s\",\"resource\":\"%s\"",
                    said->source == NULL ? "edged" : said->source, word_of(said->verb), said->key);
    send_text(f, id, route, body, said->key);
}

static void say_coracle(struct forge *f, const struct said *said, const char *body)
{
    struct cor_wire_header head = {.number = PX_api_call, .id = f->said};
    struct px_api_call call = {.verb = said->verb,
                               .key = cor_view_of(said->key),
                               .patch = said->verb == PX_VERB_PATCH ? PX_PATCH_MERGE : 0,
                               .body = cor_view_of(body)};
    auto_(cor_freep) char *id = cor_sprintf("%lu", (unsigned long)f->said);
    expect(f, id, said->key);
    put(f, &head, &call);
}

void forge_say(struct forge *forge, const struct said *said)
{
    auto_(cor_freep) char *body = test_quoted(said->body);
    forge->said++;
    if (forge->coracle) {
        say_coracle(forge, said, body);
    } else {
        say_kubeedge(forge, said, body);
    }
}

void forge_report(struct forge *forge, const char *device)
{
    static const char TWIN[] = "{\"event_id\":\"\",\"timestamp\":1,\"twin\":{\"t\":{\"actual\":{"
                               "\"value\":\"666\",\"metadata\":{\"timestamp\":1}}}}}";
    char uuid[COR_UUID_LEN + 1];
    forge->said++;
    if (forge->coracle) {
        struct cor_wire_header head = {.number = PX_device_report, .id = forge->said};
        struct px_device_report report = {
            .device = cor_view_of(device), .kind = PX_REPORT_TWIN, .body = cor_view_of(TWIN)};
        auto_(cor_freep) char *id = cor_sprintf("%lu", (unsigned long)forge->said);
        expect(forge, id, device);
        put(forge, &head, &report);
        return;
    }
    px_kubeedge_id_to_uuid(forge->said, 1, uuid);
    auto_(cor_freep) char *route =
        cor_sprintf("\"source\":\"twin\",\"group\":\"resource\",\"operation\":\"update\","
                    "\"resource\":\"device/%s/twin/edge_updated\"",
                    device);
    expect(forge, uuid, device);
    send_text(forge, uuid, route, TWIN, device);
}

struct settling {
    const struct forge *forge;
    uint64_t left;
};

static bool has_settled(void *arg)
{
    const struct settling *s = arg;
    return s->forge->closed || s->forge->expected - s->forge->answered <= s->left;
}

void forge_settle(struct forge *forge, uint64_t left)
{
    struct settling settling = {forge, left};
    world_until(&forge->w, has_settled, &settling);
    assert_false(forge->closed);
}

int forge_ask(struct forge *forge, const struct said *said)
{
    forge_settle(forge, 0);
    forge_say(forge, said);
    forge_settle(forge, 0);
    return forge->last.status;
}

/* ---- counting ---- */

static uint64_t count_of(struct forge *f, const char *service)
{
    auto_(cor_freep) char *ctl = cor_sprintf("%s/run/ctl/%s", f->w.stage->dir, service);
    int64_t denied = test_stat(ctl, "denied");
    assert_true(denied >= 0);
    return (uint64_t)denied;
}

uint64_t forge_denied(struct forge *forge)
{
    return count_of(forge, "cloudhub") + count_of(forge, "edgecontroller");
}

/* ---- life ---- */

static void open_ws(struct forge *f)
{
    struct cor_ws_limits limits = {.message = 64 * 1024 * 1024,
                                   .unfinished = 64 * 1024 * 1024,
                                   .queue = 64 * 1024 * 1024,
                                   .subprotocol = f->coracle ? PX_LINK_SUBPROTOCOL : NULL};
    assert_int_equal(cor_ws_new(f->w.stage->loop, f->w.stage->log, &limits, &f->hub.ws, NULL),
                     COR_OK);
}

static bool its_own_is_known(void *self)
{
    static const struct said OWN = {NULL, PX_VERB_GET, "default/secret/s1", "null"};
    return forge_ask(self, &OWN) == 200;
}

/* Until then edgecontroller knows nobody's things. */
static void wait_for_mirrors(struct forge *f)
{
    assert_true(stage_poll(f->w.stage, its_own_is_known, f));
    cor_buf_clear(&f->taken);
}

struct forge *forge_new(bool coracle)
{
    struct forge *f = cor_alloc(sizeof(*f));
    f->coracle = coracle;
    f->asked = cor_map_new(cor_free);
    f->w.stage = stage_new();
    f->hub.loop = f->w.stage->loop;
    f->hub.dir = f->w.stage->dir;
    start_kubelite(f);
    make_all(f);
    start_controller(f);
    start_hub(f);
    open_ws(f);
    hub_enrol(&f->hub, "n1", &f->n1);
    connect_node(f);
    wait_for_mirrors(f);
    return f;
}

void forge_free(struct forge **forge)
{
    struct forge *f = *forge;
    cor_ws_free(&f->hub.ws);
    int hub = test_process_stop(&f->hub.hub, SIGTERM);
    int controller = test_process_stop(&f->controller, SIGTERM);
    assert_true(WIFEXITED(hub) && WEXITSTATUS(hub) == 0);
    assert_true(WIFEXITED(controller) && WEXITSTATUS(controller) == 0);
    cor_kube_free(&f->w.kube);
    (void)test_process_stop(&f->kubelite, SIGTERM);
    cor_json_free(&f->w.body);
    cor_buf_free(&f->hub.body);
    cor_buf_free(&f->taken);
    px_lanes_free(&f->lanes);
    hub_identity_free(&f->n1);
    cor_map_free(&f->asked);
    stage_free(&f->w.stage);
    cor_freep(forge);
}
