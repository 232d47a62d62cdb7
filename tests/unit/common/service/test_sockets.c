// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/socket.h"
#include "common/service/sockets.h"

/* sd_listen_fds(3) */
static void finds_by_name(void **state)
{
    (void)state;
    static const struct {
        struct cor_listen_env env;
        const char *name;
        int fd;
    } rows[] = {
        {{"7", "2", "link:enrol"}, "link", 3},
        {{"7", "2", "link:enrol"}, "enrol", 4},
        {{"7", "2", "link:enrol"}, "lin", -1},
        {{"7", "2", "link:enrol"}, "", -1},
        {{"7", "1", "link:enrol"}, "enrol", -1},
        {{"8", "2", "link:enrol"}, "link", -1}, /* meant for another process */
        {{"7", "x", "link:enrol"}, "link", -1},
        {{"7", "-1", "link:enrol"}, "link", -1},
        {{"7", "99999999999999999999", "link"}, "link", -1},
        {{"7", "2", ""}, "link", -1},
        {{"7", "2", NULL}, "link", -1},
        {{NULL, "2", "link"}, "link", -1},
        {{"7", NULL, "link"}, "link", -1},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(cor_sockets_find(&rows[i].env, 7, rows[i].name), rows[i].fd);
    }
}

static void knows_where_it_listens(void **state)
{
    (void)state;
    auto_(cor_fd_close) int fd = -1;
    auto_(cor_fd_close) int second = -1;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_socket_listen("127.0.0.1", 0, &fd, &err), COR_OK);
    int port = cor_socket_port(fd);
    assert_true(port > 0);
    assert_true(cor_socket_is_at(fd, "127.0.0.1", 0));
    assert_true(cor_socket_is_at(fd, "127.0.0.1", port));
    assert_false(cor_socket_is_at(fd, "127.0.0.1", port == 1 ? 2 : 1));
    assert_false(cor_socket_is_at(fd, "0.0.0.0", port));
    assert_false(cor_socket_is_at(fd, "::1", port));
    assert_false(cor_socket_is_at(0, "127.0.0.1", 0));
    assert_int_equal(cor_socket_listen("127.0.0.1", port, &second, &err), COR_IO);
    assert_int_equal(cor_socket_listen("localhost", 0, &second, &err), COR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_name),
        cmocka_unit_test(knows_where_it_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
