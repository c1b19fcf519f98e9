/* Keys that a token keeps; the interface is in pki_key.h. */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#if OPENSSL_VERSION_MAJOR < 4 && !defined(OPENSSL_NO_ENGINE)
#include <openssl/engine.h>
#endif

#include "pki_key.h"

#define SCHEME	"pkcs11:"

/* A scheme of RFC 3986, 3.1, of two letters at least: no name of a file. */
bool
pki_key_is_uri(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	return n > 1 && text[n] == ':';
}

static int
give_pin(char *buf, int size, int rwflag, void *arg)
{
	const struct secret *pin = arg;

	(void)rwflag;
	if (pin == NULL || pin->len > (size_t)size)
		return -1;
	memcpy(buf, pin->b, pin->len);
	return (int)pin->len;
}

/* The first private key that the URI leads to. */
static EVP_PKEY *
from_store(const char *uri, const struct secret *pin)
{
	UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_pin, 0);
	OSSL_STORE_CTX *ctx = OSSL_STORE_open(uri, ui,
	    (void *)(uintptr_t)pin, NULL, NULL);
	OSSL_STORE_INFO *info;
	EVP_PKEY *k = NULL;

	while (ctx != NULL && k == NULL && !OSSL_STORE_eof(ctx) &&
	    !OSSL_STORE_error(ctx)) {
		if ((info = OSSL_STORE_load(ctx)) == NULL)
			continue;
		if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
			k = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(ctx);
	UI_destroy_method(ui);
	return k;
}

#if OPENSSL_VERSION_MAJOR < 4 && !defined(OPENSSL_NO_ENGINE)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/* OpenSSL 3.0 of Debian 12 has no provider for tokens, but an engine.  It
 * stays for as long as the key lives, to the end of the program. */
static EVP_PKEY *
from_engine(const char *uri, const struct secret *pin, bool *there)
{
	ENGINE *g = ENGINE_by_id("pkcs11");
	EVP_PKEY *k = NULL;

	*there = g != NULL;
	if (g == NULL)
		return NULL;
	if ((pin == NULL || ENGINE_ctrl_cmd_string(g, "PIN",
	    (const char *)pin->b, 0) == 1) && ENGINE_init(g) == 1)
		k = ENGINE_load_private_key(g, uri, NULL, NULL);
	if (k == NULL)
		ENGINE_free(g);
	return k;
}
#pragma GCC diagnostic pop
#else
static EVP_PKEY *
from_engine(const char *uri, const struct secret *pin, bool *there)
{
	(void)uri;
	(void)pin;
	*there = false;
	return NULL;
}
#endif

EVP_PKEY *
pki_key_open(const char *uri, const struct secret *pin, struct err *e)
{
	bool token = strncmp(uri, SCHEME, strlen(SCHEME)) == 0, there = true;
	EVP_PKEY *k = NULL;

	/* 1: the default provider stays */
	if (!token || OSSL_PROVIDER_try_load(NULL, "pkcs11", 1) != NULL)
		k = from_store(uri, pin);
	else
		k = from_engine(uri, pin, &there);
	ERR_clear_error();
	if (k != NULL)
		return k;
	if (!there)
		err_set(e, ENOTSUP, "this OpenSSL can open no token: neither "
		    "the provider nor the engine \"pkcs11\" is installed");
	else if (pin == NULL)
		err_set(e, EACCES, "the token gives no key of that URI without "
		    "a PIN: --passphrase-file");
	else
		err_set(e, EACCES, "the token gives no private key of that "
		    "URI; is the PIN right?");
	return NULL;
}
