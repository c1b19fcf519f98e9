#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "cmd_issue.h"
#include "pki_file.h"
#include "pki_key.h"
#include "pki_make.h"
#include "pki_name.h"
#include "sys/loop.h"

#define MODE_PUBLIC	0644

static int
take_list(struct pki_want *w, int type, const struct opt_list *l,
    struct err *e)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (pki_want_san(w, type, l->v[i], e) < 0)
			return -1;
	return 0;
}

int
cmd_issue_take(struct pki_want *w, const struct issue_opts *o, struct err *e)
{
	size_t i;

	if (pki_name_check(w->name, e) < 0 ||
	    (w->profile = pki_profile_find(o->profile, e)) == NULL ||
	    (o->type != NULL && pki_key_type_check(o->type, e) < 0) ||
	    take_list(w, GEN_DNS, &o->dns, e) < 0 ||
	    take_list(w, GEN_EMAIL, &o->emails, e) < 0 ||
	    take_list(w, GEN_IPADD, &o->ips, e) < 0)
		return -1;
	if (w->n_sans == 0 && !o->no_names &&
	    pki_want_san(w, GEN_DNS, w->name, e) < 0)
		return -1;
	for (i = 0; i < o->tunnels.n; i++)
		if (pki_want_address(w, o->tunnels.v[i], e) < 0)
			return err_in(e, "--tunnel-address");
	for (i = 0; i < o->subnets.n; i++)
		if (pki_want_subnet(w, o->subnets.v[i], e) < 0)
			return err_in(e, "--subnet");
	w->as = (uint32_t)o->as;
	return pki_want_days(w, clock_wall(), o->days, e);
}

X509 *
cmd_issue_make(struct cmd_ca *c, struct pki_want *w, EVP_PKEY *key,
    char serial[48], struct err *e)
{
	X509 *x = pki_make_cert(c->store, &c->ca, w, key, serial, e);
	const struct pki_audit_row about = { .name = w->name,
		.serial = serial };

	if (x == NULL || cmd_note(c->store, PKI_AUDIT_ISSUED, c->command,
	    &about, e) == 0)
		return x;
	X509_free(x);
	return NULL;
}

void
cmd_issue_undo(struct cmd_ca *c, const char *name, const char *serial)
{
	const struct pki_audit_row about = { .name = name, .serial = serial,
		.why = "its file could not be written" };

	if (pki_store_remove(c->store, serial, NULL) == 0)
		(void)cmd_note(c->store, PKI_AUDIT_WITHDRAWN, c->command,
		    &about, NULL);
}

struct secret *
cmd_issue_bundle(struct cmd_ca *c, X509 *x, EVP_PKEY *own,
    const struct secret *pass, struct err *e)
{
	struct secret *pem = NULL, *all = NULL;
	BIO *b = BIO_new(BIO_s_mem());
	size_t key_len;
	char *text;
	long len;

	if (own != NULL && (pem = pki_key_pem(own, pass, e)) == NULL)
		goto out;
	if ((c->above.n == 0 && cmd_ca_above(c->store, &c->above, e) < 0) ||
	    cmd_pem_cert(b, x, e) < 0 || cmd_pem_certs(b, &c->above, e) < 0)
		goto out;
	len = BIO_get_mem_data(b, &text);
	key_len = pem == NULL ? 0 : pem->len;
	if ((all = secret_new(key_len + (size_t)len)) == NULL) {
		err_set(e, ENOMEM, "PEM");
		goto out;
	}
	if (pem != NULL)
		memcpy(all->b, pem->b, key_len);
	memcpy(all->b + key_len, text, (size_t)len);
out:
	BIO_free(b);
	secret_free(pem);
	return all;
}

/*
 * First the file beside its place, then the row, then the file in place: so no
 * certificate exists that the store does not know.  A file that can not be put
 * in place takes its row with it.
 */
static int
deliver(struct cmd_ca *c, const struct issue_opts *o, const char *name,
    const char *serial, const struct secret *pem, mode_t mode, struct err *e)
{
	struct pki_file *f;
	int rc;

	if (strcmp(o->out, "-") == 0)
		return pki_store_commit(c->store, e) < 0 ? -1 :
		    pki_file_print(pem->b, pem->len, e) < 0 ? err_in(e,
		    "%s is issued, nobody may have it: revoke %s", name,
		    serial) : 0;
	f = pki_file_begin(o->out, mode, o->force, pem->b, pem->len, e);
	if (f == NULL)
		return -1;
	rc = pki_store_commit(c->store, e);
	if (rc == 0 && (rc = pki_file_place(f, e)) < 0)
		cmd_issue_undo(c, name, serial);
	/* It is in place, so the row stays, even if power may take the file. */
	else if (rc == 0 && (rc = pki_file_settle(o->out, e)) < 0)
		(void)err_in(e, "it is issued and in place, but");
	pki_file_end(f);
	return rc;
}

int
cmd_issue_to(struct cmd_ca *c, const struct issue_opts *o, struct pki_want *w,
    EVP_PKEY *key, bool own, struct err *e)
{
	struct secret *pem = NULL, *pass = NULL;
	char serial[48], organisation[64];
	X509 *x = NULL;
	int rc = -1;

	if ((o->key_pass != NULL &&
	    (pass = cmd_passphrase(o->key_pass, e)) == NULL) ||
	    (o->key_pass == NULL && o->encrypt &&
	    (pass = cmd_passphrase_ask("the new key",
	    "--key-passphrase-file", true, e)) == NULL))
		return -1;
	w->organisation = cmd_ca_organisation(c, organisation,
	    sizeof(organisation));
	if (cmd_ca_unlock(c, o->pass_file, e) == 0 &&
	    (x = cmd_issue_make(c, w, key, serial, e)) != NULL &&
	    (pem = cmd_issue_bundle(c, x, own ? key : NULL, pass, e)) != NULL)
		rc = deliver(c, o, w->name, serial, pem, own ? 0600 :
		    MODE_PUBLIC, e);
	X509_free(x);
	secret_free(pem);
	secret_free(pass);
	return rc;
}

int
cmd_issue(int argc, char **argv)
{
	struct issue_opts o = { .profile = "spoke", .days = 365 };
	const char *batch = NULL;
	const struct opt opts[] = {
		ISSUE_OPTS(o), ISSUE_KEY_OPTS(o),
		{ 'b', "batch", "FILE", "issue for each line of FILE, which "
		    "has options and a NAME", OPT_TEXT, &batch, 0, 0 },
		OPT_END,
	};
	struct pki_want w = { .n_sans = 0 };
	struct cmd_ca c = { .command = "issue" };
	struct err e = { 0 };
	EVP_PKEY *key = NULL;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS] NAME | --batch FILE", 0,
	    1, &status) < 0)
		return status;
	if (batch != NULL)
		return argc > 0 || o.out != NULL ? command_usage("names and "
		    "files stand in the lines of the batch") :
		    cmd_batch(&o, batch);
	if (argc == 0)
		return command_usage("an argument is missing");
	o.out = o.out == NULL ? "-" : o.out;
	w.name = argv[0];
	if (cmd_issue_take(&w, &o, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	if (cmd_ca_open(&c, o.store, &e) == 0 && (key = pki_key_make(
	    o.type != NULL ? o.type : w.profile->key_type, &e)) != NULL)
		rc = cmd_issue_to(&c, &o, &w, key, true, &e);
	EVP_PKEY_free(key);
	cmd_ca_close(&c);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}

/* -------------------------------------------------------------------- sign */

/* PEM or DER of a request. */
static EVP_PKEY *
read_request(const char *path, const struct pki_want *w, struct err *e)
{
	struct secret *text = pki_file_read(path, false, 1 << 16, e);
	unsigned char *der = NULL;
	char *name = NULL, *header = NULL;
	EVP_PKEY *k = NULL;
	long len = 0;
	BIO *b;

	if (text == NULL)
		return NULL;
	b = BIO_new_mem_buf(text->b, (int)text->len);
	if (text->len > 0 && text->b[0] == 0x30)
		k = pki_issue_request(text->b, text->len, w, e);
	else if (b == NULL || PEM_read_bio(b, &name, &header, &der,
	    &len) != 1 || strstr(name, "CERTIFICATE REQUEST") == NULL)
		err_set(e, EBADMSG, "%s: no certificate request", path);
	else
		k = pki_issue_request(der, (size_t)len, w, e);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(b);
	secret_free(text);
	ERR_clear_error();
	return k;
}

int
cmd_sign(int argc, char **argv)
{
	struct issue_opts o = { .profile = "spoke", .out = "-", .days = 365 };
	const struct opt opts[] = { ISSUE_OPTS(o), OPT_END };
	struct pki_want w = { .n_sans = 0 };
	struct cmd_ca c = { .command = "sign" };
	struct err e = { 0 };
	EVP_PKEY *key = NULL;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS] NAME REQUEST", 2, 2,
	    &status) < 0)
		return status;
	w.name = argv[0];
	if (cmd_issue_take(&w, &o, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	if (cmd_ca_open(&c, o.store, &e) == 0 &&
	    (key = read_request(argv[1], &w, &e)) != NULL)
		rc = cmd_issue_to(&c, &o, &w, key, false, &e);
	EVP_PKEY_free(key);
	cmd_ca_close(&c);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}
