// SPDX-License-Identifier: Apache-2.0
// Answers: messages of runtime.v1 to plain structs that borrow their strings.
#include <string.h>

#include "common/json/json.h"
#include "cri_wire.h"

/* Unpacks bytes as type into a variable m and hands it to the call; "return false" when broken. */
#define UNPACK(m, type, unpack)                                                                    \
    type *m = unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);                                 \
    if (m == NULL) {                                                                               \
        return false;                                                                              \
    }                                                                                              \
    *unpacked_r = &m->base

bool cri_read_nothing(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                      ProtobufCMessage **unpacked_r)
{
    (void)arena;
    (void)bytes;
    (void)answer;
    (void)unpacked_r;
    return true;
}

bool cri_read_version(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                      ProtobufCMessage **unpacked_r)
{
    (void)arena;
    UNPACK(m, Runtime__V1__VersionResponse, runtime__v1__version_response__unpack);
    answer->runtime_name = m->runtime_name;
    answer->runtime_version = m->runtime_version;
    return true;
}

static void read_handlers(struct cor_arena *arena, const Runtime__V1__StatusResponse *m,
                          struct cri_answer *answer)
{
    struct cri_handler *list = cri_room(arena, (m->n_runtime_handlers + 1) * sizeof(*list));
    for (size_t i = 0; i < m->n_runtime_handlers; i++) {
        const Runtime__V1__RuntimeHandler *from = m->runtime_handlers[i];
        list[i].name = from->name;
        if (from->features != NULL) {
            list[i].recursive_readonly = from->features->recursive_read_only_mounts != 0;
            list[i].user_namespaces = from->features->user_namespaces != 0;
        }
    }
    answer->handlers = list;
    answer->handler_count = m->n_runtime_handlers;
}

bool cri_read_status(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                     ProtobufCMessage **unpacked_r)
{
    UNPACK(m, Runtime__V1__StatusResponse, runtime__v1__status_response__unpack);
    size_t count = m->status == NULL ? 0 : m->status->n_conditions;
    for (size_t i = 0; i < count; i++) {
        const Runtime__V1__RuntimeCondition *condition = m->status->conditions[i];
        if (strcmp(condition->type, "RuntimeReady") == 0) {
            answer->runtime_ready = condition->status != 0;
        } else if (strcmp(condition->type, "NetworkReady") == 0) {
            answer->network_ready = condition->status != 0;
            answer->network_text = condition->message;
        }
    }
    read_handlers(arena, m, answer);
    return true;
}

/* containerd tells its configuration as JSON under "config". */
bool cri_read_config(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                     ProtobufCMessage **unpacked_r)
{
    enum { CONFIG_MAX = 1024 * 1024 };
    UNPACK(m, Runtime__V1__StatusResponse, runtime__v1__status_response__unpack);
    for (size_t i = 0; i < m->n_info; i++) {
        auto_(cor_json_free) struct cor_json *config = NULL;
        if (strcmp(m->info[i]->key, "config") == 0 &&
            cor_json_parse(cor_view_of(m->info[i]->value), CONFIG_MAX, 0, &config, NULL) ==
                COR_OK) {
            const char *image = cor_json_str_at(config, "sandboxImage", "");
            answer->sandbox_image = cor_arena_dup(arena, cor_view_of(image));
        }
    }
    return true;
}

bool cri_read_sandbox_id(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                         ProtobufCMessage **unpacked_r)
{
    (void)arena;
    UNPACK(m, Runtime__V1__RunPodSandboxResponse, runtime__v1__run_pod_sandbox_response__unpack);
    answer->id = m->pod_sandbox_id;
    return true;
}

bool cri_read_container_id(struct cor_arena *arena, struct cor_view bytes,
                           struct cri_answer *answer, ProtobufCMessage **unpacked_r)
{
    (void)arena;
    UNPACK(m, Runtime__V1__CreateContainerResponse, runtime__v1__create_container_response__unpack);
    answer->id = m->container_id;
    return true;
}

bool cri_read_url(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                  ProtobufCMessage **unpacked_r)
{
    (void)arena;
    UNPACK(m, Runtime__V1__UrlResponse, runtime__v1__url_response__unpack);
    answer->url = m->url;
    return true;
}

bool cri_read_pull(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                   ProtobufCMessage **unpacked_r)
{
    (void)arena;
    UNPACK(m, Runtime__V1__PullImageResponse, runtime__v1__pull_image_response__unpack);
    answer->id = m->image_ref;
    return true;
}

static const char *value_of(Runtime__V1__KeyText *const *list, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i]->key, key) == 0) {
            return list[i]->value;
        }
    }
    return "";
}

static int64_t number_of(const char *text, int64_t otherwise)
{
    int64_t number = otherwise;
    (void)cor_view_i64(cor_view_of(text), &number);
    return number;
}

static void name_sandbox(struct cri_sandbox *out, const Runtime__V1__PodSandboxMetadata *metadata)
{
    out->name = metadata == NULL ? "" : metadata->name;
    out->ns = metadata == NULL ? "" : metadata->namespace_;
    out->uid = metadata == NULL ? "" : metadata->uid;
    out->attempt = metadata == NULL ? 0 : metadata->attempt;
}

static void add_ip(struct cri_sandbox *out, const char *ip)
{
    if (ip[0] != '\0' && out->ip_count < CRI_IPS_MAX) {
        out->ips[out->ip_count++] = ip;
    }
}

static void read_addresses(struct cri_sandbox *out,
                           const Runtime__V1__PodSandboxNetworkStatus *from)
{
    if (from == NULL) {
        return;
    }
    add_ip(out, from->ip);
    for (size_t i = 0; i < from->n_additional_ips; i++) {
        add_ip(out, from->additional_ips[i]->ip);
    }
}

bool cri_read_sandbox_status(struct cor_arena *arena, struct cor_view bytes,
                             struct cri_answer *answer, ProtobufCMessage **unpacked_r)
{
    UNPACK(m, Runtime__V1__PodSandboxStatusResponse,
           runtime__v1__pod_sandbox_status_response__unpack);
    if (m->status == NULL) {
        return false;
    }
    struct cri_sandbox *out = cri_room(arena, sizeof(*out));
    name_sandbox(out, m->status->metadata);
    out->id = m->status->id;
    out->ready = m->status->state == 0;
    out->ours = true;
    out->created_ns = m->status->created_at;
    read_addresses(out, m->status->network);
    answer->sandboxes = out;
    answer->sandbox_count = 1;
    return true;
}

bool cri_read_sandboxes(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                        ProtobufCMessage **unpacked_r)
{
    UNPACK(m, Runtime__V1__ListPodSandboxResponse, runtime__v1__list_pod_sandbox_response__unpack);
    struct cri_sandbox *list = cor_arena_alloc(arena, (m->n_items + 1) * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->n_items; i++) {
        const Runtime__V1__PodSandbox *from = m->items[i];
        name_sandbox(&list[i], from->metadata);
        list[i].id = from->id;
        list[i].ready = from->state == 0;
        list[i].ours = value_of(from->labels, from->n_labels, CRI_LABEL_UID)[0] != '\0';
        list[i].created_ns = from->created_at;
    }
    answer->sandboxes = list;
    answer->sandbox_count = m->n_items;
    return true;
}

struct noted {
    Runtime__V1__KeyText *const *labels;
    size_t label_count;
    Runtime__V1__KeyText *const *notes;
    size_t note_count;
};

static void read_labels(struct cri_container *out, struct noted from)
{
    out->name = value_of(from.labels, from.label_count, CRI_LABEL_CONTAINER);
    out->pod_uid = value_of(from.labels, from.label_count, CRI_LABEL_UID);
    out->pod_name = value_of(from.labels, from.label_count, CRI_LABEL_POD);
    out->pod_ns = value_of(from.labels, from.label_count, CRI_LABEL_NAMESPACE);
    out->hash = value_of(from.notes, from.note_count, CRI_NOTE_HASH);
    out->restarts = number_of(value_of(from.notes, from.note_count, CRI_NOTE_RESTARTS), 0);
    out->grace_seconds = number_of(value_of(from.notes, from.note_count, CRI_NOTE_GRACE), -1);
}

static enum cri_state state_of(int32_t state)
{
    return state < CRI_CREATED || state > CRI_UNKNOWN ? CRI_UNKNOWN : (enum cri_state)state;
}

static const char *image_of(const Runtime__V1__ImageSpec *spec)
{
    return spec == NULL ? "" : spec->image;
}

bool cri_read_containers(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                         ProtobufCMessage **unpacked_r)
{
    UNPACK(m, Runtime__V1__ListContainersResponse, runtime__v1__list_containers_response__unpack);
    struct cri_container *list = cor_arena_alloc(arena, (m->n_containers + 1) * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->n_containers; i++) {
        const Runtime__V1__Container *from = m->containers[i];
        read_labels(&list[i], (struct noted){from->labels, from->n_labels, from->annotations,
                                             from->n_annotations});
        list[i].id = from->id;
        list[i].sandbox_id = from->pod_sandbox_id;
        list[i].attempt = from->metadata == NULL ? 0 : from->metadata->attempt;
        list[i].state = state_of(from->state);
        list[i].created_ns = from->created_at;
        list[i].image = image_of(from->image);
        list[i].image_ref = from->image_ref;
        list[i].reason = "";
        list[i].message = "";
    }
    answer->containers = list;
    answer->container_count = m->n_containers;
    return true;
}

bool cri_read_container_status(struct cor_arena *arena, struct cor_view bytes,
                               struct cri_answer *answer, ProtobufCMessage **unpacked_r)
{
    UNPACK(m, Runtime__V1__ContainerStatusResponse, runtime__v1__container_status_response__unpack);
    const Runtime__V1__ContainerStatus *from = m->status;
    if (from == NULL) {
        return false;
    }
    struct cri_container *out = cri_room(arena, sizeof(*out));
    read_labels(
        out, (struct noted){from->labels, from->n_labels, from->annotations, from->n_annotations});
    out->id = from->id;
    out->sandbox_id = "";
    out->attempt = from->metadata == NULL ? 0 : from->metadata->attempt;
    out->state = state_of(from->state);
    out->created_ns = from->created_at;
    out->started_ns = from->started_at;
    out->finished_ns = from->finished_at;
    out->exit_code = from->exit_code;
    out->image = image_of(from->image);
    out->image_ref = from->image_ref;
    out->reason = from->reason;
    out->message = from->message;
    answer->containers = out;
    answer->container_count = 1;
    return true;
}

static void read_image(struct cri_image *out, const Runtime__V1__Image *from)
{
    out->id = from->id;
    out->ref = from->n_repo_digests > 0 ? from->repo_digests[0] : from->id;
    out->size = from->size;
    out->has_uid = from->uid != NULL;
    out->uid = from->uid == NULL ? 0 : from->uid->value;
    out->user = from->username;
    out->tags = (struct cri_strings){(const char *const *)from->repo_tags, from->n_repo_tags};
    out->digests =
        (struct cri_strings){(const char *const *)from->repo_digests, from->n_repo_digests};
    out->pinned = from->pinned != 0;
}

bool cri_read_image_status(struct cor_arena *arena, struct cor_view bytes,
                           struct cri_answer *answer, ProtobufCMessage **unpacked_r)
{
    UNPACK(m, Runtime__V1__ImageStatusResponse, runtime__v1__image_status_response__unpack);
    if (m->image == NULL || m->image->id[0] == '\0') {
        return true;
    }
    struct cri_image *out = cri_room(arena, sizeof(*out));
    read_image(out, m->image);
    answer->images = out;
    answer->image_count = 1;
    return true;
}

bool cri_read_images(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                     ProtobufCMessage **unpacked_r)
{
    UNPACK(m, Runtime__V1__ListImagesResponse, runtime__v1__list_images_response__unpack);
    struct cri_image *list = cor_arena_alloc(arena, (m->n_images + 1) * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->n_images; i++) {
        read_image(&list[i], m->images[i]);
    }
    answer->images = list;
    answer->image_count = m->n_images;
    return true;
}

static uint64_t amount_of(const Runtime__V1__UInt64Value *value)
{
    return value == NULL ? CRI_UNTOLD : value->value;
}

static void read_usage(struct cri_usage *out, const Runtime__V1__ContainerStats *from)
{
    static const Runtime__V1__MemoryUsage NO_MEMORY = RUNTIME__V1__MEMORY_USAGE__INIT;
    const Runtime__V1__MemoryUsage *memory = from->memory == NULL ? &NO_MEMORY : from->memory;
    const Runtime__V1__FilesystemUsage *layer = from->writable_layer;
    out->id = from->attributes == NULL ? "" : from->attributes->id;
    out->cpu_ns = from->cpu == NULL ? 0 : from->cpu->timestamp;
    out->cpu_total_ns =
        from->cpu == NULL ? CRI_UNTOLD : amount_of(from->cpu->usage_core_nano_seconds);
    out->memory_ns = memory->timestamp;
    out->working_set = amount_of(memory->working_set_bytes);
    out->available = amount_of(memory->available_bytes);
    out->usage = amount_of(memory->usage_bytes);
    out->rss = amount_of(memory->rss_bytes);
    out->faults = amount_of(memory->page_faults);
    out->major_faults = amount_of(memory->major_page_faults);
    out->layer_bytes = layer == NULL ? CRI_UNTOLD : amount_of(layer->used_bytes);
    out->layer_inodes = layer == NULL ? CRI_UNTOLD : amount_of(layer->inodes_used);
}

bool cri_read_usages(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                     ProtobufCMessage **unpacked_r)
{
    UNPACK(m, Runtime__V1__ListContainerStatsResponse,
           runtime__v1__list_container_stats_response__unpack);
    struct cri_usage *list = cor_arena_alloc(arena, (m->n_stats + 1) * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->n_stats; i++) {
        read_usage(&list[i], m->stats[i]);
    }
    answer->usages = list;
    answer->usage_count = m->n_stats;
    return true;
}

bool cri_read_image_fs(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                       ProtobufCMessage **unpacked_r)
{
    (void)arena;
    UNPACK(m, Runtime__V1__ImageFsInfoResponse, runtime__v1__image_fs_info_response__unpack);
    if (m->n_image_filesystems > 0) {
        const Runtime__V1__FilesystemUsage *fs = m->image_filesystems[0];
        answer->mountpoint = fs->fs_id == NULL ? "" : fs->fs_id->mountpoint;
        answer->used_bytes = fs->used_bytes == NULL ? 0 : fs->used_bytes->value;
        answer->used_inodes = amount_of(fs->inodes_used);
    }
    return true;
}

bool cri_read_exec_sync(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                        ProtobufCMessage **unpacked_r)
{
    (void)arena;
    UNPACK(m, Runtime__V1__ExecSyncResponse, runtime__v1__exec_sync_response__unpack);
    answer->exit_code = m->exit_code;
    answer->out = (struct cor_view){(const char *)m->out.data, m->out.len};
    answer->err = (struct cor_view){(const char *)m->err.data, m->err.len};
    return true;
}
