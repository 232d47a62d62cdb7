// SPDX-License-Identifier: Apache-2.0
// Wiring: configuration, what metamanager and the runtime say, start and stop.
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pipe/address.h"
#include "services/edged/api/api.h"
#include "services/edged/csi/csi.h"
#include "services/edged/device/devices.h"
#include "services/edged/drain/drain.h"
#include "services/edged/evict/evictor.h"
#include "services/edged/evict/measurer.h"
#include "services/edged/gc/gc.h"
#include "services/edged/hold/hold.h"
#include "services/edged/logs/logs.h"
#include "services/edged/manifest/mirrors.h"
#include "services/edged/manifest/statics.h"
#include "services/edged/node/marks.h"
#include "services/edged/probe/prober.h"

enum { SAFETY_S = 60, OBJECT_MAX = 16 * 1024 * 1024 };

static const struct cor_conf_row rows[] = {
    COR_SERVICE_ROWS(struct edged_cfg),
    COR_CONF_STR_ROW(struct edged_cfg, node_name, "node.name", "",
                     "name of the node; empty: the host's name"),
    COR_CONF_STR_ROW(struct edged_cfg, node_ip, "node.ip", "",
                     "address of the node; empty: of the interface with the default route"),
    COR_CONF_STRS_ROW(struct edged_cfg, node_labels, "node.labels", "",
                      "further labels, key=value"),
    COR_CONF_STRS_ROW(struct edged_cfg, node_annotations, "node.annotations", "",
                      "further annotations, key=value"),
    COR_CONF_STRS_ROW(struct edged_cfg, node_taints, "node.taints", "",
                      "taints to register with, key=value:Effect"),
    COR_CONF_BOOL_ROW(struct edged_cfg, schedulable, "node.schedulable", "true",
                      "register as schedulable"),
    COR_CONF_BOOL_ROW(struct edged_cfg, autonomous, "node.autonomous", "true",
                      "register with the annotation coracle.io/autonomous: the cloud keeps Pods "
                      "here, however long the node is away"),
    COR_CONF_BOOL_ROW(struct edged_cfg, register_node, "node.register", "true",
                      "create the Node object; false: it must exist"),
    COR_CONF_INT_ROW(struct edged_cfg, status_seconds, "node.status-seconds", "10", 1, 3600,
                     "how often the node looks at itself"),
    COR_CONF_INT_ROW(struct edged_cfg, report_seconds, "node.report-seconds", "300", 1, 86400,
                     "how often the status is reported when nothing changes"),
    COR_CONF_INT_ROW(struct edged_cfg, lease_seconds, "node.lease-seconds", "10", 1, 30,
                     "how often the Lease (40 s) is renewed"),
    COR_CONF_INT_ROW(struct edged_cfg, kubelet_port, "node.kubelet-port", "10350", 1, 65535,
                     "port of the kubelet API, as the Node object names it"),
    COR_CONF_INT_ROW(struct edged_cfg, status_images, "node.status-images", "50", 0, 1000,
                     "images that the Node's status names, the largest"),
    COR_CONF_STR_ROW(struct edged_cfg, runtime_socket, "runtime.socket",
                     "/run/containerd/containerd.sock", "CRI socket of the container runtime"),
    COR_CONF_STR_ROW(struct edged_cfg, root_dir, "pods.dir", "/var/lib/kubelet",
                     "folder of pods and their volumes"),
    COR_CONF_STR_ROW(struct edged_cfg, pod_log_dir, "pods.log-dir", "/var/log/pods",
                     "folder of containers' logs"),
    COR_CONF_STR_ROW(struct edged_cfg, static_dir, "pods.static-dir", "",
                     "folder of static Pods' manifests (YAML, JSON); empty: none"),
    COR_CONF_STR_ROW(struct edged_cfg, cgroup_root, "pods.cgroup-root", "",
                     "cgroup that kubepods is in; empty: at the top"),
    COR_CONF_STRS_ROW(struct edged_cfg, cluster_dns, "pods.dns", "",
                      "name servers of pods with dnsPolicy ClusterFirst; empty: the node's"),
    COR_CONF_STR_ROW(struct edged_cfg, cluster_domain, "pods.domain", "cluster.local",
                     "domain of the cluster"),
    COR_CONF_STRS_ROW(struct edged_cfg, unsafe_sysctls, "pods.unsafe-sysctls", "",
                      "sysctls that Pods may set besides the safe ones; a* is all that begin so"),
    COR_CONF_INT_ROW(struct edged_cfg, pids_limit, "pods.pids-limit", "0", 0, 4194304,
                     "processes and threads that each Pod may have; 0: as many as the machine"),
    COR_CONF_BOOL_ROW(struct edged_cfg, report_events, "events", "true",
                      "report Events of pods and the node"),
    COR_CONF_BOOL_ROW(struct edged_cfg, drain_on_stop, "shutdown.drain", "false",
                      "asked to stop, end the Pods first: the machine goes down"),
    COR_CONF_INT_ROW(struct edged_cfg, shutdown_seconds, "shutdown.grace-seconds", "30", 1, 3600,
                     "time that all Pods have for it"),
    COR_CONF_INT_ROW(struct edged_cfg, shutdown_critical, "shutdown.critical-seconds", "10", 0,
                     3600, "of it the time that critical Pods have, after the others"),
    COR_CONF_STRS_ROW(struct edged_cfg, evict_hard, "evict.hard",
                      "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,"
                      "imagefs.available<15%,imagefs.inodesFree<5%",
                      "Pods go at once when less than this is left; empty: never"),
    COR_CONF_STRS_ROW(struct edged_cfg, evict_soft, "evict.soft", "",
                      "they go when less than this is left for as long as soft-grace says"),
    COR_CONF_STRS_ROW(struct edged_cfg, evict_soft_grace, "evict.soft-grace", "",
                      "how long, for each of soft: memory.available=1m30s"),
    COR_CONF_STRS_ROW(struct edged_cfg, evict_minimum_reclaim, "evict.minimum-reclaim", "",
                      "how much more is freed than a threshold asks: nodefs.available=500Mi"),
    COR_CONF_INT_ROW(struct edged_cfg, evict_transition_seconds, "evict.transition-seconds", "300",
                     0, 86400, "how long a pressure is told after it was seen last"),
    COR_CONF_INT_ROW(struct edged_cfg, evict_max_grace_seconds, "evict.max-pod-grace-seconds", "0",
                     0, 86400, "grace of a Pod that goes for a soft threshold"),
    COR_CONF_INT_ROW(struct edged_cfg, evict_look_seconds, "evict.look-seconds", "10", 1, 3600,
                     "how often what is left is looked at"),
    COR_CONF_INT_ROW(struct edged_cfg, evict_measure_seconds, "evict.measure-seconds", "60", 1,
                     3600, "how often is measured what Pods with limits of storage have written"),
    COR_CONF_STR_ROW(struct edged_cfg, evict_root, "evict.root", "",
                     "before /proc and /sys where memory, processes and huge pages are counted"),
    COR_CONF_INT_ROW(struct edged_cfg, images_high_percent, "images.high-percent", "85", 1, 100,
                     "use of the disk at which images go; 100: never"),
    COR_CONF_INT_ROW(struct edged_cfg, images_low_percent, "images.low-percent", "80", 0, 99,
                     "use of the disk at which no more images go"),
    COR_CONF_INT_ROW(struct edged_cfg, images_min_age_seconds, "images.min-age-seconds", "120", 0,
                     31536000, "an unused image is kept this long at least"),
    COR_CONF_INT_ROW(struct edged_cfg, images_period_seconds, "images.period-seconds", "300", 1,
                     86400, "how often the images' disk is looked at"),
    COR_CONF_STR_ROW(struct edged_cfg, logs_max_size, "logs.max-size", "10Mi",
                     "a container's log of this size is put aside; 0: never"),
    COR_CONF_INT_ROW(struct edged_cfg, logs_max_files, "logs.max-files", "5", 2, 1000,
                     "files of a container's log that are kept"),
    COR_CONF_INT_ROW(struct edged_cfg, logs_look_seconds, "logs.look-seconds", "10", 1, 3600,
                     "how often logs are looked at, but those that fill up sooner"),
    COR_CONF_STR_ROW(struct edged_cfg, api_socket, "api.socket", "edged.sock",
                     "unix socket of the node's API, in run-dir; empty: none"),
    COR_CONF_STR_ROW(struct edged_cfg, api_listen, "api.listen", "127.0.0.1:10350",
                     "address of the node's API, with a token; empty: none"),
    COR_CONF_STR_ROW(struct edged_cfg, api_token_file, "api.token-file", "edged-api.token",
                     "file with that token, in run-dir; made when there is none"),
    COR_CONF_STR_ROW(struct edged_cfg, devices_dir, "devices.dir", "device-plugins",
                     "folder where device plug-ins register, in pods.dir; empty: none may"),
    COR_CONF_INT_ROW(struct edged_cfg, devices_gone_seconds, "devices.gone-seconds", "300", 0,
                     86400, "devices of a plug-in that is gone are counted this long"),
    COR_CONF_BOOL_ROW(struct edged_cfg, csi_enabled, "csi.enabled", "false",
                      "CSI drivers may register, in plugins_registry in pods.dir"),
    COR_CONF_INT_ROW(struct edged_cfg, csi_look_seconds, "csi.look-seconds", "300", 1, 86400,
                     "between looks whether claims of Pods that run have grown"),
};

/* ---- what metamanager says ---- */

static void on_session(void *self, bool up)
{
    struct agent *agent = self;
    agent->session = up;
    if (up) {
        agent_session_begin(agent);
    } else {
        agent->link = false;
    }
}

static void on_pod(struct agent *agent, const struct px_object *object, const struct px_key *key)
{
    (void)key;
    if (object->gone) {
        agent_drop_pod(agent, object->key, object->uid);
    } else {
        agent_put_pod(agent, object->key, object->uid, object->body);
    }
}

static void on_config(struct agent *agent, const struct px_object *object, const struct px_key *key)
{
    auto_(cor_json_free) struct cor_json *json = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (!object->gone && cor_json_parse(object->body, OBJECT_MAX, 0, &json, &err) != COR_OK) {
        LOGW(agent->log, "edged.object-unreadable", "key=%s error=%s", cor_log_esc(object->key),
             cor_log_esc(cor_view_of(err.text)));
        return;
    }
    prepare_object(agent, cor_view_is(key->type, "secret"), key->ns, key->name, json);
}

static void on_node(struct agent *agent, const struct px_object *object, const struct px_key *key)
{
    if (!object->gone && cor_view_is(key->name, agent->cfg->node_name)) {
        registrar_node(agent->registrar, object->body);
    }
}

static void on_object(void *self, const struct px_object *object)
{
    static const struct {
        const char *type;
        void (*fn)(struct agent *agent, const struct px_object *object, const struct px_key *key);
    } types[] = {
        {"pod", on_pod}, {"configmap", on_config}, {"secret", on_config}, {"node", on_node}};
    struct px_key key;
    struct cor_ledger_counts *books = ((struct agent *)self)->books.objects;
    if (!px_key_parse(object->key, &key)) {
        cor_ledger_refuse(books, 1);
        return;
    }
    cor_ledger_accept(books, 1, &books->delivered);
    for (size_t i = 0; i < COR_COUNT(types); i++) {
        if (cor_view_is(key.type, types[i].type)) {
            types[i].fn(self, object, &key);
        }
    }
}

static void on_done(void *self)
{
    agent_session_done(self);
}

static void on_link(void *self, bool up)
{
    struct agent *agent = self;
    agent->link = up;
    if (up) {
        registrar_link(agent->registrar);
        csi_node_look(agent->csi, false);
        teller_go_on(agent->teller);
        report_at_once(agent);
        mirrors_look_at_all(agent->mirrors);
    } else {
        csi_node_reported(agent->csi, false);
    }
}

static const struct meta_events meta_events = {on_session, on_object, on_done, on_link};

/* ---- what the runtime says ---- */

static void on_runtime(void *self, bool up)
{
    struct agent *agent = self;
    LOGI(agent->log, up ? "edged.runtime-up" : "edged.runtime-down", "socket=%s",
         agent->cfg->runtime_socket);
    agent->listed = false;
    size_t at = 0;
    void *value = NULL;
    while (!up && cor_map_next(agent->pods, &at, NULL, &value)) {
        run_lost_runtime(((struct agent_pod *)value)->run);
    }
    registrar_runtime(agent->registrar);
    if (up) {
        gc_look(agent->gc);
    }
}

static void on_exited(void *self, const char *id)
{
    struct agent *agent = self;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        size_t index = run_find(pod->run, id);
        if (index < pod->run->count) {
            run_told_end(pod->run, index);
            agent_touch(pod);
            return;
        }
        if (run_same(pod->run->sandbox.id, id)) {
            run_told_box_end(pod->run);
            agent_touch(pod);
            return;
        }
    }
}

static void on_resynced(void *self)
{
    relist_start(self);
}

static const struct cri_events cri_events = {on_runtime, on_exited, on_resynced};

static void on_safety(void *self)
{
    struct agent *agent = self;
    if (cri_is_up(agent->cri)) {
        relist_start(agent);
    }
    report_old(agent);
}

/* ---- start and stop ---- */

static void add_stats(void *self, struct cor_buf *out)
{
    const struct agent *agent = self;
    cor_buf_fmt(out,
                ",\"pods\":%zu,\"runtime\":%s,\"link\":%s,\"starts\":%" PRIu64
                ",\"restarts\":%" PRIu64 ",\"statusPatches\":%" PRIu64 ",\"eventsSent\":%" PRIu64
                ",\"eventsLost\":%" PRIu64 ",\"streams\":%zu",
                cor_map_count(agent->pods), cri_is_up(agent->cri) ? "true" : "false",
                agent->link ? "true" : "false", agent->starts, agent->restarts, agent->patches,
                agent->events_sent, agent->events_lost, api_count(agent->api));
}

static const struct cor_ctl_verb VERBS[] = {
    {"unhold", "let held Pods go: {\"pod\":\"NS/NAME\"}, {\"node\":\"NAME\"} or {\"all\":true}",
     hold_ctl},
};

static void fill_node(struct agent *agent)
{
    const struct edged_cfg *cfg = agent->cfg;
    agent->node = (struct crispec_node){
        .root_dir = cfg->root_dir,
        .log_dir = cfg->pod_log_dir,
        .cgroup_root = cfg->cgroup_root,
        .dns = (const char *const *)cfg->cluster_dns.items,
        .dns_count = cfg->cluster_dns.count,
        .domain = cfg->cluster_domain,
        .memory = agent->host.memory,
        .resolv = agent->host.resolv,
        .huge = &agent->huge,
    };
    agent->facts.node = cfg->node_name;
    const char *ip = cfg->node_ip[0] != '\0' ? cfg->node_ip : agent->host.ip;
    agent->facts.host_ips[0] = ip;
    agent->facts.host_ip_count = ip[0] != '\0' ? 1 : 0;
}

/* The host's name in lower case, as Kubernetes wants names. */
static char *host_name(void)
{
    char name[256] = "";
    (void)gethostname(name, sizeof(name) - 1);
    for (char *c = name; *c != '\0'; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
    }
    return cor_strdup(name);
}

static enum cor_code check(const void *config, struct cor_err *err)
{
    const struct edged_cfg *cfg = config;
    enum cor_code code =
        marks_check(&cfg->node_labels, &cfg->node_annotations, &cfg->node_taints, err);
    if (code != COR_OK) {
        return code;
    }
    const char *const paths[] = {cfg->runtime_socket, cfg->root_dir, cfg->pod_log_dir};
    if (cfg->node_name[0] != '\0' && !cor_is_dns_subdomain(cor_view_of(cfg->node_name))) {
        return cor_err_set(err, COR_INVALID, "node.name: expected a DNS name in lower case");
    }
    for (size_t i = 0; i < COR_COUNT(paths); i++) {
        if (paths[i][0] != '/') {
            return cor_err_set(err, COR_INVALID, "%.100s: expected an absolute path", paths[i]);
        }
    }
    if (cfg->static_dir[0] != '\0' && cfg->static_dir[0] != '/') {
        return cor_err_set(err, COR_INVALID, "pods.static-dir: expected an absolute path");
    }
    if (cfg->cgroup_root[0] != '\0' && cfg->cgroup_root[0] != '/') {
        return cor_err_set(err, COR_INVALID, "pods.cgroup-root: expected an absolute path");
    }
    struct rotate_rules rotation;
    struct images_rules images;
    struct evict_rules eviction;
    union cor_address address;
    socklen_t len = 0;
    if (cfg->api_listen[0] != '\0' &&
        (cfg->api_listen[0] == '/' || !cor_address_parse(cfg->api_listen, &address, &len))) {
        return cor_err_set(err, COR_INVALID, "api.listen: expected a numeric address with a port");
    }
    if (cfg->api_listen[0] != '\0' && cfg->api_token_file[0] == '\0') {
        return cor_err_set(err, COR_INVALID, "api.token-file: expected a path");
    }
    code = logs_rules(cfg, &rotation, err);
    code = code == COR_OK ? gc_rules(cfg, &images, err) : code;
    return code == COR_OK ? evictor_rules(cfg, &eviction, err) : code;
}

static enum cor_code open_all(struct agent *agent, struct cor_err *err)
{
    enum cor_code code = cor_mkdirs(agent->cfg->root_dir, 0750, err);
    if (code == COR_OK) {
        code = cor_mkdirs(agent->cfg->pod_log_dir, 0755, err);
    }
    if (code == COR_OK) {
        code = meta_open(agent->service->bus, &meta_events, agent, &agent->meta, err);
    }
    if (code == COR_OK) {
        code = api_tunnel_open(agent, &agent->tunnel, err);
    }
    return code;
}

static enum cor_code start(struct cor_service *service, void **self_r, struct cor_err *err)
{
    struct agent *agent = cor_alloc(sizeof(*agent));
    agent->service = service;
    agent->log = service->log;
    agent->loop = service->loop;
    agent->cfg = service->cfg;
    *self_r = agent;
    struct edged_cfg *cfg = (struct edged_cfg *)(uintptr_t)service->cfg;
    if (cfg->node_name[0] == '\0') {
        cor_free(cfg->node_name);
        cfg->node_name = host_name();
    }
    if (cfg->drain_on_stop) {
        enum { MORE_S = 10 }; /* for the reports */
        cfg->common.drain_ms = (cfg->shutdown_seconds + cfg->shutdown_critical + MORE_S) * 1000;
    }
    books_open(&agent->books, service->bus);
    hostinfo_read(&agent->host, agent->cfg->root_dir);
    huge_read(agent->cfg->evict_root, &agent->huge);
    fill_node(agent);
    agent->pods = cor_map_new(agent_pod_free);
    agent->unclaimed = cor_map_new(NULL);
    agent->teller = teller_new(agent);
    agent->registrar = registrar_new(agent);
    agent->api = api_new(agent);
    agent->prober = prober_new(agent);
    enum cor_code code = open_all(agent, err);
    if (code != COR_OK) {
        return code;
    }
    agent->cri = cri_new(agent->loop, agent->cfg->runtime_socket, &cri_events, agent);
    agent->logs = logs_new(agent);
    agent->devices = devices_new(agent);
    agent->csi = csi_new(agent);
    agent->gc = gc_new(agent);
    agent->evictor = evictor_new(agent);
    agent->measurer = measurer_new(agent);
    agent->mirrors = mirrors_new(agent);
    agent->statics = statics_new(agent);
    agent->hook = cor_hook_new(agent->loop, agent_round, agent);
    agent->safety = cor_timer_new(agent->loop, on_safety, agent);
    cor_timer_repeat(agent->safety, COR_SEC(SAFETY_S));
    cor_bus_stats(service->bus, add_stats, agent);
    cor_bus_ctl(service->bus, VERBS, COR_COUNT(VERBS), agent);
    teller_node_note(agent, false, "Starting", "Starting kubelet.");
    agent->http = api_http_open(agent);
    cor_service_ready(service);
    return COR_OK;
}

static void drain(void *self)
{
    struct agent *agent = self;
    if (agent->cfg->drain_on_stop) {
        agent->drain = drain_new(agent);
    } else {
        cor_service_drained(agent->service);
    }
}

/* Containers go on running without edged. */
static void stop(void *self)
{
    struct agent *agent = self;
    api_http_close(&agent->http);
    api_tunnel_close(&agent->tunnel);
    api_free(&agent->api);
    cor_hook_free(&agent->hook);
    cor_timer_free(&agent->safety);
    cri_free(&agent->cri);
    devices_free(&agent->devices);
    meta_close(&agent->meta);
    statics_free(&agent->statics);
    mirrors_free(&agent->mirrors);
    csi_free(&agent->csi); /* answers of metamanager may begin something */
    logs_free(&agent->logs);
    drain_free(&agent->drain);
    measurer_free(&agent->measurer);
    evictor_free(&agent->evictor);
    gc_free(&agent->gc);
    relist_free(&agent->relist);
    registrar_free(&agent->registrar);
    teller_free(&agent->teller);
    cor_map_free(&agent->pods);
    cor_map_free(&agent->unclaimed);
    prober_free(&agent->prober);
    hostinfo_free(&agent->host);
    books_close(&agent->books);
    cor_free(agent);
}

const struct cor_service_spec *edged_spec(void)
{
    static const struct cor_service_spec spec = {
        .name = "edged",
        .summary = "Runs the node's Pods in containers and reports how they and the node stand.",
        .conf = {rows, COR_COUNT(rows)},
        .cfg_size = sizeof(struct edged_cfg),
        .flag = "drain",
        .flag_doc = "Asked to stop, end the Pods first (shutdown.drain)",
        .flag_offset = offsetof(struct edged_cfg, drain_on_stop),
        .messages = px_messages,
        .check = check,
        .start = start,
        .drain = drain,
        .stop = stop,
    };
    return &spec;
}
