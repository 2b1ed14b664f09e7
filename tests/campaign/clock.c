/* A wall clock that can be set for some processes alone: what it is ahead is read from the file that SET_CLOCK names.
 *
 *     gcc -O2 -shared -fPIC tests/campaign/clock.c -o clock.so
 *     SET_CLOCK=file LD_PRELOAD=./clock.so python
 *
 * The file holds two doubles, in seconds: what CLOCK_REALTIME is ahead, and what CLOCK_BOOTTIME is, as after a sleep of the
 * host. It is mapped, so that a change counts at once. What waits for an absolute time waits by the true clock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile double *ahead;
static int (*true_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    true_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("SET_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(0, 2 * sizeof(double), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) ahead = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (!true_gettime) begin();
    int failed = true_gettime(clock, at);
    if (failed || !ahead) return failed;
    double seconds = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? ahead[0]
                   : clock == CLOCK_BOOTTIME ? ahead[1] : 0;
    at->tv_sec += (time_t)floor(seconds);
    return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
