// SPDX-License-Identifier: Apache-2.0
// Answers.
#include "api.h"

#include "common/base/mem.h"
#include "rbac.h"
#include "table.h"

void kl_request_free(struct kl_request **request)
{
    if (*request == NULL) {
        return;
    }
    kl_route_free(&(*request)->route);
    kl_user_free(&(*request)->user);
    cor_json_free(&(*request)->answer);
    cor_freep(request);
}

void kl_set_type(const struct kl_kind *kind, struct cor_json *object)
{
    auto_(cor_buf_free) struct cor_buf version = {0};
    kl_kind_api_version(kind, &version);
    cor_json_set(object, "kind", cor_json_str(kind->kind));
    cor_json_set(object, "apiVersion", cor_json_view(cor_buf_as_view(&version)));
}

void kl_reply_text(struct kl_request *request, int status, struct cor_buf *text)
{
    cor_exchange_add_header(request->exchange, "Cache-Control", "no-cache, private");
    cor_exchange_reply(request->exchange, status, "application/json", text);
    kl_request_free(&request);
}

void kl_reply(struct kl_request *request, int status, const struct kl_kind *kind,
              const struct cor_json *body)
{
    struct cor_buf text = {0};
    if (kind != NULL && request->show != KL_SHOW_JSON) {
        auto_(cor_json_free) struct cor_json *table =
            kl_table_of(kind, body, request->show, request->include, cor_wall_now());
        cor_json_write(table, &text);
    } else {
        cor_json_write(body, &text);
    }
    cor_buf_str(&text, "\n");
    kl_reply_text(request, status, &text);
}

void kl_reply_change(struct kl_request *request, int status, const struct kl_change *change)
{
    if (request->show != KL_SHOW_JSON) {
        kl_reply(request, status, request->route.kind, change->object);
        return;
    }
    struct cor_buf text = {0};
    cor_buf_str(&text, change->text);
    cor_buf_str(&text, "\n");
    kl_reply_text(request, status, &text);
}

void kl_reply_fail(struct kl_request *request, const struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *status = kl_fail_json(fail);
    if (fail->status == 503 || fail->status == 429) {
        cor_exchange_add_header(request->exchange, "Retry-After", "1");
    }
    kl_reply(request, fail->status, NULL, status);
}
