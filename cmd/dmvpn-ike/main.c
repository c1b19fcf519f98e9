#include "cmd.h"
#include "sys/command.h"

static const struct command commands[] = {
	{ "run", cmd_run, "[-r FD] [--user NAME] [--port PORT]",
	  "serve until told to stop" },
	{ "wait", cmd_wait, "", "block until the daemon ends" },
	{ "stop", cmd_stop, "[--keep]", "end the daemon" },
	{ "profile", cmd_profile, "set|delete NAME ...",
	  "what IKE SAs may do, and how" },
	{ "connection", cmd_connection, "set|delete NAME ...",
	  "connections that are to be up" },
	{ "sas", cmd_sas, "[-j] [--cbor]", "list IKE SAs and their ESP SAs" },
	{ "peers", cmd_peers, "[-j] [--cbor]", "list peers that are up" },
	{ "status", cmd_status, "[-j] [--cbor]",
	  "a sentence for everything that should be up" },
	{ "why", cmd_why, "[-j] PEER|CONNECTION|IDENTITY|ADDRESS",
	  "what is known about one of them" },
	{ "probe-peer", cmd_probe_peer, "[-j] PEER",
	  "ask a peer for a sign of life" },
	{ "rekey", cmd_rekey, "[--ike] PEER", "make new keys now" },
	{ "close", cmd_close, "[--dead] PEER", "end the SAs of a peer" },
	{ "events", cmd_events, "[-j] [--cbor] [PREFIX...]",
	  "print events as they happen" },
	{ "trace", cmd_trace, "[-j] [--peer ADDR] [--write FILE]",
	  "print messages as they come and go, decrypted" },
	{ "decode", cmd_decode, "[-j] [--keys FILE] FILE...",
	  "print the IKE messages of captures" },
	{ "connect", cmd_connect, "[OPTION...] ADDR[:PORT]",
	  "one connection in the foreground" },
	{ "proposals", cmd_proposals, "[-j] [--esp] [PROPOSAL...]",
	  "the words that proposals are made of" },
	{ "probe", cmd_probe, "[-j] HOST",
	  "what would this responder say" },
	{ NULL, NULL, NULL, NULL },
};

int
main(int argc, char **argv)
{
	return command_main(argc, argv, "dmvpn-ike",
	    "IKEv2: keys for tunnels", commands);
}
