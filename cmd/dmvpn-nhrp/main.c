#include "cmd.h"
#include "sys/command.h"

static const struct command commands[] = {
	{ "run", cmd_run, "[-r FD] [--user NAME]",
	    "serve until told to stop" },
	{ "wait", cmd_wait, "", "block until the daemon ends" },
	{ "stop", cmd_stop, "[--keep]", "end the daemon in an orderly way" },
	{ "interface", cmd_interface, "COMMAND",
	    "tunnels: role, servers, subnets" },
	{ "status", cmd_status, "[-j]",
	    "registrations, servers, shortcuts, counters" },
	{ "cache", cmd_cache, "[-j] [--interface NAME]",
	    "list what is known, entry by entry" },
	{ "resolve", cmd_resolve, "[-j] [--explain] ADDRESS",
	    "ask for a shortcut to an address" },
	{ "why", cmd_why, "[-j] ADDRESS",
	    "what packets to an address do, and why" },
	{ "purge", cmd_purge, "[--interface NAME] [PREFIX]",
	    "forget, and tell those who were told" },
	{ "events", cmd_events, "[-j] [-n N] [PREFIX ...]",
	    "print events as they come" },
	{ "trace", cmd_trace, "[-j]", "show NHRP packets live, decoded" },
	{ "decode", cmd_decode, "[-j] FILE", "show NHRP packets of a capture" },
	{ NULL, NULL, NULL, NULL }
};

int
main(int argc, char **argv)
{
	return command_main(argc, argv, "dmvpn-nhrp",
	    "addresses: registration, resolution, redirect, purge", commands);
}
