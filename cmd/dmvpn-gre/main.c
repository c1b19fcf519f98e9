#include <string.h>

#include "cmd.h"
#include "serve.h"
#include "sys/command.h"

static const struct command commands[] = {
	{ "run", cmd_run, "[-r FD] [--threads N] [--user NAME]",
	    "serve until told to stop" },
	{ "with", cmd_with, "INTERFACE [--local ADDRESS|DEVICE] -- COMMAND...",
	    "an interface for as long as a command runs" },
	{ "interface", cmd_interface, "COMMAND", "tunnel interfaces" },
	{ "peer", cmd_peer, "COMMAND", "peers, by number" },
	{ "map", cmd_map, "COMMAND", "tunnel addresses of peers" },
	{ "route", cmd_route, "COMMAND", "kernel routes through a tunnel" },
	{ "lookup", cmd_lookup, "[-j] ADDRESS",
	    "where the kernel sends a packet" },
	{ "sa", cmd_sa, "COMMAND", "security associations" },
	{ "show", cmd_show, "[-j]", "everything at one glance" },
	{ "status", cmd_status, "[-j]", "features, threads, drops" },
	{ "top", cmd_top, "[--count N] [--interval SECONDS]",
	    "peers and their rates, live" },
	{ "events", cmd_events, "[-j] [-n N] [PREFIX...]",
	    "what happens, as it happens" },
	{ "check", cmd_check, "[-j]",
	    "what this machine or container lacks" },
	{ "wait", cmd_wait, "", "block until the daemon ends" },
	{ "stop", cmd_stop, "[--keep]", "end the daemon" },
	{ NULL, NULL, NULL, NULL }
};

int
main(int argc, char **argv)
{
	/* Started by "run" only, so it is in no usage. */
	if (argc > 1 && strcmp(argv[1], "packet-half") == 0)
		return serve_packet_half(argc - 1, argv + 1);
	return command_main(argc, argv, "dmvpn-gre",
	    "packets: tunnel interfaces, GRE, ESP, port 4500", commands);
}
