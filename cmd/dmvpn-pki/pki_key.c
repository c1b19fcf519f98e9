#include "pki_key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "base/num.h"
#include "crypto/cert.h"

#define RSA_BITS_MOST	8192
/* PBKDF2 with SHA-256: a tenth of a second or two for each guess. */
#define ROUNDS		600000

static const struct {
	const char	*type;
	const char	*algorithm;
	const char	*group;
} types[] = {
	{ "p256", "EC", "P-256" },
	{ "p384", "EC", "P-384" },
	{ "p521", "EC", "P-521" },
	{ "ed25519", "ED25519", NULL },
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

static size_t
type_find(const char *type)
{
	size_t i = 0;

	while (i < N_TYPES && strcmp(types[i].type, type) != 0)
		i++;
	return i;
}

/* "rsa3072": 3072; 0 for what is none. */
static size_t
rsa_bits(const char *type)
{
	uint64_t bits;

	return strncmp(type, "rsa", 3) == 0 && num_parse(type + 3,
	    RSA_BITS_MIN, RSA_BITS_MOST, &bits, NULL) == 0 && bits % 256 == 0 ?
	    (size_t)bits : 0;
}

int
pki_key_type_check(const char *type, struct err *e)
{
	return type_find(type) < N_TYPES || rsa_bits(type) > 0 ? 0 :
	    err_set(e, EINVAL, "key type \"%s\" is none of " PKI_KEY_TYPES,
	    type);
}

EVP_PKEY *
pki_key_make(const char *type, struct err *e)
{
	size_t i = type_find(type), bits = rsa_bits(type);
	EVP_PKEY *k = NULL;

	if (pki_key_type_check(type, e) < 0)
		return NULL;
	if (bits > 0)
		k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
	else if (types[i].group != NULL)
		k = EVP_PKEY_Q_keygen(NULL, NULL, types[i].algorithm,
		    types[i].group);
	else
		k = EVP_PKEY_Q_keygen(NULL, NULL, types[i].algorithm);
	ERR_clear_error();
	if (k == NULL)
		err_set(e, EIO, "OpenSSL makes no %s key", type);
	return k;
}

/* What a memory BIO holds, as a secret; the BIO is freed and wiped. */
static struct secret *
drain(BIO *b, bool ok, struct err *e)
{
	struct secret *s = NULL;
	char *p;
	long len = b == NULL ? 0 : BIO_get_mem_data(b, &p);

	if (ok && len > 0 && (s = secret_new((size_t)len + 1)) != NULL) {
		memcpy(s->b, p, (size_t)len);
		s->len = (size_t)len;
	}
	if (len > 0)
		secret_wipe(p, (size_t)len);
	BIO_free(b);
	ERR_clear_error();
	if (s == NULL)
		err_set(e, EIO, "private key could not be written");
	return s;
}

static int
put_locked(BIO *b, EVP_PKEY *k, const struct secret *pass)
{
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(k);
	X509_ALGOR *how = PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), ROUNDS, NULL,
	    0, NULL, NID_hmacWithSHA256);
	X509_SIG *locked = NULL;
	int ok;

	if (p8 != NULL && how != NULL)
		locked = PKCS8_set0_pbe((const char *)pass->b, (int)pass->len,
		    p8, how);
	if (locked == NULL)
		X509_ALGOR_free(how);	/* else locked has it */
	ok = locked != NULL && PEM_write_bio_PKCS8(b, locked) == 1;
	X509_SIG_free(locked);
	PKCS8_PRIV_KEY_INFO_free(p8);
	return ok;
}

struct secret *
pki_key_pem(EVP_PKEY *k, const struct secret *pass, struct err *e)
{
	BIO *b = BIO_new(BIO_s_secmem());
	int ok = b != NULL && (pass != NULL ? put_locked(b, k, pass) :
	    PEM_write_bio_PKCS8PrivateKey(b, k, NULL, NULL, 0, NULL,
	    NULL) == 1);

	return drain(b, ok, e);
}

struct secret *
pki_key_der(EVP_PKEY *k, struct err *e)
{
	BIO *b = BIO_new(BIO_s_secmem());
	int ok = b != NULL && i2d_PKCS8PrivateKey_bio(b, k, NULL, NULL, 0,
	    NULL, NULL) == 1;

	return drain(b, ok, e);
}

bool
pki_key_is_encrypted(const char *pem)
{
	return strstr(pem, "BEGIN ENCRYPTED PRIVATE KEY") != NULL ||
	    strstr(pem, "Proc-Type: 4,ENCRYPTED") != NULL;
}

static int
give_pass(char *buf, int size, int rwflag, void *arg)
{
	const struct secret *pass = arg;

	(void)rwflag;
	if (pass == NULL || pass->len > (size_t)size)
		return -1;
	memcpy(buf, pass->b, pass->len);
	return (int)pass->len;
}

EVP_PKEY *
pki_key_read(const char *pem, size_t len, const struct secret *pass,
    struct err *e)
{
	BIO *b = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *k = NULL;

	if (b != NULL)
		k = PEM_read_bio_PrivateKey(b, NULL, give_pass,
		    (void *)(uintptr_t)pass);
	BIO_free(b);
	ERR_clear_error();
	if (k != NULL)
		return k;
	if (pki_key_is_encrypted(pem))
		err_set(e, EACCES, pass == NULL ? "the private key is "
		    "encrypted: a passphrase is wanted" : "the passphrase "
		    "does not open the private key");
	else
		err_set(e, EBADMSG, "no private key that we can read");
	return NULL;
}

const char *
pki_key_text(const EVP_PKEY *k, char *out, size_t out_len)
{
	enum cert_key kind = cert_pkey_kind(k);
	struct name_buf nb;

	if (kind == CERT_KEY_RSA)
		snprintf(out, out_len, "rsa %d", EVP_PKEY_get_bits(k));
	else
		snprintf(out, out_len, "%s", name_text(cert_key_names, kind,
		    &nb));
	return out;
}
