// SPDX-License-Identifier: Apache-2.0
// Requests: plain structs to messages of runtime.v1.
#include "common/base/must.h"
#include "cri_wire.h"

void *cri_room(struct cor_arena *arena, size_t size)
{
    void *room = cor_arena_alloc(arena, size);
    must(room != NULL);
    return room;
}

/* protobuf-c strings are char *, never NULL. */
static char *text(const char *s)
{
    return (char *)(uintptr_t)(s == NULL ? "" : s);
}

/* A new message of the given type, initialised. */
#define MAKE(arena, type, init)                                                                    \
    __extension__({                                                                                \
        type *made_ = cri_room((arena), sizeof(*made_));                                           \
        init(made_);                                                                               \
        made_;                                                                                     \
    })

static char **strings(struct cor_arena *arena, struct cri_strings from, size_t *count_r)
{
    char **list = cri_room(arena, (from.count + 1) * sizeof(*list));
    for (size_t i = 0; i < from.count; i++) {
        list[i] = text(from.item[i]);
    }
    *count_r = from.count;
    return list;
}

static Runtime__V1__KeyText **texts(struct cor_arena *arena, struct cri_kvs from, size_t *count_r)
{
    Runtime__V1__KeyText **list = cri_room(arena, (from.count + 1) * sizeof(*list));
    for (size_t i = 0; i < from.count; i++) {
        list[i] = MAKE(arena, Runtime__V1__KeyText, runtime__v1__key_text__init);
        list[i]->key = text(from.item[i].key);
        list[i]->value = text(from.item[i].value);
    }
    *count_r = from.count;
    return list;
}

static Runtime__V1__KeyBytes **envs(struct cor_arena *arena, struct cri_kvs from, size_t *count_r)
{
    Runtime__V1__KeyBytes **list = cri_room(arena, (from.count + 1) * sizeof(*list));
    for (size_t i = 0; i < from.count; i++) {
        list[i] = MAKE(arena, Runtime__V1__KeyBytes, runtime__v1__key_bytes__init);
        list[i]->key = text(from.item[i].key);
        list[i]->value = text(from.item[i].value);
    }
    *count_r = from.count;
    return list;
}

static Runtime__V1__Int64Value *number(struct cor_arena *arena, bool given, int64_t value)
{
    if (!given) {
        return NULL;
    }
    Runtime__V1__Int64Value *made =
        MAKE(arena, Runtime__V1__Int64Value, runtime__v1__int64_value__init);
    made->value = value;
    return made;
}

static Runtime__V1__NamespaceOption *namespaces(struct cor_arena *arena,
                                                const struct cri_security *from)
{
    Runtime__V1__NamespaceOption *made =
        MAKE(arena, Runtime__V1__NamespaceOption, runtime__v1__namespace_option__init);
    made->network = (int32_t)from->network;
    made->pid = (int32_t)from->pid;
    made->ipc = (int32_t)from->ipc;
    made->target_id = text(from->target);
    return made;
}

static Runtime__V1__SecurityProfile *seccomp(struct cor_arena *arena,
                                             const struct cri_security *from)
{
    Runtime__V1__SecurityProfile *made =
        MAKE(arena, Runtime__V1__SecurityProfile, runtime__v1__security_profile__init);
    made->profile_type = (int32_t)from->seccomp;
    made->localhost_ref = text(from->seccomp_path);
    return made;
}

static Runtime__V1__SecurityProfile *apparmor(struct cor_arena *arena,
                                              const struct cri_security *from)
{
    if (!from->apparmor_given) {
        return NULL;
    }
    Runtime__V1__SecurityProfile *made =
        MAKE(arena, Runtime__V1__SecurityProfile, runtime__v1__security_profile__init);
    made->profile_type = (int32_t)from->apparmor;
    made->localhost_ref = text(from->apparmor_name);
    return made;
}

static int64_t *groups(struct cor_arena *arena, const struct cri_security *from, size_t *count_r)
{
    int64_t *list = cri_room(arena, (from->group_count + 1) * sizeof(*list));
    for (size_t i = 0; i < from->group_count; i++) {
        list[i] = from->groups[i];
    }
    *count_r = from->group_count;
    return list;
}

enum { CPU_PERIOD_US = 100000 }; /* kubelet's --cpu-cfs-quota-period default */

static Runtime__V1__LinuxContainerResources *amounts(struct cor_arena *arena,
                                                     const struct cri_amounts *from)
{
    Runtime__V1__LinuxContainerResources *made = MAKE(arena, Runtime__V1__LinuxContainerResources,
                                                      runtime__v1__linux_container_resources__init);
    made->cpu_shares = from->cpu_shares;
    made->cpu_quota = from->cpu_quota;
    made->cpu_period = CPU_PERIOD_US;
    made->memory_limit_in_bytes = from->memory;
    return made;
}

static Runtime__V1__LinuxPodSandboxConfig *sandbox_linux(struct cor_arena *arena,
                                                         const struct cri_sandbox_config *from)
{
    Runtime__V1__LinuxPodSandboxConfig *made = MAKE(arena, Runtime__V1__LinuxPodSandboxConfig,
                                                    runtime__v1__linux_pod_sandbox_config__init);
    Runtime__V1__LinuxSandboxSecurityContext *security =
        MAKE(arena, Runtime__V1__LinuxSandboxSecurityContext,
             runtime__v1__linux_sandbox_security_context__init);
    made->cgroup_parent = text(from->cgroup_parent);
    made->sysctls = texts(arena, from->sysctls, &made->n_sysctls);
    made->security_context = security;
    security->namespace_options = namespaces(arena, &from->security);
    security->run_as_user = number(arena, from->security.has_user, from->security.user);
    security->run_as_group = number(arena, from->security.has_group, from->security.group);
    security->supplemental_groups =
        groups(arena, &from->security, &security->n_supplemental_groups);
    security->privileged = from->security.privileged;
    security->seccomp = seccomp(arena, &from->security);
    made->resources = amounts(arena, &from->amounts);
    made->overhead = from->has_overhead ? amounts(arena, &from->overhead) : NULL;
    return made;
}

static Runtime__V1__DNSConfig *dns(struct cor_arena *arena, const struct cri_sandbox_config *from)
{
    if (from->dns_servers.count + from->dns_searches.count + from->dns_options.count == 0) {
        return NULL;
    }
    Runtime__V1__DNSConfig *made =
        MAKE(arena, Runtime__V1__DNSConfig, runtime__v1__dnsconfig__init);
    made->servers = strings(arena, from->dns_servers, &made->n_servers);
    made->searches = strings(arena, from->dns_searches, &made->n_searches);
    made->options = strings(arena, from->dns_options, &made->n_options);
    return made;
}

static void ports(struct cor_arena *arena, const struct cri_sandbox_config *from,
                  Runtime__V1__PodSandboxConfig *to)
{
    to->n_port_mappings = from->port_count;
    to->port_mappings = cri_room(arena, (from->port_count + 1) * sizeof(*to->port_mappings));
    for (size_t i = 0; i < from->port_count; i++) {
        Runtime__V1__PortMapping *made =
            MAKE(arena, Runtime__V1__PortMapping, runtime__v1__port_mapping__init);
        made->protocol = from->ports[i].protocol;
        made->container_port = from->ports[i].container_port;
        made->host_port = from->ports[i].host_port;
        made->host_ip = text(from->ports[i].host_ip);
        to->port_mappings[i] = made;
    }
}

Runtime__V1__PodSandboxConfig *cri_wire_sandbox(struct cor_arena *arena,
                                                const struct cri_sandbox_config *config)
{
    Runtime__V1__PodSandboxConfig *made =
        MAKE(arena, Runtime__V1__PodSandboxConfig, runtime__v1__pod_sandbox_config__init);
    made->metadata =
        MAKE(arena, Runtime__V1__PodSandboxMetadata, runtime__v1__pod_sandbox_metadata__init);
    made->metadata->name = text(config->name);
    made->metadata->uid = text(config->uid);
    made->metadata->namespace_ = text(config->ns);
    made->metadata->attempt = config->attempt;
    made->hostname = text(config->hostname);
    made->log_directory = text(config->log_dir);
    made->dns_config = dns(arena, config);
    ports(arena, config, made);
    made->labels = texts(arena, config->labels, &made->n_labels);
    made->annotations = texts(arena, config->annotations, &made->n_annotations);
    made->linux = sandbox_linux(arena, config);
    return made;
}

static void mounts(struct cor_arena *arena, const struct cri_container_config *from,
                   Runtime__V1__ContainerConfig *to)
{
    to->n_mounts = from->mount_count;
    to->mounts = cri_room(arena, (from->mount_count + 1) * sizeof(*to->mounts));
    for (size_t i = 0; i < from->mount_count; i++) {
        Runtime__V1__Mount *made = MAKE(arena, Runtime__V1__Mount, runtime__v1__mount__init);
        made->container_path = text(from->mounts[i].container_path);
        made->host_path = text(from->mounts[i].host_path);
        made->readonly = from->mounts[i].readonly;
        made->propagation = from->mounts[i].propagation;
        to->mounts[i] = made;
    }
}

static void devices(struct cor_arena *arena, const struct cri_container_config *from,
                    Runtime__V1__ContainerConfig *to)
{
    to->n_devices = from->device_count;
    to->devices = cri_room(arena, (from->device_count + 1) * sizeof(*to->devices));
    for (size_t i = 0; i < from->device_count; i++) {
        Runtime__V1__Device *made = MAKE(arena, Runtime__V1__Device, runtime__v1__device__init);
        made->container_path = text(from->devices[i].container_path);
        made->host_path = text(from->devices[i].host_path);
        made->permissions = text(from->devices[i].permissions);
        to->devices[i] = made;
    }
    to->n_cdi_devices = from->cdi.count;
    to->cdi_devices = cri_room(arena, (from->cdi.count + 1) * sizeof(*to->cdi_devices));
    for (size_t i = 0; i < from->cdi.count; i++) {
        to->cdi_devices[i] = MAKE(arena, Runtime__V1__CdiDevice, runtime__v1__cdi_device__init);
        to->cdi_devices[i]->name = text(from->cdi.item[i]);
    }
}

/* What kubelet passes when procMount is Default (k8s.io/kubernetes pkg/securitycontext/util.go). */
static const char *const masked[] = {
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
};
static const char *const read_only[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static Runtime__V1__LinuxContainerSecurityContext *
container_security(struct cor_arena *arena, const struct cri_container_config *from)
{
    Runtime__V1__LinuxContainerSecurityContext *made =
        MAKE(arena, Runtime__V1__LinuxContainerSecurityContext,
             runtime__v1__linux_container_security_context__init);
    made->capabilities = MAKE(arena, Runtime__V1__Capability, runtime__v1__capability__init);
    made->capabilities->add_capabilities =
        strings(arena, from->add_capabilities, &made->capabilities->n_add_capabilities);
    made->capabilities->drop_capabilities =
        strings(arena, from->drop_capabilities, &made->capabilities->n_drop_capabilities);
    made->privileged = from->security.privileged;
    made->namespace_options = namespaces(arena, &from->security);
    made->run_as_user = number(arena, from->security.has_user, from->security.user);
    made->run_as_group = number(arena, from->security.has_group, from->security.group);
    made->readonly_rootfs = from->readonly_rootfs;
    made->supplemental_groups = groups(arena, &from->security, &made->n_supplemental_groups);
    made->no_new_privs = from->no_new_privs;
    made->seccomp = seccomp(arena, &from->security);
    made->apparmor = apparmor(arena, &from->security);
    if (from->default_masks) {
        made->masked_paths =
            strings(arena, (struct cri_strings){masked, COR_COUNT(masked)}, &made->n_masked_paths);
        made->readonly_paths = strings(arena, (struct cri_strings){read_only, COR_COUNT(read_only)},
                                       &made->n_readonly_paths);
    }
    return made;
}

static void huge_limits(struct cor_arena *arena, const struct cri_container_config *from,
                        Runtime__V1__LinuxContainerResources *to)
{
    to->n_hugepage_limits = from->huge_count;
    to->hugepage_limits = cri_room(arena, (from->huge_count + 1) * sizeof(*to->hugepage_limits));
    for (size_t i = 0; i < from->huge_count; i++) {
        to->hugepage_limits[i] =
            MAKE(arena, Runtime__V1__HugepageLimit, runtime__v1__hugepage_limit__init);
        to->hugepage_limits[i]->page_size = text(from->huge[i].page);
        to->hugepage_limits[i]->limit = from->huge[i].bytes;
    }
}

static Runtime__V1__LinuxContainerConfig *container_linux(struct cor_arena *arena,
                                                          const struct cri_container_config *from)
{
    Runtime__V1__LinuxContainerConfig *made =
        MAKE(arena, Runtime__V1__LinuxContainerConfig, runtime__v1__linux_container_config__init);
    made->resources = MAKE(arena, Runtime__V1__LinuxContainerResources,
                           runtime__v1__linux_container_resources__init);
    made->resources->cpu_shares = from->cpu_shares;
    made->resources->cpu_quota = from->cpu_quota;
    made->resources->cpu_period = from->cpu_quota != 0 ? CPU_PERIOD_US : 0;
    made->resources->memory_limit_in_bytes = from->memory_limit;
    made->resources->oom_score_adj = from->oom_score_adj;
    huge_limits(arena, from, made->resources);
    made->security_context = container_security(arena, from);
    return made;
}

Runtime__V1__ContainerConfig *cri_wire_container(struct cor_arena *arena,
                                                 const struct cri_container_config *config)
{
    Runtime__V1__ContainerConfig *made =
        MAKE(arena, Runtime__V1__ContainerConfig, runtime__v1__container_config__init);
    made->metadata =
        MAKE(arena, Runtime__V1__ContainerMetadata, runtime__v1__container_metadata__init);
    made->metadata->name = text(config->name);
    made->metadata->attempt = config->attempt;
    made->image = MAKE(arena, Runtime__V1__ImageSpec, runtime__v1__image_spec__init);
    made->image->image = text(config->image);
    made->command = strings(arena, config->command, &made->n_command);
    made->args = strings(arena, config->args, &made->n_args);
    made->working_dir = text(config->working_dir);
    made->envs = envs(arena, config->env, &made->n_envs);
    mounts(arena, config, made);
    devices(arena, config, made);
    made->labels = texts(arena, config->labels, &made->n_labels);
    made->annotations = texts(arena, config->annotations, &made->n_annotations);
    made->log_path = text(config->log_path);
    made->stdin = config->stdin_open;
    made->stdin_once = config->stdin_once;
    made->tty = config->tty;
    made->linux = container_linux(arena, config);
    return made;
}
