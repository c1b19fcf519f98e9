#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "base/text.h"
#include "cmd_ca.h"
#include "cmd_enroll.h"
#include "pki_file.h"
#include "pki_grant.h"
#include "pki_look.h"
#include "pki_token.h"

#define TOKEN_FILE_MAX	8192
#define TUNNEL_FILE_MAX	8192
#define WAIT		3600		/* seconds for the operator to approve */

struct join {
	const char		*dir, *tunnel;
	bool			 force, json;
	struct pki_token_in	 token;
	char			 pem[1024], ca[1024], file[1024];
	struct cert		*us;
	struct blocks		 blocks;
	struct pki_joined	 told;
};

/* ------------------------------------------------------------------- token */

/* The token itself, a file that holds it, or "-". */
static int
take_token(struct join *j, const char *arg, struct err *e)
{
	struct secret *text;
	int rc;

	if (strncmp(arg, PKI_TOKEN_PREFIX, strlen(PKI_TOKEN_PREFIX)) == 0)
		return pki_token_read(arg, &j->token, e);
	if (strcmp(arg, "-") != 0 && access(arg, F_OK) < 0)
		return err_set(e, EINVAL, "\"%.40s\" is neither a token (they "
		    "begin with " PKI_TOKEN_PREFIX ") nor a file", arg);
	text = pki_file_read(arg, false, TOKEN_FILE_MAX, e);
	if (text == NULL)
		return -1;
	rc = pki_token_read((char *)text->b, &j->token, e);
	secret_free(text);
	return rc;
}

/* Names become file names, an interface and lines of the tunnel file. */
static int
check_tunnel(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len > 15 || strspn(name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != len ||
	    name[0] == '.' || name[0] == '-')
		return err_set(e, EINVAL, "--tunnel \"%.40s\": a name of an "
		    "interface is wanted", name);
	return 0;
}

/* As "token new" takes it: nothing that a file or a shell could misread. */
static bool
is_host(const char *text)
{
	return text[0] != '\0' && text[0] != '-' && text[strspn(text,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    ".-_:[]")] == '\0';
}

static int
check_token(const struct pki_token *t, struct err *e)
{
	size_t i;

	if (t->n_hubs == 0)
		return err_set(e, EINVAL, "the token names no hub: it is for "
		    "\"dmvpn-pki enroll est\" alone");
	for (i = 0; i < t->n_hubs; i++)
		if (!is_host(t->hubs[i].at))
			return err_set(e, EINVAL, "the token names a hub that "
			    "is no host");
	return 0;
}

static int
take_places(struct join *j, struct err *e)
{
	const size_t room = sizeof(j->pem);

	if (snprintf(j->pem, room, "%s/%s.pem", j->dir, j->tunnel) >=
	    (int)room || snprintf(j->ca, room, "%s/%s-ca.pem", j->dir,
	    j->tunnel) >= (int)room || snprintf(j->file, room,
	    "%s/%s.tunnel", j->dir, j->tunnel) >= (int)room)
		return err_set(e, ENAMETOOLONG, "%s", j->dir);
	if (mkdir(j->dir, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "mkdir %s", j->dir);
	if (!j->force && access(j->file, F_OK) == 0)
		return err_set(e, EEXIST, "%s: already there; --force to "
		    "replace it, --tunnel for another one", j->file);
	return 0;
}

/* ------------------------------------------------------------------- enrol */

/* Our password, for the frame of enrolment: id and secret together. */
static struct secret *
challenge_of(const struct pki_token *t, struct err *e)
{
	struct secret *s = secret_new(PKI_GRANT_ID + PKI_GRANT_PASSWORD + 1);

	if (s == NULL)
		return err_null(err_set(e, ENOMEM, "token"));
	text_hex(t->id.p, PKI_TOKEN_ID, (char *)s->b, PKI_GRANT_ID + 1);
	text_hex(t->secret.p, PKI_TOKEN_SECRET, (char *)s->b + PKI_GRANT_ID,
	    PKI_GRANT_PASSWORD + 1);
	s->len = PKI_GRANT_ID + PKI_GRANT_PASSWORD;
	return s;
}

static int
write_anchors(const struct join *j, const struct cert_set *anchors,
    struct err *e)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long len;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < anchors->n; i++)
		rc = cmd_pem_cert(b, (X509 *)(uintptr_t)
		    cert_x509(anchors->v[i]), e);
	len = rc == 0 ? BIO_get_mem_data(b, &p) : 0;
	if (rc == 0)
		rc = pki_file_write(j->ca, 0644, true, p, (size_t)len, e);
	BIO_free(b);
	return rc;
}

static int
enrol(struct join *j, struct err *e)
{
	char print[65];
	struct enroll_opts o = { .protocol = &enroll_est,
		.url = j->token.m.url, .out = j->pem, .print = print,
		.force = j->force, .no_names = true, .no_load = true,
		.wait = WAIT };
	struct attempt a;
	int rc;

	text_hex(j->token.m.ca.p, 32, print, sizeof(print));
	text_hex(j->token.m.id.p, PKI_TOKEN_ID, o.name, sizeof(o.name));
	rc = cmd_attempt_begin(&a, &o, e);
	if (rc == 0 && (a.challenge = challenge_of(&j->token.m, e)) == NULL)
		rc = -1;
	a.n.challenge = a.challenge;
	if (rc == 0)
		rc = cmd_attempt_run(&a, e);
	cmd_attempt_end(&a);
	return rc;
}

/* What was written last time, or just now. */
static int
take_identity(struct join *j, struct err *e)
{
	struct pki_bundle b = { .key = NULL };
	struct ident id;
	int rc = pki_bundle_read(&b, j->pem, NULL, e);

	if (rc == 0 && b.chain.n == 0)
		rc = err_set(e, EINVAL, "%s: no certificate in it", j->pem);
	if (rc == 0 && (rc = write_anchors(j, &b.anchors, e)) == 0) {
		j->us = cert_ref(b.chain.v[0]);
		rc = blocks_of(j->us, &j->blocks, e);
	}
	if (rc == 0 && (rc = cert_ident(j->us, &id, e)) == 0)
		ident_text(&id, j->told.identity, sizeof(j->told.identity));
	pki_bundle_fini(&b);
	return rc;
}

/* -------------------------------------------------------------- tunnel file */

static bool
is_single(const struct prefix *p)
{
	return p->len == (p->addr.len == 4 ? 32 : 128);
}

/* Host routes of the certificate are ours on the tunnel, others behind us. */
static int
take_blocks(struct join *j, struct err *e)
{
	const struct prefix *net = &j->token.m.net;
	struct pki_joined *t = &j->told;
	size_t i;

	for (i = 0; i < j->blocks.n; i++) {
		struct prefix p = j->blocks.v[i];

		if (!is_single(&p))
			t->lans[t->n_lans++] = p;
		else if (t->n_addresses < sizeof(t->addresses) /
		    sizeof(t->addresses[0])) {
			if (prefix_has(net, &p.addr))
				p.len = net->len;
			t->addresses[t->n_addresses++] = p;
		}
	}
	return t->n_addresses > 0 ? 0 : err_set(e, EINVAL, "the certificate "
	    "gives no tunnel address: the token was made without "
	    "--tunnel-address");
}

static void
line(struct wbuf *w, const char *key, const char *value)
{
	wbuf_put(w, key, strlen(key));
	wbuf_u8(w, ' ');
	wbuf_put(w, value, strlen(value));
	wbuf_u8(w, '\n');
}

static void
prefix_lines(struct wbuf *w, const char *key, const struct prefix *v,
    size_t n)
{
	struct addr_buf ab;
	size_t i;

	for (i = 0; i < n; i++)
		line(w, key, prefix_text(&v[i], &ab));
}

static int
write_tunnel(const struct join *j, struct err *e)
{
	const struct pki_token *t = &j->token.m;
	char room[TUNNEL_FILE_MAX], text[256];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct addr_buf ab;
	size_t i;

	line(&w, "tunnel", j->tunnel);
	line(&w, "role", "spoke");
	prefix_lines(&w, "address", j->told.addresses, j->told.n_addresses);
	if (t->key != 0) {
		snprintf(text, sizeof(text), "%u", (unsigned)t->key);
		line(&w, "key", text);
	}
	snprintf(text, sizeof(text), "%s.pem", j->tunnel);
	line(&w, "identity", text);
	snprintf(text, sizeof(text), "%s-ca.pem", j->tunnel);
	line(&w, "trust", text);
	for (i = 0; i < t->n_hubs; i++) {
		snprintf(text, sizeof(text), "%s %s", t->hubs[i].at,
		    addr_text(&t->hubs[i].in, &ab));
		line(&w, "hub", text);
	}
	prefix_lines(&w, "lan", j->told.lans, j->told.n_lans);
	prefix_lines(&w, "route", t->routes, t->n_routes);
	snprintf(text, sizeof(text), "est %s", t->url);
	line(&w, "renew", text);
	if (!wbuf_ok(&w))
		return err_set(e, ENOBUFS, "the tunnel file is too long");
	return pki_file_write(j->file, 0644, true, room, w.len, e);
}

static int
tell(struct join *j, struct err *e)
{
	struct pki_joined *m = &j->told;

	snprintf(m->tunnel, sizeof(m->tunnel), "%s", j->tunnel);
	snprintf(m->file, sizeof(m->file), "%s", j->file);
	m->n_hubs = j->token.m.n_hubs;
	memcpy(m->hubs, j->token.m.hubs, sizeof(m->hubs));
	pki_look_time(cert_not_after(j->us), m->not_after);
	if (j->json)
		return out_json(stdout, &pki_joined_type, m, e);
	printf("%s\n", j->file);
	return 0;
}

static int
join(struct join *j, struct err *e)
{
	if (take_places(j, e) < 0)
		return -1;
	/* Who was interrupted after enrolling goes on from there. */
	if ((j->force || access(j->pem, F_OK) < 0) && enrol(j, e) < 0)
		return -1;
	return take_identity(j, e) < 0 || take_blocks(j, e) < 0 ||
	    write_tunnel(j, e) < 0 ? -1 : tell(j, e);
}

int
cmd_join(int argc, char **argv)
{
	struct join j = { .dir = "/etc/dmvpn", .tunnel = "dmvpn0" };
	const struct opt opts[] = {
		{ 'd', "directory", "DIR", "where the files go; /etc/dmvpn if "
		    "not given", OPT_TEXT, &j.dir, 0, 0 },
		{ 't', "tunnel", "NAME", "of the interface and of the files; "
		    "dmvpn0 if not given", OPT_TEXT, &j.tunnel, 0, 0 },
		{ 'f', "force", NULL, "replace files that are there", OPT_FLAG,
		    &j.force, 0, 0 },
		CMD_JSON_OPT(&j.json),
		OPT_END,
	};
	struct err e = { 0 };
	int status, rc;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS] TOKEN|FILE|-", 1, 1,
	    &status) < 0)
		return status;
	if (check_tunnel(j.tunnel, &e) < 0 ||
	    take_token(&j, argv[0], &e) < 0 ||
	    check_token(&j.token.m, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	rc = join(&j, &e);
	secret_wipe(&j.token, sizeof(j.token));
	cert_free(j.us);
	return rc < 0 ? command_fail(cmd_enroll_status(&e), &e) : EXIT_OK;
}
