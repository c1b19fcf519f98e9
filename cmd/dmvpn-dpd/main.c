#include "cmd.h"
#include "sys/command.h"

static const struct command commands[] = {
	{ "run", cmd_run, "[-r FD] [--user NAME] [--log-level LEVEL]",
	    "serve until told to stop" },
	{ "wait", cmd_wait, "", "block until the running daemon ends" },
	{ "stop", cmd_stop, "[--keep]",
	    "end the running daemon; --keep leaves its connections" },
	{ "headends", cmd_headends, "set|delete|list ...",
	    "which headends a tunnel uses" },
	{ "watch", cmd_watch, "set ...", "how soon a quiet peer is probed" },
	{ "status", cmd_status, "[-j]",
	    "headends, their states and why, and what was probed" },
	{ "events", cmd_events, "[-j] [--cbor] [--from LAYER]... [PREFIX...]",
	    "verdicts and choices as they fall" },
	{ "hello", cmd_hello, "[-j] [LAYER]...",
	    "does the daemon of each layer answer" },
	{ "overview", cmd_overview, "[-j] [-q] --role ROLE TUNNEL",
	    "one tunnel, joined from all programs" },
	{ "resolve", cmd_resolve, "NAME[:PORT]",
	    "the addresses of a headend's name" },
	{ "judge", cmd_judge, "[-j] [-t] [--interval MS] [--tries N]",
	    "verdicts on a stream of events on standard input" },
	{ NULL, NULL, NULL, NULL },
};

int
main(int argc, char **argv)
{
	return command_main(argc, argv, "dmvpn-dpd",
	    "liveness of peers, and the choice of the headend", commands);
}
