// SPDX-License-Identifier: Apache-2.0
// sim [--seeds A-B] [--hours N] [--jobs N] [--results FILE] [--faults KIND,...]
// [--calm] [--twice] [-v]: runs worlds, one a seed, each in a process of its own. Prints the seeds
// that failed, each with the command that shows it again. Exit code 0: all clean.
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/cert.h"
#include "inner.h"
#include "people.h"
#include "seams.h"

/* Faults end before the world does; then all must agree within the bound. */
enum {
    LOOK_S = 120,
    AGREE_S = 5,
    BOUND_S = 480,
    JOBS_MAX = 64,
    SEED_LIMIT_S = 120,
    LOG_MAX = 1 << 24
};

struct options {
    uint64_t first;
    uint64_t last;
    double hours;
    unsigned jobs;
    const char *results;
    const char *faults;
    bool calm;
    bool twice;
    bool verbose;
};

/* What a world tells its parent. */
struct outcome {
    uint64_t hash;
    uint64_t events;
    unsigned crashes;
    double agreed_s; /* after the end of the faults */
};

struct slot {
    pid_t pid;
    uint64_t seed;
    bool again; /* second run of the same seed */
    uint64_t hash;
};

static struct outcome *outcomes;

/* ---- one world ---- */

static struct {
    bool agree;
    bool asking;
    char why[256];
} state;

static void on_verdict(bool agree, const char *why)
{
    state.agree = agree;
    state.asking = false;
    (void)snprintf(state.why, sizeof(state.why), "%s", why);
}

static void run_to(int64_t end)
{
    while (sim_now() < end) {
        int64_t next = sim_now() + COR_SEC(LOOK_S);
        sim_run_until(next < end ? next : end);
        sim_check_always();
    }
}

static void run_until_agreed(void)
{
    int64_t end = sim_now() + COR_SEC(BOUND_S);
    while (!state.agree && sim_now() < end) {
        if (!state.asking) {
            state.asking = true;
            sim_check(on_verdict);
        }
        sim_run_until(sim_now() + COR_SEC(AGREE_S));
        sim_check_always();
    }
    if (!state.agree) {
        sim_broken("convergence", "after %d s: %s", BOUND_S,
                   state.asking ? "the API does not answer" : state.why);
    }
}

/* The world of one seed; does not return. */
static void live(const struct options *o, uint64_t seed, const char *dir, struct outcome *outcome)
{
    sim_begin(seed, dir, o->verbose);
    int64_t end = (int64_t)(o->hours * 3600e6);
    sim_people_begin();
    if (!o->calm) {
        sim_faults_begin(end, o->faults);
    }
    run_to(end);
    if (!sim_people()->settled) {
        sim_broken("set-up", "the cluster is not set up");
    }
    sim_people_rest();
    sim_faults_end();
    int64_t ended = sim_now();
    run_until_agreed();
    outcome->agreed_s = (double)(sim_now() - ended) / 1e6;
    outcome->hash = sim_hash();
    outcome->events = sim_events();
    for (enum sim_id id = 0; id < SIM_CORES; id++) {
        outcome->crashes += sim_core(id)->crashes;
    }
    (void)fflush(stderr);
    _exit(sim_broken_count() == 0 ? 0 : 1);
}

/* ---- many ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct campaign {
    const struct options *o;
    char top[64];
    uint64_t next;
    unsigned failed;
    unsigned done;
    uint64_t crashes;
    uint64_t events;
    FILE *results;
    struct slot slots[JOBS_MAX];
};

/* What services log is for those who look closer; it is kept for one that dies. */
static void keep_log(const struct options *o, const char *dir)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/log", dir);
    if (!o->verbose) {
        must(freopen(path, "we", stderr) != NULL);
        (void)setvbuf(stderr, NULL, _IOLBF, 0);
        must(dup2(fileno(stderr), STDERR_FILENO) == STDERR_FILENO);
    }
}

/* Its last words. */
static void show_log(const struct campaign *c, size_t index)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%zu/log", c->top, index);
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (cor_file_read(path, LOG_MAX, &text, NULL) == COR_OK && text.len > 0) {
        size_t from = text.len > 600 ? text.len - 600 : 0;
        printf("%s\n", text.data + from);
    }
}

static void start(struct campaign *c, size_t index)
{
    struct slot *slot = &c->slots[index];
    auto_(cor_freep) char *dir = cor_sprintf("%s/%zu", c->top, index);
    must(mkdir(dir, 0700) == 0);
    memset(&outcomes[index], 0, sizeof(outcomes[index]));
    slot->pid = _Fork(); /* fork() is a service's, see seam_loop.c */
    must(slot->pid >= 0);
    if (slot->pid == 0) {
        keep_log(c->o, dir);
        (void)alarm(SEED_LIMIT_S);
        live(c->o, slot->seed, dir, &outcomes[index]);
    }
}

static void tell_failure(const struct campaign *c, uint64_t seed, const char *why)
{
    printf("not ok seed %" PRIu64 ": %s; again with: tests/sim/run --seeds %" PRIu64 "-%" PRIu64
           " --hours %g%s%s%s -v\n",
           seed, why, seed, seed, c->o->hours, c->o->calm ? " --calm" : "",
           c->o->faults == NULL ? "" : " --faults ", c->o->faults == NULL ? "" : c->o->faults);
}

/* The seed is done. True: run it once more, to see whether it is the same. */
static bool judge(struct campaign *c, size_t index, int status)
{
    struct slot *slot = &c->slots[index];
    const struct outcome *outcome = &outcomes[index];
    char why[64] = "";
    if (WIFSIGNALED(status)) {
        (void)snprintf(why, sizeof(why), "%s", strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) != 0) {
        (void)snprintf(why, sizeof(why), "a property is broken");
    } else if (slot->again && slot->hash != outcome->hash) {
        (void)snprintf(why, sizeof(why), "two runs differ");
    }
    if (why[0] == '\0' && c->o->twice && !slot->again) {
        slot->hash = outcome->hash;
        return true;
    }
    if (why[0] != '\0') {
        c->failed++;
        tell_failure(c, slot->seed, why);
    }
    c->done++;
    c->crashes += outcome->crashes;
    c->events += outcome->events;
    if (c->results != NULL) {
        (void)fprintf(c->results,
                      "seed=%" PRIu64 " hours=%g verdict=%s hash=%016" PRIx64 " events=%" PRIu64
                      " crashes=%u agreed_s=%.0f\n",
                      slot->seed, c->o->hours, why[0] == '\0' ? "ok" : why, outcome->hash,
                      outcome->events, outcome->crashes, outcome->agreed_s);
        (void)fflush(c->results);
    }
    return false;
}

static void next_seed(struct campaign *c, size_t index)
{
    c->slots[index] = (struct slot){0};
    if (c->next <= c->o->last) {
        c->slots[index].seed = c->next++;
        start(c, index);
    }
}

static bool wait_one(struct campaign *c)
{
    int status = 0;
    pid_t pid = wait(&status);
    if (pid < 0) {
        return false;
    }
    for (size_t i = 0; i < c->o->jobs; i++) {
        if (c->slots[i].pid != pid) {
            continue;
        }
        auto_(cor_freep) char *dir = cor_sprintf("%s/%zu", c->top, i);
        if (WIFSIGNALED(status)) {
            show_log(c, i);
        }
        remove_tree(dir);
        if (judge(c, i, status)) {
            c->slots[i].again = true;
            start(c, i);
        } else {
            next_seed(c, i);
        }
    }
    return true;
}

static struct cor_mono real_now(void)
{
    struct timespec ts;
    must(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return (struct cor_mono){COR_SEC(ts.tv_sec) + ts.tv_nsec / 1000};
}

static void tell_sum(const struct campaign *c, struct cor_mono began)
{
    struct rusage used;
    double s = (double)cor_mono_since(real_now(), began) / 1e6;
    must(getrusage(RUSAGE_CHILDREN, &used) == 0);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("%s %u seeds of %g h, %u failed: %.1f s, %.1f s of processors, %.0f virtual hours a "
           "minute (%.0f a processor minute), %" PRIu64 " crashes, %" PRIu64 " events\n",
           c->failed == 0 ? "ok" : "not ok", c->done, c->o->hours, c->failed, s, cpu,
           c->done * c->o->hours * 60 / s, c->done * c->o->hours * 60 / cpu, c->crashes, c->events);
}

/* Many small files: in memory, where there is such a file system. */
static const char *folder(void)
{
    const char *tmp = getenv("TMPDIR");
    return tmp != NULL ? tmp : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static int run_all(const struct options *o)
{
    auto_(cor_freep) struct campaign *c = cor_alloc(sizeof(*c));
    struct cor_mono began = real_now();
    c->o = o;
    c->next = o->first;
    c->results = o->results == NULL ? NULL : fopen(o->results, "ae");
    (void)snprintf(c->top, sizeof(c->top), "%s/sim-XXXXXX", folder());
    must(mkdtemp(c->top) != NULL);
    for (size_t i = 0; i < o->jobs; i++) {
        next_seed(c, i);
    }
    while (wait_one(c)) {}
    remove_tree(c->top);
    tell_sum(c, began);
    if (c->results != NULL) {
        (void)fclose(c->results);
    }
    return c->failed == 0 ? 0 : 1;
}

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option LONG[] = {
        {"seeds", required_argument, NULL, 's'},
        {"hours", required_argument, NULL, 'h'},
        {"jobs", required_argument, NULL, 'j'},
        {"results", required_argument, NULL, 'r'},
        {"calm", no_argument, NULL, 'c'},
        {"twice", no_argument, NULL, 't'},
        {"faults", required_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},
        {0},
    };
    int c = 0;
    while ((c = getopt_long(argc, argv, "v", LONG, NULL)) != -1) {
        switch (c) {
        case 's':
            if (sscanf(optarg, "%" SCNu64 "-%" SCNu64, &o->first, &o->last) != 2) {
                return false;
            }
            break;
        case 'h':
            o->hours = strtod(optarg, NULL);
            break;
        case 'j':
            o->jobs = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            o->results = optarg;
            break;
        case 'f':
            o->faults = optarg;
            break;
        case 'c':
            o->calm = true;
            break;
        case 't':
            o->twice = true;
            break;
        case 'v':
            o->verbose = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && o->hours > 0 && o->jobs > 0 && o->jobs <= JOBS_MAX &&
           o->first <= o->last;
}

/* What libraries do once is done before the first world: each is a fork of this process. */
static void warm_up(void)
{
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *ca = NULL;
    struct cor_cert_spec spec = {.cn = "warm", .serial = 1, .until = {COR_SEC(86400)}};
    must(cor_ca_make(key, &spec, &ca, NULL) == COR_OK);
    (void)!cor_cert_verify(ca, ca, COR_CERT_SERVER, (struct cor_wall){1}, NULL);
    sim_people_load();
}

int main(int argc, char **argv)
{
    struct options o = {.first = 1, .last = 20, .hours = 1, .jobs = 2};
    if (!parse(argc, argv, &o)) {
        (void)fprintf(stderr,
                      "usage: %s [--seeds A-B] [--hours N] [--jobs N] [--results FILE] "
                      "[--faults KIND,...] [--calm] [--twice] [-v]\n",
                      argv[0]);
        return 100;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    (void)mallopt(M_TOP_PAD, 4 << 20);
    outcomes = mmap(NULL, JOBS_MAX * sizeof(*outcomes), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(outcomes != MAP_FAILED);
    sim_vfs_register();
    sim_rand_register();
    warm_up();
    return run_all(&o);
}
