#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "cmd_list.h"
#include "sys/ask.h"
#include "sys/command.h"

#define NAT_PORT 4500

struct peer_opts {
	const char	*encap, *remote, *local, *name, *owner;
	uint64_t	 keepalive, rate;
	bool		 fixed;
};

static int
fill_endpoint(const char *text, enum gre_encap encap, const char *what,
    struct endpoint *to)
{
	struct err e;

	if (text == NULL)
		return 0;
	if (endpoint_parse(text, encap == GRE_ENCAP_UDP ? NAT_PORT : 0, to,
	    &e) == 0)
		return 0;
	(void)command_usage("%s: %s", what, e.msg);
	return -1;
}

static int
fill(struct gre_peer_set *m, const struct peer_opts *o, const char *number)
{
	uint32_t encap = GRE_ENCAP_UDP;
	uint64_t peer = 0;

	memset(m, 0, sizeof(*m));
	if (o->remote == NULL) {
		(void)command_usage("--remote is missing");
		return -1;
	}
	if (number != NULL &&
	    cmd_number(number, 1, 65533, "peer", &peer) < 0)
		return -1;
	if (o->encap != NULL && cmd_name(gre_encap_names, o->encap,
	    "--encap", &encap) < 0)
		return -1;
	m->peer = (uint16_t)peer;
	m->encap = (enum gre_encap)encap;
	m->keepalive = (uint16_t)o->keepalive;
	m->rate = o->rate;
	m->fixed = o->fixed;
	if (cmd_text(m->owner, sizeof(m->owner), o->owner, "owner") < 0 ||
	    (o->name != NULL && cmd_text(m->name, sizeof(m->name), o->name,
	    "--name") < 0))
		return -1;
	return fill_endpoint(o->remote, m->encap, "--remote", &m->remote) <
	    0 ? -1 : fill_endpoint(o->local, m->encap, "--local", &m->local);
}

static int
set(int argc, char **argv)
{
	struct peer_opts o = { .owner = GRE_OWNER };
	const struct opt opts[] = {
		{ 'e', "encap", "HOW", "udp (default), esp or none", OPT_TEXT,
		    &o.encap, 0, 0 },
		{ 'r', "remote", "ADDRESS[:PORT]", "where the peer is",
		    OPT_TEXT, &o.remote, 0, 0 },
		{ 'l', "local", "ADDRESS[:PORT]", "outer source", OPT_TEXT,
		    &o.local, 0, 0 },
		{ 0, "name", "TEXT", "who it is, for people", OPT_TEXT,
		    &o.name, 0, 0 },
		{ 0, "keepalive", "SECONDS", "NAT keepalives, 0: none",
		    OPT_TIME, &o.keepalive, 0, 3600 },
		{ 0, "rate", "BIT/S", "shape what goes to it, 0: not",
		    OPT_NUM, &o.rate, 0, UINT64_C(1) << 40 },
		{ 0, "fixed", NULL, "its endpoint never moves", OPT_FLAG,
		    &o.fixed, 0, 0 },
		CMD_OWNER_OPT(o.owner),
		OPT_END
	};
	struct gre_peer_set_reply reply;
	struct gre_peer_set m;
	int status;

	if (opt_parse(&argc, &argv, opts, "[NUMBER]", 0, 1, &status) < 0)
		return status;
	if (fill(&m, &o, argc > 0 ? argv[0] : NULL) < 0)
		return EXIT_USAGE;
	status = command_call(GRE_SOCK, &gre_peer_set_type, &m,
	    &gre_peer_set_reply_type, &reply);
	if (status == EXIT_OK)
		printf("%u\n", reply.peer);
	return status;
}

static int
delete(int argc, char **argv)
{
	static const struct opt opts[] = { OPT_END };
	struct gre_peer_delete m;
	uint64_t number;
	int status = EXIT_OK, i;

	if (opt_parse(&argc, &argv, opts, "NUMBER...", 1, 64, &status) < 0)
		return status;
	for (i = 0; status == EXIT_OK && i < argc; i++) {
		if (cmd_number(argv[i], 1, 65533, "peer", &number) < 0)
			return EXIT_USAGE;
		m.peer = (uint16_t)number;
		status = command_call(GRE_SOCK, &gre_peer_delete_type, &m,
		    NULL, NULL);
	}
	return status;
}

static int
list(int argc, char **argv)
{
	return list_main(&list_peers, argc, argv);
}

static const struct command commands[] = {
	{ "set", set, "[NUMBER] --remote ADDRESS[:PORT] [--encap HOW]",
	    "make or change a peer; prints its number" },
	{ "delete", delete, "NUMBER...", "remove peers with all they have" },
	{ "list", list, "[-j]", "list them" },
	{ NULL, NULL, NULL, NULL }
};

int
cmd_peer(int argc, char **argv)
{
	return command_group(argc, argv, commands);
}
