// SPDX-License-Identifier: Apache-2.0
// /healthz, /pods, /runningpods/ and /configz, as the kubelet answers them.
#include "api.h"
#include "common/base/mem.h"
#include "services/edged/run/status.h"

static void answer_json(struct api_call *call, const struct cor_json *json)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_json_write(json, &text);
    api_answer(call, 200, "application/json", cor_buf_as_view(&text));
}

void api_healthz(struct api_call *call)
{
    api_answer(call, 200, "text/plain; charset=utf-8", COR_VIEW("ok"));
}

static struct cor_json *pod_list(void)
{
    struct cor_json *list = cor_json_object();
    cor_json_set(list, "kind", cor_json_str("PodList"));
    cor_json_set(list, "apiVersion", cor_json_str("v1"));
    cor_json_set(list, "metadata", cor_json_object());
    cor_json_set(list, "items", cor_json_array());
    return list;
}

/* The object that is wanted, with the status of now: it may be newer than what the API has. */
static struct cor_json *pod_object(struct agent_pod *pod)
{
    struct facts facts;
    struct cor_json *object = cor_json_copy(pod->pod->object);
    (void)prepare_inputs(pod, &facts);
    auto_(cor_json_free) struct cor_json *known = known_status(pod);
    cor_json_set(object, "status", status_build(pod->run, &facts, known, cor_wall_now()));
    return object;
}

void api_pods(struct api_call *call)
{
    const struct agent *agent = api_agent(call);
    auto_(cor_json_free) struct cor_json *list = pod_list();
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (pod->desired) {
            cor_json_add(cor_json_get(list, "items"), pod_object(pod));
        }
    }
    answer_json(call, list);
}

/* What runs of the pod; NULL: nothing. */
static struct cor_json *running_pod(const struct agent_pod *pod)
{
    struct cor_json *containers = cor_json_array();
    for (size_t i = 0; i < pod->run->count; i++) {
        if (pod->run->containers[i].state != RUN_RUNNING) {
            continue;
        }
        const struct pod_container *spec = pod_container(pod->pod, i);
        struct cor_json *container = cor_json_object();
        cor_json_set(container, "name", cor_json_str(spec->name));
        cor_json_set(container, "image", cor_json_str(spec->image));
        cor_json_set(container, "resources", cor_json_object());
        cor_json_add(containers, container);
    }
    if (cor_json_count(containers) == 0) {
        cor_json_free(&containers);
        return NULL;
    }
    struct cor_json *object = cor_json_object();
    cor_json_set_at(object, "metadata.name", cor_json_str(pod->pod->name));
    cor_json_set_at(object, "metadata.namespace", cor_json_str(pod->pod->ns));
    cor_json_set_at(object, "metadata.uid", cor_json_str(pod->uid));
    cor_json_set_at(object, "metadata.creationTimestamp", cor_json_null());
    cor_json_set_at(object, "spec.containers", containers);
    cor_json_set(object, "status", cor_json_object());
    return object;
}

void api_running_pods(struct api_call *call)
{
    const struct agent *agent = api_agent(call);
    auto_(cor_json_free) struct cor_json *list = pod_list();
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct cor_json *object = running_pod(value);
        if (object != NULL) {
            cor_json_add(cor_json_get(list, "items"), object);
        }
    }
    answer_json(call, list);
}

static struct cor_json *strings(const struct cor_conf_strs *from)
{
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < from->count; i++) {
        cor_json_add(list, cor_json_str(from->items[i]));
    }
    return list;
}

/* The fields of kubelet.config.k8s.io/v1beta1 KubeletConfiguration that edged has a setting or a
 * fixed value for. */
void api_configz(struct api_call *call)
{
    const struct edged_cfg *cfg = api_agent(call)->cfg;
    auto_(cor_json_free) struct cor_json *answer = cor_json_object();
    struct cor_json *config = cor_json_object();
    cor_json_set(config, "kind", cor_json_str("KubeletConfiguration"));
    cor_json_set(config, "apiVersion", cor_json_str("kubelet.config.k8s.io/v1beta1"));
    cor_json_set(config, "port", cor_json_int(cfg->kubelet_port));
    cor_json_set(config, "clusterDomain", cor_json_str(cfg->cluster_domain));
    cor_json_set(config, "clusterDNS", strings(&cfg->cluster_dns));
    cor_json_set(config, "nodeStatusUpdateFrequency",
                 cor_json_fmt("%llds", (long long)cfg->status_seconds));
    cor_json_set(config, "nodeStatusReportFrequency",
                 cor_json_fmt("%llds", (long long)cfg->report_seconds));
    cor_json_set(config, "nodeLeaseDurationSeconds", cor_json_int(40));
    cor_json_set(config, "cgroupRoot", cor_json_str(cfg->cgroup_root));
    cor_json_set(config, "cgroupDriver", cor_json_str("cgroupfs"));
    cor_json_set(config, "maxPods", cor_json_int(NODE_PODS));
    cor_json_set(config, "podPidsLimit", cor_json_int(cfg->pids_limit > 0 ? cfg->pids_limit : -1));
    cor_json_set(config, "podLogsDir", cor_json_str(cfg->pod_log_dir));
    cor_json_set(config, "containerRuntimeEndpoint",
                 cor_json_fmt("unix://%s", cfg->runtime_socket));
    cor_json_set(config, "registerNode", cor_json_bool(cfg->register_node));
    cor_json_set(config, "enableDebuggingHandlers", cor_json_bool(true));
    cor_json_set(answer, "kubeletconfig", config);
    answer_json(call, answer);
}
