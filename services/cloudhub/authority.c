// SPDX-License-Identifier: Apache-2.0
#include "authority.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/clock/backoff.h"
#include "common/kube/path.h"
#include "common/pki/digest.h"
#include "secret.h"

enum { CA_DAYS = 364 * 100, SERVER_DAYS = 364 * 100, SERVER_SPARE_DAYS = 30, TOKEN_HOURS = 24 };

struct authority {
    struct authority_spec spec;
    struct cor_timer *timer;
    struct cor_backoff backoff;
    struct cor_kube_call *call;
    size_t step;
    bool troubled;
    struct cor_key *ca_key;
    struct cor_cert *ca;
    struct cor_buf ca_der;
    struct cor_buf ca_key_der;
    uint8_t tickets[COR_TICKET_SECRET_LEN];
    struct cor_key *key;
    struct cor_cert *cert;
};

/* One step: look at an object, then leave it, create it or replace it. */
struct step {
    const char *plural;
    const char *name; /* NULL: the namespace itself */
    /* Takes over what was found. Returns what must be written instead (owned), NULL if all is well.
     */
    struct cor_json *(*take_over)(struct authority *a, const struct cor_json *found);
};

static struct cor_wall after_days(int days)
{
    return (struct cor_wall){cor_wall_now().us + COR_SEC(86400) * days};
}

static struct cor_json *the_namespace(struct authority *a, const struct cor_json *found)
{
    if (found != NULL) {
        return NULL;
    }
    struct cor_json *ns = cor_json_object();
    cor_json_set(ns, "apiVersion", cor_json_str("v1"));
    cor_json_set(ns, "kind", cor_json_str("Namespace"));
    cor_json_set_at(ns, "metadata.name", cor_json_str(a->spec.ns));
    return ns;
}

/* A certificate and its key out of a Secret. False if they are not there or no pair. */
static bool read_pair(const struct cor_json *secret, const char *const names[2],
                      struct cor_cert **cert_r, struct cor_key **key_r)
{
    auto_(cor_buf_free) struct cor_buf cert_der = {0};
    auto_(cor_secret_free) struct cor_buf key_der = {0};
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    auto_(cor_key_free) struct cor_key *key = NULL;
    if (!secret_get(secret, names[0], &cert_der) || !secret_get(secret, names[1], &key_der) ||
        cor_cert_parse(cor_buf_as_view(&cert_der), &cert, NULL) != COR_OK ||
        cor_key_parse(cor_buf_as_view(&key_der), &key, NULL) != COR_OK ||
        !cor_cert_is_for(cert, key)) {
        return false;
    }
    *cert_r = take(&cert);
    *key_r = take(&key);
    return true;
}

static struct cor_json *pair_secret(struct authority *a, const struct cor_json *found,
                                    const char *name, const char *const names[2])
{
    auto_(cor_buf_free) struct cor_buf cert_der = {0};
    auto_(cor_secret_free) struct cor_buf key_der = {0};
    bool is_ca = strcmp(name, "casecret") == 0;
    struct cor_json *secret = found == NULL ? secret_new(a->spec.ns, name) : cor_json_copy(found);
    cor_cert_der(is_ca ? a->ca : a->cert, &cert_der);
    cor_key_der(is_ca ? a->ca_key : a->key, &key_der);
    secret_set(secret, names[0], cor_buf_as_view(&cert_der));
    secret_set(secret, names[1], cor_buf_as_view(&key_der));
    return secret;
}

static const char *const CA_NAMES[2] = {"cadata", "cakeydata"};
static const char *const SERVER_NAMES[2] = {"cloudcoredata", "cloudcorekeydata"};

static void keep_ca(struct authority *a)
{
    cor_buf_clear(&a->ca_der);
    cor_buf_clear(&a->ca_key_der);
    cor_cert_der(a->ca, &a->ca_der);
    cor_ticket_secret(a->ca_key, a->tickets);
    cor_key_der(a->ca_key, &a->ca_key_der);
}

/* As KubeEdge makes it: CN KubeEdge, serial 1024, 364 * 100 days. */
static struct cor_json *the_ca(struct authority *a, const struct cor_json *found)
{
    cor_cert_free(&a->ca);
    cor_key_free(&a->ca_key);
    if (found != NULL && read_pair(found, CA_NAMES, &a->ca, &a->ca_key)) {
        keep_ca(a);
        return NULL;
    }
    struct cor_cert_spec spec = {
        .cn = "KubeEdge", .serial = 1024, .from = after_days(-1), .until = after_days(CA_DAYS)};
    a->ca_key = cor_key_new();
    if (cor_ca_make(a->ca_key, &spec, &a->ca, NULL) != COR_OK) {
        cor_die("cannot make a CA");
    }
    keep_ca(a);
    return pair_secret(a, found, "casecret", CA_NAMES);
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool covers_all(const struct authority *a, const struct cor_cert *cert)
{
    for (size_t i = 0; i < a->spec.names->count; i++) {
        if (!cor_cert_covers(cert, a->spec.names->items[i])) {
            return false;
        }
    }
    return true;
}

static bool is_usable(const struct authority *a)
{
    struct cor_wall now = cor_wall_now();
    return cor_cert_verify(a->cert, a->ca, COR_CERT_SERVER, now, NULL) == COR_OK &&
           cor_cert_days_left(a->cert, now) >= SERVER_SPARE_DAYS && covers_all(a, a->cert);
}

static void make_server_cert(struct authority *a)
{
    size_t count = a->spec.names->count;
    auto_(cor_freep) const char **dns = cor_calloc(count + 1, sizeof(*dns));
    auto_(cor_freep) const char **ips = cor_calloc(count + 1, sizeof(*ips));
    size_t dns_count = 0;
    size_t ip_count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = a->spec.names->items[i];
        if (is_address(name)) {
            ips[ip_count++] = name;
        } else {
            dns[dns_count++] = name;
        }
    }
    struct cor_cert_spec spec = {.cn = "KubeEdge",
                                 .org = "KubeEdge",
                                 .dns = dns,
                                 .ips = ips,
                                 .usage = COR_CERT_SERVER,
                                 .from = after_days(-1),
                                 .until = after_days(SERVER_DAYS)};
    struct cor_err err = COR_ERR_NONE;
    a->key = cor_key_new();
    if (cor_cert_sign(authority_issuer(a), a->key, &spec, &a->cert, &err) != COR_OK) {
        cor_die("server certificate: %s", err.text);
    }
}

/* KubeEdge keeps its pair for ever; here it is made anew when it does not cover the configured
 * names. */
static struct cor_json *the_server(struct authority *a, const struct cor_json *found)
{
    cor_cert_free(&a->cert);
    cor_key_free(&a->key);
    if (found != NULL && read_pair(found, SERVER_NAMES, &a->cert, &a->key) && is_usable(a)) {
        return NULL;
    }
    cor_cert_free(&a->cert);
    cor_key_free(&a->key);
    make_server_cert(a);
    LOGI(a->spec.log, "hub.cert.made", "names=%zu", a->spec.names->count);
    return pair_secret(a, found, "cloudcoresecret", SERVER_NAMES);
}

/* CloudCore mints one at start and every 12 hours, valid for 24; here each start mints one. */
static struct cor_json *the_token(struct authority *a, const struct cor_json *found)
{
    if (!a->spec.reusable_token) {
        return NULL;
    }
    auto_(cor_secret_free) struct cor_buf token = {0};
    struct token_maker maker = authority_maker(a);
    struct token any = {.until = {cor_wall_now().us + COR_SEC(3600) * TOKEN_HOURS}};
    token_make(&maker, &any, &token);
    struct cor_json *secret =
        found == NULL ? secret_new(a->spec.ns, "tokensecret") : cor_json_copy(found);
    secret_set(secret, "tokendata", cor_buf_as_view(&token));
    return secret;
}

static const struct step STEPS[] = {
    {"namespaces", NULL, the_namespace},
    {"secrets", "casecret", the_ca},
    {"secrets", "cloudcoresecret", the_server},
    {"secrets", "tokensecret", the_token},
};

static void look(struct authority *a);

static void try_later(struct authority *a, const struct cor_kube_response *response)
{
    uint32_t random = 0;
    cor_random(&random, sizeof(random));
    int64_t delay = cor_backoff_next(&a->backoff, (double)random / 4294967296.0);
    if (!a->troubled) {
        LOGW(a->spec.log, "hub.secrets.waiting", "status=%d reason=%s", response->status,
             cor_log_esc(cor_view_of(response->text)));
        a->troubled = true;
    }
    cor_timer_start(a->timer, delay > response->retry_after_us ? delay : response->retry_after_us);
}

static void go_on(struct authority *a)
{
    cor_backoff_reset(&a->backoff);
    a->troubled = false;
    a->step++;
    if (a->step < COR_COUNT(STEPS)) {
        look(a);
    } else {
        a->spec.ready(a->spec.self);
    }
}

static void ask(struct authority *a, const char *method, bool named, const struct cor_json *object,
                cor_kube_fn fn)
{
    const struct step *step = &STEPS[a->step];
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_secret_free) struct cor_buf body = {0};
    struct cor_kube_ref ref = {.group_version = "v1",
                               .plural = step->plural,
                               .ns = step->name == NULL ? NULL : a->spec.ns,
                               .name = step->name == NULL ? a->spec.ns : step->name};
    if (!named) {
        ref.name = NULL;
    }
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {.method = method, .path = path.data};
    if (object != NULL) {
        cor_json_write(object, &body);
        request.body = cor_buf_as_view(&body);
    }
    a->call = cor_kube_send(a->spec.kube, &request, fn, a);
}

static void on_written(void *self, const struct cor_kube_response *response)
{
    struct authority *a = self;
    a->call = NULL;
    if (response->code == COR_OK) {
        go_on(a);
    } else if (response->code == COR_EXISTS || response->code == COR_CONFLICT) {
        look(a); /* another replica was quicker: take over what it made */
    } else {
        try_later(a, response);
    }
}

static void on_found(void *self, const struct cor_kube_response *response)
{
    struct authority *a = self;
    a->call = NULL;
    if (response->code != COR_OK && response->code != COR_NOTFOUND) {
        try_later(a, response);
        return;
    }
    const struct cor_json *found = response->code == COR_OK ? response->body : NULL;
    auto_(cor_json_free) struct cor_json *instead = STEPS[a->step].take_over(a, found);
    if (instead == NULL) {
        go_on(a);
    } else {
        ask(a, found == NULL ? "POST" : "PUT", found != NULL, instead, on_written);
    }
}

static void look(struct authority *a)
{
    ask(a, "GET", true, NULL, on_found);
}

static void on_timer(void *self)
{
    look(self);
}

struct authority *authority_new(const struct authority_spec *spec)
{
    struct authority *a = cor_alloc(sizeof(*a));
    a->spec = *spec;
    a->backoff = (struct cor_backoff){.first_us = COR_MS(20), .last_us = COR_SEC(10)};
    a->timer = cor_timer_new(spec->loop, on_timer, a);
    look(a);
    return a;
}

void authority_free(struct authority **authority)
{
    struct authority *a = *authority;
    if (a != NULL) {
        cor_kube_cancel(&a->call);
        cor_timer_free(&a->timer);
        cor_key_free(&a->ca_key);
        cor_cert_free(&a->ca);
        cor_key_free(&a->key);
        cor_cert_free(&a->cert);
        cor_buf_free(&a->ca_der);
        cor_secret_free(&a->ca_key_der);
        cor_freep(authority);
    }
}

struct cor_issuer authority_issuer(const struct authority *a)
{
    return (struct cor_issuer){a->ca, a->ca_key};
}

struct cor_tls authority_tls(const struct authority *a)
{
    return (struct cor_tls){.cert = a->cert, .key = a->key, .ca = a->ca};
}

const uint8_t *authority_tickets(const struct authority *a)
{
    return a->tickets;
}

struct cor_view authority_ca_der(const struct authority *a)
{
    return cor_buf_as_view(&a->ca_der);
}

struct token_maker authority_maker(const struct authority *a)
{
    return (struct token_maker){a->ca, cor_buf_as_view(&a->ca_key_der)};
}
