// SPDX-License-Identifier: Apache-2.0
// Tells the API about events: in order, a few at a time, while the link is up. What happens while
// it is down waits in a bounded queue; the oldest are lost first, and counted.
#include <string.h>

#include "agent.h"
#include "common/base/mem.h"

enum { QUEUE_MAX = 256, UNDER_WAY_MAX = 8, TRIES_MAX = 5 };

struct entry {
    char *key;
    char *body;
    bool first;
    int tries;
};

struct teller {
    struct agent *agent;
    struct kevent_log *log;
    struct entry queue[QUEUE_MAX];
    size_t head;
    size_t count;
    size_t under_way;
};

struct sent {
    struct teller *teller;
    struct entry entry;
};

static void entry_free(struct entry *entry)
{
    cor_freep(&entry->key);
    cor_freep(&entry->body);
}

static void push(struct teller *teller, struct entry entry)
{
    if (teller->count == QUEUE_MAX) {
        entry_free(&teller->queue[teller->head]);
        teller->head = (teller->head + 1) % QUEUE_MAX;
        teller->count--;
        teller->agent->events_lost++;
        books_event_ended(teller->agent->books.events, false);
    }
    teller->queue[(teller->head + teller->count) % QUEUE_MAX] = entry;
    teller->count++;
}

static void on_sent(void *self, int status, struct cor_view body)
{
    (void)body;
    struct sent *sent = self;
    struct teller *teller = sent->teller;
    teller->under_way--;
    bool temporary = status == 0 || status == 429 || status >= 500;
    if (temporary && ++sent->entry.tries < TRIES_MAX) {
        push(teller, sent->entry);
    } else {
        if (status / 100 != 2) { /* the next of this kind is told in full */
            kevent_forget(teller->log, sent->entry.key);
            teller->agent->events_lost++;
        }
        books_event_ended(teller->agent->books.events, status / 100 == 2);
        entry_free(&sent->entry);
    }
    cor_free(sent);
    if (!temporary) {
        teller_go_on(teller);
    }
}

static bool send_one(struct teller *teller)
{
    struct sent *sent = cor_alloc(sizeof(*sent));
    *sent = (struct sent){teller, teller->queue[teller->head]};
    enum px_verb verb = sent->entry.first ? PX_VERB_CREATE : PX_VERB_PATCH;
    if (!meta_call(teller->agent->meta, verb, sent->entry.key,
                   sent->entry.first ? 0 : PX_PATCH_STRATEGIC, cor_view_of(sent->entry.body),
                   on_sent, sent)) {
        cor_free(sent);
        return false;
    }
    teller->head = (teller->head + 1) % QUEUE_MAX;
    teller->count--;
    teller->under_way++;
    teller->agent->events_sent++;
    return true;
}

void teller_go_on(struct teller *teller)
{
    while (teller->agent->link && teller->count > 0 && teller->under_way < UNDER_WAY_MAX &&
           send_one(teller)) {}
}

static void tell(struct teller *teller, const struct kevent_about *about, bool warning,
                 const char *reason, const char *message)
{
    struct kevent event = {0};
    kevent_make(teller->log, about, warning, reason, message, cor_wall_now(), &event);
    struct entry entry = {.key = take(&event.key), .first = event.first};
    entry.body = cor_json_text(event.body);
    kevent_free(&event);
    books_event(teller->agent->books.events);
    push(teller, entry);
}

void teller_pod_notes(struct agent_pod *pod)
{
    struct run *run = pod->run;
    struct teller *teller = pod->agent->teller;
    for (size_t i = 0; i < run->note_count; i++) {
        struct run_note *note = &run->notes[i];
        auto_(cor_freep) char *field = cor_strdup("");
        if (note->container != RUN_NO_CONTAINER) {
            cor_free(field);
            field = cor_sprintf("spec.%s{%s}", pod_list_of(pod->pod, note->container),
                                pod_container(pod->pod, note->container)->name);
        }
        if (note->warning) {
            LOGW(pod->agent->log, "edged.pod-event", "pod=%s reason=%s message=%s", pod->key,
                 note->reason, cor_log_esc(cor_view_of(note->message)));
        }
        if (pod->desired && pod->agent->cfg->report_events) {
            tell(teller,
                 &(struct kevent_about){"Pod", "v1", pod->pod->ns, pod->pod->name, pod->uid, field},
                 note->warning, note->reason, note->message);
        }
        cor_freep(&note->message);
    }
    run->note_count = 0;
    teller_go_on(teller);
}

void teller_node_note(struct agent *agent, bool warning, const char *reason, const char *message)
{
    const char *name = agent->cfg->node_name;
    if (agent->cfg->report_events) {
        tell(agent->teller, &(struct kevent_about){"Node", "v1", "", name, name, ""}, warning,
             reason, message);
        teller_go_on(agent->teller);
    }
}

struct teller *teller_new(struct agent *agent)
{
    struct teller *teller = cor_alloc(sizeof(*teller));
    teller->agent = agent;
    teller->log = kevent_log_new(agent->cfg->node_name);
    return teller;
}

void teller_free(struct teller **teller)
{
    if (*teller == NULL) {
        return;
    }
    struct teller *t = *teller;
    for (size_t i = 0; i < t->count; i++) {
        entry_free(&t->queue[(t->head + i) % QUEUE_MAX]);
    }
    kevent_log_free(&t->log);
    cor_freep(teller);
}
