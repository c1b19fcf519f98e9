#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "cmd_list.h"
#include "sys/ask.h"
#include "sys/command.h"

static int
set(int argc, char **argv)
{
	const char *owner = GRE_OWNER, *via = NULL;
	uint64_t metric = 0, peer = 0;
	const struct opt opts[] = {
		{ 0, "via", "ADDRESS", "next hop on the tunnel", OPT_TEXT,
		    &via, 0, 0 },
		{ 'p', "peer", "NUMBER", "mode direct: the peer itself",
		    OPT_NUM, &peer, 1, 65533 },
		{ 0, "metric", "NUMBER", "less is better", OPT_NUM, &metric,
		    0, UINT32_MAX },
		CMD_OWNER_OPT(owner),
		OPT_END
	};
	struct gre_route_set m;
	int status;

	if (opt_parse(&argc, &argv, opts, "INTERFACE PREFIX", 2, 2,
	    &status) < 0)
		return status;
	memset(&m, 0, sizeof(m));
	if (cmd_whose(m.owner, owner, m.interface, argv[0]) < 0 ||
	    cmd_prefix(argv[1], "prefix", &m.items[0].prefix) < 0 ||
	    (via != NULL && cmd_addr(via, "--via", &m.items[0].via) < 0))
		return EXIT_USAGE;
	m.n_items = 1;
	m.items[0].peer = (uint16_t)peer;
	m.items[0].metric = (uint32_t)metric;
	return command_call(GRE_SOCK, &gre_route_set_type, &m, NULL, NULL);
}

static int
delete(int argc, char **argv)
{
	const char *owner = GRE_OWNER;
	const struct opt opts[] = {
		CMD_OWNER_OPT(owner),
		OPT_END
	};
	struct gre_route_delete m;
	int status = EXIT_OK, i;

	if (opt_parse(&argc, &argv, opts, "INTERFACE PREFIX...", 2, 65,
	    &status) < 0)
		return status;
	memset(&m, 0, sizeof(m));
	if (cmd_whose(m.owner, owner, m.interface, argv[0]) < 0)
		return EXIT_USAGE;
	for (i = 1; i < argc; i++)
		if (cmd_prefix(argv[i], "prefix",
		    &m.prefixes[m.n_prefixes++]) < 0)
			return EXIT_USAGE;
	return command_call(GRE_SOCK, &gre_route_delete_type, &m, NULL,
	    NULL);
}

static int
list(int argc, char **argv)
{
	return list_main(&list_routes, argc, argv);
}

static const struct command commands[] = {
	{ "set", set, "INTERFACE PREFIX [--via ADDRESS | --peer NUMBER]",
	    "route a prefix through the tunnel" },
	{ "delete", delete, "INTERFACE PREFIX...", "take routes back" },
	{ "list", list, "[-j]", "list them" },
	{ NULL, NULL, NULL, NULL }
};

int
cmd_route(int argc, char **argv)
{
	return command_group(argc, argv, commands);
}

/* "10.2.0.5 -> dmvpn0 via 10.0.0.3 peer 17 (10.2.0.0/16)" */
static void
print_lookup(const char *address, const struct gre_lookup_reply *r)
{
	struct addr_buf b;

	if (r->local) {
		printf("%s is our own\n", address);
		return;
	}
	if (r->interface[0] == '\0') {
		printf("%s is unreachable\n", address);
		return;
	}
	printf("%s -> %s", address, r->interface);
	if (r->via.len != 0)
		printf(" via %s", addr_text(&r->via, &b));
	if (r->peer != 0)
		printf(" peer %u", r->peer);
	else if (r->tunnel)
		printf(" (no peer known)");
	printf(" (route %s)\n", prefix_text(&r->prefix, &b));
}

int
cmd_lookup(int argc, char **argv)
{
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "a JSON object", OPT_FLAG, &json, 0, 0 },
		OPT_END
	};
	struct gre_lookup_reply reply;
	struct gre_lookup m;
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "ADDRESS", 1, 1, &status) < 0)
		return status;
	if (cmd_addr(argv[0], "address", &m.address) < 0)
		return EXIT_USAGE;
	status = command_call(GRE_SOCK, &gre_lookup_type, &m,
	    &gre_lookup_reply_type, &reply);
	if (status != EXIT_OK)
		return status;
	if (!json)
		print_lookup(argv[0], &reply);
	else if (out_json(stdout, &gre_lookup_reply_type, &reply, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	return reply.local || reply.interface[0] != '\0' ? EXIT_OK : EXIT_NO;
}
