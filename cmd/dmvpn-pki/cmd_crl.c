#include "cmd_crl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/x509.h>

#include "msg/msg.h"
#include "pki_file.h"
#include "pki_ring_crl.h"
#include "sys/ask.h"
#include "sys/link.h"
#include "sys/priv.h"

#define CRL_PEM_MAX	(2u * CRL_MAX)
#define PIECE		14000	/* octets of one message */

int
cmd_crls_read(struct crl_set *s, const char *path, struct err *e)
{
	struct secret *text = pki_file_read(path, false, CRL_PEM_MAX, e);
	int rc;

	if (text == NULL)
		return -1;
	rc = text->len > 0 && text->b[0] == 0x30 ?
	    crl_set_add_der(s, rbuf_of(text->b, text->len), e) :
	    crl_set_add_pem(s, (char *)text->b, text->len, e);
	secret_free(text);
	return rc < 0 ? err_in(e, "%s", path) : 0;
}

/* DER, to be freed with OPENSSL_free. */
static unsigned char *
der_of(const struct crl *c, size_t *len, struct err *e)
{
	unsigned char *der = NULL;
	int n = i2d_X509_CRL(crl_x509(c), &der);

	*len = n > 0 ? (size_t)n : 0;
	return n > 0 ? der : err_null(err_set(e, ENOMEM, "CRL"));
}

static int
send_pieces(struct conn *c, struct pki_crl_load *m, const uint8_t *der,
    size_t len, struct reason *why, struct err *e)
{
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = len - at < PIECE ? len - at : PIECE;
		m->offset = (uint32_t)at;
		m->data = rbuf_of(der + at, n);
		if (conn_call(c, &pki_crl_load_type, m, NULL, NULL, why,
		    e) < 0)
			return -1;
	}
	return 0;
}

int
cmd_crl_send(struct conn *c, const struct crl *crl, const char *identity,
    struct reason *why, struct err *e)
{
	struct pki_crl_load m = { .transfer = 0 };
	unsigned char *der;
	size_t len;
	int rc;

	if ((der = der_of(crl, &len, e)) == NULL)
		return -1;
	snprintf(m.identity, sizeof(m.identity), "%s", identity);
	m.size = (uint32_t)len;
	rc = random_bytes(&m.transfer, sizeof(m.transfer), e);
	if (rc == 0)
		rc = send_pieces(c, &m, der, len, why, e);
	OPENSSL_free(der);
	return rc;
}

int
cmd_crls_send(const struct crl_set *s, const char *identity)
{
	struct reason why = { .code = "" };
	struct err e = { 0 };
	struct conn *c = ask_open("pki.sock", &e);
	size_t i;
	int rc = 0;

	if (c == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	for (i = 0; rc == 0 && i < s->n; i++) {
		rc = cmd_crl_send(c, s->v[i], identity, &why, &e);
		if (rc < 0 && strcmp(why.code, "older") == 0) {
			fprintf(stderr, "%s: %s: that one stays\n",
			    command_program(), why.text);
			rc = 0;
		}
	}
	conn_close(c);
	return rc < 0 ? command_refused(&why, &e) : EXIT_OK;
}

static int
read_all(struct crl_set *s, const struct opt_list *files, struct err *e)
{
	size_t i;

	for (i = 0; i < files->n; i++)
		if (cmd_crls_read(s, files->v[i], e) < 0)
			return -1;
	return 0;
}

int
cmd_crls_load(const struct opt_list *files, const char *identity)
{
	struct crl_set s = { .n = 0 };
	struct err e = { 0 };
	int status;

	status = read_all(&s, files, &e) < 0 ?
	    command_fail(cmd_input_status(&e), &e) :
	    cmd_crls_send(&s, identity);
	crl_set_fini(&s);
	return status;
}

int
cmd_crls_preload(struct pki_ring *r, const struct opt_list *files,
    struct err *e)
{
	struct crl_set s = { .n = 0 };
	struct pki_crl_done done;
	struct reason why;
	unsigned char *der;
	size_t i, len;
	int rc = read_all(&s, files, e);

	for (i = 0; rc == 0 && i < s.n; i++) {
		if ((der = der_of(s.v[i], &len, e)) == NULL)
			rc = -1;
		else if (pki_ring_crl(r, "", rbuf_of(der, len), &done,
		    &why) < 0)
			rc = err_set(e, EINVAL, "--crl: %.300s", why.text);
		OPENSSL_free(der);
	}
	crl_set_fini(&s);
	return rc;
}
