#include <string.h>

#include "cmd.h"
#include "cmd_list.h"
#include "sys/ask.h"
#include "sys/command.h"

static int
set(int argc, char **argv)
{
	const char *owner = GRE_OWNER;
	bool multicast = false;
	uint64_t hold = 0, peer;
	const struct opt opts[] = {
		{ 'M', "multicast", NULL, "it gets copies of multicast",
		    OPT_FLAG, &multicast, 0, 0 },
		{ 0, "hold", "TIME", "forget it after that, 0: never",
		    OPT_TIME, &hold, 0, 4294967 },
		CMD_OWNER_OPT(owner),
		OPT_END
	};
	struct gre_map_set m;
	int status;

	if (opt_parse(&argc, &argv, opts, "INTERFACE ADDRESS PEER", 3, 3,
	    &status) < 0)
		return status;
	memset(&m, 0, sizeof(m));
	if (cmd_whose(m.owner, owner, m.interface, argv[0]) < 0 ||
	    cmd_addr(argv[1], "address", &m.items[0].address) < 0 ||
	    cmd_number(argv[2], 1, 65533, "peer", &peer) < 0)
		return EXIT_USAGE;
	m.n_items = 1;
	m.items[0].peer = (uint16_t)peer;
	m.items[0].multicast = multicast;
	m.items[0].hold = (uint32_t)hold;
	return command_call(GRE_SOCK, &gre_map_set_type, &m, NULL, NULL);
}

static int
delete(int argc, char **argv)
{
	const char *owner = GRE_OWNER;
	const struct opt opts[] = {
		CMD_OWNER_OPT(owner),
		OPT_END
	};
	struct gre_map_delete m;
	int status = EXIT_OK, i;

	if (opt_parse(&argc, &argv, opts, "INTERFACE ADDRESS...", 2, 65,
	    &status) < 0)
		return status;
	memset(&m, 0, sizeof(m));
	if (cmd_whose(m.owner, owner, m.interface, argv[0]) < 0)
		return EXIT_USAGE;
	for (i = 1; i < argc; i++)
		if (cmd_addr(argv[i], "address",
		    &m.addresses[m.n_addresses++]) < 0)
			return EXIT_USAGE;
	return command_call(GRE_SOCK, &gre_map_delete_type, &m, NULL, NULL);
}

static int
list(int argc, char **argv)
{
	return list_main(&list_maps, argc, argv);
}

static const struct command commands[] = {
	{ "set", set, "INTERFACE ADDRESS PEER [--multicast] [--hold TIME]",
	    "a tunnel address is reached through a peer" },
	{ "delete", delete, "INTERFACE ADDRESS...", "take maps back" },
	{ "list", list, "[-j]", "list them" },
	{ NULL, NULL, NULL, NULL }
};

int
cmd_map(int argc, char **argv)
{
	return command_group(argc, argv, commands);
}
