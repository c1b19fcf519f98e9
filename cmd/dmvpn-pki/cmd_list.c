#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cmd_ca.h"
#include "pki_look.h"
#include "pki_name.h"
#include "sys/loop.h"

#define DAY 86400

struct listing {
	bool		 json;
	struct table	*table;
	int64_t		 now;
	int64_t		 soon;		/* only those that end before; 0: all */
	const char	*state, *profile;	/* only these; NULL: all */
	size_t		 n;
	struct err	*e;
};

static void
fill(struct pki_issued *out, const struct pki_row *row, int64_t now)
{
	struct cert *c = cert_parse(row->der, NULL);
	struct pki_look look;
	size_t i;

	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", row->name);
	snprintf(out->serial, sizeof(out->serial), "%s", row->serial);
	snprintf(out->profile, sizeof(out->profile), "%s", row->profile);
	snprintf(out->state, sizeof(out->state), "%s",
	    c == NULL && rbuf_left(&row->der) > 0 ? "damaged" :
	    row->revoked != 0 ? strcmp(row->why, PKI_HOLD) == 0 ? "held" :
	    "revoked" : row->to < now ? "expired" :
	    "valid");
	pki_look_time(row->from, out->not_before);
	pki_look_time(row->to, out->not_after);
	if (row->revoked != 0) {
		pki_look_time(row->revoked, out->revoked_at);
		snprintf(out->revoked_why, sizeof(out->revoked_why), "%s",
		    row->why);
	}
	if (c == NULL)
		return;
	pki_look_cert(c, &look);
	memcpy(out->subject, look.subject, sizeof(out->subject));
	memcpy(out->fingerprint, look.fingerprint, sizeof(out->fingerprint));
	for (i = 0; i < look.n_identities; i++)
		memcpy(out->identities[i], look.identities[i],
		    sizeof(out->identities[i]));
	out->n_identities = look.n_identities;
	memcpy(out->blocks, look.blocks, sizeof(out->blocks));
	out->n_blocks = look.n_blocks;
	cert_free(c);
}

static int
on_row(void *arg, const struct pki_row *row)
{
	struct listing *l = arg;
	struct pki_issued m;
	struct addr_buf ab;
	char blocks[128];
	size_t i, n = 0;

	if (l->soon != 0 && (row->to >= l->soon || row->revoked != 0))
		return 0;
	fill(&m, row, l->now);
	if ((l->state != NULL && strcmp(l->state, m.state) != 0) ||
	    (l->profile != NULL && strcmp(l->profile, m.profile) != 0))
		return 0;
	l->n++;
	if (l->json)
		return out_json(stdout, &pki_issued_type, &m, l->e) < 0;
	snprintf(blocks, sizeof(blocks), "-");
	for (i = 0; i < m.n_blocks && n + 44 < sizeof(blocks); i++)
		n += (size_t)snprintf(blocks + n, sizeof(blocks) - n, "%s%s",
		    i > 0 ? " " : "", prefix_text(&m.blocks[i], &ab));
	table_cell(l->table, "%s", m.name);
	table_cell(l->table, "%s", m.state);
	table_cell(l->table, "%s", m.profile);
	table_cell(l->table, "%s", m.not_after);
	table_cell(l->table, "%s%s", blocks, i < m.n_blocks ? " ..." : "");
	table_cell(l->table, "%s", m.serial);
	return 0;
}

static const char *const headers[] = { "NAME", "STATE", "PROFILE",
    "VALID UNTIL", "BLOCKS", "SERIAL", NULL };

int
cmd_list(int argc, char **argv)
{
	const char *store = NULL;
	uint64_t days = 0;
	struct err e = { 0 };
	struct listing l = { .now = clock_wall(), .e = &e };
	const struct opt opts[] = {
		CMD_STORE_OPT(&store), CMD_JSON_OPT(&l.json),
		{ 'x', "expiring", "DAYS", "only what ends within so many "
		    "days; exit status 1 when there is any", OPT_NUM, &days,
		    1, PKI_DAYS_MAX },
		{ 0, "state", "STATE", "only valid, expired, revoked or held "
		    "ones", OPT_TEXT, &l.state, 0, 0 },
		{ 'p', "profile", "NAME", "only of this profile", OPT_TEXT,
		    &l.profile, 0, 0 },
		OPT_END,
	};
	struct pki_store *s;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[-j] [-x DAYS] [NAME|SERIAL]", 0,
	    1, &status) < 0)
		return status;
	if (l.state != NULL && strcmp(l.state, "valid") != 0 &&
	    strcmp(l.state, "expired") != 0 &&
	    strcmp(l.state, "revoked") != 0 && strcmp(l.state, "held") != 0)
		return command_usage("state \"%s\" is none of valid, expired, "
		    "revoked, held", l.state);
	if (l.profile != NULL && pki_profile_find(l.profile, &e) == NULL)
		return command_fail(EXIT_USAGE, &e);
	l.soon = days > 0 ? l.now + (int64_t)days * DAY : 0;
	if (!l.json)
		l.table = table_new(headers);
	s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (s != NULL)
		rc = pki_store_each(s, argc > 0 ? argv[0] : NULL, on_row, &l,
		    &e);
	pki_store_close(s);
	if (rc == 0 && l.table != NULL)
		rc = table_print(l.table, stdout, &e);
	else
		table_free(l.table);
	if (rc != 0)
		return command_fail(cmd_status_of(&e), &e);
	return days > 0 && l.n > 0 ? EXIT_NO : EXIT_OK;
}

/* The CA itself, as a row. */
static int
expiring_ca(struct pki_store *s, struct listing *l, int64_t to,
    struct err *e)
{
	struct pki_row row = { .name = "CA", .profile = "ca" };
	struct pki_store_ca ca;
	struct cert *c;
	int rc = 0;

	if (pki_store_ca(s, &ca, e) < 0 ||
	    (c = cert_parse(ca.cert, e)) == NULL)
		return -1;
	row.from = cert_not_before(c);
	row.to = cert_not_after(c);
	row.der = ca.cert;
	cert_serial(c, row.serial, sizeof(row.serial));
	if (row.to <= to)
		rc = on_row(l, &row);
	cert_free(c);
	return rc;
}

/* Of the first certificate of each file. */
static int
expiring_files(int argc, char **argv, struct listing *l, int64_t to,
    struct err *e)
{
	int i, rc = 0;

	for (i = 0; rc == 0 && i < argc; i++) {
		struct pki_row row = { .name = "" };
		struct cert_set s = { .n = 0 };

		if (cmd_certs_read(&s, argv[i], e) < 0)
			return -1;
		row.from = cert_not_before(s.v[0]);
		row.to = cert_not_after(s.v[0]);
		row.der = cert_der(s.v[0]);
		cert_serial(s.v[0], row.serial, sizeof(row.serial));
		if (pki_name_of_file(argv[i], row.name, NULL) < 0)
			snprintf(row.name, sizeof(row.name), "%d", i + 1);
		if (row.to <= to)
			rc = on_row(l, &row);
		cert_set_fini(&s);
	}
	return rc;
}

static int
expiring_store(const char *store, struct listing *l, int64_t within,
    struct err *e)
{
	struct pki_store *s = pki_store_open(cmd_store_path(store),
	    PKI_STORE_OPEN, e);
	int rc = -1;

	if (s != NULL && (rc = expiring_ca(s, l, l->now + within, e)) == 0)
		rc = pki_store_expiring(s, l->now - within, l->now + within,
		    on_row, l, e);
	pki_store_close(s);
	return rc;
}

int
cmd_expiring(int argc, char **argv)
{
	const char *store = NULL;
	uint64_t within = 30 * DAY;
	struct err e = { 0 };
	struct listing l = { .now = clock_wall(), .e = &e };
	const struct opt opts[] = {
		CMD_STORE_OPT(&store), CMD_JSON_OPT(&l.json),
		{ 'w', "within", "TIME", "30d if not given; also 12h",
		    OPT_TIME, &within, 1, (uint64_t)PKI_DAYS_MAX * DAY },
		OPT_END,
	};
	int status, rc;

	if (opt_parse(&argc, &argv, opts, "[-j] [-w TIME] [FILE...]", 0, 1024,
	    &status) < 0)
		return status;
	if (!l.json)
		l.table = table_new(headers);
	rc = argc > 0 ? expiring_files(argc, argv, &l, l.now +
	    (int64_t)within, &e) : expiring_store(store, &l, (int64_t)within,
	    &e);
	if (rc == 0 && l.table != NULL && l.n > 0)
		rc = table_print(l.table, stdout, &e);
	else
		table_free(l.table);
	if (rc != 0)
		return command_fail(cmd_status_of(&e), &e);
	return l.n > 0 ? EXIT_NO : EXIT_OK;
}
