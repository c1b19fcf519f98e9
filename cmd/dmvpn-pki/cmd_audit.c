#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "base/text.h"
#include "cmd_ca.h"
#include "pki_audit.h"
#include "pki_look.h"
#include "sys/loop.h"

struct listing {
	bool		 json;
	struct table	*table;
	struct err	*e;
};

static void
copy(char *to, size_t len, const char *from)
{
	text_escape(from, strlen(from), to, len);
}

static int
on_row(void *arg, const struct pki_audit_row *row)
{
	struct listing *l = arg;
	struct pki_audit m = { .at = "" };

	pki_look_time(row->at, m.at);
	snprintf(m.what, sizeof(m.what), "%s",
	    name_find(pki_audit_what_names, row->what));
	copy(m.protocol, sizeof(m.protocol), row->protocol);
	copy(m.from, sizeof(m.from), row->from);
	copy(m.who, sizeof(m.who), row->who);
	copy(m.name, sizeof(m.name), row->name);
	copy(m.serial, sizeof(m.serial), row->serial);
	copy(m.why, sizeof(m.why), row->why);
	if (l->json)
		return out_json(stdout, &pki_audit_type, &m, l->e) < 0;
	table_cell(l->table, "%s", m.at);
	table_cell(l->table, "%s", m.what);
	table_cell(l->table, "%s", m.protocol);
	table_cell(l->table, "%s", m.from);
	table_cell(l->table, "%s", m.who);
	table_cell(l->table, "%s", m.name);
	table_cell(l->table, "%s%s%s", m.serial, m.serial[0] != '\0' &&
	    m.why[0] != '\0' ? " " : "", m.why);
	return 0;
}

/* What the filter's words can not be is said, not searched for. */
static int
check(const struct pki_audit_filter *f, struct err *e)
{
	uint32_t v;

	if (f->what != NULL && name_value(pki_audit_what_names, f->what,
	    &v) < 0)
		return err_set(e, EINVAL, "--what %s: expected %s", f->what,
		    PKI_AUDIT_WORDS);
	if (f->protocol != NULL && strcmp(f->protocol, "cli") != 0 &&
	    strcmp(f->protocol, "est") != 0 &&
	    strcmp(f->protocol, "scep") != 0 &&
	    strcmp(f->protocol, "serve") != 0)
		return err_set(e, EINVAL, "--by %s: expected "
		    "cli|est|scep|serve", f->protocol);
	return 0;
}

int
cmd_audit(int argc, char **argv)
{
	static const char *const headers[] = { "AT", "WHAT", "BY", "FROM",
	    "WHO", "NAME", "SERIAL, WHY", NULL };
	struct pki_audit_filter f = { .since = 0 };
	const char *store = NULL;
	uint64_t since = 0;
	struct err e = { 0 };
	struct listing l = { .e = &e };
	const struct opt opts[] = {
		CMD_STORE_OPT(&store), CMD_JSON_OPT(&l.json),
		{ 'n', "last", "N", "only the newest N", OPT_NUM, &f.last, 1,
		    1000000000 },
		{ 0, "since", "TIME", "only what was in the last such as 24h",
		    OPT_TIME, &since, 1, 3650u * 86400 },
		{ 0, "what", "WORD", PKI_AUDIT_WORDS, OPT_TEXT, &f.what, 0, 0 },
		{ 0, "by", "PROTOCOL", "cli, est, scep or serve", OPT_TEXT,
		    &f.protocol, 0, 0 },
		{ 0, "from", "TEXT", "an address, or \"uid N\", or how it "
		    "begins", OPT_TEXT, &f.from, 0, 0 },
		OPT_END,
	};
	struct pki_store *s;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[-j] [OPTIONS] [NAME|SERIAL|TOKEN]",
	    0, 1, &status) < 0)
		return status;
	if (check(&f, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	f.name = argc > 0 ? argv[0] : NULL;
	f.since = since > 0 ? clock_wall() - (int64_t)since : 0;
	if (!l.json)
		l.table = table_new(headers);
	s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (s != NULL)
		rc = pki_audit_each(s, &f, on_row, &l, &e);
	pki_store_close(s);
	if (rc == 0 && l.table != NULL)
		rc = table_print(l.table, stdout, &e);
	else
		table_free(l.table);
	return rc != 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}
