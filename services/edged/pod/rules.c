// SPDX-License-Identifier: Apache-2.0
// What concerns several fields of a Pod. Source: k8s.io/kubernetes
// pkg/apis/core/validation/validation.go.
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"
#include "shape.h"

/* Where a container stands in the object. */
struct place {
    struct shape_at spec;
    struct shape_at list;
    struct shape_at item;
    const struct pod_container *container;
    size_t index; /* as in pod_container */
};

static void place_set(struct place *place, const struct pod *pod, size_t index)
{
    size_t first = pod_is_ephemeral(pod, index) ? pod_main_end(pod) : pod->init_count;
    first = pod_is_init(pod, index) ? 0 : first;
    place->spec = (struct shape_at){.key = "spec"};
    place->list = (struct shape_at){.up = &place->spec, .key = pod_list_of(pod, index)};
    place->item = (struct shape_at){.up = &place->list, .index = index - first};
    place->container = pod_container(pod, index);
    place->index = index;
}

/* Refuses member key of the element at index of the container's list. */
static bool bad_element(struct pod_reader *reader, const struct place *place, const char *list,
                        size_t index, const char *key, const char *what)
{
    const struct shape_at row = {.up = &place->item, .key = list};
    const struct shape_at item = {.up = &row, .index = index};
    const struct shape_at field = {.up = &item, .key = key};
    return shape_bad(reader, &field, "%s", what);
}

static bool bad_duplicate(struct pod_reader *reader, const struct shape_at *at, const char *text)
{
    return shape_bad(reader, at, "Duplicate value: \"%.60s\"", text);
}

static bool check_name(struct pod_reader *reader, const struct pod *pod, const struct place *place)
{
    const struct shape_at name = {.up = &place->item, .key = "name"};
    return pod_find_container(pod, place->container->name) == place->index ||
           bad_duplicate(reader, &name, place->container->name);
}

static bool check_mount(struct pod_reader *reader, const struct pod *pod, const struct place *place,
                        size_t index)
{
    const struct pod_container *container = place->container;
    const struct pod_mount *mount = &container->mounts[index];
    if (pod_find_volume(pod, mount->volume) == NULL) {
        char what[80];
        (void)snprintf(what, sizeof(what), "Not found: \"%.63s\"", mount->volume);
        return bad_element(reader, place, "volumeMounts", index, "name", what);
    }
    for (size_t i = 0; i < index; i++) {
        if (strcmp(container->mounts[i].path, mount->path) == 0) {
            char what[100];
            (void)snprintf(what, sizeof(what), "Invalid value: \"%.60s\": must be unique",
                           mount->path);
            return bad_element(reader, place, "volumeMounts", index, "mountPath", what);
        }
    }
    if (mount->two_sub_paths) {
        return bad_element(reader, place, "volumeMounts", index, "subPathExpr",
                           "Invalid value: subPathExpr and subPath are mutually exclusive");
    }
    if (mount->propagation == 2 && !container->security.privileged) {
        return bad_element(reader, place, "volumeMounts", index, "mountPropagation",
                           "Forbidden: Bidirectional mount propagation is available only to "
                           "privileged containers");
    }
    return true;
}

static bool check_mounts(struct pod_reader *reader, const struct pod *pod,
                         const struct place *place)
{
    for (size_t i = 0; i < place->container->mount_count; i++) {
        if (!check_mount(reader, pod, place, i)) {
            return false;
        }
    }
    return true;
}

static bool check_devices(struct pod_reader *reader, const struct pod *pod,
                          const struct place *place)
{
    for (size_t i = 0; i < place->container->device_count; i++) {
        const char *name = place->container->devices[i].volume;
        const struct pod_volume *volume = pod_find_volume(pod, name);
        char what[200];
        if (volume != NULL && volume->type == POD_VOLUME_CLAIM) {
            continue;
        }
        if (volume == NULL) {
            (void)snprintf(what, sizeof(what), "Not found: \"%.63s\"", name);
        } else {
            (void)snprintf(what, sizeof(what),
                           "Invalid value: \"%.63s\": can only use volume source type of "
                           "PersistentVolumeClaim or Ephemeral for block mode",
                           name);
        }
        return bad_element(reader, place, "volumeDevices", i, "name", what);
    }
    return true;
}

static bool check_env(struct pod_reader *reader, const struct pod *pod, const struct place *place)
{
    (void)pod;
    for (size_t i = 0; i < place->container->env_count; i++) {
        const struct pod_env *env = &place->container->env[i];
        if (env->from != POD_ENV_VALUE && env->value[0] != '\0') {
            return bad_element(reader, place, "env", i, "valueFrom",
                               "Invalid value: \"\": may not be specified when `value` is not "
                               "empty");
        }
    }
    return true;
}

static bool same_host_port(const struct pod_port *a, const struct pod_port *b)
{
    return a->host_port != 0 && a->host_port == b->host_port && a->protocol == b->protocol &&
           strcmp(a->host_ip, b->host_ip) == 0;
}

/* Whether a main container up to this port has the same host port. */
static bool is_host_port_taken(const struct pod *pod, const struct place *place, size_t index)
{
    const struct pod_port *port = &place->container->ports[index];
    for (size_t c = pod->init_count; c <= place->index; c++) {
        const struct pod_container *other = pod_container(pod, c);
        size_t count = c == place->index ? index : other->port_count;
        for (size_t i = 0; i < count; i++) {
            if (same_host_port(&other->ports[i], port)) {
                return true;
            }
        }
    }
    return false;
}

static bool check_ports(struct pod_reader *reader, const struct pod *pod, const struct place *place)
{
    const struct pod_container *container = place->container;
    for (size_t i = 0; i < container->port_count; i++) {
        const struct pod_port *port = &container->ports[i];
        for (size_t j = 0; j < i; j++) {
            if (port->name[0] != '\0' && strcmp(port->name, container->ports[j].name) == 0) {
                return bad_element(reader, place, "ports", i, "name", "Duplicate value");
            }
        }
        if (pod->host_network && port->host_port != 0 && port->host_port != port->container_port) {
            return bad_element(reader, place, "ports", i, "hostPort",
                               "Invalid value: must match `containerPort` when `hostNetwork` is "
                               "true");
        }
        if (is_host_port_taken(pod, place, i)) {
            return bad_element(reader, place, "ports", i, "hostPort", "Duplicate value");
        }
    }
    return true;
}

/* up is what has the member resources. */
static bool check_resources(struct pod_reader *reader, const struct shape_at *up,
                            const struct pod_resources *r)
{
    const struct {
        const char *name;
        struct pod_amount request;
        struct pod_amount limit;
    } rows[] = {
        {"cpu", r->cpu_request, r->cpu_limit},
        {"memory", r->memory_request, r->memory_limit},
        {"ephemeral-storage", r->storage_request, r->storage_limit},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (rows[i].request.given && rows[i].limit.given && rows[i].request.n > rows[i].limit.n) {
            const struct shape_at amounts = {.up = up, .key = "resources"};
            const struct shape_at at = {.up = &amounts, .key = "requests"};
            return shape_bad(reader, &at, "Invalid value: must be less than or equal to %s limit",
                             rows[i].name);
        }
    }
    return true;
}

static bool check_amounts(struct pod_reader *reader, const struct pod *pod,
                          const struct place *place)
{
    (void)pod;
    return check_resources(reader, &place->item, &place->container->resources);
}

static bool adds_admin(const struct pod_security *security)
{
    for (size_t i = 0; i < security->add.count; i++) {
        if (strcmp(security->add.item[i], "CAP_SYS_ADMIN") == 0) {
            return true;
        }
    }
    return false;
}

static bool check_security(struct pod_reader *reader, const struct pod *pod,
                           const struct place *place)
{
    (void)pod;
    const struct pod_security *security = &place->container->security;
    const struct shape_at at = {.up = &place->item, .key = "securityContext"};
    if (security->no_new_privs && security->privileged) {
        return shape_bad(reader, &at,
                         "Invalid value: cannot set `allowPrivilegeEscalation` to false and "
                         "`privileged` to true");
    }
    if (security->no_new_privs && adds_admin(security)) {
        return shape_bad(reader, &at,
                         "Invalid value: cannot set `allowPrivilegeEscalation` to false and "
                         "`capabilities.Add` CAP_SYS_ADMIN");
    }
    if (security->seccomp == POD_PROFILE_LOCALHOST && security->seccomp_path[0] == '\0') {
        const struct shape_at profile = {.up = &at, .key = "seccompProfile"};
        const struct shape_at path = {.up = &profile, .key = "localhostProfile"};
        return shape_bad(reader, &path,
                         "Required value: must be set when seccomp type is "
                         "Localhost");
    }
    return true;
}

/* What the fields of a probe may hold depends on what it is for (validateLivenessProbe). */
static bool check_probes(struct pod_reader *reader, const struct pod *pod,
                         const struct place *place)
{
    (void)pod;
    for (size_t i = 0; i < POD_CHECKS; i++) {
        const struct pod_probe *probe = place->container->probes[i];
        const struct shape_at at = {.up = &place->item, .key = pod_probe_keys[i]};
        const struct shape_at success = {.up = &at, .key = "successThreshold"};
        const struct shape_at grace = {.up = &at, .key = "terminationGracePeriodSeconds"};
        if (probe != NULL && i != POD_READINESS && probe->success_threshold != 1) {
            return shape_bad(reader, &success, "Invalid value: %d: must be 1",
                             (int)probe->success_threshold);
        }
        if (probe != NULL && i == POD_READINESS && probe->grace_seconds.given) {
            return shape_bad(reader, &grace,
                             "Invalid value: %d: must not be set for readinessProbes",
                             (int)probe->grace_seconds.n);
        }
    }
    return true;
}

typedef bool (*rule)(struct pod_reader *reader, const struct pod *pod, const struct place *place);

static bool check_volumes(struct pod_reader *reader, const struct pod *pod)
{
    const struct shape_at spec = {.key = "spec"};
    const struct shape_at list = {.up = &spec, .key = "volumes"};
    for (size_t i = 0; i < pod->volume_count; i++) {
        const struct pod_volume *volume = &pod->volumes[i];
        const struct shape_at item = {.up = &list, .index = i};
        const struct shape_at name = {.up = &item, .key = "name"};
        if (pod_find_volume(pod, volume->name) != volume) {
            return bad_duplicate(reader, &name, volume->name);
        }
        if (volume->kinds > 1) {
            return shape_bad(reader, &item, "Forbidden: may not specify more than 1 volume type");
        }
    }
    return true;
}

static bool check_pod(struct pod_reader *reader, const struct pod *pod)
{
    enum { SERVERS_MAX = 3, SEARCHES_MAX = 32 };
    const struct shape_at spec = {.key = "spec"};
    const struct shape_at dns = {.up = &spec, .key = "dnsConfig"};
    const struct shape_at servers = {.up = &dns, .key = "nameservers"};
    const struct shape_at searches = {.up = &dns, .key = "searches"};
    const struct shape_at share = {.up = &spec, .key = "shareProcessNamespace"};
    if (pod->dns_servers.count > SERVERS_MAX) {
        return shape_bad(reader, &servers, "Invalid value: must not have more than %d nameservers",
                         SERVERS_MAX);
    }
    if (pod->dns_searches.count > SEARCHES_MAX) {
        return shape_bad(reader, &searches,
                         "Invalid value: must not have more than %d search paths", SEARCHES_MAX);
    }
    if (pod->share_pid && pod->host_pid) {
        return shape_bad(reader, &share,
                         "Invalid value: true: ShareProcessNamespace and HostPID "
                         "cannot both be enabled");
    }
    return check_resources(reader, &spec, &pod->level);
}

bool pod_rules(struct pod_reader *reader, const struct pod *pod)
{
    static const rule rules[] = {check_name,  check_mounts,  check_devices,  check_env,
                                 check_ports, check_amounts, check_security, check_probes};
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        struct place place;
        place_set(&place, pod, i);
        for (size_t r = 0; r < COR_COUNT(rules); r++) {
            if (!rules[r](reader, pod, &place)) {
                return false;
            }
        }
    }
    return check_volumes(reader, pod) && check_pod(reader, pod);
}
