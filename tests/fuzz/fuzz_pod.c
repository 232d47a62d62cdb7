// SPDX-License-Identifier: Apache-2.0
// Any bytes as a Pod: what can be read goes through environment, volumes, requests and status.
#include <stdint.h>

#include "common/base/mem.h"
#include "services/edged/cri/crispec.h"
#include "services/edged/pod/env.h"
#include "services/edged/pod/payload.h"
#include "services/edged/run/run.h"
#include "services/edged/run/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cor_json *object_of(void *self, bool secret, const char *name)
{
    (void)secret;
    (void)name;
    return self;
}

static const char *token_of(void *self, const struct pod_source *source)
{
    (void)self;
    (void)source;
    return "token";
}

static void use(const struct pod *pod, const struct inputs *inputs)
{
    static const struct crispec_node node = {
        .root_dir = "/k", .log_dir = "/l", .cgroup_root = "", .domain = "d", .memory = 1 << 30};
    struct cor_arena *arena = cor_arena_new(32 << 20);
    struct cri_sandbox_config sandbox;
    crispec_sandbox(arena, &node, pod, 0, &sandbox);
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        struct env env = {0};
        struct cri_container_config container;
        if (env_build(pod, pod_container(pod, i), inputs, &env, NULL) == COR_OK) {
            struct crispec_attempt attempt = {.index = i, .env = &env};
            crispec_container(arena, &node, pod, &attempt, &container);
        }
        env_free(&env);
    }
    for (size_t i = 0; i < pod->volume_count; i++) {
        struct payload payload = {0};
        enum cor_code code = payload_build(pod, &pod->volumes[i], inputs, &payload, NULL);
        (void)code;
        payload_free(&payload);
    }
    cor_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct facts facts = {.node = "n", .host_ips = {"1.2.3.4"}, .host_ip_count = 1};
    struct cor_json *json = NULL;
    struct pod *pod = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (cor_json_parse((struct cor_view){(const char *)data, size}, 65536, 0, &json, NULL) !=
        COR_OK) {
        return 0;
    }
    struct cor_json *status = cor_json_copy(cor_json_get(json, "status"));
    if (pod_parse(json, &pod, &err) == COR_OK) {
        struct inputs inputs = {&facts, object_of, token_of, pod->object};
        struct run *run = run_new(pod);
        run_recall(run, status);
        use(pod, &inputs);
        struct cor_json *made = status_build(run, &facts, status, (struct cor_wall){0});
        cor_json_free(&made);
        run_free(&run);
    }
    pod_free(&pod);
    cor_json_free(&status);
    return 0;
}
