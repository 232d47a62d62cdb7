// SPDX-License-Identifier: Apache-2.0
// sim [--seeds A-B] [--hours N] [--jobs N] [--results FILE] [--faults KIND,...]
// [--calm] [--twice] [-v]: runs worlds, one a seed, each in a process of its own. Prints the seeds
// that failed, each with the command that shows it again. Exit code 0: all clean.
#include <dirent.h>
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
#include "life.h"
#include "people.h"
#include "seams.h"
#include "world.h"

enum { JOBS_MAX = 64, SEED_LIMIT_S = 120, LOG_MAX = 1 << 24, FILES_MAX = 1 << 20 };

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

static bool is_fresh(uint64_t seed)
{
    return seed % SIM_FRESH_EVERY == 0;
}

struct slot {
    pid_t pid;
    uint64_t seed;
    bool again; /* second run of the same seed */
    uint64_t hash;
};

static struct sim_outcome *outcomes;

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

/* Folder to folder, with what is in it: the small files of services. */
static void copy_files(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    must(dir != NULL);
    for (const struct dirent *one = readdir(dir); one != NULL; one = readdir(dir)) {
        if (strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0) {
            continue;
        }
        auto_(cor_freep) char *source = cor_sprintf("%s/%s", from, one->d_name);
        auto_(cor_freep) char *target = cor_sprintf("%s/%s", to, one->d_name);
        auto_(cor_buf_free) struct cor_buf bytes = {0};
        struct stat st;
        must(lstat(source, &st) == 0);
        if (S_ISDIR(st.st_mode)) {
            must(mkdir(target, st.st_mode & 0777) == 0);
            copy_files(source, target);
        } else if (S_ISREG(st.st_mode)) {
            must(cor_file_read(source, FILES_MAX, &bytes, NULL) == COR_OK);
            must(cor_file_write(target, cor_buf_as_view(&bytes), st.st_mode & 0777, NULL) ==
                 COR_OK);
        }
    }
    (void)closedir(dir);
}

struct campaign {
    const struct options *o;
    char top[64];
    uint64_t next;
    bool booted; /* this process has a world to begin from: the fresh seeds are done */
    unsigned failed;
    unsigned done;
    uint64_t crashes;
    uint64_t events;
    double processors_before;
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
        struct sim_plan plan = {.seed = slot->seed,
                                .hours = c->o->hours,
                                .faults = c->o->faults,
                                .calm = c->o->calm,
                                .verbose = c->o->verbose};
        keep_log(c->o, dir);
        if (c->booted) {
            copy_files(".", dir); /* this process stands in the folder of the boot */
        }
        must(chdir(dir) == 0);
        (void)alarm(SEED_LIMIT_S);
        _exit(sim_live(&plan, &outcomes[index]) ? 0 : 1);
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
    const struct sim_outcome *outcome = &outcomes[index];
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

/* The next one that begins as this process can begin it. */
static void next_seed(struct campaign *c, size_t index)
{
    c->slots[index] = (struct slot){0};
    while (c->next <= c->o->last && is_fresh(c->next) == c->booted) {
        c->next++;
    }
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

/* Seconds of processors of this process and of those that it has waited for, which are also those
 * of the program that it was before it became this one. */
static double processors(void)
{
    static const int whose[] = {RUSAGE_CHILDREN, RUSAGE_SELF};
    double s = 0;
    for (size_t i = 0; i < COR_COUNT(whose); i++) {
        struct rusage used;
        must(getrusage(whose[i], &used) == 0);
        s += (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
             (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    }
    return s;
}

static void tell_sum(const struct campaign *c, struct cor_mono began)
{
    double s = (double)cor_mono_since(real_now(), began) / 1e6;
    double cpu = processors() - c->processors_before;
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

static void run_seeds(struct campaign *c)
{
    c->next = c->o->first;
    for (size_t i = 0; i < c->o->jobs; i++) {
        next_seed(c, i);
    }
    while (wait_one(c)) {}
}

/* A file that services read when they start again, in each of the worlds: what is parsed here is
 * known to all of them (seam_pki.c). */
static int parse_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    auto_(cor_key_free) struct cor_key *key = NULL;
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    if (type == FTW_F && cor_key_load(path, &key, NULL) != COR_OK) {
        (void)!cor_cert_load(path, &cert, NULL);
    }
    return 0;
}

static void boot(struct campaign *c)
{
    auto_(cor_freep) char *dir = cor_sprintf("%s/boot", c->top);
    must(mkdir(dir, 0700) == 0 && chdir(dir) == 0);
    sim_boot(c->o->verbose);
    (void)nftw(".", parse_one, 16, FTW_PHYS);
    c->booted = true;
}

static int run_all(const struct options *o)
{
    auto_(cor_freep) struct campaign *c = cor_alloc(sizeof(*c));
    struct cor_mono began = real_now();
    c->o = o;
    c->processors_before = processors();
    c->results = o->results == NULL ? NULL : fopen(o->results, "ae");
    (void)snprintf(c->top, sizeof(c->top), "%s/sim-XXXXXX", folder());
    must(mkdtemp(c->top) != NULL);
    run_seeds(c);
    if (o->last > o->first || !is_fresh(o->first)) {
        boot(c);
        run_seeds(c);
    }
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
    sim_heaps_begin();
    sim_vfs_register();
    sim_rand_register();
    warm_up();
    int code = run_all(&o);
    (void)fflush(stdout);
    _exit(code); /* the world of the boot is left as it stands */
}
