/* Whom enrolment must not believe: servers that make certificates for keys of
 * others, and peers of the same CA that stand in its way. */
#include "pki_make.h"

#include "base/text.h"
#include "crypto/scep.h"
#include "dmvpn-pki/pki_enroll.h"

#define FROM	(MAKE_NOW - MAKE_DAY)
#define TO	(MAKE_NOW + 500 * MAKE_DAY)
#define CMC_RA		"1.3.6.1.5.5.7.3.28"
#define MICROSOFT_RA	"1.3.6.1.4.1.311.20.2.1"

static const struct make_ext ca_exts[] = {
	{ NID_basic_constraints, "critical,CA:TRUE" },
	{ NID_key_usage, "critical,keyCertSign,cRLSign" },
	{ NID_subject_key_identifier, "hash" },
	{ 0, NULL },
};

static const struct enroll_protocol quiet = { .name = "quiet" };

static struct cert *
made(const X509 *by, EVP_PKEY *by_key, const char *name, EVP_PKEY *key,
    const struct make_ext *exts)
{
	X509 *x = make_raw((X509 *)(uintptr_t)by, by_key, name, key,
	    EVP_sha256(), FROM, TO, exts);
	struct cert *c = make_cert_of(x);

	X509_free(x);
	return c;
}

/* ------------------------------------------------------------ fingerprints */

/*
 * The CA that the fingerprint names is below another.  Anybody can make a
 * certificate for the other's public key and name, with a root of his own
 * above it: what is above a certificate that is no root proves nothing.
 */
static void
a_fingerprint_trusts_no_root_above_a_ca_that_somebody_made_up(void **state)
{
	EVP_PKEY *root_key = pki_key_make("p256", NULL);
	EVP_PKEY *ours_key = pki_key_make("p256", NULL);
	EVP_PKEY *evil_key = pki_key_make("p256", NULL);
	struct cert *root = made(NULL, NULL, "Root", root_key, ca_exts);
	struct cert *ours = made(cert_x509(root), root_key, "Ours", ours_key,
	    ca_exts);
	struct cert *evil = made(NULL, NULL, "Evil", evil_key, ca_exts);
	struct cert *forged = made(cert_x509(evil), evil_key, "Root",
	    root_key, ca_exts);
	struct enroll n = { .protocol = &quiet, .now = MAKE_NOW };
	uint8_t print[32];
	char hex[65];

	(void)state;
	cert_fingerprint(ours, print);
	text_hex(print, sizeof(print), hex, sizeof(hex));
	assert_int_equal(enroll_print_parse(hex, &n, NULL), 0);
	cert_set_add(&n.ca, ours, NULL);
	cert_set_add(&n.ca, forged, NULL);
	cert_set_add(&n.ca, evil, NULL);
	assert_int_equal(enroll_trust(&n, NULL), 0);
	assert_int_equal(n.anchors.n, 1);
	assert_true(cert_equal(n.anchors.v[0], ours));
	assert_false(enroll_leads_up(&n, evil));
	/* The true root beside them is found, whatever comes before it. */
	cert_set_fini(&n.anchors);
	cert_set_add(&n.ca, root, NULL);
	assert_int_equal(enroll_trust(&n, NULL), 0);
	assert_int_equal(n.anchors.n, 1);
	assert_true(cert_equal(n.anchors.v[0], root));
	assert_false(enroll_leads_up(&n, evil));
	enroll_fini(&n);
	cert_free(root);
	cert_free(ours);
	cert_free(evil);
	cert_free(forged);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(ours_key);
	EVP_PKEY_free(evil_key);
}

/* -------------------------------------------------------------------- SCEP */

/* Whom a client of SCEP takes for the server, beside the CA itself. */
static bool
is_taken(const struct make *ca, EVP_PKEY *key, const char *usage)
{
	const struct make_ext exts[] = {
		{ NID_key_usage, "critical,digitalSignature,keyEncipherment" },
		{ usage == NULL ? 0 : NID_ext_key_usage, usage },
		{ 0, NULL },
	};
	struct cert *c = made(ca->ca.cert, ca->ca.key, "somebody", key, exts);
	struct cert_set s = { .n = 0 };
	bool signs = scep_may_sign(c, NULL), encrypts;

	cert_set_add(&s, c, NULL);
	encrypts = scep_encrypter(&s, NULL) != NULL;
	/* one that a person named is believed, whatever it says */
	assert_true(scep_may_sign(c, &s));
	assert_ptr_equal(scep_encrypter(&s, &s), c);
	assert_int_equal(scep_may_be_ra(c), usage == NULL);
	cert_set_fini(&s);
	cert_free(c);
	assert_int_equal(signs, encrypts);
	return signs;
}

/* GetCACert is protected by nothing: a peer on the way could put its own
 * certificate there, read challenges and sign answers. */
static void
scep_peers_of_the_same_ca_do_not_speak_for_it(void **state)
{
	EVP_PKEY *key = pki_key_make("rsa2048", NULL);
	struct make ca;

	(void)state;
	make_ca(&ca, "CA", "rsa2048", NULL);
	assert_true(is_taken(&ca, key, CMC_RA));
	assert_true(is_taken(&ca, key, MICROSOFT_RA));
	assert_true(is_taken(&ca, key, "clientAuth," CMC_RA));
	/* as what Cisco's CA gives to routers */
	assert_false(is_taken(&ca, key, NULL));
	assert_false(is_taken(&ca, key, "1.3.6.1.5.5.7.3.17"));
	assert_false(is_taken(&ca, key, "serverAuth,clientAuth"));
	assert_false(is_taken(&ca, key, "1.3.6.1.5.5.8.2.2"));
	make_fini(&ca);
	EVP_PKEY_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_fingerprint_trusts_no_root_above_a_ca_that_somebody_made_up),
		cmocka_unit_test(scep_peers_of_the_same_ca_do_not_speak_for_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
