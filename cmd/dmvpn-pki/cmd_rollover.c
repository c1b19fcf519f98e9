#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "cmd_init.h"
#include "base/text.h"
#include "pki_key.h"
#include "pki_look.h"
#include "sys/loop.h"

#define DAY 86400

struct roll_opts {
	const char	*store, *pass_file, *type, *key, *certificate, *out;
	uint64_t	 days;
	struct opt_list	 trust;
	bool		 csr, force, finish, status, json, prepare;
};

/* ----------------------------------------------------------------- status */

struct listing {
	struct pki_store	*store;
	struct table		*table;
	int64_t			 now;
	struct err		*e;
};

static int
fill(struct listing *l, const struct pki_authority *a,
    struct pki_ca_key *m)
{
	struct pki_living living;
	struct name_buf nb;
	struct cert *c;
	uint8_t hash[32];

	memset(m, 0, sizeof(*m));
	m->generation = (uint32_t)a->generation;
	snprintf(m->state, sizeof(m->state), "%s",
	    name_text(pki_ca_state_names, a->state, &nb));
	if (pki_store_living(l->store, a->generation, l->now, &living,
	    l->e) < 0)
		return -1;
	m->living = (uint64_t)living.n;
	if (living.n > 0)
		pki_look_time(living.last, m->last);
	if (rbuf_left(&a->cert) == 0 ||
	    (c = cert_parse(a->cert, NULL)) == NULL)
		return 0;
	pki_look_time(cert_not_after(c), m->not_after);
	pki_key_text(X509_get0_pubkey((X509 *)(uintptr_t)cert_x509(c)),
	    m->key, sizeof(m->key));
	cert_fingerprint(c, hash);
	text_hex(hash, sizeof(hash), m->fingerprint, sizeof(m->fingerprint));
	cert_free(c);
	return 0;
}

static int
on_key(void *arg, const struct pki_authority *a)
{
	struct listing *l = arg;
	struct pki_ca_key m;

	if (fill(l, a, &m) < 0)
		return -1;
	if (l->table == NULL)
		return out_json(stdout, &pki_ca_key_type, &m, l->e);
	table_cell(l->table, "%u", m.generation);
	table_cell(l->table, "%s", m.state);
	table_cell(l->table, "%s", m.key[0] != '\0' ? m.key : "-");
	table_cell(l->table, "%s", m.not_after[0] != '\0' ? m.not_after : "-");
	table_cell(l->table, "%llu", (unsigned long long)m.living);
	table_cell(l->table, "%s", m.last[0] != '\0' ? m.last : "-");
	table_cell(l->table, "%.16s", m.fingerprint);
	return 0;
}

static int
status_of(const struct roll_opts *o, struct err *e)
{
	static const char *const headers[] = { "KEY", "STATE", "TYPE",
	    "VALID UNTIL", "LIVING", "LAST ENDS", "FINGERPRINT", NULL };
	struct listing l = { .now = clock_wall(), .e = e };
	int rc = -1;

	l.store = pki_store_open(cmd_store_path(o->store), PKI_STORE_OPEN, e);
	if (!o->json)
		l.table = table_new(headers);
	if (l.store != NULL)
		rc = pki_store_authorities(l.store, on_key, &l, e);
	if (rc == 0 && l.table != NULL)
		rc = table_print(l.table, stdout, e);
	else
		table_free(l.table);
	pki_store_close(l.store);
	return rc == 0 ? 0 : -1;
}

/* ---------------------------------------------------------------- to begin */

/* Two keys at once are enough: peers hold the anchors of both. */
static int
check_alone(struct pki_store *s, struct err *e)
{
	struct pki_store_ca ca;
	int rc;

	if (pki_store_authority(s, PKI_CA_OLD, &ca, e) == 0)
		rc = err_set(e, EEXIST, "the change before is not done: "
		    "dmvpn-pki rollover --finish");
	else if (e->code != ENOENT)
		return -1;
	else {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

/* As the key before, when nothing else is said. */
static const char *
same_type(const EVP_PKEY *k, char out[16])
{
	struct name_buf nb;

	if (cert_pkey_kind(k) == CERT_KEY_RSA)
		snprintf(out, 16, "rsa%d", EVP_PKEY_get_bits(k));
	else
		snprintf(out, 16, "%s", name_text(cert_key_names,
		    cert_pkey_kind(k), &nb));
	return out;
}

static EVP_PKEY *
new_key(const struct roll_opts *o, struct cmd_ca *c, struct err *e)
{
	char type[16];

	if (o->key != NULL)
		return cmd_key_open(o->key, strlen(o->key), o->pass_file,
		    &c->pass, e);
	return pki_key_make(o->type != NULL ? o->type :
	    same_type(X509_get0_pubkey(c->ca.cert), type), e);
}

static int
keep(struct pki_store *s, enum pki_extra kind, int64_t generation,
    X509 *of, const struct pki_ca *by, struct err *e)
{
	uint8_t serial[PKI_SERIAL_LEN];
	unsigned char *der = NULL;
	X509 *x = NULL;
	int len, rc = -1;

	if (pki_serial_make(serial, e) < 0 ||
	    (x = pki_ca_link(of, by, serial, e)) == NULL)
		return -1;
	if ((len = i2d_X509(x, &der)) > 0)
		rc = pki_store_add_extra(s, kind, generation,
		    rbuf_of(der, (size_t)len), e);
	else
		err_set(e, ENOMEM, "certificate");
	OPENSSL_free(der);
	X509_free(x);
	return rc;
}

/* Each certifies the other (RFC 4210, 4.4). */
static int
link_keys(struct cmd_ca *c, const struct pki_ca *next, int64_t generation,
    struct err *e)
{
	return keep(c->store, PKI_EXTRA_NEW_BY_OLD, generation, next->cert,
	    &c->ca, e) < 0 || keep(c->store, PKI_EXTRA_OLD_BY_NEW,
	    c->generation, c->ca.cert, next, e) < 0 ? -1 : 0;
}

/* The next key, in this state, and what links it to the one that issues; the
 * transaction stays open. */
static int
add_next(struct cmd_ca *c, const struct pki_ca *next,
    enum pki_ca_state state, const struct secret *text, struct err *e)
{
	unsigned char *der = NULL;
	int64_t generation;
	int len = i2d_X509(next->cert, &der), rc = -1;

	if (len > 0 && pki_store_add_authority(c->store, state,
	    rbuf_of(der, (size_t)len), rbuf_of(text->b, text->len),
	    &generation, e) == 0)
		rc = link_keys(c, next, generation, e);
	OPENSSL_free(der);
	return rc;
}

static int
done(struct pki_store *s, const char *command, const char *why,
    struct err *e)
{
	const struct pki_audit_row about = { .why = why };

	return cmd_note(s, PKI_AUDIT_CHANGED, command, &about, e) < 0 ? -1 :
	    pki_store_commit(s, e);
}

static int
is_root(const struct cmd_ca *c, struct err *e)
{
	struct cert *one = cert_of_x509(c->ca.cert, e);
	bool root = one != NULL && cert_self_signed(one);

	cert_free(one);
	return one == NULL ? -1 : root ? 1 : 0;
}

/* A certificate for the next key that says what the one before says. */
static X509 *
next_certificate(struct cmd_ca *c, EVP_PKEY *key, uint64_t days,
    struct err *e)
{
	struct cert *now = cert_of_x509(c->ca.cert, e);
	struct pki_want w = { .name = "CA" };
	int64_t length;

	if (now == NULL)
		return NULL;
	length = (cert_not_after(now) - cert_not_before(now)) / DAY;
	cert_free(now);
	return pki_want_days(&w, clock_wall(), days > 0 ? days :
	    (uint64_t)(length > 0 ? length : 1), e) < 0 ||
	    pki_serial_make(w.serial, e) < 0 ? NULL :
	    pki_ca_next(c->ca.cert, key, &w, e);
}

/* It is made before the store is locked: a long one takes its time. */
static int
check_made(const EVP_PKEY *key, struct err *e)
{
	return key != NULL ? 0 : err_set(e, EAGAIN, "the CA's keys have "
	    "changed meanwhile: try again");
}

static int
make_next(struct cmd_ca *c, const struct roll_opts *o, EVP_PKEY *key,
    enum pki_ca_state state, struct err *e)
{
	struct pki_ca next = { .key = key };
	struct secret *text = NULL;
	int rc = -1;

	if (check_made(key, e) == 0 &&
	    (text = cmd_ca_key_text(key, o->key, c->pass, e)) != NULL &&
	    (next.cert = next_certificate(c, key, o->days, e)) != NULL)
		rc = add_next(c, &next, state, text, e);
	X509_free(next.cert);
	secret_free(text);
	return rc;
}

/* 1: a key waits; 0: none does. */
static int
waits(struct pki_store *s, struct pki_store_ca *ca, struct err *e)
{
	memset(ca, 0, sizeof(*ca));
	if (pki_store_authority(s, PKI_CA_WAITING, ca, e) == 0)
		return 1;
	if (e->code != ENOENT)
		return -1;
	err_clear(e);
	return 0;
}

/* The same of a root's next key, which has its certificate. */
static int
is_prepared(struct pki_store *s, struct pki_store_ca *ca, struct err *e)
{
	int rc = waits(s, ca, e);

	return rc > 0 ? rbuf_left(&ca->cert) > 0 : rc;
}

/* Known to all from now on, used when it is time. */
static int
prepare(struct cmd_ca *c, const struct roll_opts *o, EVP_PKEY *key,
    struct err *e)
{
	struct pki_store_ca ca;
	int rc = is_prepared(c->store, &ca, e);

	if (rc > 0 && !o->force)
		return err_set(e, EEXIST, "the next key waits already: "
		    "rollover takes it, --force gives it up for another one");
	if (rc < 0 || (rc > 0 && (pki_store_set_state(c->store,
	    ca.generation, PKI_CA_RETIRED, e) < 0 ||
	    pki_store_drop_extras(c->store, ca.generation, e) < 0)) ||
	    make_next(c, o, key, PKI_CA_WAITING, e) < 0)
		return -1;
	return done(c->store, "rollover --prepare", "the next key waits", e);
}

/* The new key issues, the old one signs its lists. */
static int
begin_root(struct cmd_ca *c, const struct roll_opts *o, EVP_PKEY *key,
    struct err *e)
{
	struct pki_store *s = c->store;
	struct pki_store_ca ca;
	int rc = is_prepared(s, &ca, e);

	if (rc > 0 && (o->type != NULL || o->key != NULL || o->days > 0))
		return err_set(e, EINVAL, "the next key waits already, with "
		    "its certificate: --key-type, --key and --days are for "
		    "--prepare --force");
	if (rc < 0 || pki_store_set_state(s, c->generation, PKI_CA_OLD,
	    e) < 0 || (rc > 0 ? pki_store_set_state(s, ca.generation,
	    PKI_CA_ACTIVE, e) : make_next(c, o, key, PKI_CA_ACTIVE, e)) < 0)
		return -1;
	return done(s, "rollover", "the next key issues", e);
}

/* A request with the names and blocks of the certificate that is in use. */
static int
request(struct cmd_ca *c, EVP_PKEY *key, const struct roll_opts *o,
    struct err *e)
{
	struct cert *now = cert_of_x509(c->ca.cert, e);
	struct pki_want w = { .name = "" };
	char name[128], organisation[128];
	int rc = -1;

	if (now == NULL)
		return -1;
	if (X509_NAME_get_text_by_NID(X509_get_subject_name(c->ca.cert),
	    NID_commonName, name, sizeof(name)) <= 0)
		err_set(e, ENOTSUP, "the CA has no common name");
	else if (blocks_of(now, &w.blocks, e) == 0) {
		w.name = name;
		w.organisation = cmd_ca_organisation(c, organisation,
		    sizeof(organisation));
		rc = cmd_waiting_request(&w, key, o->out == NULL ? "-" :
		    o->out, o->force, e);
	}
	cert_free(now);
	return rc;
}

/* A key that waits already is used again. */
static int
begin_below(struct cmd_ca *c, const struct roll_opts *o, EVP_PKEY *made,
    struct err *e)
{
	struct pki_store_ca waiting;
	struct secret *text = NULL;
	EVP_PKEY *again = NULL;
	int rc = waits(c->store, &waiting, e);

	if (rc > 0) {
		again = cmd_key_open((const char *)waiting.key.p,
		    rbuf_left(&waiting.key), o->pass_file, &c->pass, e);
		rc = again == NULL ? -1 : 0;
	} else if (rc == 0 && ((rc = check_made(made, e)) < 0 ||
	    (text = cmd_ca_key_text(made, o->key, c->pass, e)) == NULL ||
	    pki_store_add_authority(c->store, PKI_CA_WAITING,
	    rbuf_of(NULL, 0), rbuf_of(text->b, text->len), NULL, e) < 0))
		rc = -1;
	if (rc == 0 && (rc = pki_store_commit(c->store, e)) == 0)
		rc = request(c, again != NULL ? again : made, o, e);
	EVP_PKEY_free(again);
	secret_free(text);
	return rc;
}

static int
check_kind(bool root, const struct roll_opts *o, struct err *e)
{
	if (root && o->csr)
		return err_set(e, EINVAL, "--csr is for a CA below another "
		    "one: this is a root");
	if (!root && !o->csr)
		return err_set(e, EINVAL, "this CA is below another one: "
		    "--csr, then --certificate");
	return 0;
}

/* The key that is going to be wanted, as it looks now; NULL: none. */
static int
make_ahead(struct cmd_ca *c, const struct roll_opts *o, EVP_PKEY **key,
    struct err *e)
{
	struct pki_store_ca ca;
	int rc = check_alone(c->store, e) < 0 ? -1 : waits(c->store, &ca, e);

	if (rc == 0 || (rc > 0 && o->prepare && o->force))
		rc = (*key = new_key(o, c, e)) == NULL ? -1 : 0;
	return rc < 0 ? -1 : 0;
}

static int
begin(const struct roll_opts *o, struct err *e)
{
	struct cmd_ca c = { .store = NULL };
	EVP_PKEY *key = NULL;
	int root, rc = -1;

	if (cmd_ca_open(&c, o->store, e) == 0 &&
	    (root = is_root(&c, e)) >= 0 && check_kind(root > 0, o, e) == 0 &&
	    cmd_ca_key(&c, o->pass_file, e) == 0 &&
	    make_ahead(&c, o, &key, e) == 0 && cmd_ca_begin(&c, e) == 0 &&
	    check_alone(c.store, e) == 0)
		rc = o->prepare ? prepare(&c, o, key, e) : root ?
		    begin_root(&c, o, key, e) : begin_below(&c, o, key, e);
	EVP_PKEY_free(key);
	cmd_ca_close(&c);
	return rc;
}

/* ----------------------------------------------------------------- to finish */

static int
finish(const struct roll_opts *o, struct err *e)
{
	struct pki_store *s = pki_store_open(cmd_store_path(o->store),
	    PKI_STORE_OPEN, e);
	struct pki_living living;
	struct pki_store_ca old;
	char last[32];
	int rc = -1;

	if (s == NULL || pki_store_begin(s, e) < 0)
		goto out;
	if (pki_store_authority(s, PKI_CA_OLD, &old, e) < 0) {
		if (e->code == ENOENT)
			err_set(e, ENOENT, "there is no old key");
		goto out;
	}
	if (pki_store_living(s, old.generation, clock_wall(), &living, e) < 0)
		goto out;
	if (living.n > 0 && !o->force) {
		pki_look_time(living.last, last);
		err_set(e, EBUSY, "%lld certificates of the old key are valid, "
		    "the last until %s: renew them first; --force gives them "
		    "up", (long long)living.n, last);
		goto out;
	}
	if (pki_store_set_state(s, old.generation, PKI_CA_RETIRED, e) == 0 &&
	    pki_store_drop_extras(s, old.generation, e) == 0)
		rc = done(s, "rollover --finish", "the old key is gone", e);
out:
	pki_store_close(s);
	return rc;
}

int
cmd_rollover(int argc, char **argv)
{
	struct roll_opts o = { .days = 0 };
	const struct opt opts[] = {
		CMD_STORE_OPT(&o.store), CMD_PASS_OPT(&o.pass_file),
		{ 'k', "key-type", "TYPE", "of the new key; else as it was",
		    OPT_TEXT, &o.type, 0, 0 },
		{ 0, "key", "URI", "a key that a token keeps: pkcs11:...",
		    OPT_TEXT, &o.key, 0, 0 },
		{ 'd', "days", "DAYS", "how long it is valid; else as long as "
		    "the one before", OPT_NUM, &o.days, 1, PKI_DAYS_MAX },
		{ 0, "prepare", NULL, "make the key, and have it known; "
		    "another rollover puts it in use", OPT_FLAG, &o.prepare,
		    0, 0 },
		{ 0, "csr", NULL, "a CA below another one: write a request",
		    OPT_FLAG, &o.csr, 0, 0 },
		{ 'o', "out", "FILE", "where the request goes; else standard "
		    "output", OPT_TEXT, &o.out, 0, 0 },
		{ 0, "certificate", "FILE", "what came for the request, and "
		    "the certificates above it", OPT_TEXT, &o.certificate, 0,
		    0 },
		{ 't', "trust", "FILE", "the root that it leads to", OPT_LIST,
		    &o.trust, 0, 0 },
		{ 0, "finish", NULL, "end the overlap: the old key goes",
		    OPT_FLAG, &o.finish, 0, 0 },
		{ 'f', "force", NULL, "replace FILE; finish while certificates "
		    "of the old key are valid", OPT_FLAG, &o.force, 0, 0 },
		{ 0, "status", NULL, "the CA's keys, and what they have "
		    "issued", OPT_FLAG, &o.status, 0, 0 },
		CMD_JSON_OPT(&o.json), OPT_END,
	};
	struct err e = { 0 };
	int status, rc;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS]", 0, 0, &status) < 0)
		return status;
	if ((o.csr ? 1 : 0) + (o.finish ? 1 : 0) + (o.status ? 1 : 0) +
	    (o.prepare ? 1 : 0) + (o.certificate != NULL) > 1)
		return command_usage("one of --prepare, --csr, --certificate, "
		    "--finish and --status");
	if ((o.finish || o.status) && (o.type != NULL || o.key != NULL ||
	    o.days > 0 || o.out != NULL || o.trust.n > 0))
		return command_usage("--finish and --status make no key");
	if (o.type != NULL && pki_key_type_check(o.type, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	if (o.key != NULL && (o.type != NULL || !pki_key_is_uri(o.key)))
		return command_usage("--key wants a URI such as "
		    "pkcs11:object=ca, and then no --key-type");
	if (o.certificate != NULL)
		return cmd_waiting_end(o.store, o.certificate, &o.trust,
		    o.pass_file);
	rc = o.status ? status_of(&o, &e) : o.finish ? finish(&o, &e) :
	    begin(&o, &e);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}
