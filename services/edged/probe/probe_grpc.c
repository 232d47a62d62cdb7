// SPDX-License-Identifier: Apache-2.0
// grpc.health.v1.Health/Check without TLS. Source: k8s.io/kubernetes pkg/probe/grpc.
#include "common/base/mem.h"
#include "common/grpc/grpc.h"
#include "services/edged/probe/health.pb-c.h"
#include "try.h"

enum { UNIMPLEMENTED = 12, SERVING = 1, ANSWER_MAX = 4096 };

struct checking {
    struct probe_try *attempt;
    struct cor_grpc *grpc;
    struct cor_buf address;
    int64_t timeout_seconds;
    bool open;
};

static void on_state(void *self, bool up)
{
    struct checking *checking = self;
    checking->open = checking->open || up;
}

static void take_answer(struct checking *checking, struct cor_view bytes)
{
    static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    Grpc__Health__V1__HealthCheckResponse *answer = grpc__health__v1__health_check_response__unpack(
        NULL, bytes.len, (const uint8_t *)bytes.ptr);
    int32_t status = answer == NULL ? 0 : answer->status;
    if (status == SERVING) {
        probe_try_tell(checking->attempt, PROBE_PASSED, COR_VIEW("service healthy"));
    } else {
        bool known = status >= 0 && status < (int32_t)COR_COUNT(names);
        probe_try_tell_fmt(checking->attempt, PROBE_FAILED,
                           "service unhealthy (responded with \"%s\")", names[known ? status : 0]);
    }
    protobuf_c_message_free_unpacked(answer == NULL ? NULL : &answer->base, NULL);
}

static void on_done(void *self, const struct cor_grpc_reply *reply)
{
    struct checking *checking = self;
    if (reply->code == COR_OK) {
        take_answer(checking, reply->message);
    } else if (reply->status == UNIMPLEMENTED) {
        probe_try_tell_fmt(checking->attempt, PROBE_FAILED,
                           "error: this server does not implement the grpc health protocol "
                           "(grpc.health.v1.Health): %s",
                           reply->text);
    } else {
        probe_try_tell_fmt(checking->attempt, PROBE_FAILED, "error: health rpc probe failed: %s",
                           reply->text);
    }
}

static void *begin(struct probe_try *attempt, const struct probe_ask *ask)
{
    struct checking *checking = cor_alloc(sizeof(*checking));
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    checking->attempt = attempt;
    checking->timeout_seconds = ask->timeout_seconds;
    if (!probe_try_address(attempt, ask, &checking->address)) {
        return checking;
    }
    request.service = (char *)(uintptr_t)ask->handler->service;
    size_t size = protobuf_c_message_get_packed_size(&request.base);
    (void)protobuf_c_message_pack(&request.base, (uint8_t *)cor_buf_room(&bytes, size));
    bytes.len = size;
    const struct cor_grpc_conf conf = {
        .socket_path = checking->address.data, .message_max = ANSWER_MAX, .user_agent = ask->agent};
    checking->grpc = cor_grpc_new(probe_try_loop(attempt), &conf, on_state, checking);
    (void)cor_grpc_call(checking->grpc, &(struct cor_grpc_request){
                                            .path = "/grpc.health.v1.Health/Check",
                                            .message = cor_buf_as_view(&bytes),
                                            .done_fn = on_done,
                                            .self = checking,
                                        });
    return checking;
}

static void timed_out(void *act, struct cor_buf *text)
{
    const struct checking *checking = act;
    if (checking->open) {
        cor_buf_fmt(text, "timeout: health rpc did not complete within %llds",
                    (long long)checking->timeout_seconds);
    } else {
        cor_buf_fmt(text,
                    "timeout: failed to connect service \"%s\" within %llds: context deadline "
                    "exceeded",
                    checking->address.data, (long long)checking->timeout_seconds);
    }
}

static void end(void *act)
{
    struct checking *checking = act;
    cor_grpc_free(&checking->grpc);
    cor_buf_free(&checking->address);
    cor_free(checking);
}

const struct probe_act probe_act_grpc = {begin, timed_out, end};
