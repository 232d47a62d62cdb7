// SPDX-License-Identifier: Apache-2.0
// Pods and inputs for tests of edged's pure modules.
#ifndef TEST_EDGED_FIXTURE_H
#define TEST_EDGED_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/edged/pod/inputs.h"
#include "services/edged/pod/pod.h"
#include "tests/support/text/text.h"

/* A pod default/web with uid u1 and this spec. */
static inline struct pod *pod_of(const char *spec)
{
    struct cor_json *object =
        test_json("{'metadata':{'name':'web','namespace':'default','uid':'u1'}}");
    cor_json_set(object, "spec", test_json(spec));
    struct pod *pod = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (pod_parse(object, &pod, &err) != COR_OK) {
        fail_msg("%s", err.text);
    }
    return pod;
}

static const struct facts test_facts = {
    .node = "n1",
    .host_ips = {"192.0.2.1"},
    .host_ip_count = 1,
    .pod_ips = {"10.0.0.5", "fd00::5"},
    .pod_ip_count = 2,
    .cpu_milli = 2000,
    .memory = 1 << 30,
    .storage = 5,
};

/* Objects by name: {"configmap/cm":{...},"secret/s":{...}}; tokens: all sources give "tok". */
struct objects {
    struct cor_json *all;
    const char *token;
};

static inline const struct cor_json *objects_get(void *self, bool secret, const char *name)
{
    const struct objects *objects = self;
    auto_(cor_freep) char *key = cor_sprintf("%s/%s", secret ? "secret" : "configmap", name);
    return cor_json_get(objects->all, key);
}

static inline const char *objects_token(void *self, const struct pod_source *source)
{
    (void)source;
    return ((const struct objects *)self)->token;
}

static inline struct inputs inputs_of(struct objects *objects)
{
    return (struct inputs){&test_facts, objects_get, objects_token, objects};
}

#endif
