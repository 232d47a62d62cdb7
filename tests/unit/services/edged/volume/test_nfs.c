// SPDX-License-Identifier: Apache-2.0
// The arguments of NFS mounts, and programs that are run for them.
#include "../fixture.h"
#include "services/edged/volume/command.h"
#include "services/edged/volume/nfs.h"

static char *line_of(const struct nfs_mount *mount)
{
    struct cor_buf out = {0};
    for (size_t i = 0; mount->argv[i] != NULL; i++) {
        cor_buf_fmt(&out, "%s%s", i > 0 ? " " : "", mount->argv[i]);
    }
    return cor_buf_take(&out);
}

static void test_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *options; /* of the PersistentVolume; NULL: the Pod's own volume */
        const char *says;
        enum cor_code code;
    } rows[] = {
        {"{'server':'10.0.0.1','path':'/a'}", NULL, "mount -t nfs 10.0.0.1:/a /t", COR_OK},
        {"{'server':'fd00::1','path':'/a','readOnly':true}", NULL,
         "mount -t nfs -o ro [fd00::1]:/a /t", COR_OK},
        {"{'server':'nas.example.com','path':'/a b'}", "['nfsvers=4.1','hard']",
         "mount -t nfs -o nfsvers=4.1,hard nas.example.com:/a b /t", COR_OK},
        {"{'server':'nas','path':'/a','readOnly':true}", "['hard']",
         "mount -t nfs -o ro,hard nas:/a /t", COR_OK},
        {"{'server':'-ofsc','path':'/a'}", "[]", "nfs.server: no name or address of a server",
         COR_INVALID},
        {"{'server':'','path':'/a'}", "[]", "nfs.server: no name or address of a server",
         COR_INVALID},
        {"{'server':'a b','path':'/a'}", "[]", "nfs.server: no name or address of a server",
         COR_INVALID},
        {"{'server':'nas','path':'a'}", "[]", "nfs.path: must be an absolute path", COR_INVALID},
        {"{'server':'nas','path':'/a'}", "['hard','-o x']", "mountOptions[1]: no option of a mount",
         COR_INVALID},
        {"{'server':'nas','path':'/a'}", "[7]", "mountOptions[0]: no option of a mount",
         COR_INVALID},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *source = test_json(rows[i].source);
        auto_(cor_json_free) struct cor_json *pv = NULL;
        auto_(nfs_mount_free) struct nfs_mount mount = {0};
        struct cor_err err = COR_ERR_NONE;
        if (rows[i].options != NULL) {
            pv = test_json("{'spec':{}}");
            cor_json_set_at(pv, "spec.mountOptions", test_json(rows[i].options));
        }
        const struct pod_volume volume = {
            .external = POD_EXTERNAL_NFS, .source = source, .persistent = pv};
        enum cor_code code = nfs_mount_of(&volume, "/t", &mount, &err);
        auto_(cor_freep) char *text = code == COR_OK ? line_of(&mount) : cor_strdup(err.text);
        assert_string_equal(text, rows[i].says);
        assert_int_equal(code, rows[i].code);
    }
}

static void test_failure(void **state)
{
    (void)state;
    const struct nfs_mount mount = {.argv = {"mount", "-t", "nfs", "nas:/a", "/t"}};
    auto_(cor_buf_free) struct cor_buf text = {0};
    nfs_failure(&mount, 32, COR_VIEW("mount.nfs: Connection refused"), &text);
    assert_string_equal(text.data, "mount failed: exit status 32, output: mount.nfs: Connection "
                                   "refused, mounting command: mount -t nfs nas:/a /t");
}

struct run {
    struct cor_loop *loop;
    int status;
    char output[COMMAND_OUTPUT_MAX + 64];
    size_t len;
};

static void on_end(void *self, int status, struct cor_view output)
{
    struct run *run = self;
    run->status = status;
    run->len = output.len;
    (void)snprintf(run->output, sizeof(run->output), "%.*s", COR_VIEW_ARG(output));
    cor_loop_stop(run->loop);
}

static void test_commands(void **state)
{
    (void)state;
    static const struct {
        const char *argv[4];
        int64_t timeout_us;
        int status;
        const char *output;
    } rows[] = {
        {{"true"}, COR_SEC(10), 0, ""},
        {{"echo", "a b", "$HOME"}, COR_SEC(10), 0, "a b $HOME"},
        {{"ls", "/no/such/file"}, COR_SEC(10), 2, NULL},
        {{"no-such-program-here"},
         COR_SEC(10),
         127,
         "no-such-program-here: No such file or directory"},
        {{"sleep", "60"}, COR_MS(50), COMMAND_NO_STATUS, "ended by signal 9"},
        {{"head", "-c3000", "/dev/zero"}, COR_SEC(10), 0, NULL},
    };
    struct run run = {.loop = cor_loop_new()};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        run.status = -2;
        command_run(run.loop, rows[i].argv, rows[i].timeout_us, on_end, &run);
        assert_int_equal(run.status, -2); /* not from within */
        cor_loop_run(run.loop);
        assert_int_equal(run.status, rows[i].status);
        if (rows[i].output != NULL) {
            assert_string_equal(run.output, rows[i].output);
        }
        assert_true(run.len <= COMMAND_OUTPUT_MAX);
    }
    cor_loop_free(&run.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arguments),
                                       cmocka_unit_test(test_failure),
                                       cmocka_unit_test(test_commands)};
    return cmocka_run_group_tests_name("nfs", tests, NULL, NULL);
}
