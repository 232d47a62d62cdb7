// SPDX-License-Identifier: Apache-2.0
#include "common/kube/informer.h"

#include "common/base/mem.h"
#include "common/pki/digest.h"

struct cor_informer {
    struct cor_kube *kube;
    const struct cor_log *log;
    struct cor_reflector *reflector;
    struct cor_timer *timer;
    struct cor_timer *silence; /* runs while a watch may not be silent for ever */
    int64_t silence_us;        /* 0: as the reflector says */
    void (*absent)(void *self);
    void *self;
    struct cor_kube_call *call; /* under way; NULL: waiting */
    char *path;
    char *selector;
    bool held;     /* has not begun */
    bool watch;    /* what the call is, or will be */
    bool troubled; /* logged that it fails */
    struct cor_mono started;
};

static void act(struct cor_informer *informer);

static double random_number(void)
{
    uint32_t n = 0;
    cor_random(&n, sizeof(n));
    return (double)n / 4294967296.0;
}

static void go(struct cor_informer *informer, struct cor_reflector_step step)
{
    informer->watch = step.watch;
    if (step.delay_us == 0) {
        act(informer);
    } else {
        cor_timer_start(informer->timer, step.delay_us);
    }
}

static void note_failure(struct cor_informer *informer, int status, const char *text)
{
    if (!informer->troubled && status != 410) {
        LOGW(informer->log, "kube.informer.fails", "path=%s status=%d reason=%s", informer->path,
             status, cor_log_esc(cor_view_of(text)));
        informer->troubled = true;
    }
}

static int64_t lasted(const struct cor_informer *informer)
{
    return cor_mono_since(cor_mono_now(), informer->started);
}

/* The list or watch under way has failed. */
static void fail(struct cor_informer *informer, int status, int64_t retry_after_us)
{
    struct cor_reflector_end end = {.watch = informer->watch,
                                    .status = status,
                                    .retry_after_us = retry_after_us,
                                    .lasted_us = lasted(informer)};
    cor_timer_stop(informer->silence);
    go(informer, cor_reflector_failed(informer->reflector, end, random_number()));
}

static void note_success(struct cor_informer *informer)
{
    if (informer->troubled) {
        LOGI(informer->log, "kube.informer.recovered", "path=%s", informer->path);
        informer->troubled = false;
    }
}

static void bad_object(struct cor_informer *informer, struct cor_view text)
{
    LOGW(informer->log, "kube.informer.bad_event", "path=%s bytes=%zu", informer->path, text.len);
}

static void on_item(void *self, struct cor_view item)
{
    struct cor_informer *informer = self;
    if (cor_reflector_item(informer->reflector, item) != COR_OK) {
        bad_object(informer, item);
    }
}

static void on_list(void *self, const struct cor_kube_response *response)
{
    struct cor_informer *informer = self;
    informer->call = NULL;
    if (response->code == COR_OK) {
        note_success(informer);
        go(informer, cor_reflector_listed(informer->reflector, response->body, random_number()));
        return;
    }
    note_failure(informer, response->status, response->text);
    if (response->status == 404 && informer->absent != NULL) {
        informer->absent(informer->self);
    }
    fail(informer, response->status, response->retry_after_us);
}

static void watch_silence(struct cor_informer *informer)
{
    int64_t most = informer->silence_us != 0 ? informer->silence_us
                                             : cor_reflector_silence_us(informer->reflector);
    if (most > 0) {
        cor_timer_start(informer->silence, most);
    }
}

/* The server may be gone, or may have forgotten us: what it does not send we cannot know. */
static void on_silence(void *self)
{
    struct cor_informer *informer = self;
    note_failure(informer, 0, "the watch has fallen silent");
    cor_kube_cancel(&informer->call);
    fail(informer, 0, 0);
}

static void on_line(void *self, struct cor_view line)
{
    struct cor_informer *informer = self;
    enum cor_code code = cor_reflector_line(informer->reflector, line);
    watch_silence(informer);
    if (code == COR_OK) {
        note_success(informer);
    } else if (code == COR_INVALID) {
        bad_object(informer, line);
    } else {
        cor_kube_cancel(&informer->call);
        fail(informer, code == COR_GONE ? 410 : 500, 0);
    }
}

static void on_watch_end(void *self, const struct cor_kube_response *response)
{
    struct cor_informer *informer = self;
    informer->call = NULL;
    cor_timer_stop(informer->silence);
    if (response->code == COR_OK) {
        go(informer, cor_reflector_ended(informer->reflector, lasted(informer), random_number()));
        return;
    }
    note_failure(informer, response->status, response->text);
    fail(informer, response->status, response->retry_after_us);
}

static void act(struct cor_informer *informer)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    cor_buf_fmt(&path, "%s?", informer->path);
    if (informer->selector != NULL) {
        cor_buf_fmt(&path, "%s&", informer->selector);
    }
    cor_reflector_query(informer->reflector, informer->watch, &path);
    /* A watch that outlives its own limit is dead: the server does not answer any more. */
    struct cor_kube_request request = {
        .method = "GET",
        .path = path.data,
        .timeout_us = COR_SEC(informer->watch ? COR_WATCH_SECONDS + 30 : 120),
    };
    informer->started = cor_mono_now();
    informer->call =
        informer->watch ? cor_kube_stream(informer->kube, &request, on_line, on_watch_end, informer)
                        : cor_kube_list(informer->kube, &request, on_item, on_list, informer);
    if (informer->watch) {
        watch_silence(informer);
    }
}

static void on_timer(void *self)
{
    act(self);
}

struct cor_informer *cor_informer_new(struct cor_loop *loop, struct cor_kube *kube,
                                      const struct cor_log *log,
                                      const struct cor_informer_spec *spec)
{
    struct cor_informer *informer = cor_alloc(sizeof(*informer));
    informer->kube = kube;
    informer->log = log;
    informer->reflector = cor_reflector_new(spec->sink, spec->api_version, spec->kind);
    informer->timer = cor_timer_new(loop, on_timer, informer);
    informer->silence = cor_timer_new(loop, on_silence, informer);
    informer->silence_us = spec->silence_us;
    informer->absent = spec->absent;
    informer->self = spec->sink.self;
    informer->path = cor_strdup(spec->path);
    informer->selector = cor_strdup(spec->selector);
    informer->held = spec->held;
    if (!informer->held) {
        act(informer);
    }
    return informer;
}

void cor_informer_go(struct cor_informer *informer)
{
    if (informer->held) {
        informer->held = false;
        act(informer);
    }
}

void cor_informer_free(struct cor_informer **informer)
{
    if (*informer != NULL) {
        cor_kube_cancel(&(*informer)->call);
        cor_timer_free(&(*informer)->timer);
        cor_timer_free(&(*informer)->silence);
        cor_reflector_free(&(*informer)->reflector);
        cor_free((*informer)->path);
        cor_free((*informer)->selector);
        cor_freep(informer);
    }
}

const struct cor_reflector *cor_informer_mirror(const struct cor_informer *informer)
{
    return informer->reflector;
}
