// SPDX-License-Identifier: Apache-2.0
#include "proto/kubeedge/rules.h"

#include <ctype.h>
#include <string.h>

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words != NULL && strcmp(text, *words) != 0) {
        words++;
    }
    return *words != NULL;
}

static bool is_control(const char *operation)
{
    static const char *const words[] = {"config", "ping", "pong", NULL};
    return is_one_of(operation, words);
}

/* Length of \w[-\w.+]* at the start of text, 0 if it does not match. */
static size_t word(const char *text)
{
    size_t n = 0;
    if (isalnum((unsigned char)text[0]) || text[0] == '_') {
        while (isalnum((unsigned char)text[n]) ||
               (text[n] != 0 && strchr("_-.+", text[n]) != NULL)) {
            n++;
        }
    }
    return n;
}

/* ^\w[-\w.+]* /volume/ \w[-\w.+]*  of the dispatcher (without the blanks); not anchored at the end.
 */
static bool is_volume(const char *resource)
{
    static const char middle[] = "/volume/";
    size_t n = word(resource);
    return n > 0 && strncmp(resource + n, middle, sizeof(middle) - 1) == 0 &&
           word(resource + n + sizeof(middle) - 1) > 0;
}

enum px_kubeedge_up px_kubeedge_up(const struct px_kubeedge_in *in)
{
    static const char *const tasks[] = {"prepull", "upgrade", "UpdateNodeActionStatus", NULL};
    static const char *const cloud[] = {"cloudhub",       "cloudStream",    "devicecontroller",
                                        "edgecontroller", "synccontroller", NULL};
    const struct {
        bool match;
        enum px_kubeedge_up up;
    } rows[] = {
        {is_control(in->operation), PX_UP_CONTROL},
        {is(in->operation, "keepalive"), PX_UP_KEEPALIVE},
        {is_volume(in->resource), PX_UP_VOLUME},
        {is(in->operation, "response"), PX_UP_ACK},
        {is(in->operation, "error"), PX_UP_ERROR},
        {is(in->operation, "upload") && is(in->group, "user"), PX_UP_UPLOAD},
        {is_one_of(in->operation, tasks), PX_UP_TASK},
        {is(in->resource, "k8s/ca.crt"), PX_UP_CA},
        {is_one_of(in->source, cloud), PX_UP_FORGED},
        {is(in->source, "metaserver"), PX_UP_DYNAMIC},
        {is(in->source, "twin"), PX_UP_DEVICE},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (rows[i].match) {
            return rows[i].up;
        }
    }
    return PX_UP_EDGE;
}

enum px_kubeedge_down px_kubeedge_down(const struct px_kubeedge_in *in)
{
    bool answers = in->parent[0] != 0;
    bool resource = is(in->group, "resource") || is(in->group, "func");
    bool user = is(in->group, "user");
    const struct {
        bool match;
        enum px_kubeedge_down down;
    } rows[] = {
        {is_control(in->operation), PX_DOWN_CONTROL},
        {resource && answers, PX_DOWN_ANSWER},
        {resource, PX_DOWN_META},
        {is(in->group, "twin"), PX_DOWN_TWIN},
        {user && answers, PX_DOWN_ANSWER},
        {user && is(in->source, "router_eventbus"), PX_DOWN_EVENTBUS},
        {user && is(in->source, "router_servicebus"), PX_DOWN_SERVICEBUS},
        {is(in->group, "taskmanager"), PX_DOWN_TASK},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (rows[i].match) {
            return rows[i].down;
        }
    }
    return PX_DOWN_DROP;
}

/* Element 3 of "node/<node>/<namespace>/<type>/<name>"; absent when there is none. */
static struct cor_view type_of(const char *path)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part = {0};
    for (int i = 0; i < 4; i++) {
        if (!cor_view_split(&rest, '/', &part)) {
            return (struct cor_view){0};
        }
    }
    return part;
}

/* Row 11 of noAckRequired: what edgecontroller answers is not tracked, a pushed node or pod is. */
static bool is_untracked(const struct px_kubeedge_shape *shape)
{
    static const char *const types[] = {"lease", "nodepatch", "podpatch", "podstatus",
                                        "certificatesigningrequest"};
    struct cor_view type = type_of(shape->path);
    if (!is(shape->source, "edgecontroller")) {
        return false;
    }
    if (cor_view_is(type, "node")) {
        return !is(shape->operation, "update");
    }
    if (cor_view_is(type, "pod")) {
        return is(shape->operation, "response");
    }
    for (size_t i = 0; i < COR_COUNT(types); i++) {
        if (cor_view_is(type, types[i])) {
            return true;
        }
    }
    return false;
}

bool px_kubeedge_needs_ack(const struct px_kubeedge_shape *shape)
{
    static const char *const parts[] = {"podlist", "membership", "twin/cloud_updated",
                                        "serviceaccounttoken", "k8s/ca.crt"};
    static const char *const operations[] = {"createvolume",
                                             "deletevolume",
                                             "controllerpublishvolume",
                                             "controllerunpublishvolume",
                                             "applicationResponse",
                                             NULL};
    static const char *const sources[] = {"taskmanager", "nodeupgradejobcontroller", NULL};
    for (size_t i = 0; i < COR_COUNT(parts); i++) {
        if (strstr(shape->path, parts[i]) != NULL) {
            return false;
        }
    }
    if (is_one_of(shape->operation, operations) || is(shape->group, "user") ||
        is_one_of(shape->source, sources)) {
        return false;
    }
    if (is(shape->operation, "response") && (shape->is_ok || shape->is_error)) {
        return false;
    }
    return !is_untracked(shape);
}

void px_kubeedge_trim(const char *path, struct cor_buf *out)
{
    const char *second = strchr(path, '/');
    const char *third = second == NULL ? NULL : strchr(second + 1, '/');
    bool trimmed = strncmp(path, "node", 4) == 0 && third != NULL;
    cor_buf_str(out, trimmed ? third + 1 : path);
}

bool px_kubeedge_must_ack(const struct px_kubeedge_in *in)
{
    if (!is(in->group, "resource")) {
        return false;
    }
    return in->parent[0] == 0 || in->version[0] != 0;
}
