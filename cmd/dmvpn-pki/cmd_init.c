#include "cmd_init.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "pki_file.h"
#include "pki_key.h"
#include "pki_name.h"
#include "sys/loop.h"

#define DAYS	3650

struct init_opts {
	const char	*store, *name, *organisation, *type, *pass_file, *from;
	const char	*key, *certificate, *out;
	const char	*crl_url, *partitions, *ocsp_url;
	uint64_t	 days;
	struct opt_list	 ranges, trust;
	bool		 encrypt, csr, force;
};

/* "--range 10.0.0.0/8", or all there is. */
static int
take_ranges(struct pki_want *w, const struct opt_list *ranges, struct err *e)
{
	size_t i;

	if (ranges->n == 0)
		return pki_want_subnet(w, "0.0.0.0/0", e) < 0 ? -1 :
		    pki_want_subnet(w, "::/0", e);
	for (i = 0; i < ranges->n; i++)
		if (pki_want_subnet(w, ranges->v[i], e) < 0)
			return err_in(e, "--range");
	return 0;
}

/* x NULL: the key waits for its certificate. */
static int
put_ca(struct pki_store *s, X509 *x, const struct secret *key, struct err *e)
{
	struct rbuf text = rbuf_of(key->b, key->len);
	struct pki_store_ca there;
	unsigned char *der = NULL;
	int rc, len;

	if (x == NULL)
		return pki_store_authority(s, PKI_CA_ACTIVE, &there,
		    NULL) == 0 ? err_set(e, EEXIST, "there is a CA in it "
		    "already") : pki_store_add_authority(s, PKI_CA_WAITING,
		    rbuf_of(NULL, 0), text, NULL, e);
	if ((len = i2d_X509(x, &der)) <= 0)
		return err_set(e, ENOMEM, "certificate");
	rc = pki_store_set_ca(s, rbuf_of(der, (size_t)len), text, e);
	OPENSSL_free(der);
	return rc;
}

static int
store_ca(const struct init_opts *o, X509 *x, const struct secret *key,
    struct err *e)
{
	struct pki_store *s = pki_store_open(cmd_store_path(o->store),
	    PKI_STORE_CREATE, e);
	int rc = -1;

	if (s != NULL && pki_store_begin(s, e) == 0 &&
	    put_ca(s, x, key, e) == 0 &&
	    cmd_settings_put(s, o->crl_url, o->partitions, o->ocsp_url,
	    e) == 0 && cmd_note(s, PKI_AUDIT_CHANGED, "init", NULL, e) == 0)
		rc = pki_store_commit(s, e);
	pki_store_close(s);
	return rc;
}

/* A passphrase for a new key, or the PIN of a token, or NULL. */
static int
new_pass(const struct init_opts *o, struct secret **pass, struct err *e)
{
	if (o->pass_file != NULL)
		*pass = cmd_passphrase(o->pass_file, e);
	else if (o->encrypt)
		*pass = cmd_passphrase_ask("the CA's key",
		    "--passphrase-file", true, e);
	else
		return 0;
	return *pass == NULL ? -1 : 0;
}

static int
init(const struct init_opts *o, struct pki_want *w, struct err *e)
{
	struct secret *pass = NULL, *text = NULL;
	EVP_PKEY *key = NULL;
	X509 *x = NULL;
	int rc = -1;

	if (new_pass(o, &pass, e) < 0 || pki_serial_make(w->serial, e) < 0)
		goto out;
	key = o->key != NULL ? cmd_key_open(o->key, strlen(o->key), NULL,
	    &pass, e) : pki_key_make(o->type, e);
	if (key == NULL ||
	    (text = cmd_ca_key_text(key, o->key, pass, e)) == NULL)
		goto out;
	if (o->csr)
		rc = store_ca(o, NULL, text, e) < 0 ? -1 :
		    cmd_waiting_request(w, key, o->out, o->force, e);
	else if ((x = pki_issue_ca(w, key, e)) != NULL)
		rc = store_ca(o, x, text, e);
out:
	X509_free(x);
	EVP_PKEY_free(key);
	secret_free(text);
	secret_free(pass);
	return rc;
}

/* The request once more, for the key that waits already. */
static int
again(const struct init_opts *o, const struct pki_want *w, struct err *e)
{
	struct pki_store *s = pki_store_open(cmd_store_path(o->store),
	    PKI_STORE_OPEN, e);
	struct pki_store_ca waiting;
	struct secret *pass = NULL;
	EVP_PKEY *key = NULL;
	int rc = -1;

	if (s != NULL && pki_store_authority(s, PKI_CA_WAITING, &waiting,
	    e) == 0 && (key = cmd_key_open((const char *)waiting.key.p,
	    rbuf_left(&waiting.key), o->pass_file, &pass, e)) != NULL)
		rc = cmd_waiting_request(w, key, o->out, o->force, e);
	EVP_PKEY_free(key);
	secret_free(pass);
	pki_store_close(s);
	return rc;
}

static bool
waits(const struct init_opts *o)
{
	struct pki_store *s = pki_store_open(cmd_store_path(o->store),
	    PKI_STORE_OPEN, NULL);
	struct pki_store_ca ca;
	bool yes = s != NULL && pki_store_authority(s, PKI_CA_WAITING, &ca,
	    NULL) == 0 && rbuf_left(&ca.cert) == 0;

	pki_store_close(s);
	return yes;
}

/* A CA that there is already: can we issue with it? */
static int
check_taken(const struct cert *c, EVP_PKEY *key, struct err *e)
{
	X509 *x = (X509 *)(uintptr_t)cert_x509(c);

	if (key == NULL || X509_check_private_key(x, key) != 1)
		return err_set(e, EINVAL, "the key is not that of the first "
		    "certificate");
	if (!cert_is_ca(c))
		return err_set(e, EINVAL, "its certificate is not that of a "
		    "CA");
	if (!(X509_get_key_usage(x) & KU_KEY_CERT_SIGN) ||
	    !(X509_get_key_usage(x) & KU_CRL_SIGN))
		return err_set(e, EINVAL, "its certificate's key usage lacks "
		    "keyCertSign or cRLSign");
	if (X509_get0_subject_key_id(x) == NULL)
		return err_set(e, ENOTSUP, "its certificate has no subject "
		    "key identifier");
	if (cert_not_after(c) <= clock_wall())
		return err_set(e, EPERM, "its certificate has expired");
	return 0;
}

static int
init_from(const struct init_opts *o, struct err *e)
{
	struct pki_bundle b = { .key = NULL };
	struct secret *pass = NULL, *pem = NULL;
	const unsigned char *p;
	EVP_PKEY *key = NULL;
	int rc = -1;

	if (cmd_bundle(&b, o->from, o->pass_file, &pass, e) == 0 &&
	    (pass != NULL || new_pass(o, &pass, e) == 0)) {
		p = b.key->b;
		key = d2i_AutoPrivateKey(NULL, &p, (long)b.key->len);
		if (check_taken(b.chain.v[0], key, e) < 0)
			err_in(e, "%s", o->from);
		else if ((pem = pki_key_pem(key, pass, e)) != NULL)
			rc = store_ca(o, (X509 *)(uintptr_t)
			    cert_x509(b.chain.v[0]), pem, e);
	}
	ERR_clear_error();
	EVP_PKEY_free(key);
	secret_free(pem);
	secret_free(pass);
	pki_bundle_fini(&b);
	return rc;
}

/* What contradicts itself on the command line; "" when nothing does. */
static const char *
contradiction(const struct init_opts *o)
{
	if ((o->from != NULL) + (o->csr ? 1 : 0) + (o->certificate != NULL) > 1)
		return "one of --from, --csr and --certificate";
	if (o->out != NULL && !o->csr)
		return "--out is for --csr";
	if (o->trust.n > 0 && o->certificate == NULL)
		return "--trust is for --certificate";
	if (o->certificate != NULL && (o->crl_url != NULL ||
	    o->partitions != NULL || o->ocsp_url != NULL))
		return "URLs are for the one who makes the key: dmvpn-pki "
		    "settings changes them";
	if ((o->from != NULL || o->certificate != NULL) && (o->name != NULL ||
	    o->organisation != NULL || o->type != NULL || o->days > 0 ||
	    o->ranges.n > 0))
		return "--name, --organization, --key-type, --days and "
		    "--range are for a certificate that is made here";
	if (o->key != NULL && !pki_key_is_uri(o->key))
		return "--key wants a URI such as pkcs11:object=ca";
	if (o->key != NULL && (o->from != NULL || o->encrypt))
		return "--key is the key: neither --from nor --encrypt";
	return "";
}

static int
run(struct init_opts *o, struct err *e)
{
	struct pki_want w = { .organisation = o->organisation };

	if (o->from != NULL)
		return init_from(o, e) < 0 ? cmd_status_of(e) : EXIT_OK;
	o->name = o->name == NULL ? "DMVPN CA" : o->name;
	o->type = o->type == NULL ? "p256" : o->type;
	w.name = o->name;
	if (pki_name_check_title(o->name, e) < 0 || (o->organisation != NULL &&
	    pki_name_check_title(o->organisation, e) < 0) ||
	    pki_key_type_check(o->type, e) < 0 ||
	    take_ranges(&w, &o->ranges, e) < 0 ||
	    pki_want_days(&w, clock_wall(), o->days > 0 ? o->days : DAYS,
	    e) < 0)
		return EXIT_USAGE;
	o->out = o->out == NULL ? "-" : o->out;
	if (o->csr && waits(o))
		return again(o, &w, e) < 0 ? cmd_status_of(e) : EXIT_OK;
	return init(o, &w, e) < 0 ? cmd_status_of(e) : EXIT_OK;
}

int
cmd_init(int argc, char **argv)
{
	struct init_opts o = { .days = 0 };
	const struct opt opts[] = {
		CMD_STORE_OPT(&o.store),
		{ 0, "name", "NAME", "of the CA (CN)", OPT_TEXT, &o.name,
		    0, 0 },
		{ 'O', "organization", "NAME", "O of it and of all it issues",
		    OPT_TEXT, &o.organisation, 0, 0 },
		{ 'k', "key-type", "TYPE", PKI_KEY_TYPES, OPT_TEXT, &o.type,
		    0, 0 },
		{ 0, "key", "URI", "a key that a token keeps: pkcs11:...",
		    OPT_TEXT, &o.key, 0, 0 },
		{ 'd', "days", "DAYS", "how long it is valid", OPT_NUM,
		    &o.days, 1, PKI_DAYS_MAX },
		{ 'R', "range", "PREFIX", "addresses it may certify; else all",
		    OPT_LIST, &o.ranges, 0, 0 },
		{ 'P', "passphrase-file", "FILE", "its first line locks the "
		    "key, or is the PIN", OPT_TEXT, &o.pass_file, 0, 0 },
		{ 'e', "encrypt", NULL, "ask for a passphrase that locks the "
		    "key", OPT_FLAG, &o.encrypt, 0, 0 },
		CMD_URL_OPTS(&o.crl_url, &o.partitions, &o.ocsp_url),
		{ 0, "csr", NULL, "a CA below another one: write a request",
		    OPT_FLAG, &o.csr, 0, 0 },
		{ 'o', "out", "FILE", "where the request goes; else standard "
		    "output", OPT_TEXT, &o.out, 0, 0 },
		{ 'f', "force", NULL, "replace FILE", OPT_FLAG, &o.force,
		    0, 0 },
		{ 0, "certificate", "FILE", "what came for the request, and "
		    "the certificates above it", OPT_TEXT, &o.certificate, 0,
		    0 },
		{ 't', "trust", "FILE", "the root that it leads to", OPT_LIST,
		    &o.trust, 0, 0 },
		{ 0, "from", "FILE", "take a CA that there is: PEM with its "
		    "key, then its certificate", OPT_TEXT, &o.from, 0, 0 },
		OPT_END,
	};
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS]", 0, 0, &status) < 0)
		return status;
	if (contradiction(&o)[0] != '\0')
		return command_usage("%s", contradiction(&o));
	if (o.certificate != NULL)
		return cmd_waiting_end(o.store, o.certificate, &o.trust,
		    o.pass_file);
	status = run(&o, &e);
	return status == EXIT_OK ? EXIT_OK : command_fail(status, &e);
}
