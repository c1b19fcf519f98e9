#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/priv.h"

/*
 * seccomp: rows of system calls by what needs them.  What is not named gives
 * EPERM, so that a library that tries something new degrades; what only an
 * attacker wants kills.
 */
#ifdef DMVPN_SANITIZED
#define WIDE 1			/* the run time of a sanitizer needs more */
#else
#define WIDE 0
#endif
#define ALWAYS 0u
#define SANITIZED 0x80000000u
#define C(name, when) { SCMP_SYS(name), (when) }

struct allowed {
	int		nr;
	unsigned	when;		/* any of these flags; ALWAYS */
};

static const struct allowed allowed[] = {
	/* an event loop over open descriptors */
	C(read, ALWAYS), C(readv, ALWAYS), C(write, ALWAYS),
	C(writev, ALWAYS), C(pread64, ALWAYS), C(pwrite64, ALWAYS),
	C(close, ALWAYS), C(dup, ALWAYS), C(fcntl, ALWAYS),
	C(fcntl64, ALWAYS), C(lseek, ALWAYS), C(fstat, ALWAYS),
	C(newfstatat, ALWAYS), C(statx, ALWAYS), C(poll, ALWAYS),
	C(ppoll, ALWAYS), C(select, ALWAYS), C(pselect6, ALWAYS),
	C(epoll_create1, ALWAYS), C(epoll_ctl, ALWAYS),
	C(epoll_wait, ALWAYS), C(epoll_pwait, ALWAYS),
	C(epoll_pwait2, ALWAYS), C(eventfd2, ALWAYS),
	C(timerfd_create, ALWAYS), C(timerfd_settime, ALWAYS),
	C(timerfd_gettime, ALWAYS), C(pipe2, ALWAYS),
	C(recvmsg, ALWAYS), C(recvmmsg, ALWAYS), C(recvfrom, ALWAYS),
	C(sendmsg, ALWAYS), C(sendmmsg, ALWAYS), C(sendto, ALWAYS),
	C(getsockopt, ALWAYS), C(setsockopt, ALWAYS),
	C(getsockname, ALWAYS), C(getpeername, ALWAYS),
	C(shutdown, ALWAYS), C(accept4, ALWAYS), C(accept, ALWAYS),
	/* time, memory, signals, the end */
	C(clock_gettime, ALWAYS), C(clock_nanosleep, ALWAYS),
	C(nanosleep, ALWAYS), C(gettimeofday, ALWAYS), C(time, ALWAYS),
	C(getrandom, ALWAYS), C(brk, ALWAYS), C(mmap, ALWAYS),
	C(munmap, ALWAYS), C(mremap, ALWAYS), C(madvise, ALWAYS),
	C(mprotect, ALWAYS), C(futex, ALWAYS), C(sched_yield, ALWAYS),
	C(sched_getaffinity, ALWAYS), C(getcpu, ALWAYS),
	C(restart_syscall, ALWAYS), C(rt_sigaction, ALWAYS),
	C(rt_sigprocmask, ALWAYS), C(rt_sigreturn, ALWAYS),
	C(getpid, ALWAYS), C(gettid, ALWAYS), C(getppid, ALWAYS),
	C(getuid, ALWAYS), C(geteuid, ALWAYS), C(getgid, ALWAYS),
	C(getegid, ALWAYS), C(uname, ALWAYS), C(sysinfo, ALWAYS),
	C(getrlimit, ALWAYS), C(prlimit64, ALWAYS), C(getrusage, ALWAYS),
	C(exit, ALWAYS), C(exit_group, ALWAYS), C(tgkill, ALWAYS),
	C(kill, ALWAYS), C(wait4, ALWAYS), C(membarrier, ALWAYS),
	C(rseq, ALWAYS), C(set_robust_list, ALWAYS),
	C(memfd_secret, ALWAYS), C(mlock, ALWAYS), C(munlock, ALWAYS),
	/* the same where a long has 32 bits; glibc takes EPERM for an answer */
	C(_llseek, ALWAYS), C(fstat64, ALWAYS), C(fstatat64, ALWAYS),
	C(mmap2, ALWAYS), C(_newselect, ALWAYS), C(send, ALWAYS),
	C(recv, ALWAYS), C(sigreturn, ALWAYS), C(waitpid, ALWAYS),
	C(ugetrlimit, ALWAYS), C(getuid32, ALWAYS), C(geteuid32, ALWAYS),
	C(getgid32, ALWAYS), C(getegid32, ALWAYS), C(cacheflush, ALWAYS),
	C(clock_gettime64, ALWAYS), C(clock_nanosleep_time64, ALWAYS),
	C(futex_time64, ALWAYS), C(ppoll_time64, ALWAYS),
	C(pselect6_time64, ALWAYS), C(recvmmsg_time64, ALWAYS),
	C(timerfd_settime64, ALWAYS), C(timerfd_gettime64, ALWAYS),
	/* descriptors that neighbours give */
	C(connect, SANDBOX_UNIX | SANDBOX_INET),
	C(socketpair, SANDBOX_UNIX),
	C(bind, SANDBOX_INET | SANDBOX_NETLINK),
	C(listen, SANDBOX_INET),
	/* files */
	C(open, SANDBOX_FILES | SANDBOX_SQLITE),
	C(openat, SANDBOX_FILES | SANDBOX_SQLITE),
	C(stat, SANDBOX_FILES | SANDBOX_SQLITE),
	C(lstat, SANDBOX_FILES | SANDBOX_SQLITE),
	C(access, SANDBOX_FILES | SANDBOX_SQLITE),
	C(faccessat, SANDBOX_FILES | SANDBOX_SQLITE),
	C(faccessat2, SANDBOX_FILES | SANDBOX_SQLITE),
	C(readlink, SANDBOX_FILES | SANDBOX_SQLITE),
	C(readlinkat, SANDBOX_FILES | SANDBOX_SQLITE),
	C(getdents64, SANDBOX_FILES | SANDBOX_SQLITE),
	C(getcwd, SANDBOX_FILES | SANDBOX_SQLITE),
	C(unlink, SANDBOX_UNIX | SANDBOX_FILES | SANDBOX_SQLITE),
	C(unlinkat, SANDBOX_UNIX | SANDBOX_FILES | SANDBOX_SQLITE),
	C(rename, SANDBOX_FILES | SANDBOX_SQLITE),
	C(renameat, SANDBOX_FILES | SANDBOX_SQLITE),
	C(renameat2, SANDBOX_FILES | SANDBOX_SQLITE),
	C(stat64, SANDBOX_FILES | SANDBOX_SQLITE),
	C(lstat64, SANDBOX_FILES | SANDBOX_SQLITE),
	C(ftruncate64, SANDBOX_FILES | SANDBOX_SQLITE),
	C(ftruncate, SANDBOX_FILES | SANDBOX_SQLITE),
	C(fsync, SANDBOX_FILES | SANDBOX_SQLITE),
	C(fdatasync, SANDBOX_FILES | SANDBOX_SQLITE),
	C(flock, SANDBOX_SQLITE), C(fchmod, SANDBOX_SQLITE),
	C(mkdir, SANDBOX_SQLITE), C(mkdirat, SANDBOX_SQLITE),
	/* threads */
	C(clone, SANDBOX_THREADS), C(clone3, SANDBOX_THREADS),
	C(sched_setaffinity, SANDBOX_THREADS),
	C(sched_setscheduler, SANDBOX_THREADS),
	C(sched_getparam, SANDBOX_THREADS),
	C(sched_getscheduler, SANDBOX_THREADS),
	/* what the run time of a sanitizer does */
	C(open, SANITIZED), C(openat, SANITIZED), C(readlink, SANITIZED),
	C(readlinkat, SANITIZED), C(sigaltstack, SANITIZED),
	C(clone, SANITIZED), C(clone3, SANITIZED), C(stat, SANITIZED),
	C(personality, SANITIZED), C(getdents64, SANITIZED),
	C(lstat, SANITIZED), C(wait4, SANITIZED), C(getcwd, SANITIZED),
	C(arch_prctl, SANITIZED), C(ftruncate, SANITIZED),
	C(ptrace, SANITIZED), C(process_vm_readv, SANITIZED),
	C(waitid, SANITIZED), C(pipe, SANITIZED), C(getdents, SANITIZED),
};

static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(bpf),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
	SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare),
	SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(kexec_load),
	SCMP_SYS(reboot), SCMP_SYS(userfaultfd),
	SCMP_SYS(perf_event_open),
};

static int
allow(scmp_filter_ctx f, int nr)
{
	/* Unknown on this machine: nothing to allow. */
	int rc = nr < 0 ? 0 : seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);

	return rc == -EEXIST ? 0 : rc;
}

static int
allow_family(scmp_filter_ctx f, unsigned family)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
	    SCMP_A0(SCMP_CMP_EQ, family, 0));
}

/* socket(2) by family, so that UNIX does not mean the network; but where libc
 * calls socketcall(2) (i386, s390x), seccomp can't see the family. */
static int
allow_sockets(scmp_filter_ctx f, unsigned flags)
{
	int rc = 0;

	if (flags & SANDBOX_UNIX)
		rc = allow_family(f, AF_UNIX);
	if (rc == 0 && (flags & SANDBOX_INET))
		rc = allow_family(f, AF_INET);
	if (rc == 0 && (flags & SANDBOX_INET))
		rc = allow_family(f, AF_INET6);
	if (rc == 0 && (flags & SANDBOX_NETLINK))
		rc = allow_family(f, AF_NETLINK);
	return rc;
}

/* The requests that descriptors of our kinds answer. */
static int
allow_ioctls(scmp_filter_ctx f, unsigned flags)
{
	static const unsigned common[] = { 0x541b /* FIONREAD */,
		0x5421 /* FIONBIO */, 0x5401 /* TCGETS */,
		0x5413 /* TIOCGWINSZ */, 0x5451 /* FIOCLEX */ };
	size_t i;
	int rc = 0;

	if (flags & (SANDBOX_TUN | SANDBOX_NETLINK))
		return allow(f, SCMP_SYS(ioctl));
	for (i = 0; rc == 0 && i < sizeof(common) / sizeof(common[0]); i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, common[i]));
	return rc;
}

/* prctl: names of threads, and what a library asks for at its first use. */
static int
allow_prctl(scmp_filter_ctx f)
{
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
	    SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));

	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
		    SCMP_A0(SCMP_CMP_EQ, PR_GET_DUMPABLE, 0));
	return rc == 0 && WIDE ? allow(f, SCMP_SYS(prctl)) : rc;
}

/* LeakSanitizer traces its own process when it ends. */
static bool
leak_search(int nr)
{
	return WIDE && (nr == SCMP_SYS(ptrace) ||
	    nr == SCMP_SYS(process_vm_readv));
}

static int
fill(scmp_filter_ctx f, unsigned flags)
{
	size_t i;
	int rc = 0;

	if (WIDE)
		flags |= SANITIZED;
	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (rc == 0 && (allowed[i].when == ALWAYS ||
		    (allowed[i].when & flags)))
			rc = allow(f, allowed[i].nr);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		if (rc == 0 && deadly[i] >= 0 && !leak_search(deadly[i]))
			rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS,
			    deadly[i], 0);
	if (rc == 0)
		rc = allow_sockets(f, flags);
	if (rc == 0)
		rc = allow_ioctls(f, flags);
	return rc == 0 ? allow_prctl(f) : rc;
}

static int
seccomp_enter(unsigned flags, struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc;

	if (f == NULL)
		return err_set(e, ENOMEM, "seccomp: out of memory");
	rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = fill(f, flags);
	if (rc == 0 && (rc = seccomp_load(f)) < 0) {
		log_event(LEVEL_WARN, "sandbox-missing", T("what",
		    "seccomp"), T("why", strerror(-rc)));
		rc = 0;
	}
	seccomp_release(f);
	return rc < 0 ? err_set(e, -rc, "seccomp: %s", strerror(-rc)) : 0;
}

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | \
    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
    LANDLOCK_ACCESS_FS_MAKE_SYM)
#define FS_ON_FILE (LANDLOCK_ACCESS_FS_READ_FILE | \
    LANDLOCK_ACCESS_FS_WRITE_FILE)

/* The ABI 1 set: what every kernel with Landlock knows. */
static int
landlock_path(int ruleset, const struct sandbox_path *p, struct err *e)
{
	struct landlock_path_beneath_attr attr = {
		.allowed_access = FS_READ | (p->write ? FS_WRITE : 0),
	};
	struct stat st;
	int rc;

	attr.parent_fd = open(p->path, O_PATH | O_CLOEXEC);
	if (attr.parent_fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open %s", p->path);
	if (fstat(attr.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		attr.allowed_access &= FS_ON_FILE;
	rc = (int)syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
	if (rc < 0)
		err_sys(e, "landlock: %s", p->path);
	close(attr.parent_fd);
	return rc;
}

static int
landlock_enter(const struct sandbox_path *p, struct err *e)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = FS_READ | FS_WRITE |
		    LANDLOCK_ACCESS_FS_EXECUTE,
	};
	int fd, rc = 0;

	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
	    0);
	if (fd < 0) {
		log_event(LEVEL_WARN, "sandbox-missing", T("what",
		    "landlock"), T("why", strerror(errno)));
		return 0;
	}
	for (; rc == 0 && p != NULL && p->path != NULL; p++)
		rc = landlock_path(fd, p, e);
	if (rc == 0 && (rc = (int)syscall(SYS_landlock_restrict_self, fd,
	    0)) < 0)
		err_sys(e, "landlock");
	close(fd);
	return rc;
}

int
sandbox_enter(const struct sandbox_conf *c, struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "no_new_privs");
	if (WIDE)
		log_event(LEVEL_WARN, "sandbox-wide", T("why",
		    "sanitizer build"));
	else if (landlock_enter(c->paths, e) < 0)
		return -1;
	return seccomp_enter(c->flags, e);
}
