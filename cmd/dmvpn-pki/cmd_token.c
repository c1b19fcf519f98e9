#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "base/num.h"
#include "base/text.h"
#include "cmd_issue.h"
#include "crypto/http.h"
#include "pki_audit.h"
#include "pki_grant.h"
#include "pki_look.h"
#include "pki_name.h"
#include "pki_token.h"
#include "sys/loop.h"
#include "sys/priv.h"

#define DAY 86400

struct new_opts {
	struct issue_opts	 issue;
	struct opt_list		 hubs, routes;
	const char		*name, *url, *key;
	struct prefix		 net;
	uint64_t		 expires;
	bool			 hold, json;
};

/* ------------------------------------------------------------------- contents */

/* "hub.example.net=10.0.0.1" */
static int
take_hub(struct pki_token *t, const char *text, struct err *e)
{
	const char *eq = strrchr(text, '=');
	struct pki_token_hub *h = &t->hubs[t->n_hubs];

	if (eq == NULL || eq == text)
		return err_set(e, EINVAL, "--hub %s: expected its public "
		    "address or name, \"=\", its tunnel address", text);
	if (t->n_hubs == sizeof(t->hubs) / sizeof(t->hubs[0]))
		return err_set(e, EINVAL, "--hub: at most %zu", t->n_hubs);
	if ((size_t)(eq - text) >= sizeof(h->at))
		return err_set(e, ENAMETOOLONG, "--hub %s: too long", text);
	snprintf(h->at, sizeof(h->at), "%.*s", (int)(eq - text), text);
	if (h->at[strspn(h->at, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")] != '\0')
		return err_set(e, EINVAL, "--hub %s: that is no host", text);
	if (addr_parse(eq + 1, &h->in, e) < 0)
		return err_in(e, "--hub %s", text);
	t->n_hubs++;
	return 0;
}

static int
take_routes(struct pki_token *t, const struct opt_list *l, struct err *e)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (i == sizeof(t->routes) / sizeof(t->routes[0]))
			return err_set(e, EINVAL, "--route: at most %zu", i);
		if (prefix_parse(l->v[i], &t->routes[i], e) < 0)
			return err_in(e, "--route");
		t->n_routes++;
	}
	return 0;
}

static int
take_where(struct pki_token *t, const struct new_opts *o, struct err *e)
{
	struct http_url u;
	uint64_t key = 0;
	size_t i;

	if (http_url_parse(o->url, &u, e) < 0)
		return err_in(e, "--url");
	if (!u.tls || strcmp(u.path, "/") != 0)
		return err_set(e, EINVAL, "--url %s: expected such as "
		    "https://hub.example.net:8443", o->url);
	if (text_copy(t->url, sizeof(t->url), o->url, e) < 0)
		return err_in(e, "--url");
	for (i = 0; i < o->hubs.n; i++)
		if (take_hub(t, o->hubs.v[i], e) < 0)
			return -1;
	if (o->key != NULL && num_parse(o->key, 0, UINT32_MAX, &key, e) < 0)
		return err_in(e, "--key");
	t->key = (uint32_t)key;
	t->net = prefix_mask(&o->net.addr, o->net.len);
	return take_routes(t, &o->routes, e);
}

/* ------------------------------------------------------------------------ new */

struct made {
	struct pki_grant	g;
	struct pki_token	t;
	uint8_t			id[PKI_TOKEN_ID], secret[PKI_TOKEN_SECRET];
	uint8_t			ca[32];
};

static int
draw(struct made *m, X509 *ca, struct err *e)
{
	unsigned n = sizeof(m->ca);

	if (random_bytes(m->id, sizeof(m->id), e) < 0 ||
	    random_bytes(m->secret, sizeof(m->secret), e) < 0)
		return -1;
	if (X509_digest(ca, EVP_sha256(), m->ca, &n) != 1)
		return err_set(e, ENOMEM, "SHA-256");
	text_hex(m->id, sizeof(m->id), m->g.id, sizeof(m->g.id));
	m->t.id = rbuf_of(m->id, sizeof(m->id));
	m->t.secret = rbuf_of(m->secret, sizeof(m->secret));
	m->t.ca = rbuf_of(m->ca, sizeof(m->ca));
	return 0;
}

static int
keep(struct pki_store *s, const struct made *m, struct err *e)
{
	const struct pki_audit_row about = { .name = m->g.name };
	char who[32];

	snprintf(who, sizeof(who), "token %s", m->g.id);
	if (pki_store_begin(s, e) < 0 ||
	    pki_grant_add(s, &m->g, m->secret, e) < 0 ||
	    cmd_note(s, PKI_AUDIT_GRANTED, who, &about, e) < 0)
		return -1;
	return pki_store_commit(s, e);
}

static int
fill_granted(const struct made *m, struct pki_granted *out, struct err *e)
{
	if (m->t.url[0] != '\0' && pki_token_write(&m->t, out->token,
	    sizeof(out->token), e) < 0)
		return -1;
	memcpy(out->id, m->g.id, sizeof(m->g.id));
	memcpy(out->name, m->g.name, sizeof(out->name));
	text_hex(m->secret, sizeof(m->secret), out->password,
	    sizeof(out->password));
	return 0;
}

static int
show(const struct pki_granted *out, bool hold, bool json, struct err *e)
{
	if (json && out_json(stdout, &pki_granted_type, out, e) < 0)
		return -1;
	if (!json && out->token[0] != '\0')
		printf("%s\n", out->token);
	else if (!json)
		printf("%s%s\n", out->id, out->password);
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_sys(e, "write");
	if (json)
		return 0;
	fprintf(stderr, "%s: token %s for %s, good once%s\n",
	    command_program(), out->id, out->name, hold ?
	    ", after \"token approve\"" : "");
	return 0;
}

/* Nobody has got it. */
static int
take_back(struct pki_store *s, const char *id, struct err *e)
{
	const struct pki_audit_row about = { .why = "it could not be told" };
	char who[32];

	snprintf(who, sizeof(who), "token %s", id);
	if (pki_store_begin(s, NULL) == 0 &&
	    pki_grant_withdraw(s, id, NULL) == 0 &&
	    cmd_note(s, PKI_AUDIT_WITHDRAWN, who, &about, NULL) == 0 &&
	    pki_store_commit(s, NULL) == 0)
		return err_in(e, "the token is withdrawn");
	return err_in(e, "token %s is for nobody: revoke it", id);
}

static int
new_token(const struct new_opts *o, struct pki_want *w, struct err *e)
{
	struct cmd_ca c = { .store = NULL };
	struct made m = { .g = { .days = o->issue.days, .hold = o->hold,
		.made = clock_wall() } };
	struct pki_granted out = { .id = "" };
	int rc = -1;

	m.g.expires = m.g.made + (int64_t)o->expires;
	if (cmd_ca_open(&c, o->issue.store, e) == 0 &&
	    draw(&m, c.ca.cert, e) == 0 &&
	    /* what it could not issue is told now, not to the spoke */
	    pki_issue_check(c.ca.cert, w, e) == 0 &&
	    pki_grant_fill(&m.g, w, e) == 0 &&
	    (o->url == NULL || take_where(&m.t, o, e) == 0) &&
	    /* what can not be told is not kept */
	    fill_granted(&m, &out, e) == 0 && keep(c.store, &m, e) == 0)
		rc = show(&out, o->hold, o->json, e) < 0 ?
		    take_back(c.store, out.id, e) : 0;
	secret_wipe(&out, sizeof(out));
	secret_wipe(m.secret, sizeof(m.secret));
	cmd_ca_close(&c);
	return rc;
}

static int
token_new(int argc, char **argv)
{
	struct new_opts o = { .issue = { .profile = "spoke", .days = 365 },
		.expires = DAY };
	const struct opt opts[] = {
		CMD_STORE_OPT(&o.issue.store), CMD_JSON_OPT(&o.json),
		{ 0, "for", "NAME", "of the peer", OPT_TEXT, &o.name, 0, 0 },
		{ 'p', "profile", "NAME", PKI_PROFILES, OPT_TEXT,
		    &o.issue.profile, 0, 0 },
		{ 'D', "dns", "NAME", "subjectAltName; NAME of --for when none "
		    "is given", OPT_LIST, &o.issue.dns, 0, 0 },
		{ 'I', "ip", "ADDRESS", "subjectAltName", OPT_LIST,
		    &o.issue.ips, 0, 0 },
		{ 'E', "email", "ADDRESS", "subjectAltName", OPT_LIST,
		    &o.issue.emails, 0, 0 },
		{ 0, "no-names", NULL, "no subjectAltName: the identity is "
		    "the DN", OPT_FLAG, &o.issue.no_names, 0, 0 },
		{ 'T', "tunnel-address", "ADDRESS", "the peer may have it on "
		    "the tunnel", OPT_LIST, &o.issue.tunnels, 0, 0 },
		{ 'S', "subnet", "PREFIX", "the peer may have it behind it",
		    OPT_LIST, &o.issue.subnets, 0, 0 },
		{ 0, "as", "NUMBER", "its autonomous system", OPT_NUM,
		    &o.issue.as, 1, UINT32_MAX - 1 },
		{ 'd', "days", "DAYS", "how long the certificate is valid",
		    OPT_NUM, &o.issue.days, 1, PKI_DAYS_MAX },
		{ 'x', "expires", "TIME", "how long the token is good; 24h",
		    OPT_TIME, &o.expires, 60, 365 * DAY },
		{ 0, "hold", NULL, "wait for \"token approve\"", OPT_FLAG,
		    &o.hold, 0, 0 },
		{ 'u', "url", "URL", "where dmvpn-pki serve is, for dmvpn "
		    "join: https://HOST[:PORT]", OPT_TEXT, &o.url, 0, 0 },
		{ 0, "hub", "HOST=ADDRESS", "a hub: its public name, its tunnel "
		    "address", OPT_LIST, &o.hubs, 0, 0 },
		{ 0, "network", "PREFIX", "of the tunnel", OPT_PREFIX, &o.net,
		    0, 0 },
		{ 0, "key", "N", "of GRE", OPT_TEXT, &o.key, 0, 0 },
		{ 0, "route", "PREFIX", "a network behind the hubs", OPT_LIST,
		    &o.routes, 0, 0 },
		OPT_END,
	};
	struct pki_want w = { .n_sans = 0 };
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "--for NAME [-T ADDRESS] "
	    "[--url URL --hub HOST=ADDRESS...] [OPTIONS]", 0, 0, &status) < 0)
		return status;
	if (o.name == NULL)
		return command_usage("--for is wanted: the name of the peer");
	if (o.url == NULL && o.hubs.n + o.routes.n + o.net.addr.len > 0)
		return command_usage("--hub, --network and --route are for "
		    "dmvpn join: --url is wanted");
	w.name = o.name;
	if (cmd_issue_take(&w, &o.issue, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	return new_token(&o, &w, &e) < 0 ?
	    command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}

/* ----------------------------------------------------------------------- list */

struct listing {
	bool		 json;
	struct table	*table;
	int64_t		 now;
	struct err	*e;
};

static void
words(char *text, char (*out)[128], size_t max, size_t *n)
{
	char *rest = text, *word;

	for (*n = 0; *n < max && (word = strsep(&rest, " ")) != NULL;)
		if (word[0] != '\0')
			snprintf(out[(*n)++], sizeof(out[0]), "%s", word);
}

static void
fill(struct pki_token_row *out, struct pki_grant *g, int64_t now)
{
	char *rest = g->blocks, *word;

	memset(out, 0, sizeof(*out));
	memcpy(out->id, g->id, sizeof(g->id));
	memcpy(out->name, g->name, sizeof(out->name));
	memcpy(out->profile, g->profile, sizeof(g->profile));
	snprintf(out->state, sizeof(out->state), "%s",
	    pki_grant_state_text(g, now));
	words(g->names, out->identities, sizeof(out->identities) /
	    sizeof(out->identities[0]), &out->n_identities);
	out->as = g->as;
	while (out->n_blocks < sizeof(out->blocks) / sizeof(out->blocks[0]) &&
	    (word = strsep(&rest, " ")) != NULL)
		if (prefix_parse(word, &out->blocks[out->n_blocks], NULL) == 0)
			out->n_blocks++;
	pki_look_time(g->made, out->made);
	pki_look_time(g->expires, out->expires);
	if (g->used != 0)
		pki_look_time(g->used, out->used);
	memcpy(out->serial, g->serial, sizeof(out->serial));
}

static int
on_grant(void *arg, const struct pki_grant *grant)
{
	struct listing *l = arg;
	struct pki_grant g = *grant;
	struct pki_token_row m;
	char blocks[PKI_GRANT_BLOCKS + 16], as[16] = "";

	if (g.as != 0)
		snprintf(as, sizeof(as), "%sAS%u", g.blocks[0] == '\0' ? "" :
		    " ", g.as);
	snprintf(blocks, sizeof(blocks), "%s%s", g.blocks, as);
	fill(&m, &g, l->now);
	if (l->json)
		return out_json(stdout, &pki_token_row_type, &m, l->e) < 0;
	table_cell(l->table, "%s", m.id);
	table_cell(l->table, "%s", m.name);
	table_cell(l->table, "%s", m.state);
	table_cell(l->table, "%s", m.expires);
	table_cell(l->table, "%s", blocks);
	table_cell(l->table, "%s", m.serial);
	return 0;
}

static int
token_list(int argc, char **argv)
{
	static const char *const headers[] = { "ID", "FOR", "STATE",
	    "GOOD UNTIL", "BLOCKS", "SERIAL", NULL };
	const char *store = NULL;
	struct err e = { 0 };
	struct listing l = { .now = clock_wall(), .e = &e };
	const struct opt opts[] = { CMD_STORE_OPT(&store),
		CMD_JSON_OPT(&l.json), OPT_END };
	struct pki_store *s;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[-j] [ID|NAME]", 0, 1,
	    &status) < 0)
		return status;
	if (!l.json)
		l.table = table_new(headers);
	s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (s != NULL)
		rc = pki_grant_each(s, argc > 0 ? argv[0] : NULL, on_grant,
		    &l, &e);
	pki_store_close(s);
	if (rc == 0 && l.table != NULL)
		rc = table_print(l.table, stdout, &e);
	else
		table_free(l.table);
	return rc != 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}

/* -------------------------------------------------------- approve, withdraw */

static int
change(int argc, char **argv, enum pki_audit_what what,
    int (*fn)(struct pki_store *s, const char *id, struct err *e))
{
	const char *store = NULL;
	const struct opt opts[] = { CMD_STORE_OPT(&store), OPT_END };
	struct pki_store *s;
	struct err e = { 0 };
	char who[80];
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "ID", 1, 1, &status) < 0)
		return status;
	snprintf(who, sizeof(who), "token %.63s", argv[0]);
	if (pki_name_check(argv[0], &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (s != NULL && pki_store_begin(s, &e) == 0 &&
	    fn(s, argv[0], &e) == 0 && cmd_note(s, what, who, NULL,
	    &e) == 0)
		rc = pki_store_commit(s, &e);
	pki_store_close(s);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}

/* Nobody would get anything by one that has ended. */
static int
approve(struct pki_store *s, const char *id, struct err *e)
{
	struct pki_grant g;

	return pki_grant_get(s, id, clock_wall(), &g, e) < 0 ? -1 :
	    pki_grant_approve(s, id, e);
}

static int
token_approve(int argc, char **argv)
{
	return change(argc, argv, PKI_AUDIT_APPROVED, approve);
}

static int
token_revoke(int argc, char **argv)
{
	return change(argc, argv, PKI_AUDIT_WITHDRAWN, pki_grant_withdraw);
}

int
cmd_token(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "new", token_new, "--for NAME [-T ADDRESS] [--url URL]",
		    "let one peer enrol, once" },
		{ "list", token_list, "[-j] [ID|NAME]", "what was given out" },
		{ "approve", token_approve, "ID", "issue what waits for it" },
		{ "revoke", token_revoke, "ID",
		    "take a token back that was not used" },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group(argc, argv, commands);
}
