/* What a stranger sends in CERT and ID payloads: first octet the ID type, then
 * ID length, ID, certificate.  Parsed, shown, judged. */
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "crypto/sign.h"
#include "crypto/verdict.h"
#include "dmvpn-pki/pki_look.h"
#include "msg/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
show_ident(uint8_t type, struct rbuf data, struct ident *id)
{
	static const char *const patterns[] = { "*", "*.example.org",
		"*@example.org", "10.0.0.0/8", "CN=*", "CN=*,O=x", "x" };
	char text[IDENT_TEXT_MAX], small[8];
	struct ident again;
	size_t i;

	if (ident_of(type, data, id, NULL) < 0)
		return;
	ident_text(id, text, sizeof(text));
	ident_text(id, small, sizeof(small));
	if (text[0] == '\0')
		return;
	(void)ident_parse(text, &again, NULL);
	for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		(void)ident_matches(id, patterns[i]);
	if (!ident_equal(id, id))
		__builtin_trap();
}

static void
judge(struct cert *c, const struct ident *id)
{
	static const char *const patterns[] = { "*.example.org", NULL };
	struct cert_set set = { .n = 1, .v = { c } };
	struct cert_set none = { .n = 0 };
	struct verdict_ask ask = { .leaf = c, .others = &set,
		.anchors = &none, .id = id->type != 0 ? id : NULL,
		.patterns = patterns, .at = 1800000000 };
	struct sign_parts parts = { 1, { rbuf_of("x", 1) } };
	struct verdict v;
	struct reason r;

	verdict_make(&ask, &v);
	if (v.code == VERDICT_OK || v.blocks.n != 0)
		__builtin_trap();		/* nobody is trusted */
	verdict_reason(&v, "fuzz", &r);
	verdict_fini(&v);
	ask.anchors = &set;
	verdict_make(&ask, &v);
	verdict_fini(&v);
	(void)sign_verify(c, SIGN_DIGITAL, rbuf_of("\x00", 1), &parts, true,
	    NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rbuf in = rbuf_of(data, size), id_data;
	struct ident id = { .type = 0 };
	struct pki_look look;
	uint8_t type = rbuf_u8(&in), len = rbuf_u8(&in);
	struct cert *c;

	id_data = rbuf_sub(&in, len);
	show_ident(type, id_data, &id);
	if ((c = cert_parse(rbuf_rest(&in), NULL)) == NULL)
		return 0;
	pki_look_cert(c, &look);
	judge(c, &id);
	cert_free(c);
	return 0;
}
