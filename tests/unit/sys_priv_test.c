#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "sys/priv.h"
#include "sys_help.h"

/* Run in a child: exit status, or 1000 + signal. */
static int
child(int (*what)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open("/dev/null", O_WRONLY);

		dup2(fd, STDERR_FILENO);
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    1000 + WTERMSIG(status);
}

static int
drop_all(void)
{
	const struct priv p = { .user = "nobody" };
	struct err e = { 0 };
	const struct passwd *pw = getpwnam("nobody");

	if (pw == NULL || priv_drop(&p, &e) < 0)
		return 1;
	if (getuid() != pw->pw_uid || getegid() != pw->pw_gid ||
	    getgroups(0, NULL) != 0)
		return 2;
	if (priv_has(CAP_NET_ADMIN) || priv_has(CAP_SETUID))
		return 3;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 4;
#ifndef DMVPN_SANITIZED
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 6;
#endif
	if (setuid(0) == 0)
		return 5;
	return 0;
}

static int
drop_most(void)
{
	const struct priv p = { .user = "nobody",
		.keep_caps = 1ull << CAP_NET_ADMIN, .dumpable = true };
	struct err e = { 0 };

	if (priv_drop(&p, &e) < 0)
		return 1;
	return priv_has(CAP_NET_ADMIN) && !priv_has(CAP_SYS_ADMIN) ? 0 : 2;
}

static int
drop_to_none(void)
{
	const struct priv p = { .user = "no-such-user" };
	struct err e = { 0 };

	return priv_drop(&p, &e) < 0 && strstr(e.msg, "no-such-user") ? 0 : 1;
}

static void
everything_is_given_up(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(child(drop_all), 0);
}

static void
what_is_named_is_kept(void **state)
{
	(void)state;
	if (geteuid() != 0 || !priv_has(CAP_NET_ADMIN))
		skip();
	assert_int_equal(child(drop_most), 0);
}

static void
an_unknown_user_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(child(drop_to_none), 0);
}

static int
enter(unsigned flags, const struct sandbox_path *paths)
{
	const struct sandbox_conf c = { flags, paths };
	struct err e = { 0 };

	return sandbox_enter(&c, &e);
}

static int
in_plain_sandbox(void)
{
	char b[8];
	int p[2], fd;

	if (enter(0, NULL) < 0 || pipe2(p, O_CLOEXEC) < 0)
		return 1;
	if (write(p[1], "x", 1) != 1 || read(p[0], b, 1) != 1)
		return 2;
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return 3;
	if (socket(AF_INET, SOCK_DGRAM, 0) >= 0 || errno != EPERM)
		return 4;
	fd = open("/etc/passwd", O_RDONLY);
#ifndef DMVPN_SANITIZED
	if (fd >= 0)
		return 5;
	if (chmod("/tmp", 0777) == 0)
		return 6;
#endif
	(void)fd;
	return 0;
}

static int
in_unix_sandbox(void)
{
	if (enter(SANDBOX_UNIX, NULL) < 0)
		return 1;
	if (socket(AF_UNIX, SOCK_SEQPACKET, 0) < 0)
		return 2;
#if defined(__i386__) || defined(__s390x__)
	return 0;		/* socketcall(2): seccomp sees no family */
#else
	return socket(AF_INET6, SOCK_DGRAM, 0) < 0 && errno == EPERM ? 0 : 3;
#endif
}

static int
execs(void)
{
	if (enter(SANDBOX_UNIX | SANDBOX_INET | SANDBOX_FILES, NULL) < 0)
		return 1;
	execl("/bin/true", "true", (char *)NULL);
	return 2;
}

static int
traces(void)
{
	if (enter(0, NULL) < 0)
		return 1;
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	return 2;
}

static char *dir;

static int
in_file_sandbox(void)
{
	const struct sandbox_path paths[] = { { dir, true }, { NULL, false } };
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/in", dir);
	if (enter(SANDBOX_FILES, paths) < 0)
		return 1;
	if ((fd = open(path, O_CREAT | O_RDWR, 0600)) < 0)
		return 2;
	if (write(fd, "x", 1) != 1 || unlink(path) < 0)
		return 3;
#ifndef DMVPN_SANITIZED
	if (open("/etc/passwd", O_RDONLY) >= 0)
		return 4;
#endif
	return 0;
}

static void
a_sandbox_leaves_an_event_loop_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(child(in_plain_sandbox), 0);
	assert_int_equal(child(in_unix_sandbox), 0);
}

static void
execve_and_ptrace_kill(void **state)
{
	(void)state;
	assert_int_equal(child(execs), 1000 + SIGSYS);
#ifndef DMVPN_SANITIZED
	assert_int_equal(child(traces), 1000 + SIGSYS);
#else
	assert_int_equal(child(traces), 2);	/* leaks are searched so */
#endif
}

static void
only_the_named_paths_are_reached(void **state)
{
	(void)state;
	dir = temp_dir();
	assert_int_equal(child(in_file_sandbox), 0);
	remove_dir(dir);
}

static void
descriptors_travel_with_their_record(void **state)
{
	int pair[2], p[2], fds[8] = { -1 };
	size_t n = 0;
	char b[16];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(fd_send(pair[0], "rec", 3, p, 2, NULL), 0);
	assert_int_equal(fd_receive(pair[1], b, sizeof(b), fds, &n, NULL), 3);
	assert_int_equal(n, 2);
	assert_memory_equal(b, "rec", 3);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(p[1], "y", 1), 1);
	assert_int_equal(read(fds[0], b, 1), 1);
	assert_int_equal(b[0], 'y');
	close(fds[0]);
	close(fds[1]);
	/* a record that does not fit: nothing is left open */
	unsigned before = count_fds();
	assert_int_equal(fd_send(pair[0], "longer", 6, p, 2, NULL), 0);
	assert_int_equal(fd_receive(pair[1], b, 2, fds, &n, NULL), -1);
	assert_int_equal(count_fds(), before);
	assert_int_equal(fd_send(pair[0], "x", 1, p, 9, NULL), -1);
	close(pair[0]);
	assert_int_equal(fd_receive(pair[1], b, 2, fds, &n, NULL), 0);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

static void
random_octets_differ(void **state)
{
	uint8_t a[64] = { 0 }, b[64] = { 0 };

	(void)state;
	assert_int_equal(random_bytes(a, sizeof(a), NULL), 0);
	assert_int_equal(random_bytes(b, sizeof(b), NULL), 0);
	assert_memory_not_equal(a, b, sizeof(a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_given_up),
		cmocka_unit_test(what_is_named_is_kept),
		cmocka_unit_test(an_unknown_user_is_an_error),
		cmocka_unit_test(
		    a_sandbox_leaves_an_event_loop_and_nothing_else),
		cmocka_unit_test(execve_and_ptrace_kill),
		cmocka_unit_test(only_the_named_paths_are_reached),
		cmocka_unit_test(descriptors_travel_with_their_record),
		cmocka_unit_test(random_octets_differ),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
