// SPDX-License-Identifier: Apache-2.0
#include "rule.h"

#include <string.h>

#include "common/base/mem.h"

enum { TOPIC_MAX = 1024, URL_MAX = 2048 };

/* Where one pair of endpoint types leads to. reader returns why it cannot be, owned, or NULL. */
struct pair {
    const char *source, *target;
    enum ec_rule_kind kind;
    char *(*reader)(const struct cor_json *spec, const char *ns, struct ec_rule *rule);
};

static const char *text_of(const struct cor_json *spec, const char *map, const char *key)
{
    return cor_json_as_str(cor_json_get(cor_json_get(spec, map), key), "");
}

/* Appends the parts of path with one slash between them, as Go's path.Join does. */
static void join(const char *path, struct cor_buf *out)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    while (cor_view_split(&rest, '/', &part)) {
        if (part.len > 0) {
            cor_buf_fmt(out, "%s%.*s", out->len == 0 ? "" : "/", COR_VIEW_ARG(part));
        }
    }
}

static bool is_topic(struct cor_view topic)
{
    return topic.len > 0 && topic.len <= TOPIC_MAX && cor_view_is_utf8(topic) &&
           memchr(topic.ptr, '+', topic.len) == NULL && memchr(topic.ptr, '#', topic.len) == NULL;
}

static bool is_url(const char *url)
{
    struct cor_view view = cor_view_of(url);
    size_t scheme = cor_view_starts(view, "http://")    ? strlen("http://")
                    : cor_view_starts(view, "https://") ? strlen("https://")
                                                        : 0;
    if (scheme == 0 || view.len <= scheme || view.len > URL_MAX || view.ptr[scheme] == '/') {
        return false;
    }
    for (size_t i = 0; i < view.len; i++) {
        if ((unsigned char)view.ptr[i] <= ' ' || (unsigned char)view.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return true;
}

static char *read_batch(const struct cor_json *spec, struct ec_rule *rule)
{
    const char *batch = text_of(spec, "targetResource", "batch");
    const char *format = text_of(spec, "targetResource", "batch-format");
    uint64_t count = 1;
    if (batch[0] != '\0' &&
        (!cor_view_u64(cor_view_of(batch), &count) || count < 1 || count > EC_BATCH_MAX)) {
        return cor_sprintf("targetResource.batch: expected 1 to %d", EC_BATCH_MAX);
    }
    if (format[0] != '\0' && strcmp(format, "json") != 0 && strcmp(format, "ndjson") != 0) {
        return cor_strdup("targetResource.batch-format: expected json or ndjson");
    }
    rule->batch = (unsigned)count;
    rule->ndjson = strcmp(format, "ndjson") == 0;
    return NULL;
}

static char *read_upload(const struct cor_json *spec, const char *ns, struct ec_rule *rule)
{
    auto_(cor_buf_free) struct cor_buf topic = {0};
    cor_free(rule->node);
    cor_free(rule->url);
    rule->node = cor_strdup(text_of(spec, "sourceResource", "node_name"));
    rule->url = cor_strdup(text_of(spec, "targetResource", "resource"));
    join(ns, &topic);
    size_t ns_len = topic.len;
    join(text_of(spec, "sourceResource", "topic"), &topic);
    if (rule->node[0] == '\0') {
        return cor_strdup("sourceResource.node_name: expected the name of a node");
    }
    if (topic.len == ns_len || !is_topic(cor_buf_as_view(&topic))) {
        return cor_strdup("sourceResource.topic: expected a topic without wildcards");
    }
    if (!is_url(rule->url)) {
        return cor_strdup("targetResource.resource: expected an http or https URL");
    }
    cor_free(rule->topic);
    rule->topic = cor_buf_take(&topic);
    return read_batch(spec, rule);
}

static char *read_publish(const struct cor_json *spec, const char *ns, struct ec_rule *rule)
{
    (void)ns;
    struct cor_view path = cor_view_of(text_of(spec, "sourceResource", "path"));
    if (path.len == 0) {
        return cor_strdup("sourceResource.path: expected a path");
    }
    if (path.ptr[0] == '/') {
        path.ptr++;
        path.len--;
    }
    if (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    cor_free(rule->path);
    cor_free(rule->topic);
    rule->path = cor_view_dup(path);
    rule->topic = cor_strdup(text_of(spec, "targetResource", "topic"));
    return is_topic(cor_view_of(rule->topic))
               ? NULL
               : cor_strdup("targetResource.topic: expected a topic without wildcards");
}

static char *read_later(const struct cor_json *spec, const char *ns, struct ec_rule *rule)
{
    (void)spec;
    (void)ns;
    (void)rule;
    return cor_strdup("endpoints of type servicebus are not served yet");
}

static const struct pair PAIRS[] = {
    {"eventbus", "rest", EC_RULE_UPLOAD, read_upload},
    {"rest", "eventbus", EC_RULE_PUBLISH, read_publish},
    {"rest", "servicebus", EC_RULE_BAD, read_later},
    {"servicebus", "rest", EC_RULE_BAD, read_later},
};

static char *read_pair(const struct cor_json *json, const char *from, const char *to,
                       struct ec_rule *rule)
{
    for (size_t i = 0; i < COR_COUNT(PAIRS); i++) {
        if (strcmp(PAIRS[i].source, from) == 0 && strcmp(PAIRS[i].target, to) == 0) {
            rule->kind = PAIRS[i].kind;
            return PAIRS[i].reader(cor_json_get(json, "spec"),
                                   cor_json_str_at(json, "metadata.namespace", ""), rule);
        }
    }
    return cor_sprintf("a rule from %s to %s is not possible", from, to);
}

void ec_rule_read(const struct cor_json *rule, const struct cor_json *source,
                  const struct cor_json *target, struct ec_rule *rule_r)
{
    *rule_r = (struct ec_rule){.node = cor_strdup(""),
                               .topic = cor_strdup(""),
                               .url = cor_strdup(""),
                               .path = cor_strdup(""),
                               .batch = 1};
    if (source == NULL || target == NULL) {
        const char *which = source == NULL ? "source" : "target";
        rule_r->why =
            cor_sprintf("%s: there is no RuleEndpoint %s", which,
                        cor_json_as_str(cor_json_get(cor_json_get(rule, "spec"), which), ""));
        return;
    }
    rule_r->why = read_pair(rule, cor_json_str_at(source, "spec.ruleEndpointType", ""),
                            cor_json_str_at(target, "spec.ruleEndpointType", ""), rule_r);
    if (rule_r->why == NULL) {
        rule_r->why = cor_strdup("");
    } else {
        rule_r->kind = EC_RULE_BAD;
    }
}

bool ec_rule_same(const struct ec_rule *a, const struct ec_rule *b)
{
    return a->kind == b->kind && a->batch == b->batch && a->ndjson == b->ndjson &&
           strcmp(a->why, b->why) == 0 && strcmp(a->node, b->node) == 0 &&
           strcmp(a->topic, b->topic) == 0 && strcmp(a->url, b->url) == 0 &&
           strcmp(a->path, b->path) == 0;
}

void ec_rule_clear(struct ec_rule *rule)
{
    cor_free(rule->why);
    cor_free(rule->node);
    cor_free(rule->topic);
    cor_free(rule->url);
    cor_free(rule->path);
    *rule = (struct ec_rule){0};
}
