// SPDX-License-Identifier: Apache-2.0
#include "records.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/kube/path.h"
#include "reach.h"
#include "record.h"

/* Requests under way; what the API answers to a create of what is there, and to what is not. */
enum { RUNNING_MAX = 16, CONFLICT = 409, NOT_FOUND = 404 };

/* After the API could not be asked. */
#define PAUSE_US COR_SEC(2)

/* One record that is to be written. */
struct entry {
    struct cor_link link; /* in waiting; in none while a request is under way */
    struct ec_records *records;
    char *path;            /* of the record, owned */
    char *collection;      /* path, owned */
    struct cor_json *new_; /* to be made if there is none, owned; NULL: it is only to be deleted */
    char *wanted;          /* version that its status is to say, owned; NULL: it is to be deleted */
    char *written;         /* what it is known to say, owned; NULL: not known */
    bool made;
};

struct ec_records {
    struct ec *ec;
    struct cor_map *entries; /* path -> struct entry, owned */
    struct cor_link waiting;
    struct cor_timer *pause;
    struct cor_map *sweeps; /* node -> struct sweep under way, owned */
    size_t running;
    bool failing; /* the last request has failed */
    uint64_t writes;
};

/* A node whose Node may be gone. */
struct sweep {
    struct ec_records *records;
    char *node; /* owned */
};

static void entry_drop(void *value)
{
    struct entry *entry = value;
    cor_list_del(&entry->link);
    cor_json_free(&entry->new_);
    cor_free(entry->path);
    cor_free(entry->collection);
    cor_free(entry->wanted);
    cor_free(entry->written);
    cor_free(entry);
}

static void sweep_drop(void *value)
{
    struct sweep *sweep = value;
    cor_free(sweep->node);
    cor_free(sweep);
}

static void run(struct ec_records *records);

static void on_pause(void *self)
{
    run(self);
}

struct ec_records *ec_records_new(struct ec *ec)
{
    struct ec_records *records = cor_alloc(sizeof(*records));
    records->ec = ec;
    records->entries = cor_map_new(entry_drop);
    records->sweeps = cor_map_new(sweep_drop);
    records->pause = cor_timer_new(ec->service->loop, on_pause, records);
    cor_list_init(&records->waiting);
    return records;
}

void ec_records_free(struct ec_records **records)
{
    if (*records != NULL) {
        cor_timer_free(&(*records)->pause);
        cor_map_free(&(*records)->entries);
        cor_map_free(&(*records)->sweeps);
        cor_freep(records);
    }
}

void ec_records_stats(const struct ec_records *records, struct cor_buf *out)
{
    cor_buf_fmt(out, ",\"recordsWritten\":%" PRIu64 ",\"recordsWaiting\":%zu", records->writes,
                cor_map_count(records->entries));
}

/* ---- writing ---- */

static void forget(struct entry *entry)
{
    auto_(cor_freep) char *path = cor_strdup(entry->path);
    (void)cor_map_del(entry->records->entries, cor_view_of(path));
}

static bool is_written(const struct entry *entry)
{
    return entry->wanted != NULL && entry->written != NULL &&
           strcmp(entry->wanted, entry->written) == 0;
}

/* The API does not take it, or is not there. */
static void fail(struct entry *entry, const struct cor_kube_response *response)
{
    struct ec_records *records = entry->records;
    bool again = response->status == 0 || response->status == 429 || response->status >= 500;
    if (!records->failing) {
        LOGW(records->ec->service->log, "controller.record-failed", "path=%s status=%d reason=%s",
             entry->path, response->status, cor_log_esc(cor_view_of(response->text)));
    }
    records->failing = true;
    if (!again) {
        forget(entry);
        return;
    }
    cor_list_add(&records->waiting, &entry->link);
    int64_t asked = response->retry_after_us;
    cor_timer_start(records->pause, asked > PAUSE_US ? asked : PAUSE_US);
}

/* What is next for it, after a request has gone well. */
static void go_on(struct entry *entry)
{
    if (is_written(entry) || (entry->wanted == NULL && !entry->made)) {
        forget(entry);
    } else {
        cor_list_add(&entry->records->waiting, &entry->link);
    }
}

static void end(struct entry *entry, const struct cor_kube_response *response, bool well)
{
    struct ec_records *records = entry->records;
    records->running--;
    if (well) {
        records->failing = false;
        records->writes++;
        go_on(entry);
    } else {
        fail(entry, response);
    }
    run(records);
}

static void on_deleted(void *self, const struct cor_kube_response *response)
{
    struct entry *entry = self;
    bool well = response->code == COR_OK || response->status == NOT_FOUND;
    entry->made = entry->made && !well;
    cor_freep(&entry->written);
    end(entry, response, well);
}

static void on_made(void *self, const struct cor_kube_response *response)
{
    struct entry *entry = self;
    bool well = response->code == COR_OK || response->status == CONFLICT;
    entry->made = entry->made || well;
    end(entry, response, well);
}

static void on_patched(void *self, const struct cor_kube_response *response)
{
    struct entry *entry = self;
    if (response->status == NOT_FOUND) { /* somebody has deleted it */
        entry->made = false;
    }
    if (response->code != COR_OK) {
        cor_freep(&entry->written);
    }
    end(entry, response, response->code == COR_OK || response->status == NOT_FOUND);
}

static void ask(struct entry *entry, const char *method, const char *path,
                const struct cor_json *body, cor_kube_fn fn)
{
    auto_(cor_freep) char *text = body == NULL ? NULL : cor_json_text(body);
    struct cor_kube_request request = {
        .method = method,
        .path = path,
        .content_type = strcmp(method, "PATCH") == 0 ? COR_KUBE_MERGE : NULL,
        .body = text == NULL ? (struct cor_view){0} : cor_view_of(text),
    };
    entry->records->running++;
    (void)cor_kube_send(entry->records->ec->kube, &request, fn, entry);
}

static void step(struct entry *entry)
{
    if (entry->wanted == NULL) {
        ask(entry, "DELETE", entry->path, NULL, on_deleted);
    } else if (!entry->made) {
        ask(entry, "POST", entry->collection, entry->new_, on_made);
    } else {
        auto_(cor_freep) char *path = cor_sprintf("%s/status", entry->path);
        auto_(cor_json_free) struct cor_json *patch = ec_record_patch(entry->wanted);
        cor_freep(&entry->written);
        entry->written = cor_strdup(entry->wanted);
        ask(entry, "PATCH", path, patch, on_patched);
    }
}

static void run(struct ec_records *records)
{
    while (records->running < RUNNING_MAX && !cor_list_empty(&records->waiting) &&
           !cor_timer_running(records->pause)) {
        struct entry *entry = COR_LIST_OBJECT(records->waiting.next, struct entry, link);
        cor_list_del(&entry->link);
        step(entry);
    }
}

/* ---- what is wanted ---- */

static void path_of(const char *ns, const char *name, struct cor_buf *out)
{
    bool of_cluster = ns[0] == '\0';
    struct cor_kube_ref ref = {.group_version = EC_RECORD_API,
                               .ns = of_cluster ? NULL : ns,
                               .plural = of_cluster ? "clusterobjectsyncs" : "objectsyncs",
                               .name = name};
    cor_kube_path(&ref, out);
}

/* The entry of a record, made if there is none. */
static struct entry *entry_of(struct ec_records *records, const char *ns, const char *name)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_buf_free) struct cor_buf collection = {0};
    path_of(ns, name, &path);
    struct entry *entry = cor_map_get(records->entries, cor_buf_as_view(&path));
    if (entry != NULL) {
        return entry;
    }
    path_of(ns, NULL, &collection);
    entry = cor_alloc(sizeof(*entry));
    entry->records = records;
    entry->path = cor_strdup(path.data);
    entry->collection = cor_strdup(collection.data);
    cor_list_init(&entry->link);
    cor_list_add(&records->waiting, &entry->link);
    cor_map_set(records->entries, cor_buf_as_view(&path), entry);
    return entry;
}

static const struct cor_json *record_of(struct ec *ec, const char *ns, const char *name)
{
    return ec_get(ec, ns[0] == '\0' ? EC_CLUSTER_SYNCS : EC_SYNCS, ns, name);
}

static void want(struct ec_records *records, const struct ec_subject *subject, const char *version)
{
    auto_(cor_freep) char *name = ec_record_name(subject->node, subject->uid);
    const struct cor_json *known = record_of(records->ec, subject->ns, name);
    struct entry *entry = entry_of(records, subject->ns, name);
    if (entry->new_ == NULL) {
        entry->new_ = ec_record_new(subject);
        entry->made = entry->made || known != NULL;
    }
    char *wanted = cor_strdup(version);
    cor_freep(&entry->wanted);
    entry->wanted = wanted;
    run(records);
}

void ec_records_delete(struct ec_records *records, const char *ns, const char *name)
{
    struct entry *entry = entry_of(records, ns, name);
    entry->made = true; /* perhaps */
    cor_freep(&entry->wanted);
    run(records);
}

bool ec_records_cover(struct ec *ec, const char *node, const struct cor_json *object)
{
    auto_(cor_freep) char *name = ec_record_name(node, cor_json_str_at(object, "metadata.uid", ""));
    return ec_record_covers(record_of(ec, ec_ns(object), name),
                            cor_json_as_view(cor_json_at(object, "metadata.resourceVersion")));
}

bool ec_records_has(struct ec *ec, const char *node, const struct cor_json *object)
{
    auto_(cor_freep) char *name = ec_record_name(node, cor_json_str_at(object, "metadata.uid", ""));
    return ec_record_covers(record_of(ec, ec_ns(object), name), COR_VIEW("1"));
}

void ec_records_sent(struct ec_records *records, const char *node, const struct ec_kind_info *info,
                     const struct cor_json *object)
{
    const char *ns = ec_ns(object);
    struct ec_subject subject = {.node = node,
                                 .uid = cor_json_str_at(object, "metadata.uid", ""),
                                 .ns = ns,
                                 .api_version = info->api_version,
                                 .kind = info->kind,
                                 .name = ec_name(object)};
    auto_(cor_freep) char *name = ec_record_name(node, subject.uid);
    auto_(cor_buf_free) struct cor_buf path = {0};
    path_of(ns, name, &path);
    if (subject.uid[0] != '\0' && ec_record_version(record_of(records->ec, ns, name))[0] == '\0' &&
        cor_map_get(records->entries, cor_buf_as_view(&path)) == NULL) {
        want(records, &subject, EC_RECORD_NONE);
    }
}

static void stored(struct ec_records *records, const struct px_node_stored *body,
                   const struct px_key *key, const struct ec_kind_info *info)
{
    auto_(cor_freep) char *node = cor_view_dup(body->node);
    auto_(cor_freep) char *uid = cor_view_dup(body->uid);
    auto_(cor_freep) char *name = cor_view_dup(key->name);
    auto_(cor_freep) char *version = cor_view_dup(body->version);
    auto_(cor_freep) char *ns = cor_view_dup(cor_view_is(key->ns, "null") ? COR_VIEW("") : key->ns);
    auto_(cor_freep) char *record = ec_record_name(node, uid);
    struct ec_subject subject = {node, uid, ns, info->api_version, info->kind, name};
    if (body->gone) {
        ec_records_delete(records, ns, record);
    } else if (!ec_record_covers(record_of(records->ec, ns, record), body->version)) {
        want(records, &subject, version);
    }
}

/* How objects of a type are called; NULL: they are not carried here. */
static const struct ec_kind_info *info_of(struct cor_view type)
{
    enum ec_kind kind = EC_KINDS;
    const struct ec_reach *reach = ec_reach_of_type(type);
    if (ec_kind_of(type, &kind)) {
        return ec_kind_info(kind);
    }
    return reach == NULL ? NULL : &reach->info;
}

enum cor_code ec_on_stored(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct ec *ec = self;
    const struct px_node_stored *message = body;
    struct px_key key;
    (void)in;
    (void)err;
    if (!ec->records_absent && message->uid.len > 0 && px_key_parse(message->key, &key) &&
        key.name.len > 0 && info_of(key.type) != NULL) {
        stored(ec->records, message, &key, info_of(key.type));
    }
    return COR_OK;
}

/* ---- nodes that are no more ---- */

static bool is_of(struct cor_view record_name, const char *node)
{
    struct cor_view of;
    struct cor_view uid;
    return ec_record_split(record_name, &of, &uid) && cor_view_is(of, node);
}

static void on_node_looked_at(void *self, const struct cor_kube_response *response)
{
    struct sweep *sweep = self;
    struct ec_records *records = sweep->records;
    static const enum ec_kind KINDS[] = {EC_SYNCS, EC_CLUSTER_SYNCS};
    auto_(cor_freep) char *node = cor_strdup(sweep->node);
    (void)cor_map_del(records->sweeps, cor_view_of(node));
    for (size_t i = 0; response->status == NOT_FOUND && i < COR_COUNT(KINDS); i++) {
        size_t at = 0;
        struct cor_view ns_view;
        struct cor_view name_view;
        while (ec_next_name(records->ec, KINDS[i], &at, &ns_view, &name_view)) {
            if (is_of(name_view, node)) {
                auto_(cor_freep) char *ns = cor_view_dup(ns_view);
                auto_(cor_freep) char *name = cor_view_dup(name_view);
                ec_records_delete(records, ns, name);
            }
        }
    }
}

void ec_records_sweep(struct ec_records *records, const char *node)
{
    if (cor_map_get(records->sweeps, cor_view_of(node)) != NULL) {
        return;
    }
    struct sweep *sweep = cor_alloc(sizeof(*sweep));
    auto_(cor_buf_free) struct cor_buf path = {0};
    struct cor_kube_ref ref = {.group_version = "v1", .plural = "nodes", .name = node};
    sweep->records = records;
    sweep->node = cor_strdup(node);
    cor_map_set(records->sweeps, cor_view_of(node), sweep);
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {.method = "GET", .path = path.data};
    (void)cor_kube_send(records->ec->kube, &request, on_node_looked_at, sweep);
}
