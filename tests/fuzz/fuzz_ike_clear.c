/* The IKE codec on any octets: header, chain, every payload's body; the
 * length field is made right, so that more than the header is reached. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/ike.h"
#include "wire/ike_proposal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
proposals(struct rbuf body)
{
	struct ike_sa_walk w = ike_sa_walk_of(body);
	struct ike_proposal_in in;
	struct ike_proposal ours[2], chosen;
	struct ike_mismatch why;
	struct ike_choice c = { .sa = body, .ours = ours, .n_ours = 2 };
	char text[IKE_PROPOSAL_TEXT];

	while (ike_sa_next(&w, &in, NULL) == 1)
		(void)ike_proposal_in_text(&in, text, sizeof(text));
	for (c.protocol = IKE_PROTO_IKE; c.protocol <= IKE_PROTO_ESP;
	    c.protocol += 2)
		for (c.spi_len = 0; c.spi_len <= 8; c.spi_len += 4) {
			(void)ike_proposal_parse("aes256gcm16-aes128gcm16-"
			    "x25519-ecp384", c.protocol, &ours[0], NULL);
			(void)ike_proposal_parse("aes256-sha256-modp2048",
			    c.protocol, &ours[1], NULL);
			(void)ike_proposal_choose(&c, &chosen, &why, NULL);
			(void)ike_proposal_answer(&c, &chosen, NULL);
		}
}

static void
selectors(struct rbuf body)
{
	struct ike_ts_walk w;
	struct ike_ts ts;
	char text[100];

	if (ike_ts_walk_of(body, &w, NULL) < 0)
		return;
	while (ike_ts_next(&w, &ts, NULL) == 1)
		(void)ike_ts_text(&ts, text, sizeof(text));
}

static void
one(const struct ike_payload *p)
{
	struct ike_ke ke;
	struct ike_id id;
	struct ike_cert cert;
	struct ike_auth auth;
	struct ike_notify n;
	struct ike_delete d;
	struct ike_skf f;
	struct ike_cp cp;
	struct ike_cp_attr a;
	struct rbuf nonce;
	char text[64];

	(void)ike_ke_parse(p->body, &ke, NULL);
	if (ike_id_parse(p->body, &id, NULL) == 0)
		(void)ike_id_text(id.type, &id.data, text, sizeof(text));
	(void)ike_cert_parse(p->body, &cert, NULL);
	(void)ike_auth_parse(p->body, &auth, NULL);
	(void)ike_nonce_parse(p->body, &nonce, NULL);
	(void)ike_notify_parse(p->body, &n, NULL);
	(void)ike_delete_parse(p->body, &d, NULL);
	(void)ike_skf_parse(p->body, &f, NULL);
	if (ike_cp_parse(p->body, &cp, NULL) == 0)
		while (ike_cp_next(&cp.attributes, &a, NULL) == 1)
			;
	selectors(p->body);
	if (p->type == IKE_P_SA)
		proposals(p->body);
}

static void
message(struct rbuf in)
{
	struct ike_header h;
	struct ike_walk w;
	struct ike_payload p;

	if (ike_header_parse(&in, &h, NULL) < 0)
		return;
	w = ike_walk_of(h.next, in);
	while (ike_walk_next(&w, &p, NULL) == 1)
		one(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wbuf w;
	uint8_t *b;

	message(rbuf_of(data, size));
	if (size < IKE_HEADER_LEN || (b = malloc(size)) == NULL)
		return 0;
	memcpy(b, data, size);
	w = (struct wbuf){ .buf = b, .len = size, .cap = size };
	wbuf_fill32(&w, 24, size);
	message(rbuf_of(b, size));
	free(b);
	return 0;
}
