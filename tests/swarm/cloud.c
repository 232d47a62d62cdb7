// SPDX-License-Identifier: Apache-2.0
#include "cloud.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/socket.h"
#include "common/base/text.h"
#include "common/json/json.h"
#include "fleet.h"
#include "tests/support/certs.h"

/* Numbers of file descriptors that no program uses otherwise; bytes of the object's JSON. */
enum { HELD_FD = 150, READY_FD = 152, BODY_BYTES = 300, OBJECTS_MAX = 1024 * 1024 };

/* ---- the controller ---- */

static void body_of(uint64_t version, char out[BODY_BYTES + 1])
{
    int len = snprintf(out, BODY_BYTES + 1,
                       "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                       "\"swarm\",\"namespace\":\"default\",\"uid\":\"" NODE_OBJECT_UID
                       "\",\"resourceVersion\":\"%" PRIu64 "\"},\"data\":{\"x\":\"",
                       version);
    memset(out + len, 'x', (size_t)(BODY_BYTES - len));
    memcpy(out + BODY_BYTES - 3, "\"}}", 4);
}

static void send_object(struct cloud *cloud, uint32_t node)
{
    char name[16];
    char path[64];
    char version[24];
    char body[BODY_BYTES + 1];
    uint64_t number = cloud->versions[node];
    node_name(node, name);
    (void)snprintf(path, sizeof(path), "%s/" NODE_OBJECT_KEY, name);
    (void)snprintf(version, sizeof(version), "%" PRIu64, number);
    body_of(number, body);
    struct px_node_object object = {.path = cor_view_of(path),
                                    .node = cor_view_of(name),
                                    .key = COR_VIEW(NODE_OBJECT_KEY),
                                    .uid = COR_VIEW(NODE_OBJECT_UID),
                                    .version = cor_view_of(version),
                                    .source = COR_VIEW("edgecontroller"),
                                    .body = {body, BODY_BYTES},
                                    .content = fleet_content(number)};
    enum cor_code code = cor_send(cloud->port, PX_node_object, &object);
    must(code == COR_OK || code == COR_GONE);
}

void cloud_put(struct cloud *cloud, uint32_t node, uint64_t version)
{
    cloud->versions[node] = version;
    send_object(cloud, node);
}

static bool number_of(const struct cloud *cloud, struct cor_view name, uint32_t *number_r)
{
    uint64_t number = 0;
    struct cor_view digits = {name.ptr + 1, name.len - 1};
    if (name.len < 2 || name.ptr[0] != 'n' || !cor_view_u64(digits, &number) ||
        number >= cloud->nodes) {
        return false;
    }
    *number_r = (uint32_t)number;
    return true;
}

static enum cor_code on_session(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    struct cloud *cloud = self;
    const struct px_node_session *session = body;
    uint32_t number = 0;
    (void)in;
    if (!number_of(cloud, session->node, &number)) {
        return cor_err_set(err, COR_INVALID, "no node of the swarm");
    }
    if (!session->up) {
        cloud->n.went++;
        return COR_OK;
    }
    cloud->n.came++;
    if (cloud->versions[number] != 0) {
        send_object(cloud, number);
    }
    if (!session->records) {
        auto_(cor_freep) char *path =
            cor_sprintf("%.*s/%" PRIu64, COR_VIEW_ARG(session->node), session->epoch);
        struct px_node_synced synced = {
            .path = cor_view_of(path), .node = session->node, .epoch = session->epoch};
        must(cor_send(cloud->port, PX_node_synced, &synced) == COR_OK);
    }
    return COR_OK;
}

static enum cor_code on_alive(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)body;
    (void)err;
    ((struct cloud *)self)->n.alive++;
    return COR_OK;
}

static enum cor_code on_stored(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)body;
    (void)err;
    ((struct cloud *)self)->n.stored++;
    return COR_OK;
}

static enum cor_code on_surplus(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    (void)in;
    (void)body;
    (void)err;
    ((struct cloud *)self)->n.surplus++;
    return COR_OK;
}

static const struct cor_handler HANDLERS[] = {
    {PX_node_session, on_session},
    {PX_node_alive, on_alive},
    {PX_node_stored, on_stored},
    {PX_node_surplus, on_surplus},
};

static const struct cor_port_ops OPS = {.handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS)};

/* ---- processes ---- */

static char *path_in(const struct cloud *cloud, const char *name)
{
    return cor_sprintf("%s/%s", cloud->stage->dir, name);
}

static void write_file(const struct cloud *cloud, const char *name, struct cor_view text)
{
    auto_(cor_freep) char *path = path_in(cloud, name);
    must(cor_file_write(path, text, 0600, NULL) == COR_OK);
}

static void write_api_certs(const struct cloud *cloud)
{
    struct test_certs api;
    test_certs_make(&api, "x", "y");
    test_certs_write(&api, cloud->stage->dir);
    test_certs_free(&api);
}

static void on_line(void *self, int fd, int events)
{
    char line[64];
    struct cloud *cloud = self;
    (void)events;
    ssize_t n = read(fd, line, sizeof(line));
    must(n > 0); /* it has ended without saying that it is ready */
    if (line[n - 1] != '\n') {
        return;
    }
    cloud->hub_ready = true;
    cor_io_free(&cloud->ready);
    (void)close(fd);
}

/* The number stays taken, so that no connection gets it. */
static void reserve_ready_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    must(dup2(fd, READY_FD) == READY_FD);
    (void)close(fd);
}

/* Starts a shell's command; a line that it writes to READY_FD says that it is ready. */
static pid_t start(struct cloud *cloud, const char *command)
{
    int fds[2];
    must(pipe2(fds, O_CLOEXEC) == 0 && dup2(fds[1], READY_FD) == READY_FD);
    const char *const argv[] = {"bash", "-c", command, NULL};
    pid_t pid = stage_spawn(argv);
    (void)close(fds[1]);
    reserve_ready_fd();
    cloud->hub_ready = false;
    cloud->ready = cor_io_new(cloud->stage->loop, fds[0], COR_READ, on_line, cloud);
    return pid;
}

void cloud_start(struct cloud *cloud)
{
    const char *bin = getenv("CORACLE_BIN");
    auto_(cor_freep) char *command = cor_sprintf(
        "exec 3<&%d 4<&%d 2>>%s/log; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=link:enrol "
        "exec %s/cloudhub --config %s/hub.yaml --ready-fd %d",
        HELD_FD, HELD_FD + 1, cloud->stage->dir, bin != NULL ? bin : CORACLE_BINARY_DIR "/bin",
        cloud->stage->dir, READY_FD);
    cloud->hub = start(cloud, command);
}

void cloud_kill(struct cloud *cloud)
{
    (void)stage_end(cloud->hub, SIGKILL);
    cloud->hub = 0;
}

static bool is_ready(void *self)
{
    return ((struct cloud *)self)->hub_ready;
}

static void hold_sockets(struct cloud *cloud)
{
    for (int i = 0; i < 2; i++) {
        int fd = -1;
        must(cor_socket_listen("127.0.0.1", 0, &fd, NULL) == COR_OK);
        cloud->held[i] = dup2(fd, HELD_FD + i); /* is passed on */
        (void)close(fd);
        must(cloud->held[i] == HELD_FD + i);
    }
    cloud->link_port = cor_socket_port(cloud->held[0]);
}

static void start_all(struct cloud *cloud)
{
    const char *dir = cloud->stage->dir;
    write_api_certs(cloud);
    auto_(cor_freep) char *kube =
        cor_sprintf("exec python3 " CORACLE_SOURCE_DIR "/tests/contract/cloudhub/fake_kube.py %s "
                    ">&%d 2>>%s/log",
                    dir, READY_FD, dir);
    cloud->kube = start(cloud, kube);
    must(stage_until(cloud->stage, is_ready, cloud));
    auto_(cor_freep) char *config =
        cor_sprintf("run-dir: %s/run\nkubeconfig: %s/kubeconfig\nnames: [127.0.0.1]\n"
                    "listen: {address: 127.0.0.1, port: %d}\nenrol: {address: 127.0.0.1, port: "
                    "%d}\nstreams: {listen: \"\"}\n"
                    "link: {nodes: %zu}\n",
                    dir, dir, cloud->link_port, cor_socket_port(cloud->held[1]), cloud->nodes);
    write_file(cloud, "hub.yaml", cor_view_of(config));
    cloud_start(cloud);
    must(stage_until(cloud->stage, is_ready, cloud));
}

static void read_secret(const struct cor_json *data, const char *name, struct cor_buf *out)
{
    must(cor_base64_decode(out, cor_json_as_view(cor_json_get(data, name))));
}

/* The hub's own authority, from where it keeps it. */
static void read_authority(struct cloud *cloud)
{
    auto_(cor_freep) char *path = path_in(cloud, "objects.json");
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_buf_free) struct cor_buf cert = {0};
    auto_(cor_secret_free) struct cor_buf key = {0};
    auto_(cor_json_free) struct cor_json *tree = NULL;
    must(cor_file_read(path, OBJECTS_MAX, &text, NULL) == COR_OK);
    must(cor_json_parse(cor_buf_as_view(&text), OBJECTS_MAX, 0, &tree, NULL) == COR_OK);
    const struct cor_json *secret =
        cor_json_get(tree, "/api/v1/namespaces/kubeedge/secrets/casecret");
    const struct cor_json *data = cor_json_get(secret, "data");
    read_secret(data, "cadata", &cert);
    read_secret(data, "cakeydata", &key);
    must(cor_cert_parse(cor_buf_as_view(&cert), &cloud->ca, NULL) == COR_OK);
    must(cor_key_parse(cor_buf_as_view(&key), &cloud->ca_key, NULL) == COR_OK);
}

static bool port_is_up(void *self)
{
    return cor_port_is_up(((struct cloud *)self)->port);
}

struct cloud *cloud_new(size_t nodes)
{
    struct cloud *cloud = cor_alloc(sizeof(*cloud));
    cloud->nodes = nodes;
    cloud->versions = cor_calloc(nodes, sizeof(*cloud->versions));
    cloud->stage = stage_new();
    hold_sockets(cloud);
    start_all(cloud);
    read_authority(cloud);
    cloud->bus = stage_bus(cloud->stage, "edgecontroller");
    must(cor_port_open(cloud->bus, px_endpoint(PX_ENDPOINT_HUB_CONTROLLER), &OPS, cloud,
                       &cloud->port, NULL) == COR_OK);
    must(stage_until(cloud->stage, port_is_up, cloud));
    return cloud;
}

void cloud_free(struct cloud **cloud)
{
    struct cloud *self = *cloud;
    cor_port_close(&self->port);
    cor_bus_free(&self->bus);
    int status = stage_end(self->hub, SIGTERM);
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)stage_end(self->kube, SIGKILL);
    for (int i = 0; i < 2; i++) {
        (void)close(self->held[i]);
    }
    (void)close(READY_FD);
    cor_io_free(&self->ready);
    cor_cert_free(&self->ca);
    cor_key_free(&self->ca_key);
    stage_free(&self->stage);
    cor_free(self->versions);
    cor_freep(cloud);
}
