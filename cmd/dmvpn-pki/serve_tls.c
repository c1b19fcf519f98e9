/* TLS of `serve`; the interface is in serve_web.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "pki_desk.h"
#include "serve_web.h"
#include "sys/log.h"

#define RETRY	60000u		/* ms, when there was no new certificate */
#define SOONEST	60u		/* s, between two certificates */

static void
on_renew(void *arg)
{
	struct web *w = arg;
	struct err e = { 0 };

	if (web_tls_ask(w, &e) < 0)
		log_event(LEVEL_ERROR, "no-certificate", T("why", e.msg));
}

int
web_tls_ask(struct web *w, struct err *e)
{
	const uint8_t nobody[4] = { 0 };
	struct pki_web_ask a = { .id = PKI_WEB_TLS_ID,
		.from = addr_of(nobody, sizeof(nobody)),
		.route = w->secure ? PKI_DESK_TLS : 0 };

	if (w->secure)
		timer_set(w->loop, &w->renew, loop_now(w->loop) + RETRY,
		    on_renew, w);
	return web_ask(w, &a, rbuf_of("", 0), e);
}

static void
ready(struct web *w)
{
	if (w->ready != NULL)
		w->ready(w->arg);
	w->ready = NULL;
}

static void
no_certificate(struct web *w, const char *why)
{
	log_event(LEVEL_ERROR, "no-certificate", T("why", why));
	if (w->tls != NULL)
		return;			/* the one we have goes on */
	w->failed = true;
	loop_stop(w->loop);
}

void
web_tls_answered(struct web *w, const struct pki_web_reply *r,
    struct rbuf pem)
{
	int64_t left = (int64_t)r->next - clock_wall();
	struct err e = { 0 };

	if (r->status != 200)
		no_certificate(w, "the CA's half refuses");
	else if (!w->secure)
		ready(w);
	else if (web_tls(w, pem, &e) < 0)
		no_certificate(w, e.msg);
	else {
		log_event(LEVEL_INFO, "tls-certificate", T("names",
		    w->names));
		timer_set(w->loop, &w->renew, loop_now(w->loop) + 1000u *
		    (left > (int64_t)SOONEST ? (uint64_t)left : SOONEST),
		    on_renew, w);
		ready(w);
	}
}

/* ----------------------------------------------------------------- context */

static SSL_CTX *
context_new(struct err *e)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	static const uint8_t session[] = "dmvpn-pki";

	if (c == NULL || SSL_CTX_set_min_proto_version(c,
	    TLS1_2_VERSION) != 1 || SSL_CTX_set_session_id_context(c, session,
	    sizeof(session) - 1) != 1) {
		SSL_CTX_free(c);
		return err_null(err_set(e, ENOMEM, "TLS"));
	}
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
	return c;
}

/* Our own key and certificate, then those that clients are judged by. */
static int
context_fill(SSL_CTX *c, BIO *b, struct err *e)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL), *ca;
	int ok = key != NULL && x != NULL &&
	    SSL_CTX_use_certificate(c, x) == 1 &&
	    SSL_CTX_use_PrivateKey(c, key) == 1;

	while (ok && (ca = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(c), ca) == 1 &&
		    SSL_CTX_add_client_CA(c, ca) == 1;
		if (!ok || SSL_CTX_add_extra_chain_cert(c, ca) != 1)
			X509_free(ca);
	}
	EVP_PKEY_free(key);
	X509_free(x);
	ERR_clear_error();
	return ok ? 0 : err_set(e, EIO, "the certificate for TLS can not be "
	    "used");
}

int
web_tls(struct web *w, struct rbuf pem, struct err *e)
{
	BIO *b = BIO_new_mem_buf(pem.p, (int)rbuf_left(&pem));
	SSL_CTX *c = context_new(e);

	if (b == NULL || c == NULL || context_fill(c, b, e) < 0) {
		BIO_free(b);
		SSL_CTX_free(c);
		return -1;
	}
	BIO_free(b);
	/* Clients may have a certificate; what it entitles to, the CA says. */
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_purpose(c, X509_PURPOSE_ANY);
	SSL_CTX_free(w->tls);
	w->tls = c;
	return 0;
}

/* ------------------------------------------------------------- connections */

struct bufferevent *
web_tls_accept(struct web *w, int fd)
{
	SSL *ssl = w->tls == NULL ? NULL : SSL_new(w->tls);
	struct bufferevent *b = ssl == NULL ? NULL :
	    bufferevent_openssl_socket_new(loop_base(w->loop), fd, ssl,
	    BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);

	if (b == NULL) {
		SSL_free(ssl);
		close(fd);
	} else
		bufferevent_openssl_set_allow_dirty_shutdown(b, 1);
	return b;
}

struct rbuf
web_tls_client(struct bufferevent *b, unsigned char **der)
{
	SSL *ssl = bufferevent_openssl_get_ssl(b);
	X509 *x = ssl == NULL || SSL_get_verify_result(ssl) != X509_V_OK ?
	    NULL : SSL_get1_peer_certificate(ssl);
	int len = x == NULL ? 0 : i2d_X509(x, der);

	X509_free(x);
	ERR_clear_error();
	return rbuf_of(*der, len > 0 && len <= CERT_MAX ? (size_t)len : 0);
}

void
web_tls_end(struct bufferevent *b)
{
	SSL *ssl = bufferevent_openssl_get_ssl(b);

	if (ssl != NULL && SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
}
