// SPDX-License-Identifier: Apache-2.0
// What nodes have, by their records, and should have no more (cloud/pkg/synccontroller).
#include <string.h>

#include "common/base/mem.h"
#include "feeds.h"
#include "record.h"
#include "records.h"

static struct ec_session *keeper_of(const struct ec *ec, struct cor_view node)
{
    struct ec_session *session = cor_map_get(ec->sessions, node);
    return session != NULL && session->records ? session : NULL;
}

/* Kind of the objects that a record is about. False: of none that is carried here. */
static bool subject_of(const struct cor_json *record, enum ec_kind *kind_r)
{
    const char *kind = cor_json_str_at(record, "spec.objectKind", "");
    for (unsigned i = 0; i < EC_KINDS; i++) {
        const struct ec_kind_info *info = ec_kind_info((enum ec_kind)i);
        if (info->type != NULL && strcmp(info->kind, kind) == 0) {
            *kind_r = (enum ec_kind)i;
            return true;
        }
    }
    return false;
}

/* A device may have moved to another node; all others stay where they are. */
static bool has_left(enum ec_kind kind, const struct cor_json *object, const char *node)
{
    return kind == EC_DEVICES && strcmp(ec_node_of(object), node) != 0;
}

static void check_record(struct ec *ec, const struct ec_session *session, enum ec_kind of,
                         const char *ns, const char *record_name, struct cor_view uid)
{
    enum ec_kind kind = EC_KINDS;
    const struct cor_json *record = ec_get(ec, of, ns, record_name);
    if (record == NULL || !subject_of(record, &kind)) {
        ec_feeds_imply(ec->feeds, session->node, cor_json_str_at(record, "spec.objectKind", ""));
        return;
    }
    const char *name = cor_json_str_at(record, "spec.objectName", "");
    const struct cor_json *object = ec_get(ec, kind, ns, name);
    if (object == NULL || !cor_view_is(uid, cor_json_str_at(object, "metadata.uid", "")) ||
        has_left(kind, object, session->node)) {
        struct ec_lost lost = {kind, cor_view_of(ns), cor_view_of(name), uid};
        ec_send_gone(ec, session->node, &lost);
    }
}

/* Only the records of nodes that have just come are looked at. */
static void check_records(struct ec *ec, enum ec_kind of)
{
    size_t at = 0;
    struct cor_view ns_view;
    struct cor_view name_view;
    while (ec_next_name(ec, of, &at, &ns_view, &name_view)) {
        struct cor_view node;
        struct cor_view uid;
        if (!ec_record_split(name_view, &node, &uid)) {
            continue;
        }
        const struct ec_session *session = keeper_of(ec, node);
        if (session != NULL && session->unrepaired) {
            auto_(cor_freep) char *ns = cor_view_dup(ns_view);
            auto_(cor_freep) char *name = cor_view_dup(name_view);
            check_record(ec, session, of, ns, name, uid);
            ec_give_back(ec);
        }
    }
}

static bool all_listed(const struct ec *ec)
{
    for (unsigned i = 0; i < EC_KINDS; i++) {
        bool of_records = i == EC_SYNCS || i == EC_CLUSTER_SYNCS;
        if ((of_records || ec_kind_info((enum ec_kind)i)->type != NULL) &&
            !ec_is_synced(ec, (enum ec_kind)i)) {
            return false;
        }
    }
    return true;
}

static bool some_unrepaired(const struct ec *ec)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(ec->sessions, &at, NULL, &value)) {
        if (((const struct ec_session *)value)->unrepaired) {
            return true;
        }
    }
    return false;
}

void ec_repair(struct ec *ec)
{
    static const enum ec_kind KINDS[] = {EC_SYNCS, EC_CLUSTER_SYNCS};
    if (!some_unrepaired(ec) || !all_listed(ec)) {
        return;
    }
    for (size_t i = 0; i < COR_COUNT(KINDS); i++) {
        check_records(ec, KINDS[i]);
    }
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(ec->sessions, &at, NULL, &value)) {
        ((struct ec_session *)value)->unrepaired = false;
    }
}

void ec_repair_gone(struct ec *ec, enum ec_kind kind, const struct cor_json *object,
                    const struct cor_map *told)
{
    const char *uid = cor_json_str_at(object, "metadata.uid", "");
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(ec->sessions, &at, NULL, &value)) {
        const struct ec_session *session = value;
        auto_(cor_freep) char *name = ec_record_name(session->node, uid);
        if (session->records && cor_map_get(told, cor_view_of(session->node)) == NULL &&
            ec_has(ec, EC_SYNCS, ec_ns(object), name)) {
            ec_send(ec, session->node, kind, object, true);
        }
    }
}

/* Records of a node that is neither known nor connected are nobody's: CloudCore leaves some when a
 * node is deleted while it works. */
static void look_after(struct ec *ec, struct cor_view record_name)
{
    struct cor_view node;
    struct cor_view uid;
    if (!ec_is_synced(ec, EC_NODES) || !ec_record_split(record_name, &node, &uid) ||
        cor_map_get(ec->sessions, node) != NULL) {
        return;
    }
    auto_(cor_freep) char *name = cor_view_dup(node);
    if (!ec_has(ec, EC_NODES, "", name)) {
        ec_records_sweep(ec->records, name);
    }
}

void ec_on_record(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old)
{
    (void)old;
    if (change == COR_ADDED) {
        look_after(self, cor_view_of(ec_name(object)));
    }
}

/* Records that were listed before the nodes were. */
static void sweep_all(struct ec *ec)
{
    static const enum ec_kind KINDS[] = {EC_SYNCS, EC_CLUSTER_SYNCS};
    for (size_t i = 0; i < COR_COUNT(KINDS); i++) {
        size_t at = 0;
        struct cor_view ns;
        struct cor_view name;
        while (ec_next_name(ec, KINDS[i], &at, &ns, &name)) {
            look_after(ec, name);
        }
    }
}

void ec_on_records_synced(void *self)
{
    struct ec *ec = self;
    bool of_records = ec_is_synced(ec, EC_SYNCS) && ec_is_synced(ec, EC_CLUSTER_SYNCS);
    if (of_records) {
        ec->records_absent = false;
    }
    if (of_records && ec_is_synced(ec, EC_NODES)) {
        sweep_all(ec);
    }
    ec_repair(ec);
    ec_feeds_repair(ec->feeds);
}

void ec_on_records_absent(void *self)
{
    struct ec *ec = self;
    if (!ec->records_absent) {
        LOGW(ec->service->log, "controller.no-records",
             "reason=\"the cluster has no ObjectSyncs: what is deleted while a KubeEdge node is "
             "away stays there\"");
    }
    ec->records_absent = true;
}
