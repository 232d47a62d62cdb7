// SPDX-License-Identifier: Apache-2.0
// The floor: DEALER and ROUTER of ZeroMQ with blocking calls.
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "bench.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/clock/clock.h"

static _Noreturn void echo(const char *address)
{
    void *context = zmq_ctx_new();
    void *sock = zmq_socket(context, ZMQ_ROUTER);
    must(zmq_bind(sock, address) == 0);
    for (;;) {
        zmq_msg_t id;
        zmq_msg_t body;
        (void)zmq_msg_init(&id);
        (void)zmq_msg_init(&body);
        must(zmq_msg_recv(&id, sock, 0) >= 0 && zmq_msg_recv(&body, sock, 0) >= 0);
        must(zmq_msg_send(&id, sock, ZMQ_SNDMORE) >= 0 && zmq_msg_send(&body, sock, 0) >= 0);
    }
}

void raw_round_trips(const char *dir, const struct trips *trips, int64_t *us)
{
    size_t bytes = trips->bytes;
    auto_(cor_freep) char *address = cor_sprintf("ipc://%s/raw", dir);
    auto_(cor_freep) char *payload = cor_alloc(bytes);
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        echo(address);
    }
    void *context = zmq_ctx_new();
    void *sock = zmq_socket(context, ZMQ_DEALER);
    int again_ms = 1;
    int linger = 0;
    (void)zmq_setsockopt(sock, ZMQ_RECONNECT_IVL, &again_ms, sizeof(again_ms));
    (void)zmq_setsockopt(sock, ZMQ_LINGER, &linger, sizeof(linger));
    must(zmq_connect(sock, address) == 0);
    for (size_t i = 0; i < trips->count; i++) {
        (void)usleep((useconds_t)trips->pause_us);
        struct cor_mono began = cor_mono_now();
        must(zmq_send(sock, payload, bytes, 0) == (int)bytes);
        must(zmq_recv(sock, payload, bytes, 0) == (int)bytes);
        us[i] = cor_mono_since(cor_mono_now(), began);
    }
    (void)zmq_close(sock);
    (void)zmq_ctx_term(context);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}
