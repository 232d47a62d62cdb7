// SPDX-License-Identifier: Apache-2.0
#include "front.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/kube/path.h"
#include "enrol.h"
#include "revoked.h"

struct front {
    struct front_spec spec;
    struct cor_ws_server *server;
};

/* A request that waits for the API. */
struct waiting {
    struct front *front;
    struct cor_ws_request *request;
    struct enrol_grant grant;
};

static void answer(struct cor_ws_request *request, int status, const char *type,
                   struct cor_view body)
{
    struct cor_ws_answer reply = {
        .status = status, .type = type, .allow = status == 405 ? "GET" : NULL, .body = body};
    cor_ws_reply(&request, &reply);
}

static void answer_text(struct cor_ws_request *request, int status, const char *text)
{
    answer(request, status, "text/plain", cor_view_of(text));
}

static void ca_crt(struct front *front, struct cor_ws_request *request)
{
    answer(request, 200, "application/octet-stream", authority_ca_der(front->spec.authority));
}

static void grant(struct front *front, struct cor_ws_request *request, const struct cor_csr *csr)
{
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    auto_(cor_buf_free) struct cor_buf der = {0};
    struct cor_err err = COR_ERR_NONE;
    if (enrol_sign(authority_issuer(front->spec.authority), csr, cor_wall_now(),
                   front->spec.cert_life_us, &cert, &err) != COR_OK) {
        answer_text(request, 500, err.text);
        return;
    }
    LOGI(front->spec.log, "hub.cert.signed", "subject=%s renewal=%d", cor_csr_cn(csr),
         cor_ws_request_cert(request) != NULL);
    cor_cert_der(cert, &der);
    answer(request, 200, "application/octet-stream", cor_buf_as_view(&der));
}

static void on_used(void *self, enum cor_code code)
{
    struct waiting *waiting = self;
    if (code == COR_OK) {
        grant(waiting->front, waiting->request, waiting->grant.csr);
    } else if (code == COR_DENIED) {
        LOGW(waiting->front->spec.log, "hub.token.reused", "subject=%s id=%s",
             cor_csr_cn(waiting->grant.csr), waiting->grant.token.id);
        answer_text(waiting->request, 401, "token validation failure, token was used already");
    } else {
        answer_text(waiting->request, 503, "the Kubernetes API does not answer, try later");
    }
    enrol_grant_free(&waiting->grant);
    cor_free(waiting);
}

static int status_of(enum cor_code code)
{
    return code == COR_UNAUTHENTICATED ? 401 : code == COR_TOOBIG ? 413 : 400;
}

static const char *ask_node(const struct cor_ws_request *request)
{
    return cor_ws_request_header(request, "nodename");
}

static void edge_crt(struct front *front, struct cor_ws_request *request)
{
    struct token_maker maker = authority_maker(front->spec.authority);
    struct enrol_request ask = {
        .node = cor_view_of(ask_node(request)),
        .authorization = cor_view_of(cor_ws_request_header(request, "authorization")),
        .usages = cor_view_of(cor_ws_request_header(request, "extkeyusages")),
        .csr = cor_ws_request_body(request),
        .cert = cor_ws_request_cert(request),
        .now = cor_wall_now(),
        .roots = authority_renewable(front->spec.authority),
        .reusable = front->spec.reusable_token,
        .former = authority_rotation(front->spec.authority)->bridges.count > 0,
    };
    ask.revoked = ask.cert != NULL &&
                  revoked_has(front->spec.revoked, ask_node(request), cor_cert_from(ask.cert));
    struct enrol_grant given = {0};
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = enrol_judge(&maker, &ask, &given, &err);
    if (code != COR_OK) {
        LOGW(front->spec.log, "hub.enrol.refused", "node=%s reason=%s", cor_log_esc(ask.node),
             cor_log_esc(cor_view_of(err.text)));
        answer_text(request, status_of(code), err.text);
        enrol_grant_free(&given);
    } else if (given.token.id == NULL) {
        grant(front, request, given.csr);
        enrol_grant_free(&given);
    } else {
        struct waiting *waiting = cor_alloc(sizeof(*waiting));
        *waiting = (struct waiting){front, request, given};
        ledger_use(front->spec.vault, &given.token, cor_csr_key(given.csr), on_used, waiting);
    }
}

static const struct {
    const char *path;
    void (*fn)(struct front *front, struct cor_ws_request *request);
} ROUTES[] = {
    {"/ca.crt", ca_crt},
    {"/edge.crt", edge_crt},
};

static void on_request(void *self, struct cor_ws_request *request)
{
    struct front *front = self;
    const char *accept = cor_ws_request_header(request, "accept");
    for (size_t i = 0; i < COR_COUNT(ROUTES); i++) {
        if (strcmp(cor_ws_request_path(request), ROUTES[i].path) != 0) {
            continue;
        }
        if (strcmp(cor_ws_request_method(request), "GET") != 0) {
            answer_text(request, 405, "405: Method Not Allowed");
        } else if (accept[0] != 0 && strstr(accept, "*/*") == NULL) {
            answer_text(request, 406, "406: Not Acceptable"); /* as go-restful does */
        } else {
            ROUTES[i].fn(front, request);
        }
        return;
    }
    answer_text(request, 404, "404: Page Not Found");
}

enum cor_code front_new(const struct front_spec *spec, struct front **front_r, struct cor_err *err)
{
    static const char *const keep[] = {"nodename", "authorization", "extkeyusages", "accept", NULL};
    struct front *front = cor_alloc(sizeof(*front));
    front->spec = *spec;
    struct cor_ws_listen listen = {
        .address = spec->address,
        .port = spec->port,
        .fd = spec->fd,
        .tls = authority_tls(spec->authority),
        .client_cert = COR_WS_CERT_ASKED,
        .self = front,
        .request = on_request,
        .keep = keep,
    };
    enum cor_code code = cor_ws_listen(spec->ws, &listen, &front->server, err);
    *front_r = front;
    if (code != COR_OK) {
        front_free(front_r);
    }
    return code;
}

void front_free(struct front **front)
{
    cor_freep(front);
}

bool front_renew(struct front *front)
{
    struct cor_tls tls = authority_tls(front->spec.authority);
    return cor_ws_renew(front->server, &tls);
}

int front_port(const struct front *front)
{
    return cor_ws_port(front->server);
}
