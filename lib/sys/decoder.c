#include "sys/decoder.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sys/ask.h"
#include "sys/command.h"

int
exec_beside(char *const argv[], struct err *e)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		snprintf(slash + 1, 32, "%s", argv[0]);
		execv(path, argv);
	}
	snprintf(path, sizeof(path), "%s/%s", LIBEXECDIR, argv[0]);
	execv(path, argv);
	return err_sys(e, "%s is neither beside this program nor in "
	    LIBEXECDIR, argv[0]);
}

static int
decoder_exec(const char *const *argv)
{
	struct err e;

	(void)exec_beside((char *const *)(uintptr_t)argv, &e);
	return command_fail(EXIT_SYSTEM, &e);
}

/* Ends with dmvpn-decode, even when no event comes any more. */
static void
feed(struct conn *c, int fd)
{
	FILE *f = fdopen(fd, "w");
	bool closed = f == NULL;
	struct msg m;

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	signal(SIGPIPE, SIG_DFL);
	close(STDOUT_FILENO);
	while (!closed && conn_event(c, &m, -1, &closed, NULL) >= 0)
		if (!closed && (out_event(f, OUT_CBOR, &m, NULL) < 0 ||
		    fflush(f) != 0))
			break;
	_exit(EXIT_OK);
}

/* Our standard input becomes the stream of events. */
static int
fork_feed(struct conn *c, struct err *e)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		return err_sys(e, "pipe");
	pid = fork();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0) {
		close(ends[0]);
		feed(c, ends[1]);
	}
	close(ends[1]);
	if (dup2(ends[0], STDIN_FILENO) < 0)
		return err_sys(e, "pipe");
	close(ends[0]);
	return 0;
}

int
decoder_trace(const char *sock_name, const char *const *events,
    const char *const *argv)
{
	struct err e;
	struct conn *c = ask_open(sock_name, &e);

	if (c == NULL || conn_subscribe(c, events, &e) < 0 ||
	    fork_feed(c, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	conn_close(c);
	return decoder_exec(argv);
}

size_t
decoder_option(const char **argv, size_t n, const char *option,
    const char *value)
{
	if (value == NULL)
		return n;
	argv[n] = option;
	argv[n + 1] = value;
	return n + 2;
}

int
decoder_main(int argc, char **argv, const char *noun)
{
	const char **args = (const char **)calloc((size_t)argc + 2,
	    sizeof(*args));

	if (args == NULL)
		return EXIT_SYSTEM;
	args[0] = "dmvpn-decode";
	args[1] = noun;
	memcpy(args + 2, argv + 1, (size_t)argc * sizeof(*argv));
	return decoder_exec(args);
}
