// SPDX-License-Identifier: Apache-2.0
#include "authority.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/clock/backoff.h"
#include "common/kube/informer.h"
#include "common/kube/path.h"
#include "common/pki/digest.h"
#include "holdings.h"
#include "secret.h"

enum { CA_DAYS = 364 * 100, SERVER_DAYS = 364 * 100, SERVER_SPARE_DAYS = 30, TOKEN_HOURS = 24 };

struct authority {
    struct authority_spec spec;
    struct cor_timer *timer;
    struct cor_backoff backoff;
    struct cor_kube_call *call;
    struct cor_informer *informer;
    size_t step;
    bool troubled;
    bool loading;
    bool again; /* something has changed since it began to load */
    bool redo;  /* what is being written is to be read again from the beginning */
    bool ready;
    struct holdings now, fresh; /* fresh: being loaded */
    uint8_t tickets[COR_TICKET_SECRET_LEN];
};

/* One step: look at an object, then leave it, create it or replace it. */
struct step {
    const char *plural;
    const char *name; /* NULL: the namespace itself */
    /* Takes over what was found (NULL: nothing). *instead_r: what must be written instead (owned),
     * left alone if all is well. False: it cannot be used; it is looked at again later. */
    bool (*take_over)(struct authority *a, const struct cor_json *found,
                      struct cor_json **instead_r);
    bool (*is_needed)(const struct authority *a); /* NULL: always */
};

static struct cor_wall after_days(int days)
{
    return (struct cor_wall){cor_wall_now().us + COR_SEC(86400) * days};
}

static bool the_namespace(struct authority *a, const struct cor_json *found,
                          struct cor_json **instead_r)
{
    if (found == NULL) {
        struct cor_json *ns = cor_json_object();
        cor_json_set(ns, "apiVersion", cor_json_str("v1"));
        cor_json_set(ns, "kind", cor_json_str("Namespace"));
        cor_json_set_at(ns, "metadata.name", cor_json_str(a->spec.ns));
        *instead_r = ns;
    }
    return true;
}

/* Read before casecret, which is written before it: so what is read fits together. */
static bool the_rotation(struct authority *a, const struct cor_json *found,
                         struct cor_json **instead_r)
{
    struct cor_err err = COR_ERR_NONE;
    (void)instead_r;
    rotation_free(&a->fresh.rotation);
    cor_freep(&a->fresh.version);
    a->fresh.version = cor_strdup(cor_json_str_at(found, "metadata.resourceVersion", ""));
    if (rotation_read(found, &a->fresh.rotation, &err) != COR_OK) {
        LOGE(a->spec.log, "hub.ca.unreadable", "reason=%s", cor_log_esc(cor_view_of(err.text)));
        return false;
    }
    return true;
}

static const char *const CA_NAMES[2] = {"cadata", "cakeydata"};
static const char *const SERVER_NAMES[2] = {"cloudcoredata", "cloudcorekeydata"};

/* As KubeEdge makes it: CN KubeEdge, serial 1024, 364 * 100 days. */
static void make_ca(struct holdings *h)
{
    struct cor_cert_spec spec = {
        .cn = "KubeEdge", .serial = 1024, .from = after_days(-1), .until = after_days(CA_DAYS)};
    h->ca_key = cor_key_new();
    if (cor_ca_make(h->ca_key, &spec, &h->ca, NULL) != COR_OK) {
        cor_die("cannot make a CA");
    }
}

/* At the end of a rotation the new CA takes the place of the old one. */
static bool the_ca(struct authority *a, const struct cor_json *found, struct cor_json **instead_r)
{
    struct holdings *h = &a->fresh;
    bool rules = rotation_next_rules(&h->rotation);
    cor_cert_free(&h->ca);
    cor_key_free(&h->ca_key);
    bool there = found != NULL && holdings_read_pair(found, CA_NAMES, &h->ca, &h->ca_key);
    if (rules && !(there && cor_cert_same(h->ca, h->rotation.next))) {
        *instead_r =
            holdings_pair_secret(a->spec.ns, found, "casecret", holdings_face(h), CA_NAMES);
    } else if (!rules && !there) {
        make_ca(h);
        *instead_r =
            holdings_pair_secret(a->spec.ns, found, "casecret", holdings_face(h), CA_NAMES);
    }
    return true;
}

static bool is_finishing(const struct authority *a)
{
    return rotation_next_rules(&a->fresh.rotation);
}

/* casecret has the new CA: the rotation is over. */
static bool the_end(struct authority *a, const struct cor_json *found, struct cor_json **instead_r)
{
    if (!the_rotation(a, found, instead_r)) {
        return false;
    }
    a->redo = true; /* whoever writes it */
    if (is_finishing(a)) {
        *instead_r = cor_json_copy(found);
        rotation_close(&a->fresh.rotation, *instead_r);
    }
    return true;
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
    const struct holdings *h = &a->fresh;
    struct cor_wall now = cor_wall_now();
    return cor_cert_verify(h->cert, holdings_signer(h).cert, COR_CERT_SERVER, now, NULL) ==
               COR_OK &&
           cor_cert_days_left(h->cert, now) >= SERVER_SPARE_DAYS && covers_all(a, h->cert);
}

static void make_server_cert(struct authority *a)
{
    struct holdings *h = &a->fresh;
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
    h->key = cor_key_new();
    if (cor_cert_sign(holdings_signer(h), h->key, &spec, &h->cert, &err) != COR_OK) {
        cor_die("server certificate: %s", err.text);
    }
}

/* KubeEdge keeps its pair for ever; here it is made anew when it does not cover the configured
 * names, or another CA signs. */
static bool the_server(struct authority *a, const struct cor_json *found,
                       struct cor_json **instead_r)
{
    struct holdings *h = &a->fresh;
    cor_cert_free(&h->cert);
    cor_key_free(&h->key);
    if (found != NULL && holdings_read_pair(found, SERVER_NAMES, &h->cert, &h->key) &&
        is_usable(a)) {
        return true;
    }
    cor_cert_free(&h->cert);
    cor_key_free(&h->key);
    make_server_cert(a);
    LOGI(a->spec.log, "hub.cert.made", "names=%zu", a->spec.names->count);
    struct cor_issuer pair = {h->cert, h->key};
    *instead_r = holdings_pair_secret(a->spec.ns, found, "cloudcoresecret", pair, SERVER_NAMES);
    return true;
}

/* CloudCore mints one at start and every 12 hours, valid for 24; here each start mints one, and
 * each CA. */
static bool the_token(struct authority *a, const struct cor_json *found,
                      struct cor_json **instead_r)
{
    auto_(cor_secret_free) struct cor_buf token = {0};
    holdings_know_face(&a->fresh);
    struct token_maker maker = holdings_maker(&a->fresh);
    struct token any = {.until = {cor_wall_now().us + COR_SEC(3600) * TOKEN_HOURS}};
    token_make(&maker, &any, &token);
    *instead_r = found == NULL ? secret_new(a->spec.ns, "tokensecret") : cor_json_copy(found);
    secret_set(*instead_r, "tokendata", cor_buf_as_view(&token));
    return true;
}

static bool is_token_needed(const struct authority *a)
{
    return a->spec.reusable_token && (!a->ready || !cor_cert_same(holdings_face(&a->now).cert,
                                                                  holdings_face(&a->fresh).cert));
}

static const struct step STEPS[] = {
    {"namespaces", NULL, the_namespace, NULL},
    {"secrets", ROTATION_SECRET, the_rotation, NULL},
    {"secrets", "casecret", the_ca, NULL},
    {"secrets", ROTATION_SECRET, the_end, is_finishing},
    {"secrets", "cloudcoresecret", the_server, NULL},
    {"secrets", "tokensecret", the_token, is_token_needed},
};

/* The namespace has been seen. */
enum { FIRST_STEP = 1 };

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

static void restart(struct authority *a)
{
    holdings_free(&a->fresh);
    a->step = FIRST_STEP;
    a->again = false;
    a->redo = false;
    look(a);
}

/* What was loaded is in force from here on, all of it. */
static void adopt(struct authority *a)
{
    holdings_conclude(&a->fresh);
    cor_ticket_secret(holdings_face(&a->fresh).key, a->tickets);
    holdings_free(&a->now);
    a->now = a->fresh;
    a->fresh = (struct holdings){0};
    a->loading = false;
}

static void finish(struct authority *a)
{
    bool news = a->ready && strcmp(a->now.version, a->fresh.version) != 0;
    adopt(a);
    if (news) {
        LOGI(a->spec.log, "hub.ca.now", "phase=%s signer=%s roots=%zu",
             rotation_phase_name(a->now.rotation.phase), a->now.signer_id, a->now.roots.count);
    }
    if (!a->ready) {
        a->ready = true;
        a->spec.ready(a->spec.self);
    } else if (!a->again) { /* else it is told after that */
        a->spec.changed(a->spec.self);
    }
    if (a->again) {
        authority_reload(a);
    }
}

static void go_on(struct authority *a)
{
    cor_backoff_reset(&a->backoff);
    a->troubled = false;
    if (a->redo) {
        restart(a);
        return;
    }
    do {
        a->step++;
    } while (a->step < COR_COUNT(STEPS) && STEPS[a->step].is_needed != NULL &&
             !STEPS[a->step].is_needed(a));
    if (a->step < COR_COUNT(STEPS)) {
        look(a);
    } else {
        finish(a);
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
    auto_(cor_json_free) struct cor_json *instead = NULL;
    if (!STEPS[a->step].take_over(a, found, &instead)) {
        try_later(a, response);
    } else if (instead == NULL) {
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

void authority_reload(struct authority *a)
{
    a->again = a->loading || !a->ready;
    if (!a->again) {
        a->loading = true;
        restart(a);
    }
}

/* ---- following ---- */

static void on_changed(void *self, enum cor_change change, struct cor_json *object,
                       struct cor_json *old)
{
    struct authority *a = self;
    const char *version = cor_json_str_at(object, "metadata.resourceVersion", "");
    (void)old;
    if (change == COR_DELETED || strcmp(version, a->now.version) != 0) {
        authority_reload(a);
    }
}

void authority_follow(struct authority *a)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    struct cor_kube_ref ref = {.group_version = "v1", .ns = a->spec.ns, .plural = "secrets"};
    cor_kube_path(&ref, &path);
    struct cor_informer_spec spec = {
        .path = path.data,
        .selector = "fieldSelector=metadata.name%3D" ROTATION_SECRET,
        .sink = {.self = a, .changed = on_changed},
    };
    a->informer = cor_informer_new(a->spec.loop, a->spec.kube, a->spec.log, &spec);
}

/* ---- life ---- */

struct authority *authority_new(const struct authority_spec *spec)
{
    struct authority *a = cor_alloc(sizeof(*a));
    a->spec = *spec;
    a->loading = true;
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
        cor_informer_free(&a->informer);
        cor_timer_free(&a->timer);
        holdings_free(&a->now);
        holdings_free(&a->fresh);
        cor_wipe(a->tickets, sizeof(a->tickets));
        cor_freep(authority);
    }
}

struct cor_issuer authority_issuer(const struct authority *a)
{
    return holdings_signer(&a->now);
}

struct cor_issuer authority_face(const struct authority *a)
{
    return holdings_face(&a->now);
}

struct cor_tls authority_tls(const struct authority *a)
{
    return (struct cor_tls){
        .cert = a->now.cert, .key = a->now.key, .roots = &a->now.roots, .chain = &a->now.chain};
}

const struct cor_certs *authority_roots(const struct authority *a)
{
    return &a->now.roots;
}

const char *authority_root_id(const struct authority *a, size_t index)
{
    return a->now.ids[index];
}

const char *authority_signer_id(const struct authority *a)
{
    return a->now.signer_id;
}

struct cor_view authority_roots_pem(const struct authority *a)
{
    return cor_buf_as_view(&a->now.roots_pem);
}

uint64_t authority_roots_digest(const struct authority *a)
{
    return a->now.digest;
}

const struct cor_certs *authority_renewable(const struct authority *a)
{
    return &a->now.renewable;
}

const struct rotation *authority_rotation(const struct authority *a)
{
    return &a->now.rotation;
}

const char *authority_version(const struct authority *a)
{
    return a->now.version;
}

const uint8_t *authority_tickets(const struct authority *a)
{
    return a->tickets;
}

struct cor_view authority_ca_der(const struct authority *a)
{
    return cor_buf_as_view(&a->now.face_der);
}

struct token_maker authority_maker(const struct authority *a)
{
    return holdings_maker(&a->now);
}
