// SPDX-License-Identifier: Apache-2.0
#include "vault.h"

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/kube/path.h"
#include "common/pki/key.h"
#include "secret.h"

enum { TRIES_MAX = 5 };

struct vault {
    struct cor_kube *kube;
    const char *ns;
    struct cor_link works;
};

/* An op under way. */
struct work {
    struct cor_link link;
    struct vault *vault;
    struct vault_op op;
    struct cor_kube_call *call;
    unsigned tries;
};

struct vault *vault_new(struct cor_kube *kube, const char *ns)
{
    struct vault *vault = cor_alloc(sizeof(*vault));
    vault->kube = kube;
    vault->ns = ns;
    cor_list_init(&vault->works);
    return vault;
}

static void finish(struct work *work, enum cor_code code)
{
    struct vault_op op = work->op;
    cor_list_del(&work->link);
    cor_kube_cancel(&work->call);
    cor_free(work);
    op.done(op.self, code);
}

void vault_free(struct vault **vault)
{
    if (*vault != NULL) {
        while (!cor_list_empty(&(*vault)->works)) {
            finish(COR_LIST_OBJECT((*vault)->works.next, struct work, link), COR_RETRY);
        }
        cor_freep(vault);
    }
}

static void ask(struct work *work, const char *method, bool named, const struct cor_json *object,
                cor_kube_fn fn)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_secret_free) struct cor_buf body = {0}; /* may hold a key */
    struct cor_kube_ref ref = {.group_version = "v1",
                               .ns = work->vault->ns,
                               .plural = "secrets",
                               .name = named ? work->op.name : NULL};
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {
        .method = method, .path = path.data, .timeout_us = COR_SEC(10)};
    if (object != NULL) {
        cor_json_write(object, &body);
        request.body = cor_buf_as_view(&body);
    }
    work->call = cor_kube_send(work->vault->kube, &request, fn, work);
}

static void on_read(void *self, const struct cor_kube_response *response);

static void on_written(void *self, const struct cor_kube_response *response)
{
    struct work *work = self;
    work->call = NULL;
    if (response->code == COR_OK) {
        finish(work, COR_OK);
    } else if ((response->code == COR_CONFLICT || response->code == COR_EXISTS) &&
               ++work->tries < TRIES_MAX) {
        ask(work, "GET", true, NULL, on_read);
    } else {
        finish(work, COR_RETRY);
    }
}

static void on_read(void *self, const struct cor_kube_response *response)
{
    struct work *work = self;
    bool found = response->code == COR_OK;
    work->call = NULL;
    if (!found && response->code != COR_NOTFOUND) {
        finish(work, COR_RETRY);
        return;
    }
    auto_(cor_json_free) struct cor_json *secret =
        found ? cor_json_copy(response->body) : secret_new(work->vault->ns, work->op.name);
    switch (work->op.change(work->op.self, secret)) {
    case VAULT_WRITE:
        ask(work, found ? "PUT" : "POST", found, secret, on_written);
        break;
    case VAULT_LEAVE:
        finish(work, COR_OK);
        break;
    case VAULT_DENY:
        finish(work, COR_DENIED);
        break;
    }
}

void vault_do(struct vault *vault, const struct vault_op *op)
{
    struct work *work = cor_alloc(sizeof(*work));
    work->vault = vault;
    work->op = *op;
    cor_list_init(&work->link);
    cor_list_add(&vault->works, &work->link);
    ask(work, "GET", true, NULL, on_read);
}
