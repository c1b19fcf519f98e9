#include "priv_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#define ARGS_MAX 20

int
spawn_exe(const char *argv0, struct err *e)
{
	const char *path;
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	/* Without /proc: what the kernel was asked to run. */
	path = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	if ((fd = open(path != NULL ? path : argv0, O_PATH | O_CLOEXEC)) < 0)
		return err_sys(e, "find our own program");
	return fd;
}

/* Numbers of the command line. */
struct words {
	char	fd[12], threads[12], client[2][12];
};

static void
arguments(const struct spawn *s, int fd, struct words *w,
    const char *argv[ARGS_MAX])
{
	size_t n = 0;
	int i;

	argv[n++] = s->argv0;
	argv[n++] = "packet-half";
	(void)snprintf(w->fd, sizeof(w->fd), "%d", fd);
	argv[n++] = "--fd";
	argv[n++] = w->fd;
	(void)snprintf(w->threads, sizeof(w->threads), "%u", s->threads);
	argv[n++] = "--threads";
	argv[n++] = w->threads;
	if (s->serve)
		argv[n++] = "--serve";
	if (s->openssl)
		argv[n++] = "--openssl";
	if (s->user != NULL) {
		argv[n++] = "--user";
		argv[n++] = s->user;
	}
	if (s->group != NULL) {
		argv[n++] = "--group";
		argv[n++] = s->group;
	}
	for (i = 0; i < 2; i++) {
		if (s->client[i] < 0)
			continue;
		(void)snprintf(w->client[i], sizeof(w->client[i]), "%d",
		    s->client[i]);
		argv[n++] = "--client";
		argv[n++] = w->client[i];
	}
	argv[n] = NULL;
}

/* In the child: only these descriptors go on. */
static void
child(const struct spawn *s, int fd)
{
	const char *argv[ARGS_MAX];
	struct words w;
	sigset_t none;
	int i;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fcntl(fd, F_SETFD, 0) < 0)
		_exit(111);
	for (i = 0; i < 2; i++)
		if (s->client[i] >= 0 && fcntl(s->client[i], F_SETFD, 0) < 0)
			_exit(111);
	arguments(s, fd, &w, argv);
	fexecve(s->exe, (char *const *)(uintptr_t)argv, environ);
	_exit(111);
}

pid_t
spawn_packet_half(const struct spawn *s, int *fd, struct err *e)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, pair) < 0)
		return err_sys(e, "socketpair");
	if ((pid = fork()) < 0) {
		err_sys(e, "fork");
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	if (pid == 0)
		child(s, pair[1]);
	close(pair[1]);
	*fd = pair[0];
	return pid;
}
