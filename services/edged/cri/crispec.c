// SPDX-License-Identifier: Apache-2.0
#include "crispec.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "services/edged/cgroup/podgroup.h"

enum { HOSTNAME_MAX = 63 };

static void *room(struct cor_arena *arena, size_t size)
{
    void *p = cor_arena_alloc(arena, size);
    must(p != NULL);
    return p;
}

static const char *fmt(struct cor_arena *arena, const char *format, ...) COR_PRINTF(2, 3);

static const char *fmt(struct cor_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    must(len >= 0);
    char *text = room(arena, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

const char *crispec_log_dir(struct cor_arena *arena, const struct crispec_node *node,
                            const struct pod *pod)
{
    return fmt(arena, "%s/%s_%s_%s", node->log_dir, pod->ns, pod->name, pod->uid);
}

const char *crispec_cgroup(struct cor_arena *arena, const struct crispec_node *node,
                           const struct pod *pod)
{
    static const char *const folders[] = {[POD_QOS_GUARANTEED] = "",
                                          [POD_QOS_BURSTABLE] = "/burstable",
                                          [POD_QOS_BEST_EFFORT] = "/besteffort"};
    return fmt(arena, "%s/kubepods%s/pod%s", node->cgroup_root, folders[pod->qos], pod->uid);
}

const char *crispec_hostname(struct cor_arena *arena, const struct pod *pod)
{
    const char *name = pod->hostname[0] != '\0' ? pod->hostname : pod->name;
    size_t len = strnlen(name, HOSTNAME_MAX);
    while (len > 0 && (name[len - 1] == '-' || name[len - 1] == '.')) {
        len--;
    }
    return fmt(arena, "%.*s", (int)len, name);
}

/* A growing list of pairs in the arena. */
struct pairs {
    struct cor_arena *arena;
    struct cri_kv *item;
    size_t count;
    size_t cap;
};

static void add_pair(struct pairs *pairs, const char *key, const char *value)
{
    if (pairs->count == pairs->cap) {
        size_t cap = pairs->cap == 0 ? 16 : pairs->cap * 2;
        struct cri_kv *item = room(pairs->arena, cap * sizeof(*item));
        if (pairs->count > 0) {
            memcpy(item, pairs->item, pairs->count * sizeof(*item));
        }
        pairs->item = item;
        pairs->cap = cap;
    }
    pairs->item[pairs->count++] = (struct cri_kv){key, value};
}

static void add_object(struct pairs *pairs, const struct cor_json *object)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(object, &at, &key, &child)) {
        add_pair(pairs, key, cor_json_as_str(child, ""));
    }
}

static struct cri_kvs as_kvs(const struct pairs *pairs)
{
    return (struct cri_kvs){pairs->item, pairs->count};
}

static void add_identity(struct pairs *labels, const struct pod *pod)
{
    add_pair(labels, CRI_LABEL_POD, pod->name);
    add_pair(labels, CRI_LABEL_NAMESPACE, pod->ns);
    add_pair(labels, CRI_LABEL_UID, pod->uid);
}

/* Strings of two lists, one after the other. */
static struct cri_strings joined(struct cor_arena *arena, const char *const *a, size_t a_count,
                                 struct pod_strings b)
{
    const char **list = room(arena, (a_count + b.count + 1) * sizeof(*list));
    for (size_t i = 0; i < a_count; i++) {
        list[i] = a[i];
    }
    for (size_t i = 0; i < b.count; i++) {
        list[a_count + i] = b.item[i];
    }
    return (struct cri_strings){list, a_count + b.count};
}

/* A pod that has the machine's resolver adds to what that is. */
static bool wants_own(const struct crispec_node *node, const struct pod *pod, bool cluster)
{
    bool adds = pod->dns_servers.count + pod->dns_searches.count + pod->dns_options.count > 0;
    return node->resolv != NULL && adds && !cluster && strcmp(pod->dns_policy, "None") != 0;
}

/* With no answer of ours the runtime gives the pod the node's resolv.conf. */
static void fill_dns(struct cor_arena *arena, const struct crispec_node *node,
                     const struct pod *pod, struct cri_sandbox_config *out)
{
    bool first = strcmp(pod->dns_policy, "ClusterFirst") == 0 && !pod->host_network;
    bool cluster =
        node->dns_count > 0 && (first || strcmp(pod->dns_policy, "ClusterFirstWithHostNet") == 0);
    const char *searches[] = {fmt(arena, "%s.svc.%s", pod->ns, node->domain),
                              fmt(arena, "svc.%s", node->domain), node->domain};
    static const char *const options[] = {"ndots:5"};
    static const struct resolv no_resolv = {0};
    const struct resolv *own = wants_own(node, pod, cluster) ? node->resolv : &no_resolv;
    out->dns_servers = joined(arena, cluster ? node->dns : own->servers,
                              cluster ? node->dns_count : own->server_count, pod->dns_servers);
    out->dns_searches =
        joined(arena, cluster ? searches : own->searches,
               cluster ? COR_COUNT(searches) : own->search_count, pod->dns_searches);
    out->dns_options = joined(arena, cluster ? options : own->options,
                              cluster ? COR_COUNT(options) : own->option_count, pod->dns_options);
}

static void fill_ports(struct cor_arena *arena, const struct pod *pod,
                       struct cri_sandbox_config *out)
{
    size_t most = 0;
    for (size_t i = 0; i < pod->main_count; i++) {
        most += pod->main[i].port_count;
    }
    struct cri_port *ports = room(arena, (most + 1) * sizeof(*ports));
    for (size_t i = 0; i < pod->main_count && !pod->host_network; i++) {
        for (size_t j = 0; j < pod->main[i].port_count; j++) {
            const struct pod_port *port = &pod->main[i].ports[j];
            if (port->host_port > 0) {
                ports[out->port_count++] = (struct cri_port){port->protocol, port->container_port,
                                                             port->host_port, port->host_ip};
            }
        }
    }
    out->ports = ports;
}

static struct cri_security namespaces(const struct pod *pod)
{
    return (struct cri_security){
        .network = pod->host_network ? CRI_NS_NODE : CRI_NS_POD,
        .pid = pod->host_pid    ? CRI_NS_NODE
               : pod->share_pid ? CRI_NS_POD
                                : CRI_NS_CONTAINER,
        .ipc = pod->host_ipc ? CRI_NS_NODE : CRI_NS_POD,
        .groups = pod->groups,
        .group_count = pod->group_count,
    };
}

/* With setHostnameAsFQDN the name and the domain that a subdomain gives. */
static const char *full_hostname(struct cor_arena *arena, const struct crispec_node *node,
                                 const struct pod *pod)
{
    const char *name = crispec_hostname(arena, pod);
    if (!pod->fqdn || pod->subdomain[0] == '\0') {
        return name;
    }
    return fmt(arena, "%s.%s.%s.svc.%s", name, pod->subdomain, pod->ns, node->domain);
}

const char *crispec_cannot(struct cor_arena *arena, const struct crispec_node *node,
                           const struct pod *pod)
{
    enum { FQDN_MAX = 64 };
    const char *name = full_hostname(arena, node, pod);
    if (pod->fqdn && strlen(name) > FQDN_MAX) {
        return fmt(arena,
                   "failed to construct FQDN from Pod hostname and cluster domain, FQDN %s is too "
                   "long (%d characters is the max, %zu characters requested)",
                   name, FQDN_MAX, strlen(name));
    }
    if (pod->user_namespace) {
        return "can't set `spec.hostUsers: false`, runtime does not support user namespaces";
    }
    return "";
}

static void fill_amounts(const struct pod *pod, struct cri_sandbox_config *out)
{
    static const struct huge no_huge = {.count = 0};
    struct podgroup group;
    podgroup_limits(pod, &no_huge, 0, &group);
    out->amounts = (struct cri_amounts){group.cpu_shares, group.cpu_quota, group.memory};
    out->has_overhead = pod->overhead_cpu.given || pod->overhead_memory.given;
    out->overhead =
        (struct cri_amounts){podgroup_shares(pod->overhead_cpu.n),
                             podgroup_quota(pod->overhead_cpu.n), pod->overhead_memory.n};
}

void crispec_sandbox(struct cor_arena *arena, const struct crispec_node *node,
                     const struct pod *pod, uint32_t attempt, struct cri_sandbox_config *out)
{
    struct pairs labels = {.arena = arena};
    struct pairs notes = {.arena = arena};
    struct pairs sysctls = {.arena = arena};
    add_object(&labels, cor_json_at(pod->object, "metadata.labels"));
    add_identity(&labels, pod);
    add_object(&notes, cor_json_at(pod->object, "metadata.annotations"));
    add_pair(&notes, "kubernetes.io/config.source", "api");
    for (size_t i = 0; i < pod->sysctl_count; i++) {
        add_pair(&sysctls, pod->sysctls[i].name, pod->sysctls[i].value);
    }
    *out = (struct cri_sandbox_config){
        .name = pod->name,
        .uid = pod->uid,
        .ns = pod->ns,
        .attempt = attempt,
        .hostname = pod->host_network ? "" : full_hostname(arena, node, pod),
        .log_dir = crispec_log_dir(arena, node, pod),
        .cgroup_parent = crispec_cgroup(arena, node, pod),
        .labels = as_kvs(&labels),
        .annotations = as_kvs(&notes),
        .sysctls = as_kvs(&sysctls),
        .security = namespaces(pod),
    };
    out->security.seccomp = CRI_SECCOMP_DEFAULT;
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        out->security.privileged |= pod_container(pod, i)->security.privileged;
    }
    fill_amounts(pod, out);
    fill_dns(arena, node, pod, out);
    fill_ports(arena, pod, out);
}

static int64_t shares_of(const struct pod_resources *r)
{
    return podgroup_shares(r->cpu_request.given ? r->cpu_request.n : r->cpu_limit.n);
}

static struct cri_strings expanded(struct cor_arena *arena, const struct env *env,
                                   struct pod_strings from)
{
    const char **list = room(arena, (from.count + 1) * sizeof(*list));
    for (size_t i = 0; i < from.count; i++) {
        char *text = env_expand(env, from.item[i]);
        list[i] = fmt(arena, "%s", text);
        cor_freep(&text);
    }
    return (struct cri_strings){list, from.count};
}

static void add_kvs(struct pairs *pairs, struct cri_kvs more)
{
    for (size_t i = 0; i < more.count; i++) {
        add_pair(pairs, more.item[i].key, more.item[i].value);
    }
}

static struct cri_kvs env_kvs(struct cor_arena *arena, const struct env *env, struct cri_kvs first)
{
    struct pairs pairs = {.arena = arena};
    add_kvs(&pairs, first);
    for (size_t i = 0; i < env->count; i++) {
        add_pair(&pairs, env->vars[i].name, env->vars[i].value);
    }
    return as_kvs(&pairs);
}

static struct cri_kvs container_notes(struct cor_arena *arena, const struct pod *pod,
                                      const struct pod_container *spec, uint32_t attempt,
                                      struct cri_kvs first)
{
    struct pairs notes = {.arena = arena};
    add_kvs(&notes, first);
    add_pair(&notes, CRI_NOTE_HASH, spec->hash);
    add_pair(&notes, CRI_NOTE_RESTARTS, fmt(arena, "%" PRIu32, attempt));
    add_pair(&notes, CRI_NOTE_MESSAGE_PATH, spec->message_path);
    add_pair(&notes, CRI_NOTE_MESSAGE_POLICY,
             spec->message_from_log ? "FallbackToLogsOnError" : "File");
    add_pair(&notes, CRI_NOTE_GRACE, fmt(arena, "%" PRId64, pod->grace_seconds));
    return as_kvs(&notes);
}

/* Those of device plug-ins come first. */
static void fill_mounts(struct cor_arena *arena, const struct crispec_attempt *attempt,
                        const struct crispec_devices *devices, struct cri_container_config *out)
{
    size_t first = devices->mount_count;
    struct cri_mount *list = room(arena, (first + attempt->mount_count + 1) * sizeof(*list));
    for (size_t i = 0; i < first; i++) {
        list[i] = devices->mounts[i];
    }
    for (size_t i = 0; i < attempt->mount_count; i++) {
        const struct crispec_mount *mount = &attempt->mounts[i];
        list[first + i] = (struct cri_mount){mount->container_path, mount->host_path,
                                             mount->readonly, mount->propagation};
    }
    out->mounts = list;
    out->mount_count = first + attempt->mount_count;
    out->devices = devices->devices;
    out->device_count = devices->device_count;
    out->cdi = devices->cdi;
}

static void fill_security(struct cor_arena *arena, const struct crispec_node *node,
                          const struct pod *pod, const struct pod_container *spec,
                          struct cri_container_config *out)
{
    const struct pod_security *from = &spec->security;
    out->security = namespaces(pod);
    out->security.has_user = from->user.given;
    out->security.user = from->user.n;
    out->security.has_group = from->group.given && from->user.given; /* a group alone is refused */
    out->security.group = from->group.n;
    out->security.privileged = from->privileged;
    out->security.seccomp = (enum cri_seccomp)from->seccomp;
    out->security.seccomp_path =
        from->seccomp == POD_PROFILE_LOCALHOST
            ? fmt(arena, "%s/seccomp/%s", node->root_dir, from->seccomp_path)
            : "";
    out->security.apparmor_given = from->apparmor_given;
    out->security.apparmor = (enum cri_seccomp)from->apparmor;
    out->security.apparmor_name = from->apparmor_name;
    out->readonly_rootfs = from->readonly_rootfs;
    out->no_new_privs = from->no_new_privs;
    out->default_masks = !from->privileged && !from->unmasked;
    out->add_capabilities = (struct cri_strings){from->add.item, from->add.count};
    out->drop_capabilities = (struct cri_strings){from->drop.item, from->drop.count};
}

/* Of each size that the machine has: what the container does not ask for it may not use. */
static void fill_huge(struct cor_arena *arena, const struct crispec_node *node,
                      const struct pod_container *spec, struct cri_container_config *out)
{
    size_t count = node->huge == NULL ? 0 : node->huge->count;
    struct cri_huge_limit *list = room(arena, (count + 1) * sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        const struct huge_size *size = &node->huge->sizes[i];
        list[i] = (struct cri_huge_limit){size->page,
                                          (uint64_t)huge_limit(&spec->resources, size->resource)};
    }
    out->huge = list;
    out->huge_count = count;
}

void crispec_container(struct cor_arena *arena, const struct crispec_node *node,
                       const struct pod *pod, const struct crispec_attempt *attempt,
                       struct cri_container_config *out)
{
    static const struct crispec_devices no_devices = {0};
    const struct crispec_devices *devices =
        attempt->devices != NULL ? attempt->devices : &no_devices;
    const struct pod_container *spec = pod_container(pod, attempt->index);
    struct pairs labels = {.arena = arena};
    add_identity(&labels, pod);
    add_pair(&labels, CRI_LABEL_CONTAINER, spec->name);
    *out = (struct cri_container_config){
        .name = spec->name,
        .attempt = attempt->number,
        .image = spec->image,
        .command = expanded(arena, attempt->env, spec->command),
        .args = expanded(arena, attempt->env, spec->args),
        .working_dir = spec->working_dir,
        .env = env_kvs(arena, attempt->env, devices->env),
        .labels = as_kvs(&labels),
        .annotations = container_notes(arena, pod, spec, attempt->number, devices->annotations),
        .log_path = fmt(arena, "%s/%" PRIu32 ".log", spec->name, attempt->number),
        .stdin_open = spec->stdin_open,
        .stdin_once = spec->stdin_once,
        .tty = spec->tty,
        .cpu_shares = shares_of(&spec->resources),
        .cpu_quota = podgroup_quota(spec->resources.cpu_limit.n),
        .memory_limit = spec->resources.memory_limit.n,
        .oom_score_adj = pod_oom_score(pod, spec, node->memory),
    };
    fill_mounts(arena, attempt, devices, out);
    fill_security(arena, node, pod, spec, out);
    fill_huge(arena, node, spec, out);
    if (attempt->target != NULL && out->security.pid == CRI_NS_CONTAINER) {
        out->security.pid = CRI_NS_TARGET;
        out->security.target = attempt->target;
    }
}

void crispec_hosts(struct cor_arena *arena, const struct pod *pod, const char *const *ips,
                   size_t ip_count, const char *domain, struct cor_buf *out)
{
    const char *hostname = crispec_hostname(arena, pod);
    cor_buf_str(out, "# Kubernetes-managed hosts file.\n"
                     "127.0.0.1\tlocalhost\n"
                     "::1\tlocalhost ip6-localhost ip6-loopback\n"
                     "fe00::\tip6-localnet\nfe00::\tip6-mcastprefix\n"
                     "fe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
    for (size_t i = 0; i < ip_count; i++) {
        if (pod->subdomain[0] != '\0') {
            cor_buf_fmt(out, "%s\t%s.%s.%s.svc.%s\t%s\n", ips[i], hostname, pod->subdomain, pod->ns,
                        domain, hostname);
        } else {
            cor_buf_fmt(out, "%s\t%s\n", ips[i], hostname);
        }
    }
    if (pod->alias_count > 0) {
        cor_buf_str(out, "\n# Entries added by HostAliases.\n");
    }
    for (size_t i = 0; i < pod->alias_count; i++) {
        cor_buf_str(out, pod->aliases[i].ip);
        for (size_t j = 0; j < pod->aliases[i].names.count; j++) {
            cor_buf_fmt(out, "\t%s", pod->aliases[i].names.item[j]);
        }
        cor_buf_str(out, "\n");
    }
}
