/* This processor as a lesser one: hides what it can do from the cpuid instruction, which then faults and is answered here.
 *
 *     gcc -O2 -shared -fPIC tests/benchmarks/lesser.c -o /tmp/lesser.so
 *     LESSER=avx2 LD_PRELOAD=/tmp/lesser.so .venv/bin/python tests/benchmarks/engine.py --part cost
 *
 * LESSER: noamx, vnni512 (no bf16 either), avx512 (no VNNI either), avxvnni (AVX2 and its VNNI), avx2.
 * Linux on an Intel processor with "cpuid_fault" in /proc/cpuinfo; clock and caches stay what they are.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
static unsigned m7b = ~0u, m7c = ~0u, m7d = ~0u, m71a = ~0u, m71d = ~0u;
static void faulting(long enabled) { syscall(SYS_arch_prctl, 0x1012, enabled); }
static struct sigaction old;
static void on_fault(int sig, siginfo_t *info, void *context) {
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *ip = (const unsigned char *)r[REG_RIP];
    if (ip[0] != 0x0f || ip[1] != 0xa2) { sigaction(SIGSEGV, &old, 0); return; }
    unsigned leaf = r[REG_RAX], sub = r[REG_RCX], a, b, c, d;
    faulting(1);
    __cpuid_count(leaf, sub, a, b, c, d);
    faulting(0);
    if (leaf == 7 && sub == 0) { b &= m7b; c &= m7c; d &= m7d; }
    if (leaf == 7 && sub == 1) { a &= m71a; d &= m71d; }
    r[REG_RAX] = a; r[REG_RBX] = b; r[REG_RCX] = c; r[REG_RDX] = d;
    r[REG_RIP] += 2;
}
__attribute__((constructor)) static void begin(void) {
    const char *as = getenv("LESSER");
    if (!as || !*as) return;
    unsigned amx = 1u << 22 | 1u << 24 | 1u << 25, fp16 = 1u << 23;
    m7d &= ~amx; m71a &= ~(1u << 21);
    if (strcmp(as, "noamx")) { m71a &= ~(1u << 5); m7d &= ~fp16; }       /* vnni512: no bf16, fp16 */
    int v = !strcmp(as, "noamx") || !strcmp(as, "vnni512");
    if (!v) { m71a &= ~(1u << 4 | 1u << 23); m7c &= ~(1u << 11); m71d = 0; }
    if (!strcmp(as, "avxvnni")) m71a |= 1u << 4;
    if (!v && strcmp(as, "avx512")) {                                       /* avx2, avxvnni */
        m7b &= ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 28 | 1u << 30 | 1u << 31);
        m7c &= ~(1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14);
    }
    struct sigaction act = {0};
    act.sa_sigaction = on_fault;
    act.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigaction(SIGSEGV, &act, &old);
    faulting(0);
}
