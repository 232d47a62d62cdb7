// SPDX-License-Identifier: Apache-2.0
// Private to edged: the node's API, as the kubelet serves it (k8s.io/kubernetes
// pkg/kubelet/server/server.go). A request comes by a front (api_tunnel.c: from the cloud;
// api_http.c: from this machine) and is given to the handler of its path. Bytes of the answer wait
// here for the front's credit, so a handler writes while api_room says so. Loop thread only.
#ifndef EDGED_API_H
#define EDGED_API_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/list.h"
#include "services/edged/agent.h"

struct api;
struct api_call;

struct api_header {
    const char *name;
    const char *value;
};

/* What a front is told about the answer. end is the last word; the call is gone then. */
struct api_front {
    void (*head)(void *self, int status, const struct api_header *headers, size_t count);
    void (*data)(void *self, struct cor_view bytes, bool last); /* within the credit */
    void (*took)(void *self, size_t bytes);                     /* of what the client sent */
    void (*end)(void *self, const char *error);                 /* NULL: it is complete */
};

/* A request, as a front has read it. All borrowed for the call. */
struct api_request {
    struct cor_view method;
    struct cor_view target; /* path and query */
    const struct api_header *headers;
    size_t header_count;
};

/* What a handler that goes on is told; functions may be NULL. */
struct api_handler {
    void (*room)(void *self); /* there is room for more of the answer */
    void (*data)(void *self, struct cor_view bytes, bool last);
    void (*gone)(void *self); /* the client is gone, or the service ends: free everything */
};

/* ---- for fronts ---- */

/* A request begins: its path is looked up and its handler runs. Returns the call, or NULL when it
 * has been answered already. */
struct api_call *api_begin(struct agent *agent, const struct api_request *request,
                           const struct api_front *front, void *self, size_t credit);

/* The front takes so many bytes more. The call may be gone after. */
void api_gain(struct api_call *call, size_t bytes);

/* Bytes of the client. The call may be gone after. */
void api_data(struct api_call *call, struct cor_view bytes, bool last);

/* The client is gone: so is the call. */
void api_gone(struct api_call *call);

/* ---- for handlers ---- */

struct agent *api_agent(const struct api_call *call);
struct cor_view api_method(const struct api_call *call);
struct cor_view api_query(const struct api_call *call); /* not decoded */

/* Value of a header of the request, any case of name; NULL. Valid while the call is. */
const char *api_header(const struct api_call *call, const char *name);

/* All of them. */
const struct api_header *api_headers(const struct api_call *call, size_t *count_r);

/* Part number index of the path, decoded, "" when there is none; of "/exec/a/b" part 1 is "a". */
const char *api_part(const struct api_call *call, size_t index);

/* From now on handler (borrows) is told. */
void api_handle(struct api_call *call, const struct api_handler *handler, void *self);

/* Answers with all of it (borrows), and ends. */
void api_answer(struct api_call *call, int status, const char *type, struct cor_view body);

/* The same with a line of text. */
void api_refuse(struct api_call *call, int status, const char *fmt, ...) COR_PRINTF(3, 4);

/* The answer begins: bytes follow. */
void api_head(struct api_call *call, int status, const struct api_header *headers, size_t count);

/* Bytes of the answer that are welcome now; 0: wait for room(). */
size_t api_room(const struct api_call *call);

/* Bytes of the answer (copies). */
void api_write(struct api_call *call, struct cor_view bytes);

/* Nothing more comes in the direction of the client; the other one may go on. */
void api_last(struct api_call *call);

/* Bytes of the client were consumed. */
void api_took(struct api_call *call, size_t bytes);

/* The answer ends when it is sent, broken off at once with an error. The handler hears no more of
 * it; the call is gone for it. */
void api_end(struct api_call *call, const char *error);

/* ---- the service ---- */

/* No calls yet. Returns owned. */
struct api *api_new(struct agent *agent);

/* Ends all calls; *api becomes NULL. */
void api_free(struct api **api);

/* Who waits for logs to grow: of api_logs.c. */
struct api_followers *api_followers(struct api *api);

/* What gathers statistics: of api_stats.c. */
struct stats_source *api_source(const struct api *api);

/* Calls that are open. */
size_t api_count(const struct api *api);

/* The container that the path names at part index: namespace, Pod, perhaps uid, container. With
 * NULL the request has been answered. *container_r: its index. */
struct agent_pod *api_find_container(struct api_call *call, size_t index, size_t *container_r);

/* api_logs.c */
void api_logs(struct api_call *call);

/* api_logs.c: nobody follows. Borrows loop; returns owned. */
struct api_followers *api_followers_new(struct cor_loop *loop);

/* api_logs.c: all calls have ended; *followers becomes NULL. */
void api_followers_free(struct api_followers **followers);

/* api_logs.c: a container of the pod has ended, or the pod is going away: followers look. */
void api_logs_look(struct agent_pod *pod);

/* api_stream.c: exec, attach, port-forward. */
void api_exec(struct api_call *call);
void api_attach(struct api_call *call);
void api_port_forward(struct api_call *call);

/* api_run.c */
void api_run(struct api_call *call);

/* api_tunnel.c: requests from the cloud. COR_IO, COR_BUSY. */
struct api_tunnel;
COR_NODISCARD enum cor_code api_tunnel_open(struct agent *agent, struct api_tunnel **tunnel_r,
                                            struct cor_err *err);

/* Ends them; *tunnel becomes NULL. */
void api_tunnel_close(struct api_tunnel **tunnel);

/* api_http.c: requests from this machine: on api.socket, which only the service's own user may
 * open, and on api.listen for those who have the token. What cannot be listened on is told once and
 * tried again. Returns owned. */
struct api_http;
struct api_http *api_http_open(struct agent *agent);

/* Ends them; *front becomes NULL. */
void api_http_close(struct api_http **front);

/* api_stats.c: what is used, and counted. */
struct stats_source;
struct stats_source *stats_source_new(struct agent *agent);
void stats_source_free(struct stats_source **source); /* nobody asks any more */
void api_stats(struct api_call *call);
void api_metrics(struct api_call *call);

/* api_pods.c: what the node has, as the kubelet tells it. */
void api_healthz(struct api_call *call);
void api_pods(struct api_call *call);
void api_running_pods(struct api_call *call);
void api_configz(struct api_call *call);

#endif
