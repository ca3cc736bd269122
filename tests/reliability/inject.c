/* Runs a program, and kills it at one of its system calls, makes one fail, stops a thread at one, or hides memory from it.
 * Unlike strace, it counts the calls of all threads together. Linux on x86-64.
 *
 *   inject LOG kill N PROGRAM...              kill -9 at the N-th call, before it is made; 0: never
 *   inject LOG fail CALL ERRNO N PROGRAM...   the N-th call with this number is not made and fails; with +N also all later ones.
 *                                             The error 0 makes a call that does nothing and succeeds
 *   inject LOG stop N PROGRAM...              the N-th call of all threads but the first waits until the first one calls getppid, but
 *                                             no longer than STOP_US; SIGUSR1 tells the first one. LOG gets -1 if the time was over
 *   inject LOG memory BYTES PROGRAM...        the machine has so many bytes of memory, says sysinfo(2)
 *
 * LOG gets the number of each call, one per line. The exit code is that of the program, or 128 plus its signal. Calls by which
 * threads wait for each other (futex, sched_yield) are left out: their number depends on the load of the machine, and they leave
 * nothing behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_US 300000
#define REGISTER(name) offsetof(struct user_regs_struct, name)

static void set_register(pid_t thread, size_t at, long value) {
    if (ptrace(PTRACE_POKEUSER, thread, (void *)at, (void *)value)) perror("inject: PTRACE_POKEUSER"), exit(99);
}

/* After a call of sysinfo(2). */
static void set_memory(pid_t thread, long bytes) {
    char *answer = (char *)ptrace(PTRACE_PEEKUSER, thread, (void *)REGISTER(rdi), 0);
    if (ptrace(PTRACE_POKEDATA, thread, answer + offsetof(struct sysinfo, totalram), (void *)bytes))
        perror("inject: PTRACE_POKEDATA"), exit(99);
}

static void on_time(int signal) { (void)signal; }

int main(int argc, char **argv) {
    if (argc < 5) return 98;
    FILE *log = fopen(argv[1], "w");
    int fails = !strcmp(argv[2], "fail"), hides = !strcmp(argv[2], "memory"), stops = !strcmp(argv[2], "stop");
    long call = fails ? atol(argv[3]) : -1, code = fails ? atol(argv[4]) : 0;
    const char *when = argv[fails ? 5 : 3];
    long number = hides ? 0 : atol(when), count = 0;
    char **program = argv + (fails ? 6 : 4);
    pid_t child = fork();
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execv(program[0], program);
        perror(program[0]);
        _exit(97);
    }
    int status;
    pid_t stopped = 0;
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_time}, NULL);
    waitpid(child, &status, 0);
    if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL))
        return perror("inject: ptrace"), 99;
    ptrace(PTRACE_SYSCALL, child, 0, 0);
    for (pid_t thread; (thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (thread < 0) {
            if (stopped) fprintf(log, "-1\n"), fflush(log), ptrace(PTRACE_SYSCALL, stopped, 0, 0);
            ualarm(0, 0);
            stopped = 0;
            continue;
        }
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int signal = WSTOPSIG(status), deliver = 0;
        if (signal == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info = {0};
            ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info);
            if (hides && info.op == PTRACE_SYSCALL_INFO_EXIT && ptrace(PTRACE_PEEKUSER, thread, (void *)REGISTER(orig_rax), 0) == SYS_sysinfo)
                set_memory(thread, atol(when));
            int waits = info.entry.nr == SYS_futex || info.entry.nr == SYS_sched_yield;
            if (stopped && thread == child && info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_getppid) {
                ualarm(0, 0);
                ptrace(PTRACE_SYSCALL, stopped, 0, 0);
                stopped = 0;
            }
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY && !waits && !(stops && thread == child)) {
                fprintf(log, "%lld\n", (long long)info.entry.nr);
                int is_meant = call < 0 || (long)info.entry.nr == call;
                count += is_meant;
                if (is_meant && number && (count == number || (*when == '+' && count > number))) {
                    fflush(log);
                    if (stops) {
                        stopped = thread;
                        syscall(SYS_tgkill, child, child, SIGUSR1);
                        ualarm(STOP_US, STOP_US);
                        continue;
                    } else if (!fails) {
                        kill(child, SIGKILL);
                    } else {
                        /* There is no call -1: the kernel makes none, and keeps the result that is set here. */
                        set_register(thread, REGISTER(orig_rax), -1);
                        set_register(thread, REGISTER(rax), -code);
                    }
                }
            }
        } else if (signal != SIGTRAP && signal != SIGSTOP) {
            deliver = signal;
        }
        ptrace(PTRACE_SYSCALL, thread, 0, deliver);
    }
    return 99;
}
