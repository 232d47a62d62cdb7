// SPDX-License-Identifier: Apache-2.0
#include "services/edgecontroller/opened.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

/* A volume of a claim (""; none) of "a" with Secrets of "s" for staging and publishing. */
static struct cor_json *volume(const char *name, const char *claim, const char *stage,
                               const char *publish)
{
    struct cor_json *out = cor_json_object();
    cor_json_set_at(out, "metadata.name", cor_json_str(name));
    if (claim[0] != '\0') {
        cor_json_set_at(out, "spec.claimRef.namespace", cor_json_str("a"));
        cor_json_set_at(out, "spec.claimRef.name", cor_json_str(claim));
    }
    if (stage[0] != '\0') {
        cor_json_set_at(out, "spec.csi.nodeStageSecretRef.namespace", cor_json_str("s"));
        cor_json_set_at(out, "spec.csi.nodeStageSecretRef.name", cor_json_str(stage));
    }
    if (publish[0] != '\0') {
        cor_json_set_at(out, "spec.csi.nodePublishSecretRef.namespace", cor_json_str("s"));
        cor_json_set_at(out, "spec.csi.nodePublishSecretRef.name", cor_json_str(publish));
    }
    return out;
}

static void put(struct ec_opened *opened, const char *name, const char *claim, const char *stage,
                const char *publish)
{
    auto_(cor_json_free) struct cor_json *object = volume(name, claim, stage, publish);
    ec_opened_put(opened, object);
}

static void add(void *self, const char *ns, const char *name)
{
    cor_buf_fmt(self, "%s/%s ", ns, name);
}

static void expect(const struct ec_opened *opened, const char *claim, const char *secret,
                   const char *all)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_buf_str(&text, "");
    ec_opened_secrets(opened, "a", claim, add, &text);
    cor_buf_str(&text, "| ");
    ec_opened_claims(opened, COR_VIEW("s"), cor_view_of(secret), add, &text);
    assert_string_equal(text.data, all);
}

/* Several volumes may say that they are of one claim, and name one Secret. */
static void volumes_come_change_and_go(void **state)
{
    (void)state;
    auto_(ec_opened_free) struct ec_opened *opened = ec_opened_new();
    put(opened, "v1", "c", "x", "x");
    put(opened, "v2", "c", "y", "x");
    put(opened, "v3", "d", "", "x");
    put(opened, "v4", "", "x", "");
    put(opened, "v5", "e", "", "");
    expect(opened, "c", "x", "s/x s/y s/x | a/c a/c a/d ");
    expect(opened, "e", "y", "| a/c ");
    put(opened, "v2", "d", "", "x");
    expect(opened, "c", "y", "s/x | ");
    expect(opened, "d", "x", "s/x s/x | a/c a/d a/d ");
    auto_(cor_json_free) struct cor_json *gone = volume("v1", "", "", "");
    ec_opened_del(opened, gone);
    ec_opened_del(opened, gone);
    expect(opened, "c", "x", "| a/d a/d ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(volumes_come_change_and_go)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
