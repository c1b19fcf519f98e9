/* "interface set" and "interface delete". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"

struct set_options {
	const char	*owner, *role, *profile, *auth_file;
	struct opt_list	 addresses, servers, subnets;
	uint64_t	 network_id, hold, idle;
	bool		 redirect, shortcut, routes, unique, need_blocks;
	struct addr	 nbma;
};

static int
set_prefixes(struct prefix *to, size_t max, size_t *n, const char *option,
    const struct opt_list *from, bool host, struct err *e)
{
	size_t i;

	if (from->n > max)
		return err_set(e, 0, "--%s: at most %zu", option, max);
	for (i = 0; i < from->n; i++)
		if ((host ? prefix_parse_host(from->v[i], &to[i], e) :
		    prefix_parse(from->v[i], &to[i], e)) < 0)
			return err_in(e, "--%s", option);
	*n = from->n;
	return 0;
}

/* ADDRESS, ADDRESS=CONNECTION or ADDRESS@NBMA */
static int
set_server(struct nhrp_nhs *s, const char *text, struct err *e)
{
	const char *mark = strpbrk(text, "=@");
	char address[64];
	size_t len = mark == NULL ? strlen(text) : (size_t)(mark - text);

	if (len >= sizeof(address))
		return err_set(e, 0, "--nhs: \"%s\" is too long", text);
	memcpy(address, text, len);
	address[len] = '\0';
	if (addr_parse(address, &s->address, e) < 0)
		return err_in(e, "--nhs");
	if (mark == NULL)
		return 0;
	if (*mark == '@' && addr_parse(mark + 1, &s->nbma, e) < 0)
		return err_in(e, "--nhs");
	if (*mark == '=' && text_copy(s->connection, sizeof(s->connection),
	    mark + 1, e) < 0)
		return err_in(e, "--nhs");
	return 0;
}

static int
set_servers(struct nhrp_interface_set *m, const struct opt_list *from,
    struct err *e)
{
	size_t i;

	if (from->n > sizeof(m->nhs) / sizeof(m->nhs[0]))
		return err_set(e, 0, "--nhs: at most %zu",
		    sizeof(m->nhs) / sizeof(m->nhs[0]));
	for (i = 0; i < from->n; i++)
		if (set_server(&m->nhs[i], from->v[i], e) < 0)
			return -1;
	m->n_nhs = from->n;
	return 0;
}

/* The secret comes from a file ("-": standard input), never from argv. */
static int
read_secret(const char *path, char buf[16], struct rbuf *to, struct err *e)
{
	bool in = strcmp(path, "-") == 0;
	FILE *f = in ? stdin : fopen(path, "re");
	size_t n;

	if (f == NULL)
		return err_sys(e, "open %s", path);
	n = fread(buf, 1, 16, f);
	if (!in)
		fclose(f);
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	if (n == 0 || n > 8)
		return err_set(e, 0, "%s: the authentication has 1 to 8 "
		    "octets", path);
	*to = rbuf_of(buf, n);
	return 0;
}

static int
fill(struct nhrp_interface_set *m, const struct set_options *o,
    const char *name, struct err *e)
{
	uint32_t role;

	if (o->role == NULL || name_value(nhrp_role_names, o->role,
	    &role) < 0)
		return err_set(e, 0, "--role is hub or spoke");
	if (o->addresses.n == 0)
		return err_set(e, 0, "--address is needed: ours on the "
		    "tunnel, as 10.9.0.2/24");
	m->role = (enum nhrp_role)role;
	m->network_id = (uint32_t)o->network_id;
	m->hold = (uint16_t)o->hold;
	m->idle = (uint16_t)o->idle;
	m->redirect = o->redirect;
	m->shortcut = o->shortcut;
	m->routes = o->routes;
	m->unique = o->unique;
	m->need_blocks = o->need_blocks;
	m->nbma = o->nbma;
	if (text_copy(m->interface, sizeof(m->interface), name, e) < 0)
		return err_in(e, "interface");
	if (text_copy(m->owner, sizeof(m->owner), o->owner, e) < 0)
		return err_in(e, "--owner");
	if (o->profile != NULL && text_copy(m->profile, sizeof(m->profile),
	    o->profile, e) < 0)
		return err_in(e, "--profile");
	if (set_prefixes(m->addresses, 4, &m->n_addresses, "address",
	    &o->addresses, true, e) < 0 ||
	    set_prefixes(m->subnets, 32, &m->n_subnets, "subnet",
	    &o->subnets, false, e) < 0)
		return -1;
	return set_servers(m, &o->servers, e);
}

#define SET_ARGS "--role ROLE --address PREFIX [OPTIONS] NAME"

static int
interface_set(int argc, char **argv)
{
	struct set_options o = { .owner = CMD_OWNER };
	const struct opt opts[] = {
		{ 0, "role", "ROLE", "hub (server) or spoke (client)",
		  OPT_TEXT, &o.role, 0, 0 },
		{ 'a', "address", "PREFIX", "ours on the tunnel, 10.9.0.2/24; "
		  "again for IPv6", OPT_LIST, &o.addresses, 0, 0 },
		{ 'n', "nhs", "SERVER", "spoke: a server's tunnel address, "
		  "=CONNECTION of dmvpn-ike or @PUBLIC-ADDRESS behind it",
		  OPT_LIST, &o.servers, 0, 0 },
		{ 's', "subnet", "PREFIX", "behind us: answered for",
		  OPT_LIST, &o.subnets, 0, 0 },
		{ 'p', "profile", "NAME", "IKE profile of shortcuts; without "
		  "it the tunnel is unprotected", OPT_TEXT, &o.profile, 0,
		  0 },
		{ 0, "nbma", "ADDRESS", "our public address, unprotected",
		  OPT_ADDR, &o.nbma, 0, 0 },
		{ 0, "authentication-file", "FILE", "1 to 8 octets that all "
		  "must know; - reads standard input", OPT_TEXT,
		  &o.auth_file, 0, 0 },
		{ 0, "network-id", "N", "for people", OPT_NUM,
		  &o.network_id, 0, 4294967295 },
		{ 0, "hold", "TIME", "holding time, 2h", OPT_TIME, &o.hold,
		  1, 65535 },
		{ 0, "idle", "TIME", "quiet shortcuts end after it",
		  OPT_TIME, &o.idle, 1, 65535 },
		{ 0, "redirect", NULL, "hub: tell spokes of shorter ways",
		  OPT_FLAG, &o.redirect, 0, 0 },
		{ 0, "shortcut", NULL, "spoke: make shortcuts", OPT_FLAG,
		  &o.shortcut, 0, 0 },
		{ 0, "routes", NULL, "hub: route the subnets that "
		  "certificates name", OPT_FLAG, &o.routes, 0, 0 },
		{ 0, "unique", NULL, "register with the unique flag",
		  OPT_FLAG, &o.unique, 0, 0 },
		{ 0, "need-blocks", NULL, "refuse claims that no certificate "
		  "names", OPT_FLAG, &o.need_blocks, 0, 0 },
		{ 0, "owner", "NAME", "who states this, static", OPT_TEXT,
		  &o.owner, 0, 0 },
		OPT_END
	};
	struct nhrp_interface_set m = { 0 };
	char secret[16];
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, SET_ARGS, 1, 1, &status) < 0)
		return status;
	if (fill(&m, &o, argv[0], &e) < 0 || (o.auth_file != NULL &&
	    read_secret(o.auth_file, secret, &m.authentication, &e) < 0))
		return command_fail(EXIT_USAGE, &e);
	return command_call(CMD_SOCK, &nhrp_interface_set_type, &m, NULL,
	    NULL);
}

static int
interface_delete(int argc, char **argv)
{
	static const struct opt opts[] = { OPT_END };
	struct nhrp_interface_delete m = { .interface = "" };
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "NAME", 1, 1, &status) < 0)
		return status;
	if (text_copy(m.interface, sizeof(m.interface), argv[0], &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	return command_call(CMD_SOCK, &nhrp_interface_delete_type, &m, NULL,
	    NULL);
}

int
cmd_interface(int argc, char **argv)
{
	static const struct command second[] = {
		{ "set", interface_set, SET_ARGS, "make or change a tunnel" },
		{ "delete", interface_delete, "NAME",
		    "leave: registrations are taken back" },
		{ NULL, NULL, NULL, NULL }
	};

	return command_group(argc, argv, second);
}
