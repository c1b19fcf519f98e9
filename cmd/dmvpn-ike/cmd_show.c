#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"
#include "sys/loop.h"

struct show {
	enum out_format	 format;
	struct table	*table;		/* text */
	const char	*what;		/* why: whom */
	unsigned	 found;
	struct err	*e;
};

static int
one_record(struct show *s, const struct msg_type *t, const void *m)
{
	return out_record(stdout, s->format, t, m, s->e) < 0 ? -1 : 0;
}

/* Run a command that walks a snapshot; text goes through a table. */
static int
walk(struct show *s, const char *const *headers,
    int (*each)(struct conn *c, struct show *s))
{
	struct conn *c = ask_open(CMD_SOCK, s->e);
	int rc;

	if (c == NULL)
		return command_fail(EXIT_SYSTEM, s->e);
	if (s->format == OUT_TEXT)
		s->table = table_new(headers);
	rc = each(c, s);
	conn_close(c);
	if (rc == 0 && s->table != NULL)
		rc = table_print(s->table, stdout, s->e);
	else
		table_free(s->table);
	return rc < 0 ? command_fail(EXIT_SYSTEM, s->e) : EXIT_OK;
}

static int
show_options(int *argc, char ***argv, struct show *s, const char *args,
    int n_args, int *status)
{
	bool json = false, cbor = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		  &json, 0, 0 },
		{ 0, "cbor", NULL, "a CBOR sequence", OPT_FLAG, &cbor, 0, 0 },
		OPT_END
	};

	if (opt_parse(argc, argv, opts, args, n_args, n_args, status) < 0)
		return -1;
	s->format = out_format(json, cbor);
	return 0;
}

/* ---- sas ---- */

static void
child_row(struct table *t, const struct ike_child *c)
{
	struct name_buf cipher;
	char age[16];

	table_cell(t, "%s", "");
	table_cell(t, "child");
	table_cell(t, "%s", "");
	if (c->queue != 0)
		table_cell(t, "queue %u", c->queue);
	else
		table_cell(t, "%s > %s", c->local_ts, c->remote_ts);
	table_cell(t, "%08" PRIx32 " %08" PRIx32, c->spi_in, c->spi_out);
	table_cell(t, "%s%s", name_text(esp_cipher_names, c->cipher, &cipher),
	    c->esn ? " esn" : "");
	table_cell(t, "%s", human_time(c->age, age));
	table_cell(t, "%s", "");
}

static void
sa_row(struct table *t, const struct ike_sa *s)
{
	struct name_buf state;
	struct addr_buf remote;
	char age[16], rekey[16];
	size_t i;

	table_cell(t, s->peer != 0 ? "%u" : "-", s->peer);
	table_cell(t, "%s", name_text(ike_state_names, s->state, &state));
	table_cell(t, "%s", s->connection);
	table_cell(t, "%s", s->identity);
	table_cell(t, "%s%s%s", endpoint_text(&s->remote, &remote),
	    s->nat_remote ? " nat" : "", s->nat_local ? " nat-here" : "");
	table_cell(t, "%s", s->proposal);
	table_cell(t, "%s", human_time(s->age, age));
	table_cell(t, "%s", s->rekey_in > 0 ? human_time(s->rekey_in, rekey) :
	    "-");
	for (i = 0; i < s->n_children; i++)
		child_row(t, &s->children[i]);
}

static int
show_sa(void *arg, const struct ike_sa *sa)
{
	struct show *s = arg;

	if (s->format != OUT_TEXT)
		return one_record(s, &ike_sa_type, sa);
	sa_row(s->table, sa);
	return 0;
}

static int
each_sa(struct conn *c, struct show *s)
{
	return cmd_each_sa(c, show_sa, s, s->e);
}

int
cmd_sas(int argc, char **argv)
{
	static const char *const headers[] = { ">PEER", "STATE",
	    "CONNECTION", "IDENTITY", "REMOTE", "PROPOSAL", ">AGE",
	    ">REKEY IN", NULL };
	struct err e;
	struct show s = { .e = &e };
	int status;

	if (show_options(&argc, &argv, &s, "[-j] [--cbor]", 0, &status) < 0)
		return status;
	return walk(&s, headers, each_sa);
}

/* ---- peers ---- */

static void
peer_row(struct table *t, const struct ike_up *u)
{
	struct addr_buf remote, block;
	struct name_buf role;
	char blocks[256] = "";
	size_t i, n = 0;

	for (i = 0; i < u->n_blocks && n + 60 < sizeof(blocks); i++)
		n += (size_t)snprintf(blocks + n, sizeof(blocks) - n, "%s%s",
		    i > 0 ? " " : "", prefix_text(&u->blocks[i], &block));
	table_cell(t, "%u", u->peer);
	table_cell(t, "%s", u->identity);
	table_cell(t, "%s", endpoint_text(&u->remote, &remote));
	table_cell(t, "%s", name_text(ike_role_names, u->role, &role));
	table_cell(t, "%s", u->interface);
	table_cell(t, "%s", u->connection);
	table_cell(t, "%s", u->psk ? "psk" : blocks);
}

static int
each_peer(struct conn *c, struct show *s)
{
	static struct ike_peers page;
	uint64_t after = 0;
	size_t i;

	do {
		if (cmd_page(c, "ike-peers", after, &ike_peers_type, &page,
		    s->e) < 0)
			return -1;
		for (i = 0; i < page.n_items; i++)
			if (s->format == OUT_TEXT)
				peer_row(s->table, &page.items[i]);
			else if (one_record(s, &ike_up_type,
			    &page.items[i]) < 0)
				return -1;
		after = page.next;
	} while (after != 0);
	return 0;
}

int
cmd_peers(int argc, char **argv)
{
	static const char *const headers[] = { ">PEER", "IDENTITY", "REMOTE",
	    "ROLE", "INTERFACE", "CONNECTION", "BLOCKS", NULL };
	struct err e;
	struct show s = { .e = &e };
	int status;

	if (show_options(&argc, &argv, &s, "[-j] [--cbor]", 0, &status) < 0)
		return status;
	return walk(&s, headers, each_peer);
}

/* ---- status: one plain sentence for everything that should be up ---- */

static void
sa_sentence(const struct ike_sa *s)
{
	const char *name = s->connection[0] != '\0' ? s->connection :
	    s->identity[0] != '\0' ? s->identity : s->profile;
	struct name_buf state;
	struct addr_buf remote;
	char age[16], text[1024];

	endpoint_text(&s->remote, &remote);
	if (s->state == IKE_STATE_UP || s->state == IKE_STATE_REKEYING) {
		printf("%s: up for %s: peer %u, %s at %s, %s\n", name,
		    human_time(s->age, age), s->peer, s->identity[0] != '\0' ?
		    s->identity : "-", remote.s, s->proposal);
		return;
	}
	printf("%s: %s, %s", name, name_text(ike_state_names, s->state,
	    &state), remote.s);
	if (s->reason.code[0] != '\0')
		printf(": %s", reason_text(&s->reason, text, sizeof(text)));
	if (s->next_try > 0)
		printf("; next try in %s", human_time((s->next_try + 999) /
		    1000, age));
	printf("\n");
}

static void
failure_sentence(const struct ike_failed *f)
{
	bool refused = f->role == IKE_ROLE_RESPONDER;
	struct addr_buf remote;
	char age[16], text[1024];

	endpoint_text(&f->remote, &remote);
	printf("%s", refused || f->connection[0] == '\0' ? remote.s :
	    f->connection);
	if (refused && f->reason.peer[0] != '\0')
		printf(" (%s)", f->reason.peer);
	printf(": %s %s ago", refused ? "refused" : "last failed",
	    human_time((clock_ms() - f->at) / 1000, age));
	if (f->count > 1)
		printf(", %" PRIu64 " times", f->count);
	printf(": %s\n", reason_text(&f->reason, text, sizeof(text)));
}

static int
status_sa(void *arg, const struct ike_sa *sa)
{
	(void)arg;
	sa_sentence(sa);
	return 0;
}

/* Those of our own connections stand in their SAs. */
static int
status_failure(void *arg, const struct ike_failed *f)
{
	(void)arg;
	if (f->role == IKE_ROLE_RESPONDER)
		failure_sentence(f);
	return 0;
}

static int
status_text(struct conn *c, const struct ike_status_reply *r, struct err *e)
{
	printf("port %u, agent %s, dmvpn-gre %s, %" PRIu64 " IKE SAs, %"
	    PRIu64 " peers\n", r->port, r->agent ? "reachable" :
	    "not reachable", r->gre ? "reachable" : "not reachable", r->sas,
	    r->peers);
	if (cmd_each_sa(c, status_sa, NULL, e) < 0)
		return -1;
	return cmd_each_failure(c, status_failure, NULL, e);
}

int
cmd_status(int argc, char **argv)
{
	static struct ike_status_reply r;
	struct ike_status ask = { 0 };
	struct err e;
	struct show s = { .e = &e };
	struct conn *c;
	int status, rc;

	if (show_options(&argc, &argv, &s, "[-j] [--cbor]", 0, &status) < 0)
		return status;
	c = ask_open(CMD_SOCK, &e);
	if (c == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	rc = conn_call(c, &ike_status_type, &ask, &ike_status_reply_type, &r,
	    NULL, &e);
	if (rc == 0)
		rc = s.format == OUT_TEXT ? status_text(c, &r, &e) :
		    one_record(&s, &ike_status_reply_type, &r);
	conn_close(c);
	return rc < 0 ? command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
}

/* ---- why ---- */

static int
why_sa(void *arg, const struct ike_sa *sa)
{
	struct show *s = arg;

	if (!cmd_sa_is(sa, s->what))
		return 0;
	s->found++;
	if (s->format != OUT_TEXT)
		return one_record(s, &ike_sa_type, sa);
	sa_sentence(sa);
	return 0;
}

static int
why_failure(void *arg, const struct ike_failed *f)
{
	struct show *s = arg;
	struct addr_buf b;

	if (strcmp(f->connection, s->what) != 0 &&
	    strcmp(f->reason.peer, s->what) != 0 &&
	    strcmp(addr_text(&f->remote.addr, &b), s->what) != 0 &&
	    strcmp(endpoint_text(&f->remote, &b), s->what) != 0)
		return 0;
	s->found++;
	if (s->format != OUT_TEXT)
		return one_record(s, &ike_failed_type, f);
	failure_sentence(f);
	return 0;
}

int
cmd_why(int argc, char **argv)
{
	struct err e;
	struct show s = { .e = &e };
	struct conn *c;
	int status, rc;

	if (show_options(&argc, &argv, &s, "[-j] [--cbor] "
	    "PEER|CONNECTION|IDENTITY|ADDRESS", 1, &status) < 0)
		return status;
	s.what = argv[0];
	c = ask_open(CMD_SOCK, &e);
	if (c == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	rc = cmd_each_sa(c, why_sa, &s, &e);
	if (rc == 0)
		rc = cmd_each_failure(c, why_failure, &s, &e);
	conn_close(c);
	if (rc < 0)
		return command_fail(EXIT_SYSTEM, &e);
	if (s.found > 0)
		return EXIT_OK;
	err_set(&e, 0, "nothing is known about \"%s\"", s.what);
	return command_fail(EXIT_NO, &e);
}
