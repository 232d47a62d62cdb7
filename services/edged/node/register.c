// SPDX-License-Identifier: Apache-2.0
// The Node: registered when the cloud can be reached, its status reported when it changes and now
// and then, its Lease renewed. Source: k8s.io/kubernetes pkg/kubelet/kubelet_node_status.go,
// component-helpers apimachinery/lease.
#include <string.h>

#include "common/base/mem.h"
#include "services/edged/agent.h"
#include "services/edged/csi/csi.h"
#include "services/edged/evict/evict.h"
#include "services/edged/manifest/mirrors.h"
#include "services/edged/node/marks.h"

enum { RETRY_FIRST_MS = 100, RETRY_LAST_MS = 7000, LEASE_RETRY_MS = 1000, OBJECT_MAX = 4194304 };

enum stage { NOT_REGISTERED, REGISTERING, REGISTERED };

struct registrar {
    struct agent *agent;
    struct node_info info;
    struct node_state state;
    char *runtime; /* owned: "containerd://<version>" */
    char *network_text;
    enum stage stage;
    char *uid;              /* of the Node object; "" unknown */
    struct cor_json *known; /* status reported last */
    struct cor_json *sending;
    struct cor_json *images;   /* status.images */
    struct cor_json *capacity; /* of device plug-ins */
    struct cor_json *allocatable;
    struct cor_json *handlers; /* status.runtimeHandlers; NULL: the runtime does not tell */
    struct cor_json *object;   /* the Node as the API has it; NULL: not known */
    struct books_state book;
    struct cor_mono reported;
    struct cor_mono runtime_seen; /* last time that the runtime was up */
    struct cor_json *lease;       /* as the API has it; NULL: to be asked for */
    bool marks_due;               /* labels and annotations of a Node that was there */
    bool lease_absent;
    bool lease_busy;
    struct cor_timer *retry;  /* registration */
    struct cor_timer *status; /* every status_seconds */
    struct cor_timer *renew;  /* lease */
    int64_t retry_us;
};

static void register_node(void *self);
static void report_status(struct registrar *r, bool must);
static void renew_lease(void *self);

static char *node_key(const struct registrar *r, const char *type)
{
    return cor_sprintf("null/%s/%s", type, r->agent->cfg->node_name);
}

static void add_all(struct cor_json *to, const struct cor_json *from)
{
    void *at = NULL;
    const char *name = NULL;
    struct cor_json *amount = NULL;
    while (cor_json_each(from, &at, &name, &amount)) {
        cor_json_set(to, name, cor_json_ref(amount));
    }
}

/* Huge pages are memory that nobody else can have. */
static void add_huge(const struct agent *agent, struct cor_json *status)
{
    static const char *const lists[] = {"capacity", "allocatable"};
    for (size_t i = 0; i < agent->huge.count; i++) {
        const struct huge_size *size = &agent->huge.sizes[i];
        int64_t bytes = size->bytes * size->pages;
        for (size_t k = 0; k < COR_COUNT(lists); k++) {
            cor_json_set(cor_json_get(status, lists[k]), size->resource,
                         bytes == 0 ? cor_json_str("0")
                                    : cor_json_fmt("%lldKi", (long long)(bytes / 1024)));
        }
    }
    if (huge_total(&agent->huge) > 0) {
        cor_json_set_at(status, "allocatable.memory",
                        cor_json_fmt("%lldKi", (long long)(agent->facts.memory / 1024)));
    }
}

static struct cor_json *status_now(const struct registrar *r)
{
    struct cor_json *status = node_status(&r->info, &r->state, r->known, cor_wall_now());
    add_all(cor_json_get(status, "capacity"), r->capacity);
    add_all(cor_json_get(status, "allocatable"), r->allocatable);
    add_huge(r->agent, status);
    if (r->handlers != NULL) {
        cor_json_set(status, "runtimeHandlers", cor_json_ref(r->handlers));
    }
    if (r->agent->csi != NULL) {
        cor_json_set(status, "volumesInUse", csi_volumes_in_use(r->agent->csi));
    }
    return status;
}

/* ---- status ---- */

static void on_status(void *self, int status, struct cor_view body)
{
    struct registrar *r = self;
    bool refused = status != 0 && status / 100 != 2 && status < 500;
    books_ended(r->agent->books.node, &r->book,
                status / 100 == 2 ? BOOKS_ARRIVED
                : refused         ? BOOKS_REFUSED
                                  : BOOKS_AGAIN);
    if (status / 100 == 2) {
        cor_json_free(&r->known);
        r->known = take(&r->sending);
        r->reported = cor_loop_now(r->agent->loop);
        report_status(r, false); /* what has changed meanwhile */
        csi_node_reported(r->agent->csi, true);
        return;
    }
    cor_json_free(&r->sending);
    csi_node_reported(r->agent->csi, false);
    if (status == 404) { /* somebody has deleted the Node: KubeEdge registers it again, too */
        r->stage = NOT_REGISTERED;
        register_node(r);
    } else if (refused) {
        LOGW(r->agent->log, "edged.node-status-refused", "status=%d answer=%s", status,
             cor_log_esc(body));
    }
}

/* whole: the API may have another one than what was reported last. */
static void send_status(struct registrar *r, struct cor_json *status, bool whole)
{
    auto_(cor_freep) char *key = node_key(r, "nodepatch");
    bool same = !whole && r->known != NULL && !node_status_differs(r->known, status);
    auto_(cor_json_free) struct cor_json *patch =
        same ? node_patch_heartbeats(status) : node_patch(status);
    auto_(cor_freep) char *text = cor_json_text(patch);
    r->sending = status;
    books_sent(r->agent->books.node, &r->book);
    if (!meta_call(r->agent->meta, PX_VERB_PATCH, key, PX_PATCH_STRATEGIC, cor_view_of(text),
                   on_status, r)) {
        cor_json_free(&r->sending);
    }
}

/* Reports if something has changed, or the last report is old, or must is set. */
static void report_status(struct registrar *r, bool must)
{
    struct cor_mono now = cor_loop_now(r->agent->loop);
    if (r->stage != REGISTERED || r->sending != NULL || !r->agent->link) {
        return;
    }
    struct cor_json *status = status_now(r);
    bool old = cor_mono_since(now, r->reported) >= COR_SEC(r->agent->cfg->report_seconds);
    if (must || old || node_status_differs(r->known, status)) {
        send_status(r, status, must);
    } else {
        cor_json_free(&status);
    }
}

static void keep_handlers(struct registrar *r, const struct cri_answer *answer)
{
    cor_json_free(&r->handlers);
    for (size_t i = 0; i < answer->handler_count; i++) {
        const struct cri_handler *handler = &answer->handlers[i];
        struct cor_json *one = cor_json_object();
        r->handlers = r->handlers != NULL ? r->handlers : cor_json_array();
        cor_json_set(one, "name", cor_json_str(handler->name));
        cor_json_set_at(one, "features.recursiveReadOnlyMounts",
                        cor_json_bool(handler->recursive_readonly));
        cor_json_set_at(one, "features.userNamespaces", cor_json_bool(handler->user_namespaces));
        cor_json_add(r->handlers, one);
    }
}

static void on_runtime_status(void *self, const struct cri_answer *answer)
{
    struct registrar *r = self;
    if (answer->code == COR_GONE || answer->code == COR_CLOSED) {
        return;
    }
    r->state.runtime_up = answer->code == COR_OK && answer->runtime_ready;
    r->state.network_up = answer->code == COR_OK && answer->network_ready;
    cor_free(r->network_text);
    r->network_text = cor_strdup(answer->network_text == NULL ? "" : answer->network_text);
    r->state.network_text = r->network_text;
    if (answer->code == COR_OK) {
        keep_handlers(r, answer);
    }
    report_status(r, false);
}

/* A machine that boots without a network gets its address later. */
static void look_for_address(struct registrar *r)
{
    struct agent *agent = r->agent;
    if (agent->facts.host_ip_count > 0) {
        return;
    }
    cor_free(agent->host.ip);
    agent->host.ip = hostinfo_ip();
    if (agent->host.ip[0] != '\0') {
        agent->facts.host_ips[0] = agent->host.ip;
        agent->facts.host_ip_count = 1;
        r->info.ips[0] = agent->host.ip;
        r->info.ip_count = 1;
    }
}

/* A runtime that is restarted does not make the node unready: kubelet, too, waits 30 s
 * (maxWaitForContainerRuntime). */
static void look_around(void *self)
{
    enum { RUNTIME_GRACE_S = 30 };
    struct registrar *r = self;
    struct cor_mono now = cor_loop_now(r->agent->loop);
    look_for_address(r);
    if (cri_is_up(r->agent->cri)) {
        r->runtime_seen = now;
        cri_status(r->agent->cri, on_runtime_status, r);
    } else {
        bool lately = r->runtime_seen.us != 0 &&
                      cor_mono_since(now, r->runtime_seen) < COR_SEC(RUNTIME_GRACE_S);
        r->state.runtime_up = r->state.runtime_up && lately;
        report_status(r, false);
    }
}

/* ---- registration ---- */

static void retry_later(struct registrar *r)
{
    r->retry_us = r->retry_us == 0 ? COR_MS(RETRY_FIRST_MS) : r->retry_us * 2;
    r->retry_us = r->retry_us > COR_MS(RETRY_LAST_MS) ? COR_MS(RETRY_LAST_MS) : r->retry_us;
    cor_timer_start(r->retry, r->retry_us);
}

static void keep_object(struct registrar *r, struct cor_json *node)
{
    if (cor_json_is_object(cor_json_get(node, "metadata"))) {
        cor_json_free(&r->object);
        r->object = cor_json_ref(node);
    }
}

const char *registrar_uid(const struct registrar *r)
{
    return r->uid;
}

const struct cor_json *registrar_object(const struct registrar *r)
{
    return r == NULL ? NULL : r->object; /* before it is there */
}

void registrar_pressure(struct registrar *r, const bool *pressure)
{
    static const struct {
        const char *now;
        const char *over;
    } REASONS[EVICT_PRESSURES] = {{"NodeHasInsufficientMemory", "NodeHasSufficientMemory"},
                                  {"NodeHasDiskPressure", "NodeHasNoDiskPressure"},
                                  {"NodeHasInsufficientPID", "NodeHasSufficientPID"}};
    bool *const known[EVICT_PRESSURES] = {&r->state.memory_pressure, &r->state.disk_pressure,
                                          &r->state.pid_pressure};
    for (size_t i = 0; i < EVICT_PRESSURES; i++) {
        if (*known[i] != pressure[i]) {
            const char *reason = pressure[i] ? REASONS[i].now : REASONS[i].over;
            auto_(cor_freep) char *text =
                cor_sprintf("Node %s status is now: %s", r->agent->cfg->node_name, reason);
            *known[i] = pressure[i];
            teller_node_note(r->agent, false, reason, text);
        }
    }
    report_status(r, false);
}

void registrar_shutdown(struct registrar *r)
{
    r->state.shutting_down = true;
    report_status(r, false);
}

void registrar_resources(struct registrar *r, struct cor_json *capacity,
                         struct cor_json *allocatable)
{
    cor_json_free(&r->capacity);
    cor_json_free(&r->allocatable);
    r->capacity = capacity;
    r->allocatable = allocatable;
    report_status(r, false);
}

void registrar_volumes(struct registrar *r)
{
    if (r != NULL) {
        report_status(r, false);
    }
}

bool registrar_has_told(const struct registrar *r, const char *volume)
{
    const struct cor_json *told = cor_json_get(r->known, "volumesInUse");
    for (size_t i = 0; i < cor_json_count(told); i++) {
        if (strcmp(cor_json_as_str(cor_json_item(told, i), ""), volume) == 0) {
            return true;
        }
    }
    return false;
}

void registrar_images(struct registrar *r, struct cor_json *images)
{
    cor_json_free(&r->images);
    r->images = images;
    r->state.images = images;
    report_status(r, false);
}

static void take_uid(struct registrar *r, struct cor_view body)
{
    auto_(cor_json_free) struct cor_json *node = NULL;
    if (cor_json_parse(body, OBJECT_MAX, 0, &node, NULL) == COR_OK) {
        keep_object(r, node);
        const char *uid = cor_json_str_at(node, "metadata.uid", "");
        if (uid[0] != '\0' && strcmp(uid, r->uid) != 0) {
            cor_free(r->uid);
            r->uid = cor_strdup(uid);
            mirrors_look_at_all(r->agent->mirrors);
            csi_node_look(r->agent->csi, true);
        }
    }
}

static void on_marked(void *self, int status, struct cor_view body)
{
    struct registrar *r = self;
    r->marks_due = status == 0 || status == 429 || status >= 500; /* when the link is up again */
    if (!r->marks_due && status / 100 != 2) {
        LOGW(r->agent->log, "edged.node-labels-refused", "status=%d answer=%s", status,
             cor_log_esc(body));
    }
}

/* What the settings say of a Node that is there already. */
static void send_marks(struct registrar *r)
{
    if (!r->marks_due || !r->agent->link) {
        return;
    }
    auto_(cor_freep) char *key = node_key(r, "node");
    auto_(cor_json_free) struct cor_json *status = cor_json_object();
    auto_(cor_json_free) struct cor_json *wanted = node_object(&r->info, status);
    auto_(cor_json_free) struct cor_json *patch = marks_patch(wanted, r->object);
    auto_(cor_freep) char *text = cor_json_text(patch);
    r->marks_due =
        !meta_call(r->agent->meta, PX_VERB_UPDATE, key, 0, cor_view_of(text), on_marked, r);
}

static void on_registered(void *self, int status, struct cor_view body)
{
    struct registrar *r = self;
    bool exists = status == 409;
    if (status / 100 != 2 && !exists) {
        r->stage = NOT_REGISTERED;
        if (status != 0 && status != 503) {
            LOGW(r->agent->log, "edged.not-registered", "status=%d answer=%s", status,
                 cor_log_esc(body));
        }
        retry_later(r);
        return;
    }
    r->stage = REGISTERED;
    r->retry_us = 0;
    LOGI(r->agent->log, "edged.registered", "node=%s new=%d", r->agent->cfg->node_name, !exists);
    if (!exists) {
        take_uid(r, body);
    }
    r->marks_due = exists && r->agent->cfg->register_node;
    send_marks(r);
    report_status(r, true);
    renew_lease(r);
}

static void register_node(void *self)
{
    struct registrar *r = self;
    if (r->stage != NOT_REGISTERED || !r->agent->link) {
        return;
    }
    if (!r->agent->cfg->register_node) {
        on_registered(r, 409, (struct cor_view){0});
        return;
    }
    auto_(cor_freep) char *key = node_key(r, "node");
    auto_(cor_json_free) struct cor_json *status = status_now(r);
    auto_(cor_json_free) struct cor_json *node = node_object(&r->info, status);
    auto_(cor_freep) char *text = cor_json_text(node);
    r->stage = REGISTERING;
    if (!meta_call(r->agent->meta, PX_VERB_CREATE, key, 0, cor_view_of(text), on_registered, r)) {
        r->stage = NOT_REGISTERED;
        retry_later(r);
    }
}

/* ---- lease ---- */

static void lease_again(struct registrar *r, int64_t after_us)
{
    r->lease_busy = false;
    cor_timer_start(r->renew, after_us);
}

static void keep_lease(struct registrar *r, struct cor_view body)
{
    cor_json_free(&r->lease);
    if (cor_json_parse(body, OBJECT_MAX, 0, &r->lease, NULL) != COR_OK ||
        !cor_json_is_object(r->lease)) {
        cor_json_free(&r->lease);
    }
}

static void on_lease(void *self, int status, struct cor_view body)
{
    struct registrar *r = self;
    if (status / 100 == 2) {
        r->lease_absent = false;
        keep_lease(r, body);
        lease_again(r, COR_SEC(r->agent->cfg->lease_seconds));
        return;
    }
    /* Conflict, or gone, or there already: ask for it again. */
    cor_json_free(&r->lease);
    r->lease_absent = false;
    bool ours = status == 409 || status == 404 || status == 422;
    lease_again(r, ours ? 0 : COR_MS(LEASE_RETRY_MS));
}

static void on_lease_read(void *self, int status, struct cor_view body)
{
    struct registrar *r = self;
    if (status == 200) {
        keep_lease(r, body);
    }
    r->lease_absent = status == 404;
    bool known = r->lease != NULL || r->lease_absent;
    lease_again(r, known ? 0 : COR_MS(LEASE_RETRY_MS));
}

static void renew_lease(void *self)
{
    struct registrar *r = self;
    if (r->stage != REGISTERED || r->lease_busy || !r->agent->link) {
        return;
    }
    auto_(cor_freep) char *key = cor_sprintf("kube-node-lease/lease/%s", r->agent->cfg->node_name);
    bool known = r->lease != NULL || r->lease_absent;
    auto_(cor_freep) char *text = NULL;
    if (known) {
        auto_(cor_json_free) struct cor_json *lease =
            node_lease(r->agent->cfg->node_name, r->uid, r->lease, cor_wall_now());
        text = cor_json_text(lease);
    }
    enum px_verb verb = r->lease != NULL ? PX_VERB_UPDATE : known ? PX_VERB_CREATE : PX_VERB_GET;
    r->lease_busy = true;
    if (!meta_call(r->agent->meta, verb, key, 0, cor_view_of(text),
                   known ? on_lease : on_lease_read, r)) {
        lease_again(r, COR_MS(LEASE_RETRY_MS));
    }
}

/* ---- what happens ---- */

void registrar_link(struct registrar *r)
{
    if (!r->agent->link) {
        return;
    }
    r->retry_us = 0;
    if (r->stage == NOT_REGISTERED) {
        register_node(r);
        return;
    }
    send_marks(r);
    report_status(r, true);
    renew_lease(r);
}

static void on_version(void *self, const struct cri_answer *answer)
{
    struct registrar *r = self;
    if (answer->code == COR_OK) {
        struct cor_view version = cor_view_of(answer->runtime_version);
        struct cor_view number = {0}; /* Debian's "1.6.20~ds1" is more than tools expect */
        (void)cor_view_split(&version, '~', &number);
        cor_free(r->runtime);
        r->runtime = cor_sprintf("%s://%.*s", answer->runtime_name, COR_VIEW_ARG(number));
        r->info.runtime = r->runtime;
    }
    look_around(r);
}

void registrar_runtime(struct registrar *r)
{
    if (cri_is_up(r->agent->cri)) {
        cri_version(r->agent->cri, on_version, r);
    } else {
        look_around(r);
    }
}

void registrar_node(struct registrar *r, struct cor_view body)
{
    take_uid(r, body);
}

static void fill_info(struct registrar *r)
{
    struct agent *agent = r->agent;
    const struct edged_cfg *cfg = agent->cfg;
    r->runtime = cor_strdup("");
    r->info = (struct node_info){
        .name = cfg->node_name,
        .machine_id = agent->host.machine_id,
        .system_uuid = agent->host.system_uuid,
        .boot_id = agent->host.boot_id,
        .kernel = agent->host.kernel,
        .os_image = agent->host.os_image,
        .arch = agent->host.arch,
        .runtime = r->runtime,
        .labels = (const char *const *)cfg->node_labels.items,
        .label_count = cfg->node_labels.count,
        .annotations = (const char *const *)cfg->node_annotations.items,
        .annotation_count = cfg->node_annotations.count,
        .taints = (const char *const *)cfg->node_taints.items,
        .taint_count = cfg->node_taints.count,
        .schedulable = cfg->schedulable,
        .autonomous = cfg->autonomous,
        .cpus = agent->host.cpus,
        .memory = agent->host.memory,
        .storage = agent->host.storage,
        .port = cfg->kubelet_port,
        .ip_count = agent->facts.host_ip_count,
    };
    for (size_t i = 0; i < agent->facts.host_ip_count; i++) {
        r->info.ips[i] = agent->facts.host_ips[i];
    }
    agent->facts.cpu_milli = r->info.cpus * 1000;
    agent->facts.memory = node_memory_allocatable(&r->info) - huge_total(&agent->huge);
    agent->facts.memory = agent->facts.memory > 0 ? agent->facts.memory : 0;
    agent->facts.storage = node_storage_allocatable(&r->info);
}

struct registrar *registrar_new(struct agent *agent)
{
    struct registrar *r = cor_alloc(sizeof(*r));
    r->agent = agent;
    r->uid = cor_strdup("");
    r->network_text = cor_strdup("the container runtime has not answered yet");
    r->state.network_text = r->network_text;
    fill_info(r);
    r->retry = cor_timer_new(agent->loop, register_node, r);
    r->status = cor_timer_new(agent->loop, look_around, r);
    r->renew = cor_timer_new(agent->loop, renew_lease, r);
    cor_timer_repeat(r->status, COR_SEC(agent->cfg->status_seconds));
    return r;
}

void registrar_free(struct registrar **registrar)
{
    if (*registrar == NULL) {
        return;
    }
    struct registrar *r = *registrar;
    cor_timer_free(&r->retry);
    cor_timer_free(&r->status);
    cor_timer_free(&r->renew);
    cor_json_free(&r->known);
    cor_json_free(&r->sending);
    cor_json_free(&r->lease);
    cor_json_free(&r->images);
    cor_json_free(&r->capacity);
    cor_json_free(&r->allocatable);
    cor_json_free(&r->handlers);
    cor_json_free(&r->object);
    cor_free(r->uid);
    cor_free(r->runtime);
    cor_free(r->network_text);
    cor_freep(registrar);
}
