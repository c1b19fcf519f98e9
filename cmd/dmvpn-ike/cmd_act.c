#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"

/* The peer a command is about; 0 with *status set. */
static uint16_t
peer_argument(const char *what, int *status)
{
	struct err e;
	int peer = cmd_find_peer(what, &e);

	if (peer <= 0)
		*status = command_fail(peer == 0 ? EXIT_NO : EXIT_SYSTEM, &e);
	return peer <= 0 ? 0 : (uint16_t)peer;
}

int
cmd_probe_peer(int argc, char **argv)
{
	struct ike_probe_reply r = { .alive = false };
	struct ike_probe p = { .peer = 0 };
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "as a JSON object", OPT_FLAG, &json, 0,
		  0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j] PEER", 1, 1, &status) < 0)
		return status;
	p.peer = peer_argument(argv[0], &status);
	if (p.peer == 0)
		return status;
	status = command_call(CMD_SOCK, &ike_probe_type, &p,
	    &ike_probe_reply_type, &r);
	if (status != EXIT_OK)
		return status;
	if (json)
		return out_json(stdout, &ike_probe_reply_type, &r, &e) < 0 ?
		    command_fail(EXIT_SYSTEM, &e) : r.alive ? EXIT_OK :
		    EXIT_NO;
	if (r.alive)
		printf("peer %u answered in %" PRIu64 " ms\n", p.peer, r.rtt);
	else
		printf("peer %u does not answer\n", p.peer);
	return r.alive ? EXIT_OK : EXIT_NO;
}

int
cmd_rekey(int argc, char **argv)
{
	struct ike_rekey r = { .child = true };
	bool ike = false;
	const struct opt opts[] = {
		{ 0, "ike", NULL, "the IKE SA and not its ESP SAs", OPT_FLAG,
		  &ike, 0, 0 },
		OPT_END
	};
	int status;

	if (opt_parse(&argc, &argv, opts, "[--ike] PEER", 1, 1, &status) < 0)
		return status;
	r.peer = peer_argument(argv[0], &status);
	r.child = !ike;
	return r.peer == 0 ? status : command_call(CMD_SOCK, &ike_rekey_type,
	    &r, NULL, NULL);
}

int
cmd_close(int argc, char **argv)
{
	struct ike_close c = { .peer = 0 };
	const char *why = NULL;
	const struct opt opts[] = {
		{ 0, "dead", NULL, "without telling it", OPT_FLAG, &c.dead,
		  0, 0 },
		{ 0, "why", "WORDS", "for the log and for those who ask",
		  OPT_TEXT, &why, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "[--dead] [--why WORDS] PEER", 1,
	    1, &status) < 0)
		return status;
	if (cmd_text(c.why, sizeof(c.why), "why", why, &e) < 0)
		return command_usage("%s", e.msg);
	c.peer = peer_argument(argv[0], &status);
	return c.peer == 0 ? status : command_call(CMD_SOCK, &ike_close_type,
	    &c, NULL, NULL);
}
