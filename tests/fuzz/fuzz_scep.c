/*
 * SCEP, both sides.  The first octet says what the others are: a message to a
 * server as it came, a message to a client, what is in an envelope (so that
 * signature and encryption, which no fuzzer makes, are made here), or the
 * parts by themselves.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "crypto/scep.h"
#include "dmvpn-pki/pki_issue.h"
#include "dmvpn-pki/pki_key.h"
#include "dmvpn-pki/pki_scep.h"

#define NOW	INT64_C(1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pki_ca ca;
static struct cert_set signers;

static enum pki_scep_answer
on_issue(void *arg, const struct pki_scep_want *w, X509 **out, struct err *e)
{
	(void)arg;
	(void)out;
	/* Nobody here is proven to be anybody but by the CA's own key. */
	if (w->signer == NULL || (w->old != NULL && w->old != w->signer))
		__builtin_trap();
	err_set(e, EPERM, "no");
	return w->challenge[0] == 'w' ? PKI_SCEP_WAIT : PKI_SCEP_REFUSE;
}

static X509 *
on_find(void *arg, const char *serial, struct err *e)
{
	(void)arg;
	if (strlen(serial) % 2 != 0 || strlen(serial) > 46)
		__builtin_trap();
	return err_null(err_set(e, ENOENT, "no"));
}

static X509_CRL *
on_crl(void *arg, const char *serial, struct err *e)
{
	(void)arg;
	(void)serial;
	return err_null(err_set(e, ENOENT, "no"));
}

static void
begin(void)
{
	struct pki_want w = { .name = "Fuzz" };

	if (ca.cert != NULL)
		return;
	ca.key = pki_key_make("rsa2048", NULL);
	if (ca.key == NULL || pki_want_days(&w, NOW, 10, NULL) < 0 ||
	    pki_want_subnet(&w, "10.0.0.0/8", NULL) < 0 ||
	    (ca.cert = pki_issue_ca(&w, ca.key, NULL)) == NULL)
		__builtin_trap();
	signers.v[signers.n++] = cert_of_x509(ca.cert, NULL);
}

static void
to_server(struct rbuf m)
{
	static uint8_t room[SCEP_REPLY_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	const struct pki_scep s = { .ca = ca, .ra = ca.cert, .ra_key = ca.key,
		.legacy = true, .ops = { NULL, on_issue, on_find, on_crl } };
	const struct pki_scep_call c = { .operation = "PKIOperation",
		.message = m, .from = "192.0.2.1", .now = NOW };
	struct pki_scep_reply r = { .body = &w };
	struct err why;

	if (pki_scep_answer(&s, &c, &r, &why) == 0 && r.status == 0)
		__builtin_trap();
}

static void
to_client(struct rbuf m)
{
	struct scep_algs algs = { .legacy = true };
	struct scep_in in;

	if (scep_open(m, NULL, algs, &in, NULL) == 0 && in.envelope != NULL)
		secret_free(scep_decrypt(in.envelope, ca.cert, ca.key, algs,
		    NULL));
	scep_in_fini(&in);
	secret_free(scep_signed(m, &signers, algs, NULL));
}

/* The octets as what a client of ours sends: type, then content. */
static void
inside(struct rbuf m)
{
	static const uint32_t types[] = { SCEP_PKCS_REQ, SCEP_RENEWAL_REQ,
		SCEP_CERT_POLL, SCEP_GET_CERT, SCEP_GET_CRL, SCEP_CERT_REP,
		99 };
	struct scep_attrs a = { .type = types[rbuf_u8(&m) %
	    (sizeof(types) / sizeof(types[0]))], .id = "fuzz",
	    .sender_len = 16, .recipient_len = 16 };
	struct scep_make make = { .attrs = &a, .content = m, .to = ca.cert,
		.signer = ca.cert, .key = ca.key };
	struct secret *s = scep_make(&make, NULL);

	if (s != NULL)
		to_server(rbuf_of(s->b, s->len));
	secret_free(s);
}

static void
parts(struct rbuf m)
{
	struct cert_set set = { .n = 0 };
	struct scep_which w;

	if (scep_certs(m, &set, NULL) == 0 && set.n == 0)
		__builtin_trap();
	cert_set_fini(&set);
	secret_free(scep_crl(m, NULL));
	(void)scep_subject_parse(m, &w, NULL);
	scep_which_fini(&w);
	(void)scep_serial_parse(m, &w, NULL);
	scep_which_fini(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rbuf m = rbuf_of(data, size);

	begin();
	switch (rbuf_u8(&m) % 4) {
	case 0:
		to_server(m);
		break;
	case 1:
		to_client(m);
		break;
	case 2:
		inside(m);
		break;
	default:
		parts(m);
	}
	return 0;
}
