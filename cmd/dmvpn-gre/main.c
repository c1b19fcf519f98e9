#include <string.h>

#include "cmd.h"
#include "serve.h"
#include "sys/command.h"

static const struct command commands[] = {
	{ "run", cmd_run, "[-r FD] [--threads N] [--user NAME]",
	    "serve until told to stop" },
	{ "interface", cmd_interface, "COMMAND", "tunnel interfaces" },
	{ "peer", cmd_peer, "COMMAND", "peers, by number" },
	{ "map", cmd_map, "COMMAND", "tunnel addresses of peers" },
	{ "route", cmd_route, "COMMAND", "kernel routes through a tunnel" },
	{ "lookup", cmd_lookup, "[-j] ADDRESS",
	    "where the kernel sends a packet" },
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
