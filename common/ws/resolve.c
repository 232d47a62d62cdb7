// SPDX-License-Identifier: Apache-2.0
#include "common/ws/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/mem.h"

enum { STACK_BYTES = 256 * 1024 };

/* What the thread and the loop share. Whoever leaves last frees it. */
struct job {
    pthread_mutex_t lock;
    char *host;
    char address[64]; /* "" : none */
    char text[128];
    struct cor_wakeup *wakeup; /* NULL: nobody waits any more */
    bool done;
};

struct cor_resolve {
    struct job *job;
    struct cor_wakeup *wakeup;
    cor_resolve_fn fn;
    void *self;
};

static void job_free(struct job *job)
{
    (void)pthread_mutex_destroy(&job->lock);
    cor_free(job->host);
    cor_free(job);
}

static void look_up(struct job *job, char *address, size_t size, char *text, size_t text_size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(job->host, NULL, &hints, &found);
    if (result == 0) {
        result = getnameinfo(found->ai_addr, found->ai_addrlen, address, (socklen_t)size, NULL, 0,
                             NI_NUMERICHOST);
        freeaddrinfo(found);
    }
    if (result != 0) {
        address[0] = 0;
        (void)strncpy(text, gai_strerror(result), text_size - 1);
    }
}

static void *run(void *self)
{
    struct job *job = self;
    char address[sizeof(job->address)] = {0};
    char text[sizeof(job->text)] = {0};
    look_up(job, address, sizeof(address), text, sizeof(text));
    (void)pthread_mutex_lock(&job->lock);
    bool orphan = job->wakeup == NULL;
    memcpy(job->address, address, sizeof(address));
    memcpy(job->text, text, sizeof(text));
    job->done = true;
    if (!orphan) {
        cor_wakeup_send(job->wakeup);
    }
    (void)pthread_mutex_unlock(&job->lock);
    if (orphan) {
        job_free(job);
    }
    return NULL;
}

static void on_done(void *self)
{
    struct cor_resolve *resolve = self;
    struct job *job = resolve->job;
    (void)pthread_mutex_lock(&job->lock);
    bool done = job->done;
    (void)pthread_mutex_unlock(&job->lock);
    if (done) {
        char address[sizeof(job->address)];
        char text[sizeof(job->text)];
        memcpy(address, job->address, sizeof(address));
        memcpy(text, job->text, sizeof(text));
        resolve->fn(resolve->self, address[0] == 0 ? NULL : address, text);
    }
}

static bool start(struct job *job)
{
    pthread_t thread;
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int result = pthread_create(&thread, &attr, run, job);
    (void)pthread_attr_destroy(&attr);
    return result == 0;
}

static bool is_numeric(const char *host)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0) {
        return false;
    }
    freeaddrinfo(found);
    return true;
}

struct cor_resolve *cor_resolve_new(struct cor_loop *loop, const char *host, cor_resolve_fn fn,
                                    void *self)
{
    struct cor_resolve *resolve = cor_alloc(sizeof(*resolve));
    struct job *job = cor_alloc(sizeof(*job));
    resolve->wakeup = cor_wakeup_new(loop, on_done, resolve);
    resolve->job = job;
    resolve->fn = fn;
    resolve->self = self;
    (void)pthread_mutex_init(&job->lock, NULL);
    job->wakeup = resolve->wakeup;
    job->host = cor_strdup(host);
    if (is_numeric(host)) {
        (void)strncpy(job->address, host, sizeof(job->address) - 1);
        job->done = true;
        cor_wakeup_send(resolve->wakeup);
    } else if (!start(job)) {
        (void)strncpy(job->text, "cannot start a thread", sizeof(job->text) - 1);
        job->done = true;
        cor_wakeup_send(resolve->wakeup);
    }
    return resolve;
}

void cor_resolve_free(struct cor_resolve **resolve)
{
    struct cor_resolve *self = *resolve;
    if (self == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&self->job->lock);
    bool done = self->job->done;
    self->job->wakeup = NULL;
    (void)pthread_mutex_unlock(&self->job->lock);
    if (done) {
        job_free(self->job);
    }
    cor_wakeup_free(&self->wakeup);
    cor_freep(resolve);
}
