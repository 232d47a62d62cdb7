// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/httpd/httpd.h"

struct target {
    struct target_spec spec;
    struct cor_httpd *httpd;
    uint64_t requests;
    bool away;
};

/* Takes one message at text, which begins with {"d": ; false: it is none. */
static bool take_one(struct ledger *ledger, const char *text, struct cor_view key)
{
    char *end = NULL;
    unsigned long device = strtoul(text + strlen("{\"d\":"), &end, 10);
    if (strncmp(end, ",\"s\":", 5) != 0) {
        return false;
    }
    ledger_arrived(ledger, device, strtoull(end + 5, &end, 10), key, cor_mono_now().us);
    return true;
}

void target_take(struct ledger *ledger, struct cor_view body, struct cor_view key)
{
    auto_(cor_freep) char *text = cor_view_dup(body);
    bool any = false;
    for (const char *at = text; (at = strstr(at, "{\"d\":")) != NULL; at++) {
        any = take_one(ledger, at, key) || any;
    }
    if (!any) {
        ledger_strange(ledger);
    }
}

static bool is_turn(uint64_t every, uint64_t number)
{
    return every > 0 && number % every == 0;
}

static void on_request(void *self, struct cor_exchange *exchange)
{
    struct target *t = self;
    struct cor_buf none = {0};
    const char *key = cor_exchange_header(exchange, "Idempotency-Key");
    t->requests++;
    if (t->away || is_turn(t->spec.refuse_every, t->requests)) {
        cor_exchange_reply(exchange, 503, NULL, &none);
        return;
    }
    target_take(t->spec.ledger, cor_exchange_body(exchange), cor_view_of(key == NULL ? "" : key));
    cor_exchange_reply(exchange, is_turn(t->spec.forget_every, t->requests) ? 500 : 204, NULL,
                       &none);
}

enum cor_code target_new(const struct target_spec *spec, struct target **target_r,
                         struct cor_err *err)
{
    struct target *t = cor_alloc(sizeof(*t));
    auto_(cor_freep) char *address =
        cor_sprintf("%s:%d", spec->address == NULL ? "127.0.0.1" : spec->address, spec->port);
    const char *const addresses[] = {address};
    t->spec = *spec;
    struct cor_httpd_spec httpd = {
        .addresses = addresses, .address_count = 1, .handler = on_request, .self = t};
    enum cor_code code = cor_httpd_start(spec->loop, &httpd, &t->httpd, err);
    if (code != COR_OK) {
        target_free(&t);
        return code;
    }
    *target_r = t;
    return COR_OK;
}

uint64_t target_requests(const struct target *target)
{
    return target->requests;
}

int target_port(const struct target *target)
{
    return cor_httpd_port(target->httpd, 0);
}

void target_away(struct target *target, bool on)
{
    target->away = on;
}

void target_free(struct target **target)
{
    if (*target != NULL) {
        cor_httpd_free(&(*target)->httpd);
        cor_freep(target);
    }
}
