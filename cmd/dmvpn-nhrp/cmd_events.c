/* "events", "trace" and "decode". */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"

#define ARGS_MAX	16

int
cmd_events(int argc, char **argv)
{
	/* All but the traces of packets. */
	static const char *const all[] = { "nhrp-registered",
	    "nhrp-unregistered", "nhrp-nhs", "nhrp-redirected",
	    "nhrp-shortcut", "nhrp-refused", NULL };

	return command_events_main(argc, argv, CMD_SOCK, all);
}

/* Replace this process by dmvpn-decode, beside us or in LIBEXECDIR. */
static int
exec_decode(char *const argv[])
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	struct err e;
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		snprintf(slash + 1, 32, "dmvpn-decode");
		execv(path, argv);
	}
	execv(LIBEXECDIR "/dmvpn-decode", argv);
	err_sys(&e, "dmvpn-decode is neither beside this program nor in "
	    LIBEXECDIR);
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
cmd_trace(int argc, char **argv)
{
	static const char *const wanted[] = { "nhrp-packet", NULL };
	const char *peer = NULL, *count = NULL, *copy = NULL;
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a packet", OPT_FLAG,
		  &json, 0, 0 },
		{ 0, "peer", "ADDR", "only packets from or to ADDR",
		  OPT_TEXT, &peer, 0, 0 },
		{ 'c', "count", "N", "stop after N packets", OPT_TEXT,
		  &count, 0, 0 },
		{ 'w', "write", "FILE", "also write them as pcapng",
		  OPT_TEXT, &copy, 0, 0 },
		OPT_END
	};
	const struct { const char *option, **value; } pairs[] = {
		{ "--peer", &peer }, { "--count", &count },
		{ "--write", &copy },
	};
	const char *args[ARGS_MAX] = { "dmvpn-decode", "nhrp", "--live" };
	struct conn *c;
	struct err e;
	int status;
	size_t i, n = 3;

	if (opt_parse(&argc, &argv, opts, "[-j] [--peer ADDR] [--write FILE]",
	    0, 0, &status) < 0)
		return status;
	c = ask_open(CMD_SOCK, &e);
	if (c == NULL || conn_subscribe(c, wanted, &e) < 0 ||
	    fork_feed(c, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	conn_close(c);
	if (json)
		args[n++] = "--json";
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (*pairs[i].value != NULL) {
			args[n++] = pairs[i].option;
			args[n++] = *pairs[i].value;
		}
	return exec_decode((char *const *)(uintptr_t)args);
}

int
cmd_decode(int argc, char **argv)
{
	char **args = calloc((size_t)argc + 2, sizeof(*args));

	if (args == NULL)
		return EXIT_SYSTEM;
	args[0] = (char *)(uintptr_t)"dmvpn-decode";
	args[1] = (char *)(uintptr_t)"nhrp";
	memcpy(args + 2, argv + 1, (size_t)argc * sizeof(*argv));
	return exec_decode(args);
}
