// SPDX-License-Identifier: Apache-2.0
#include "body.h"

#include <string.h>

#include "claims.h"
#include "common/base/mem.h"
#include "own.h"
#include "refs.h"

static enum cor_code deny(struct cor_err *err, const char *why)
{
    return cor_err_set(err, COR_DENIED, "a node may not %s", why);
}

static bool is_or_empty(const struct cor_json *object, const char *path, struct cor_view text)
{
    struct cor_view is = cor_json_as_view(cor_json_at(object, path));
    return is.len == 0 || cor_view_eq(is, text);
}

/* The object is the one that the key names: the API goes by the object. */
static enum cor_code check_name(const struct ec_said *said, const struct cor_json *object,
                                struct cor_err *err)
{
    struct cor_view name = cor_json_as_view(cor_json_at(object, "metadata.name"));
    bool cluster = cor_view_is(said->key->type, "node") || cor_view_is(said->key->type, "csinode");
    struct cor_view ns = cluster ? COR_VIEW("") : said->key->ns;
    return cor_view_eq(name, said->key->name) && is_or_empty(object, "metadata.namespace", ns) &&
                   is_or_empty(object, "metadata.generateName", COR_VIEW(""))
               ? COR_OK
               : deny(err, "send another object than it names");
}

static void keep(const struct cor_json *from, const char *path, struct cor_json *to)
{
    struct cor_json *value = cor_json_at(from, path);
    if (value != NULL) {
        cor_json_set_at(to, path, cor_json_ref(value));
    }
}

/* ---- nodes ---- */

/* Labels by which an administrator isolates nodes; who has the node, which is not for it to say;
 * and what would reach beyond the members of a strategic merge patch. */
static bool is_reserved(const char *key)
{
    static const char domain[] = "node-restriction.kubernetes.io/";
    const char *at = strstr(key, domain);
    return key[0] == '$' || (at != NULL && (at == key || at[-1] == '.')) ||
           strcmp(key, EC_CLAIM_ADDRESS) == 0 || strcmp(key, EC_CLAIM_LINK) == 0;
}

/* Labels or annotations that a node may set of its own. */
static void keep_texts(const struct cor_json *from, const char *path, struct cor_json *to)
{
    const struct cor_json *texts = cor_json_at(from, path);
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    if (!cor_json_is_object(texts)) {
        return;
    }
    struct cor_json *kept = cor_json_object();
    while (cor_json_each(texts, &at, &key, &value)) {
        if (!is_reserved(key)) {
            cor_json_set(kept, key, cor_json_ref(value));
        }
    }
    cor_json_set_at(to, path, kept);
}

static void keep_marks(const struct cor_json *from, struct cor_json *to)
{
    keep_texts(from, "metadata.labels", to);
    keep_texts(from, "metadata.annotations", to);
}

static enum cor_code make_node(const struct ec_said *said, struct cor_json *in,
                               struct cor_json **out_r, struct cor_err *err)
{
    static const char *const PARTS[] = {"apiVersion", "kind", "metadata.name", "spec", "status"};
    enum cor_code code = check_name(said, in, err);
    if (code == COR_OK) {
        *out_r = cor_json_object();
        for (size_t i = 0; i < COR_COUNT(PARTS); i++) {
            keep(in, PARTS[i], *out_r);
        }
        keep_marks(in, *out_r);
    }
    return code;
}

/* An update of a Node means its labels and annotations (upstream.go updateNode). */
static enum cor_code mark_node(const struct ec_said *said, struct cor_json *in,
                               struct cor_json **out_r, struct cor_err *err)
{
    (void)said;
    (void)err;
    *out_r = cor_json_object();
    keep_marks(in, *out_r);
    return COR_OK;
}

static enum cor_code patch_node(const struct ec_said *said, struct cor_json *in,
                                struct cor_json **out_r, struct cor_err *err)
{
    enum cor_code code = mark_node(said, in, out_r, err);
    keep(in, "status", *out_r);
    return code;
}

/* Which CSI drivers the node has, in an object that goes with its Node. */
static enum cor_code patch_csi_node(const struct ec_said *said, struct cor_json *in,
                                    struct cor_json **out_r, struct cor_err *err)
{
    (void)said;
    (void)err;
    *out_r = cor_json_object();
    keep(in, "spec.drivers", *out_r);
    return COR_OK;
}

static enum cor_code make_csi_node(const struct ec_said *said, struct cor_json *in,
                                   struct cor_json **out_r, struct cor_err *err)
{
    static const char *const PARTS[] = {"apiVersion", "kind", "metadata.name", "spec.drivers"};
    enum cor_code code = check_name(said, in, err);
    if (code != COR_OK) {
        return code;
    }
    *out_r = cor_json_object();
    for (size_t i = 0; i < COR_COUNT(PARTS); i++) {
        keep(in, PARTS[i], *out_r);
    }
    if (said->node_uid != NULL) {
        struct cor_json *owners = cor_json_array();
        struct cor_json *owner = cor_json_object();
        cor_json_set(owner, "apiVersion", cor_json_str("v1"));
        cor_json_set(owner, "kind", cor_json_str("Node"));
        cor_json_set(owner, "name", cor_json_str(said->node));
        cor_json_set(owner, "uid", cor_json_str(said->node_uid));
        cor_json_add(owners, owner);
        cor_json_set_at(*out_r, "metadata.ownerReferences", owners);
    }
    return COR_OK;
}

static struct cor_json *address_of(const char *type, const char *address)
{
    struct cor_json *entry = cor_json_object();
    cor_json_set(entry, "type", cor_json_str(type));
    cor_json_set(entry, "address", cor_json_str(address));
    return entry;
}

/* An API server takes the first address of the type that it prefers, which is InternalIP or
 * Hostname (kube-apiserver --kubelet-preferred-address-types). */
void ec_body_point(struct cor_json *node, const char *address, int64_t port)
{
    const struct cor_json *said = cor_json_at(node, "status.addresses");
    if (!cor_json_is_array(said)) {
        return;
    }
    struct cor_json *list = cor_json_array();
    cor_json_add(list, address_of("InternalIP", address));
    for (size_t i = 0; i < cor_json_count(said); i++) {
        struct cor_json *entry = cor_json_item(said, i);
        const char *type = cor_json_str_at(entry, "type", "");
        if (strcmp(type, "Hostname") == 0) {
            cor_json_add(list, address_of(type, address));
        } else if (strcmp(cor_json_str_at(entry, "address", ""), address) != 0) {
            cor_json_add(list, cor_json_ref(entry));
        }
    }
    struct cor_json *status = cor_json_copy(cor_json_get(node, "status"));
    cor_json_set(status, "addresses", list);
    cor_json_set_at(status, "daemonEndpoints.kubeletEndpoint.Port", cor_json_int(port));
    cor_json_set(node, "status", status);
}

/* ---- Pods ---- */

static void count_ref(void *self, const char *type, const char *name)
{
    (void)type;
    (void)name;
    (*(size_t *)self)++;
}

/* Sources of projected volumes that are not the Pod's own: of those only downwardAPI is. */
static bool has_foreign_source(const struct cor_json *volume)
{
    const struct cor_json *sources = cor_json_at(volume, "projected.sources");
    for (size_t i = 0; i < cor_json_count(sources); i++) {
        const struct cor_json *source = cor_json_item(sources, i);
        if (cor_json_count(source) != 1 || cor_json_get(source, "downwardAPI") == NULL) {
            return true;
        }
    }
    return false;
}

static bool has_claim_or_token(const struct cor_json *pod)
{
    static const char *const KINDS[] = {"persistentVolumeClaim", "ephemeral", "csi"};
    const struct cor_json *volumes = cor_json_at(pod, "spec.volumes");
    for (size_t i = 0; i < cor_json_count(volumes); i++) {
        for (size_t k = 0; k < COR_COUNT(KINDS); k++) {
            if (cor_json_get(cor_json_item(volumes, i), KINDS[k]) != NULL) {
                return true;
            }
        }
        if (has_foreign_source(cor_json_item(volumes, i))) {
            return true;
        }
    }
    return false;
}

/* The one owner is the Node, so that the mirror goes with it. */
static bool is_owned_by_node(const struct ec_said *said, const struct cor_json *pod)
{
    const struct cor_json *owners = cor_json_at(pod, "metadata.ownerReferences");
    const struct cor_json *owner = cor_json_item(owners, 0);
    const char *uid = cor_json_str_at(owner, "uid", "");
    return cor_json_count(owners) == 1 && cor_json_is_array(owners) &&
           strcmp(cor_json_str_at(owner, "apiVersion", ""), "v1") == 0 &&
           strcmp(cor_json_str_at(owner, "kind", ""), "Node") == 0 &&
           strcmp(cor_json_str_at(owner, "name", ""), said->node) == 0 &&
           (said->node_uid == NULL || strcmp(uid, said->node_uid) == 0) &&
           cor_json_bool_at(owner, "controller", false) &&
           !cor_json_bool_at(owner, "blockOwnerDeletion", false);
}

/* Only the mirror of a static Pod is made by a node: it runs there already, and opens no door to
 * what other Pods have. */
static enum cor_code make_pod(const struct ec_said *said, struct cor_json *in,
                              struct cor_json **out_r, struct cor_err *err)
{
    size_t refs = 0;
    enum cor_code code = check_name(said, in, err);
    if (code != COR_OK) {
        return code;
    }
    const struct cor_json *marks = cor_json_at(in, "metadata.annotations");
    ec_pod_refs(in, count_ref, &refs);
    if (cor_json_get(marks, "kubernetes.io/config.mirror") == NULL ||
        strcmp(ec_node_of(in), said->node) != 0) {
        return deny(err, "make another Pod than the mirror of one that it runs");
    }
    if (!is_owned_by_node(said, in)) {
        return deny(err, "make a Pod that is not owned by its Node");
    }
    if (refs > 0 || has_claim_or_token(in) ||
        !is_or_empty(in, "spec.serviceAccountName", COR_VIEW("")) ||
        !is_or_empty(in, "spec.serviceAccount", COR_VIEW(""))) {
        return deny(err, "make a Pod that names Secrets, ConfigMaps, claims or accounts");
    }
    *out_r = cor_json_ref(in);
    return COR_OK;
}

/* The status and nothing else: labels would lead other Pods' traffic to this one. */
static enum cor_code patch_pod(const struct ec_said *said, struct cor_json *in,
                               struct cor_json **out_r, struct cor_err *err)
{
    (void)said;
    (void)err;
    *out_r = cor_json_object();
    keep(in, "metadata.uid", *out_r);
    keep(in, "status", *out_r);
    return COR_OK;
}

/* ---- events ---- */

static bool is_own_subject(const struct ec_said *said, const struct cor_json *about)
{
    const char *kind = cor_json_str_at(about, "kind", "");
    struct px_key key = {.ns = cor_json_as_view(cor_json_get(about, "namespace")),
                         .type = cor_view_of(kind),
                         .name = cor_json_as_view(cor_json_get(about, "name"))};
    if (strcmp(kind, "Node") == 0) {
        return cor_view_is(key.name, said->node);
    }
    key.type = COR_VIEW("pod");
    return strcmp(kind, "Pod") == 0 && cor_view_eq(key.ns, said->key->ns) &&
           ec_is_own(said->pods, said->node, &key);
}

static enum cor_code whole_event(const struct ec_said *said, struct cor_json *in,
                                 struct cor_json **out_r, struct cor_err *err)
{
    struct cor_view node = cor_view_of(said->node);
    enum cor_code code = check_name(said, in, err);
    if (code != COR_OK) {
        return code;
    }
    if (!is_own_subject(said, cor_json_get(in, "involvedObject")) ||
        !cor_json_is_null(cor_json_get(in, "related"))) {
        return deny(err, "report events of what is not its own");
    }
    if (!is_or_empty(in, "source.host", node) || !is_or_empty(in, "reportingInstance", node)) {
        return deny(err, "report events in another's name");
    }
    *out_r = cor_json_copy(in);
    cor_json_set_at(*out_r, "source.host", cor_json_str(said->node));
    return COR_OK;
}

/* {"event":.., "patchData":".."} as KubeEdge's nodes send it, or the patch itself. What an event is
 * about stays. */
static enum cor_code patch_event(const struct ec_said *said, struct cor_json *in,
                                 struct cor_json **out_r, struct cor_err *err)
{
    static const char *const PARTS[] = {"count",  "firstTimestamp", "lastTimestamp", "message",
                                        "series", "type",           "reason",        "action"};
    auto_(cor_json_free) struct cor_json *patch = NULL;
    struct cor_view text = cor_json_as_view(cor_json_get(in, "patchData"));
    (void)said;
    if (text.ptr == NULL) {
        patch = cor_json_ref(in);
    } else if (cor_json_parse(text, text.len, COR_JSON_STRICT, &patch, err) != COR_OK) {
        return cor_err_wrap(err, "patchData");
    }
    *out_r = cor_json_object();
    for (size_t i = 0; i < COR_COUNT(PARTS); i++) {
        keep(patch, PARTS[i], *out_r);
    }
    return COR_OK;
}

/* ---- claims ---- */

/* How large the volume is that a driver has made larger here. */
static enum cor_code patch_claim(const struct ec_said *said, struct cor_json *in,
                                 struct cor_json **out_r, struct cor_err *err)
{
    static const char *const PARTS[] = {"status.capacity", "status.conditions",
                                        "status.allocatedResourceStatuses"};
    (void)said;
    (void)err;
    *out_r = cor_json_object();
    for (size_t i = 0; i < COR_COUNT(PARTS); i++) {
        keep(in, PARTS[i], *out_r);
    }
    return COR_OK;
}

/* ---- others ---- */

static enum cor_code named(const struct ec_said *said, struct cor_json *in, struct cor_json **out_r,
                           struct cor_err *err)
{
    enum cor_code code = check_name(said, in, err);
    *out_r = code == COR_OK ? cor_json_ref(in) : NULL;
    return code;
}

/* A token ends with a Pod of the node. */
static enum cor_code token_request(const struct ec_said *said, struct cor_json *in,
                                   struct cor_json **out_r, struct cor_err *err)
{
    const struct cor_json *bound = cor_json_at(in, "spec.boundObjectRef");
    struct cor_view pod = cor_json_as_view(cor_json_get(bound, "name"));
    const char *of = pod.len == 0 ? NULL : ec_bound_node(said->pods, said->key->ns, pod);
    if (strcmp(cor_json_str_at(bound, "kind", ""), "Pod") != 0 || of == NULL ||
        strcmp(of, said->node) != 0) {
        return deny(err, "ask for tokens that are not bound to a Pod of its own");
    }
    *out_r = cor_json_ref(in);
    return COR_OK;
}

static enum cor_code as_it_is(const struct ec_said *said, struct cor_json *in,
                              struct cor_json **out_r, struct cor_err *err)
{
    (void)said;
    (void)err;
    *out_r = cor_json_ref(in);
    return COR_OK;
}

static const struct {
    const char *type;
    enum px_verb verb;
    enum cor_code (*rule)(const struct ec_said *said, struct cor_json *in, struct cor_json **out_r,
                          struct cor_err *err);
} RULES[] = {
    {"node", PX_VERB_CREATE, make_node},
    {"node", PX_VERB_UPDATE, mark_node},
    {"node", PX_VERB_PATCH, patch_node},
    {"nodepatch", PX_VERB_PATCH, patch_node},
    {"csinode", PX_VERB_CREATE, make_csi_node},
    {"csinode", PX_VERB_PATCH, patch_csi_node},
    {"pod", PX_VERB_CREATE, make_pod},
    {"pod", PX_VERB_PATCH, patch_pod},
    {"podpatch", PX_VERB_PATCH, patch_pod},
    {"pod", PX_VERB_DELETE, as_it_is},
    {"persistentvolumeclaim", PX_VERB_PATCH, patch_claim},
    {"event", PX_VERB_CREATE, whole_event},
    {"event", PX_VERB_UPDATE, whole_event},
    {"event", PX_VERB_PATCH, patch_event},
    {"lease", PX_VERB_CREATE, named},
    {"lease", PX_VERB_UPDATE, named},
    {"serviceaccounttoken", PX_VERB_CREATE, token_request},
    {"serviceaccounttoken", PX_VERB_GET, token_request},
};

static enum cor_code parse(const struct ec_said *said, struct cor_json **in_r, struct cor_err *err)
{
    bool deletes = said->verb == PX_VERB_DELETE; /* DeleteOptions may be left out */
    bool nothing = said->body.len == 0 || cor_view_is(said->body, "null");
    if (deletes && nothing) {
        *in_r = cor_json_object();
        return COR_OK;
    }
    enum cor_code code = cor_json_parse(said->body, said->body.len, COR_JSON_STRICT, in_r, err);
    if (code == COR_OK && !cor_json_is_object(*in_r)) {
        cor_json_free(in_r);
        code = cor_err_set(err, COR_INVALID, "no JSON object");
    }
    return code == COR_OK ? COR_OK : COR_INVALID;
}

enum cor_code ec_body(const struct ec_said *said, struct cor_json **out_r, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *in = NULL;
    *out_r = NULL;
    for (size_t i = 0; i < COR_COUNT(RULES); i++) {
        if (said->verb == RULES[i].verb && cor_view_is(said->key->type, RULES[i].type)) {
            enum cor_code code = parse(said, &in, err);
            return code == COR_OK ? RULES[i].rule(said, in, out_r, err) : code;
        }
    }
    return COR_OK;
}

static const char *uid_path(enum px_verb verb)
{
    return verb == PX_VERB_DELETE ? "preconditions.uid" : "metadata.uid";
}

const char *ec_body_uid(const struct cor_json *body, enum px_verb verb)
{
    return cor_json_str_at(body, uid_path(verb), "");
}

void ec_body_pin(struct cor_json *body, enum px_verb verb, const char *uid)
{
    if (ec_body_uid(body, verb)[0] == '\0' && uid[0] != '\0') {
        cor_json_set_at(body, uid_path(verb), cor_json_str(uid));
    }
}
