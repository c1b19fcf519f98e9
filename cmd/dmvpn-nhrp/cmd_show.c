/* "cache", "status", "resolve", "purge", "why". */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"
#include "sys/list.h"
#include "sys/loop.h"

int
cmd_which(const char *named, char to[16])
{
	static struct nhrp_status_reply s;
	struct nhrp_status q = { 0 };
	struct err e;
	int status;

	if (named != NULL) {
		if (text_copy(to, 16, named, &e) < 0)
			return command_fail(EXIT_USAGE, &e);
		return EXIT_OK;
	}
	status = command_call(CMD_SOCK, &nhrp_status_type, &q,
	    &nhrp_status_reply_type, &s);
	if (status != EXIT_OK)
		return status;
	if (s.n_interfaces != 1) {
		err_set(&e, 0, s.n_interfaces == 0 ? "there is no tunnel" :
		    "there are several tunnels: say --interface NAME");
		return command_fail(s.n_interfaces == 0 ? EXIT_NO :
		    EXIT_USAGE, &e);
	}
	memcpy(to, s.interfaces[0].interface, 16);
	return EXIT_OK;
}

/* ---- cache ---- */

static const char *const cache_headers[] = { "PREFIX", "KIND", "STATE",
    "VIA", "NBMA", ">PEER", "IDENTITY", ">HOLD", "INTERFACE", "WHY", NULL };

static void
cache_row(struct table *t, const void *item)
{
	const struct nhrp_entry *e = item;
	struct addr_buf a, b, c;
	struct name_buf n;
	char hold[16];

	table_cell(t, "%s", prefix_text(&e->prefix, &a));
	table_cell(t, "%s", name_text(nhrp_kind_names, e->kind, &n));
	table_cell(t, "%s", e->state);
	table_cell(t, "%s", addr_text(&e->via, &b));
	table_cell(t, "%s%s", e->nbma.addr.len > 0 ?
	    endpoint_text(&e->nbma, &c) : "-",
	    e->nbma_claimed.len > 0 ? " nat" : "");
	table_cell(t, e->peer > 0 ? "%u" : "-", e->peer);
	table_cell(t, "%s", e->identity);
	table_cell(t, "%s", e->hold > 0 ? human_time(e->hold, hold) : "-");
	table_cell(t, "%s", e->interface);
	table_cell(t, "%s", e->why);
}

int
cmd_cache(int argc, char **argv)
{
	static const struct list_kind cache = LIST_KIND(CMD_SOCK,
	    "[-j] [--interface NAME]", false, nhrp_cache, nhrp_entry,
	    cache_headers, cache_row);

	return list_main(&cache, argc, argv);
}

/* ---- status ---- */

static void
print_server(const struct nhrp_nhs_status *s, uint64_t now)
{
	char since[16], text[1024];
	struct addr_buf a, b, c;

	printf("  server %s: %s", addr_text(&s->address, &a),
	    s->up ? "registered" : "not registered");
	if (s->nbma.addr.len > 0)
		printf(", peer %u at %s", s->peer,
		    endpoint_text(&s->nbma, &b));
	if (s->nat.addr.len > 0)
		printf(", which sees us as %s", addr_text(&s->nat.addr, &c));
	if (s->since > 0 && now > s->since)
		printf(", for %s", human_time((now - s->since) / 1000,
		    since));
	printf("\n");
	if (!s->up && s->reason.code[0] != '\0')
		printf("    %s\n", reason_text(&s->reason, text,
		    sizeof(text)));
}

static void
print_status(const struct nhrp_status_reply *r)
{
	struct name_buf n;
	size_t i, k;

	for (i = 0; i < r->n_interfaces; i++) {
		const struct nhrp_interface_status *f = &r->interfaces[i];

		printf("%s: %s", f->interface,
		    name_text(nhrp_role_names, f->role, &n));
		if (f->role == NHRP_ROLE_HUB)
			printf(", %" PRIu64 " registered", f->registered);
		if (f->role != NHRP_ROLE_HUB || f->shortcuts > 0)
			printf(", %" PRIu64 " shortcut%s", f->shortcuts,
			    f->shortcuts == 1 ? "" : "s");
		printf("\n");
		for (k = 0; k < f->n_nhs; k++)
			print_server(&f->nhs[k], clock_ms());
	}
	if (r->n_interfaces == 0)
		printf("no tunnel\n");
	for (i = 0; i < r->n_counters; i++)
		printf("%s%s %" PRIu64, i == 0 ? "counters: " : ", ",
		    r->counters[i].name, r->counters[i].count);
	if (r->n_counters > 0)
		printf("\n");
}

int
cmd_status(int argc, char **argv)
{
	static struct nhrp_status_reply r;
	struct nhrp_status q = { 0 };
	bool json = false, cbor = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "as a JSON object", OPT_FLAG, &json, 0,
		  0 },
		{ 0, "cbor", NULL, "as CBOR", OPT_FLAG, &cbor, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j]", 0, 0, &status) < 0)
		return status;
	status = command_call(CMD_SOCK, &nhrp_status_type, &q,
	    &nhrp_status_reply_type, &r);
	if (status != EXIT_OK)
		return status;
	if (!json && !cbor)
		print_status(&r);
	else if (out_record(stdout, out_format(json, cbor),
	    &nhrp_status_reply_type, &r, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	return EXIT_OK;
}

/* ---- why ---- */

static int
explain(const char *interface, const struct addr *a, bool json)
{
	static struct nhrp_why_reply r;
	struct nhrp_why q = { .address = *a };
	struct err e;
	int status;
	size_t i;

	if (interface != NULL && text_copy(q.interface, sizeof(q.interface),
	    interface, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	status = command_call(CMD_SOCK, &nhrp_why_type, &q,
	    &nhrp_why_reply_type, &r);
	if (status != EXIT_OK)
		return status;
	if (json)
		return out_json(stdout, &nhrp_why_reply_type, &r, &e) < 0 ?
		    command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
	for (i = 0; i < r.n_lines; i++)
		printf("%s%s\n", i == 0 ? "" : "  ", r.lines[i]);
	return EXIT_OK;
}

int
cmd_why(int argc, char **argv)
{
	const char *interface = NULL;
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "as a JSON object", OPT_FLAG, &json, 0,
		  0 },
		{ 'i', "interface", "NAME", "on this tunnel", OPT_TEXT,
		  &interface, 0, 0 },
		OPT_END
	};
	struct addr a;
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j] ADDRESS", 1, 1, &status) < 0)
		return status;
	if (addr_parse(argv[0], &a, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	return explain(interface, &a, json);
}

/* ---- resolve and purge ---- */

/* "10.2.0.0/16 via 10.9.0.3 at 192.0.2.3:4500, spoke2.test, for 2 h 0 min" */
static void
print_shortcut(const struct nhrp_entry *e)
{
	struct addr_buf a, b, c;
	char hold[16];

	printf("%s via %s at %s", prefix_text(&e->prefix, &a),
	    addr_text(&e->via, &b), e->nbma.port == 0 ?
	    addr_text(&e->nbma.addr, &c) : endpoint_text(&e->nbma, &c));
	if (e->identity[0] != '\0')
		printf(", %s", e->identity);
	printf(", for %s\n", human_time(e->hold, hold));
}

int
cmd_resolve(int argc, char **argv)
{
	struct nhrp_resolve q = { .interface = "" };
	struct nhrp_resolve_reply r;
	const char *interface = NULL;
	bool json = false, why = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "as a JSON object", OPT_FLAG, &json, 0,
		  0 },
		{ 'i', "interface", "NAME", "on this tunnel", OPT_TEXT,
		  &interface, 0, 0 },
		{ 'e', "explain", NULL, "also say what it rests on",
		  OPT_FLAG, &why, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j] [--explain] ADDRESS", 1, 1,
	    &status) < 0)
		return status;
	if (addr_parse(argv[0], &q.address, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	status = cmd_which(interface, q.interface);
	if (status != EXIT_OK)
		return status;
	status = command_call(CMD_SOCK, &nhrp_resolve_type, &q,
	    &nhrp_resolve_reply_type, &r);
	if (status == EXIT_OK && !json)
		print_shortcut(&r.entry);
	else if (status == EXIT_OK && out_json(stdout, &nhrp_entry_type,
	    &r.entry, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	if (why && (status == EXIT_OK || status == EXIT_NO))
		(void)explain(q.interface, &q.address, json);
	return status;
}

int
cmd_purge(int argc, char **argv)
{
	struct nhrp_purge q = { .interface = "" };
	const char *interface = NULL;
	const struct opt opts[] = {
		{ 'i', "interface", "NAME", "on this tunnel", OPT_TEXT,
		  &interface, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "[--interface NAME] [PREFIX]", 0,
	    1, &status) < 0)
		return status;
	if (argc > 0 && prefix_parse(argv[0], &q.prefix, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	status = cmd_which(interface, q.interface);
	if (status != EXIT_OK)
		return status;
	return command_call(CMD_SOCK, &nhrp_purge_type, &q, NULL, NULL);
}
