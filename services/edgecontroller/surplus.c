// SPDX-License-Identifier: Apache-2.0
// What a node has and was not sent. The mirror may be behind, so the API itself is asked, some at a
// time, and only its word deletes anything.
#include <string.h>

#include "common/base/mem.h"
#include "edgecontroller.h"
#include "route.h"

enum { AT_ONCE = 8, WAITING_MAX = 65536 };

struct ec_surplus {
    struct ec *ec;
    struct cor_link waiting; /* of struct look, oldest first */
    struct cor_link asked;   /* of those that the API is being asked about */
    size_t waiting_count;
    size_t busy;
};

struct look {
    struct cor_link link;
    struct ec_surplus *surplus;
    char *node, *key, *uid; /* owned */
};

static void look_free(struct look *look)
{
    cor_list_del(&look->link);
    cor_free(look->node);
    cor_free(look->key);
    cor_free(look->uid);
    cor_free(look);
}

struct ec_surplus *ec_surplus_new(struct ec *ec)
{
    struct ec_surplus *surplus = cor_alloc(sizeof(*surplus));
    surplus->ec = ec;
    cor_list_init(&surplus->waiting);
    cor_list_init(&surplus->asked);
    return surplus;
}

void ec_surplus_free(struct ec_surplus **surplus)
{
    if (*surplus != NULL) {
        struct cor_link *lists[] = {&(*surplus)->waiting, &(*surplus)->asked};
        for (size_t i = 0; i < COR_COUNT(lists); i++) {
            COR_LIST_EACH (node, lists[i]) {
                look_free(COR_LIST_OBJECT(node, struct look, link));
            }
        }
        cor_freep(surplus);
    }
}

/* Not what a proxy says, or a server that does not know the kind. */
static bool is_absent(const struct cor_kube_response *response, const struct px_key *key)
{
    return response->status == 404 &&
           strcmp(cor_json_str_at(response->body, "reason", ""), "NotFound") == 0 &&
           cor_view_is(key->name, cor_json_str_at(response->body, "details.name", ""));
}

/* Another one of that name, or, of what is bound, at another node. */
static bool is_elsewhere(const struct look *look, const struct cor_json *object)
{
    const char *node = ec_node_of(object);
    return strcmp(cor_json_str_at(object, "metadata.uid", look->uid), look->uid) != 0 ||
           (node[0] != '\0' && strcmp(node, look->node) != 0);
}

static void send_gone(const struct look *look, const struct px_key *key)
{
    bool of_cluster = cor_view_is(key->ns, "null");
    for (unsigned i = 0; i < EC_KINDS; i++) {
        const struct ec_kind_info *info = ec_kind_info((enum ec_kind)i);
        if (info->type != NULL && cor_view_is(key->type, info->type)) {
            struct ec_lost lost = {(enum ec_kind)i, of_cluster ? COR_VIEW("") : key->ns, key->name,
                                   cor_view_of(look->uid)};
            ec_send_gone(look->surplus->ec, look->node, &lost);
        }
    }
}

static void go_on(struct ec_surplus *surplus);

static void on_looked(void *self, const struct cor_kube_response *response)
{
    struct look *look = self;
    struct ec_surplus *surplus = look->surplus;
    struct px_key key;
    if (px_key_parse(cor_view_of(look->key), &key) &&
        (is_absent(response, &key) ||
         (response->code == COR_OK && is_elsewhere(look, response->body)))) {
        LOGI(surplus->ec->service->log, "controller.surplus", "node=%s key=%s uid=%s", look->node,
             cor_log_esc(cor_view_of(look->key)), cor_log_esc(cor_view_of(look->uid)));
        send_gone(look, &key);
    }
    look_free(look);
    surplus->busy--;
    go_on(surplus);
}

static void go_on(struct ec_surplus *surplus)
{
    while (surplus->busy < AT_ONCE && !cor_list_empty(&surplus->waiting)) {
        struct look *look = COR_LIST_OBJECT(surplus->waiting.next, struct look, link);
        auto_(ec_route_free) struct ec_route route = {0};
        surplus->waiting_count--;
        if (!ec_route_object(cor_view_of(look->key), &route)) {
            look_free(look);
            continue;
        }
        cor_list_del(&look->link);
        cor_list_add(&surplus->asked, &look->link);
        surplus->busy++;
        struct cor_kube_request request = {.method = route.method, .path = route.path};
        (void)cor_kube_send(surplus->ec->kube, &request, on_looked, look);
    }
}

enum cor_code ec_on_surplus(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct ec_surplus *surplus = ((struct ec *)self)->surplus;
    const struct px_node_surplus *message = body;
    (void)in;
    if (surplus->waiting_count >= WAITING_MAX) {
        return cor_err_set(err, COR_BUSY, "too much is looked at");
    }
    struct look *look = cor_alloc(sizeof(*look));
    look->surplus = surplus;
    look->node = cor_view_dup(message->node);
    look->key = cor_view_dup(message->key);
    look->uid = cor_view_dup(message->uid);
    cor_list_add(&surplus->waiting, &look->link);
    surplus->waiting_count++;
    go_on(surplus);
    return COR_OK;
}
