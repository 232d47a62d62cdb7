// SPDX-License-Identifier: Apache-2.0
#include "services/edged/cri/runtimeclass.h"

#include "../fixture.h"
#include "services/edged/cri/cri_wire.h"

static void test_handler(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        const char *handler;
        const char *error;
    } rows[] = {
        {200, "{\"handler\":\"crun\"}", "crun", ""},
        {200, "{\"handler\":\"\"}", "", "failed to lookup RuntimeClass x: it names no handler"},
        {200, "{\"handler\":7}", "", "failed to lookup RuntimeClass x: it names no handler"},
        {200, "no JSON", "", "failed to lookup RuntimeClass x: it names no handler"},
        {404, "", "", "runtimeclass.node.k8s.io \"x\" not found"},
        {0, "the link is down", "", "failed to lookup RuntimeClass x: the link is down"},
        {503, "{\"message\":\"busy\"}", "",
         "failed to lookup RuntimeClass x: HTTP status 503 busy"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct cor_err err = COR_ERR_NONE;
        auto_(cor_freep) char *handler = NULL;
        enum cor_code code =
            runtimeclass_handler("x", rows[i].status, cor_view_of(rows[i].body), &handler, &err);
        assert_string_equal(err.text, rows[i].error);
        assert_int_equal(code == COR_OK, rows[i].error[0] == '\0');
        assert_string_equal(handler == NULL ? "" : handler, rows[i].handler);
    }
}

/* What a runtime of Kubernetes 1.30 tells of its handlers. */
static void test_handlers(void **state)
{
    (void)state;
    static const char bytes[] = "\x1a\x04\x12\x02\x08\x01" /* "" with recursive read-only mounts */
                                "\x1a\x0a\x0a\x04kata\x12\x02\x10\x01";
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(65536);
    struct cri_answer answer = {0};
    ProtobufCMessage *unpacked = NULL;
    assert_true(
        cri_read_status(arena, (struct cor_view){bytes, sizeof(bytes) - 1}, &answer, &unpacked));
    assert_int_equal(answer.handler_count, 2);
    assert_string_equal(answer.handlers[0].name, "");
    assert_true(answer.handlers[0].recursive_readonly);
    assert_false(answer.handlers[0].user_namespaces);
    assert_string_equal(answer.handlers[1].name, "kata");
    assert_true(answer.handlers[1].user_namespaces);
    protobuf_c_message_free_unpacked(unpacked, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_handler),
                                       cmocka_unit_test(test_handlers)};
    return cmocka_run_group_tests_name("runtime class", tests, NULL, NULL);
}
