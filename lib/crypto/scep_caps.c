/* What a SCEP server can, and who speaks for it; see scep.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/x509v3.h>

#include "crypto/scep.h"

const struct name scep_cap_names[] = { SCEP_CAPS(NAME_ROW) NAME_END };

static uint32_t
cap_of(const char *word, size_t len)
{
	const struct name *n;

	for (n = scep_cap_names; n->text != NULL; n++)
		if (strlen(n->text) == len &&
		    strncasecmp(n->text, word, len) == 0)
			return n->value;
	return 0;
}

uint32_t
scep_caps_parse(struct rbuf text)
{
	char word[32];
	size_t len = 0;
	uint32_t caps = 0;

	while (rbuf_left(&text) > 0) {
		uint8_t c = rbuf_u8(&text);
		bool blank = c == '\n' || c == '\r' || c == ' ' || c == '\t';

		if (!blank && len < sizeof(word))
			word[len++] = (char)c;
		if (blank || rbuf_left(&text) == 0) {
			caps |= cap_of(word, len);
			len = 0;
		}
	}
	/* RFC 8894, 3.5.2: it stands for these. */
	if (caps & SCEP_CAP_STANDARD)
		caps |= SCEP_CAP_AES | SCEP_CAP_POST | SCEP_CAP_SHA256;
	return caps;
}

const char *
scep_caps_text(uint32_t caps, char *out, size_t out_len)
{
	const struct name *n;
	size_t at = 0;

	snprintf(out, out_len, "%s", caps == 0 ? "nothing" : "");
	for (n = scep_cap_names; n->text != NULL; n++)
		if ((caps & n->value) && at < out_len)
			at += (size_t)snprintf(out + at, out_len - at, "%s%s",
			    at > 0 ? " " : "", n->text);
	return out;
}

int
scep_caps_pick(uint32_t caps, bool legacy, struct scep_algs *algs,
    struct err *e)
{
	bool aes = caps & SCEP_CAP_AES;
	bool sha2 = caps & (SCEP_CAP_SHA256 | SCEP_CAP_SHA512);
	char text[128];

	*algs = (struct scep_algs){ .legacy = legacy,
	    .des3 = legacy && !aes, .sha1 = legacy && !sha2,
	    .sha512 = sha2 && !(caps & SCEP_CAP_SHA256) };
	if (!legacy && !(aes && sha2))
		return err_set(e, ENOTSUP, "the server says that it can: %s. "
		    "That is not AES with SHA-256; --legacy takes 3DES and "
		    "SHA-1, which are weak",
		    scep_caps_text(caps, text, sizeof(text)));
	return 0;
}

/* ----------------------------------------------------- of its certificates */

static uint32_t
usage_of(const struct cert *c)
{
	/* It fills a cache that is there already. */
	return X509_get_key_usage((X509 *)(uintptr_t)cert_x509(c));
}

/* Certificate Request Agent, as NDES has it, or id-kp-cmcRA (RFC 6402). */
static bool
is_ra(const ASN1_OBJECT *usage)
{
	static const char *const oids[] = { "1.3.6.1.4.1.311.20.2.1",
	    "1.3.6.1.5.5.7.3.28" };
	char text[80];
	size_t i;

	if (OBJ_obj2txt(text, sizeof(text), usage, 1) <= 0)
		return false;
	for (i = 0; i < sizeof(oids) / sizeof(oids[0]); i++)
		if (strcmp(text, oids[i]) == 0)
			return true;
	return false;
}

/* 1: yes; 0: it is for other things; -1: it does not say. */
static int
says_ra(const struct cert *c)
{
	EXTENDED_KEY_USAGE *all;
	int i, critical = -1, found = 0;

	all = X509_get_ext_d2i(cert_x509(c), NID_ext_key_usage, &critical,
	    NULL);
	if (all == NULL)
		return critical == -1 ? -1 : 0;
	for (i = 0; found == 0 && i < sk_ASN1_OBJECT_num(all); i++)
		found = is_ra(sk_ASN1_OBJECT_value(all, i));
	EXTENDED_KEY_USAGE_free(all);
	return found;
}

static bool
has(const struct cert_set *s, const struct cert *c)
{
	size_t i;

	for (i = 0; s != NULL && i < s->n; i++)
		if (cert_equal(s->v[i], c))
			return true;
	return false;
}

/* NDES and ours say it (RFC 8894 does not ask for it).  Cisco's RAs do not, but
 * neither do the routers that Cisco's CA certifies: there a person tells. */
static bool
speaks_for_ca(const struct cert *c, const struct cert_set *ras)
{
	return cert_is_ca(c) || says_ra(c) == 1 || has(ras, c);
}

bool
scep_may_be_ra(const struct cert *c)
{
	return !cert_is_ca(c) && says_ra(c) == -1 &&
	    cert_key_kind(c) == CERT_KEY_RSA;
}

/* 0: not at all; more is better. */
static int
fitness(const struct cert *c, const struct cert_set *ras)
{
	uint32_t usage = usage_of(c);
	bool told = usage != UINT32_MAX;

	if (cert_key_kind(c) != CERT_KEY_RSA || !speaks_for_ca(c, ras))
		return 0;
	if (cert_is_ca(c))
		return told && (usage & KU_KEY_ENCIPHERMENT) ? 2 : 1;
	if (!told)
		return 3;
	if (!(usage & (KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT)))
		return 0;
	return usage & KU_DIGITAL_SIGNATURE ? 4 : 5;
}

const struct cert *
scep_encrypter(const struct cert_set *s, const struct cert_set *ras)
{
	const struct cert *best = NULL;
	size_t i;

	for (i = 0; i < s->n; i++)
		if (fitness(s->v[i], ras) > (best == NULL ? 0 :
		    fitness(best, ras)))
			best = s->v[i];
	return best;
}

bool
scep_may_sign(const struct cert *c, const struct cert_set *ras)
{
	/* A CA signs with the key of its certificates, whatever it says. */
	return cert_is_ca(c) || (speaks_for_ca(c, ras) &&
	    (usage_of(c) & KU_DIGITAL_SIGNATURE));
}
