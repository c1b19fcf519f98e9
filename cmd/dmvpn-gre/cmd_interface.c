#include <string.h>

#include "cmd.h"
#include "cmd_list.h"
#include "sys/ask.h"
#include "sys/command.h"

static int
fill_key(struct gre_interface_set *m, const char *text)
{
	uint64_t key;

	if (text == NULL)
		return 0;
	if (cmd_number(text, 0, UINT32_MAX, "--key", &key) < 0)
		return -1;
	m->keyed = true;
	m->key = (uint32_t)key;
	return 0;
}

static int
fill_addresses(struct gre_interface_set *m, const struct opt_list *list)
{
	struct err e;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (i == sizeof(m->addresses) / sizeof(m->addresses[0])) {
			(void)command_usage("more than %zu addresses", i);
			return -1;
		}
		if (prefix_parse_host(list->v[i], &m->addresses[i],
		    &e) < 0) {
			(void)command_usage("--address: %s", e.msg);
			return -1;
		}
		m->n_addresses++;
	}
	return 0;
}

int
cmd_interface_fill(struct gre_interface_set *m, const char *name,
    const struct iface_opts *o)
{
	uint32_t mode = GRE_MODE_MGRE, protect = GRE_PROTECT_IPSEC;

	memset(m, 0, sizeof(*m));
	if (cmd_text(m->interface, sizeof(m->interface), name,
	    "interface") < 0 || cmd_text(m->owner, sizeof(m->owner),
	    o->owner != NULL ? o->owner : GRE_OWNER, "owner") < 0)
		return -1;
	if ((o->mode != NULL && cmd_name(gre_mode_names, o->mode, "--mode",
	    &mode) < 0) || (o->protect != NULL && cmd_name(gre_protect_names,
	    o->protect, "--protect", &protect) < 0))
		return -1;
	m->mode = (enum gre_mode)mode;
	m->protect = (enum gre_protect)protect;
	m->mtu = (uint16_t)o->mtu;
	m->checksum = o->checksum;
	m->hub = o->hub;
	if (o->local != NULL && cmd_addr(o->local, "--local", &m->local) < 0)
		return -1;
	return fill_key(m, o->key_text) < 0 ? -1 :
	    fill_addresses(m, o->addresses);
}

static int
set(int argc, char **argv)
{
	struct opt_list addresses = { .n = 0 };
	struct iface_opts o = { .addresses = &addresses };
	const struct opt opts[] = {
		{ 0, "mode", "MODE", "mgre (default) or direct", OPT_TEXT,
		    &o.mode, 0, 0 },
		{ 0, "protect", "HOW", "ipsec (default) or none", OPT_TEXT,
		    &o.protect, 0, 0 },
		{ 'a', "address", "ADDRESS/LENGTH", "ours on the tunnel; may "
		    "be repeated", OPT_LIST, &addresses, 0, 0 },
		{ 'k', "key", "NUMBER", "GRE key", OPT_TEXT, &o.key_text, 0,
		    0 },
		{ 0, "checksum", NULL, "send GRE checksums", OPT_FLAG,
		    &o.checksum, 0, 0 },
		{ 'm', "mtu", "OCTETS", "MTU, 0: as the path allows",
		    OPT_NUM, &o.mtu, 0, 65535 },
		{ 'l', "local", "ADDRESS", "outer source", OPT_TEXT, &o.local,
		    0, 0 },
		{ 0, "hub", NULL, "answer requests for unknown neighbours "
		    "with \"no\"", OPT_FLAG, &o.hub, 0, 0 },
		CMD_OWNER_OPT(o.owner),
		OPT_END
	};
	struct gre_interface_set m;
	int status;

	if (opt_parse(&argc, &argv, opts, "INTERFACE", 1, 1, &status) < 0)
		return status;
	if (cmd_interface_fill(&m, argv[0], &o) < 0)
		return EXIT_USAGE;
	return command_call(GRE_SOCK, &gre_interface_set_type, &m, NULL,
	    NULL);
}

static int
delete(int argc, char **argv)
{
	static const struct opt opts[] = { OPT_END };
	struct gre_interface_delete m;
	int status = EXIT_OK, i;

	if (opt_parse(&argc, &argv, opts, "INTERFACE...", 1, 64, &status) < 0)
		return status;
	for (i = 0; status == EXIT_OK && i < argc; i++) {
		if (cmd_text(m.interface, sizeof(m.interface), argv[i],
		    "interface") < 0)
			return EXIT_USAGE;
		status = command_call(GRE_SOCK, &gre_interface_delete_type,
		    &m, NULL, NULL);
	}
	return status;
}

static int
list(int argc, char **argv)
{
	return list_main(&list_interfaces, argc, argv);
}

static const struct command commands[] = {
	{ "set", set, "INTERFACE [--mode M] [-a ADDRESS/LENGTH] ...",
	    "make or change a tunnel interface" },
	{ "delete", delete, "INTERFACE...", "remove interfaces" },
	{ "list", list, "[-j]", "list them" },
	{ NULL, NULL, NULL, NULL }
};

int
cmd_interface(int argc, char **argv)
{
	return command_group(argc, argv, commands);
}
