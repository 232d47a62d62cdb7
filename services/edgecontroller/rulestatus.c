// SPDX-License-Identifier: Apache-2.0
// What rules did, into their status: successMessages, failMessages, errors. KubeEdge's
// edgecontroller patches these at the top level of the Rule, where the API drops them; here they
// are in status. At most one write of a rule in WRITE_US, none when nothing has changed.
#include <string.h>

#include <stdio.h>

#include "common/base/mem.h"
#include "common/kube/path.h"
#include "router.h"

#define RULES "rules.kubeedge.io/v1"

enum { ERROR_LEN = 256, FIRST_US = 200000, WRITE_US = 5000000 };

/* What is wrong with the rule itself is told without a time; it goes when the rule is right. */
static bool is_timed(const char *text)
{
    struct cor_wall time;
    const char *blank = strchr(text, ' ');
    return blank != NULL && cor_wall_parse((struct cor_view){text, (size_t)(blank - text)}, &time);
}

static uint64_t version_of(const struct cor_json *rule)
{
    uint64_t version = 0;
    (void)cor_view_u64(cor_json_as_view(cor_json_at(rule, "metadata.resourceVersion")), &version);
    return version;
}

static uint64_t count_in(const struct cor_json *status, const char *key)
{
    int64_t count = cor_json_int_at(status, key, 0);
    return count > 0 ? (uint64_t)count : 0;
}

void ec_rule_status_begin(struct ec_rule_entry *entry, const struct cor_json *rule)
{
    const struct cor_json *status = cor_json_get(rule, "status");
    const struct cor_json *errors = cor_json_get(status, "errors");
    entry->success = count_in(status, "successMessages");
    entry->fail = count_in(status, "failMessages");
    entry->known_success = entry->success;
    entry->known_fail = entry->fail;
    entry->version = version_of(rule);
    entry->errors = cor_json_array();
    entry->wrote = cor_json_copy(status);
    for (size_t i = 0; i < cor_json_count(errors) && i < EC_RULE_ERRORS; i++) {
        const char *text = cor_json_as_str(cor_json_item(errors, i), "");
        if (is_timed(text)) {
            cor_json_add(entry->errors, cor_json_str(text));
        }
    }
}

static bool is_shared(const struct ec_rule_entry *entry)
{
    return entry->router->ec->cfg->replica[0] != '\0';
}

void ec_rule_status_seen(struct ec_rule_entry *entry, const struct cor_json *rule)
{
    const struct cor_json *status = cor_json_get(rule, "status");
    uint64_t version = version_of(rule);
    uint64_t success = count_in(status, "successMessages");
    uint64_t fail = count_in(status, "failMessages");
    if (!is_shared(entry) || entry->call != NULL || version <= entry->version) {
        return;
    }
    if (entry->uncertain && success == entry->sent_success && fail == entry->sent_fail) {
        entry->known_success = success; /* it was written */
        entry->known_fail = fail;
    }
    entry->success = success + (entry->success - entry->known_success);
    entry->fail = fail + (entry->fail - entry->known_fail);
    entry->known_success = success;
    entry->known_fail = fail;
    entry->version = version;
    entry->uncertain = false;
    cor_json_free(&entry->wrote);
    entry->wrote = cor_json_copy(status);
}

static char *trouble_of(const struct ec_rule_entry *entry)
{
    if (entry->winner != NULL) {
        return cor_sprintf("rule %s/%s, made later, serves topic %s of node %s", entry->winner->ns,
                           entry->winner->name, entry->rule.topic, entry->rule.node);
    }
    return entry->rule.kind == EC_RULE_BAD ? cor_strdup(entry->rule.why) : NULL;
}

static struct cor_json *status_of(const struct ec_rule_entry *entry)
{
    struct cor_json *status = cor_json_object();
    struct cor_json *errors = cor_json_copy(entry->errors);
    auto_(cor_freep) char *trouble = trouble_of(entry);
    if (trouble != NULL) {
        cor_json_insert(errors, 0, cor_json_str(trouble));
    }
    cor_json_set(status, "successMessages", cor_json_int((int64_t)entry->success));
    cor_json_set(status, "failMessages", cor_json_int((int64_t)entry->fail));
    cor_json_set(status, "errors", errors);
    return status;
}

static void arm(struct ec_router *router)
{
    if (cor_timer_running(router->status) || router->stopping) {
        return;
    }
    int64_t since = cor_mono_since(cor_loop_now(router->ec->service->loop), router->status_written);
    int64_t wait = WRITE_US - since;
    cor_timer_start(router->status,
                    router->status_written.us == 0 || wait < FIRST_US ? FIRST_US : wait);
}

void ec_rule_status_changed(struct ec_rule_entry *entry)
{
    auto_(cor_json_free) struct cor_json *status = status_of(entry);
    bool nothing = entry->wrote == NULL && entry->success == 0 && entry->fail == 0 &&
                   cor_json_count(cor_json_get(status, "errors")) == 0;
    if (!nothing && !cor_json_equal(status, entry->wrote)) {
        entry->dirty = true;
        arm(entry->router);
    }
}

void ec_rule_succeeded(struct ec_rule_entry *entry, size_t messages)
{
    entry->success += messages;
    entry->dirty = true;
    arm(entry->router);
}

void ec_rule_failed(struct ec_rule_entry *entry, const char *why)
{
    char time[COR_RFC3339_SIZE];
    char text[ERROR_LEN];
    cor_wall_format(cor_wall_now(), time);
    (void)snprintf(text, sizeof(text), "%s %s", time, why);
    entry->fail++;
    cor_json_add(entry->errors, cor_json_str(text));
    while (cor_json_count(entry->errors) > EC_RULE_ERRORS) {
        cor_json_put(entry->errors, 0, NULL);
    }
    entry->dirty = true;
    arm(entry->router);
}

static void on_written(void *self, const struct cor_kube_response *response)
{
    struct ec_rule_entry *entry = self;
    entry->call = NULL;
    entry->uncertain = response->status == 0;
    if (response->code == COR_OK) {
        entry->known_success = entry->sent_success;
        entry->known_fail = entry->sent_fail;
        entry->version = version_of(response->body);
    }
    if (response->code != COR_OK && response->code != COR_NOTFOUND) {
        LOGW(entry->router->ec->service->log, "controller.rule-status", "rule=%s/%s error=%s",
             entry->ns, entry->name, cor_log_esc(cor_view_of(response->text)));
        cor_json_free(&entry->wrote); /* it is not known what was written */
        entry->dirty = true;
    }
    const struct cor_json *rule = ec_get(entry->router->ec, EC_RULES, entry->ns, entry->name);
    if (rule != NULL) { /* what came meanwhile */
        ec_rule_status_seen(entry, rule);
    }
    if (entry->dirty) {
        arm(entry->router);
    }
}

/* A merge patch says what is, not what changes: to repeat it does no harm. Where several replicas
 * write, only on the version that it builds on: a conflict ends when the mirror shows the other's.
 */
static void write_one(struct ec_rule_entry *entry)
{
    auto_(cor_json_free) struct cor_json *body = cor_json_object();
    struct cor_json *status = status_of(entry);
    entry->dirty = false;
    if (cor_json_equal(status, entry->wrote)) {
        cor_json_free(&status);
        return;
    }
    cor_json_set(body, "status", status);
    entry->sent_success = entry->success;
    entry->sent_fail = entry->fail;
    if (is_shared(entry)) {
        cor_json_set_at(body, "metadata.resourceVersion",
                        cor_json_fmt("%llu", (unsigned long long)entry->version));
    }
    cor_json_free(&entry->wrote);
    entry->wrote = cor_json_copy(status);
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_freep) char *text = cor_json_text(body);
    struct cor_kube_ref ref = {
        .group_version = RULES, .ns = entry->ns, .plural = "rules", .name = entry->name};
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {
        .method = "PATCH",
        .path = path.data,
        .content_type = COR_KUBE_MERGE,
        .body = cor_view_of(text),
    };
    entry->call = cor_kube_send(entry->router->ec->kube, &request, on_written, entry);
}

void ec_rule_status_write(void *self)
{
    struct ec_router *router = self;
    size_t at = 0;
    void *value = NULL;
    router->status_written = cor_loop_now(router->ec->service->loop);
    while (cor_map_next(router->rules, &at, NULL, &value)) {
        struct ec_rule_entry *entry = value;
        if (entry->dirty && entry->call == NULL) {
            write_one(entry);
        }
    }
}
