#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"

#define ARGS_MAX	32

int
cmd_events(int argc, char **argv)
{
	/* All but the traces of packets. */
	static const char *const all[] = { "ike-up", "ike-down",
	    "ike-failed", "ike-child-up", NULL };

	return command_events_main(argc, argv, CMD_SOCK, all);
}

int
cmd_wait(int argc, char **argv)
{
	return command_wait_main(argc, argv, CMD_SOCK);
}

int
cmd_stop(int argc, char **argv)
{
	return command_stop_main(argc, argv, CMD_SOCK);
}

/* ---- trace: dmvpn-decode prints, a child of ours feeds it ---- */

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

struct trace_options {
	bool		 json;
	const char	*peer, *spi, *exchange, *count, *copy;
};

static int
trace_exec(const struct trace_options *o)
{
	const struct { const char *option, *value; } pairs[] = {
		{ "--peer", o->peer }, { "--spi", o->spi },
		{ "--exchange", o->exchange }, { "--count", o->count },
		{ "--write", o->copy },
	};
	const char *argv[ARGS_MAX] = { "dmvpn-decode", "ike", "--live" };
	size_t i, n = 3;

	if (o->json)
		argv[n++] = "--json";
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i].value != NULL) {
			argv[n++] = pairs[i].option;
			argv[n++] = pairs[i].value;
		}
	return cmd_exec_decode((char *const *)(uintptr_t)argv);
}

int
cmd_trace(int argc, char **argv)
{
	static const char *const wanted[] = { "ike-packet", "ike-keys",
	    NULL };
	struct trace_options o = { .json = false };
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a message", OPT_FLAG,
		  &o.json, 0, 0 },
		{ 0, "peer", "ADDR", "only messages from or to ADDR",
		  OPT_TEXT, &o.peer, 0, 0 },
		{ 0, "spi", "HEX", "only the IKE SA with this SPI", OPT_TEXT,
		  &o.spi, 0, 0 },
		{ 0, "exchange", "NAME", "only this exchange, as ike-auth",
		  OPT_TEXT, &o.exchange, 0, 0 },
		{ 'c', "count", "N", "stop after N messages", OPT_TEXT,
		  &o.count, 0, 0 },
		{ 'w', "write", "FILE", "also write them as pcapng, and keys "
		  "that are exported to FILE.keys", OPT_TEXT, &o.copy, 0, 0 },
		OPT_END
	};
	struct conn *c;
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j] [--peer ADDR] "
	    "[--exchange NAME] [--write FILE]", 0, 0, &status) < 0)
		return status;
	c = ask_open(CMD_SOCK, &e);
	if (c == NULL || conn_subscribe(c, wanted, &e) < 0 ||
	    fork_feed(c, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	conn_close(c);
	return trace_exec(&o);
}

int
cmd_decode(int argc, char **argv)
{
	char **args = calloc((size_t)argc + 2, sizeof(*args));

	if (args == NULL)
		return EXIT_SYSTEM;
	args[0] = (char *)(uintptr_t)"dmvpn-decode";
	args[1] = (char *)(uintptr_t)"ike";
	memcpy(args + 2, argv + 1, (size_t)argc * sizeof(*argv));
	return cmd_exec_decode(args);
}
