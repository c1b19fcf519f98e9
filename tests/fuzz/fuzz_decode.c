/* dmvpn-decode from a frame to its output: dissecting, IP fragments, the IKE
 * and NHRP printers in both forms, and what SK holds as if it were open. */
#include <stdint.h>
#include <stdio.h>

#include "dmvpn-decode/decode_esp.h"
#include "dmvpn-decode/decode_frag.h"
#include "dmvpn-decode/decode_ike.h"
#include "dmvpn-decode/decode_nhrp.h"
#include "dmvpn-decode/decode_sk.h"
#include "wire/dissect.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* AES-GCM, all zero: sealed inputs that verify are few, but paths are run. */
static const char key_line[] =
    "0102030405060708,0000000000000000,"
    "0000000000000000000000000000000000000000,"
    "0000000000000000000000000000000000000000,"
    "\"AES-GCM-128 with 16 octet ICV [RFC5282]\",,,\"NONE [RFC4306]\"";

static void
show_ike(FILE *f, bool json, struct sk_reader *s, const struct keys *k,
    const struct dissect *d, bool open)
{
	struct ike_view v = { .src = d->src, .dst = d->dst,
	    .message = d->data };
	struct doc doc;

	doc_init(&doc, f, json);
	sk_read(s, k, &v);
	if (open) {
		v.have_clear = true;
		v.clear = d->data;
		v.first = rbuf_u8(&v.clear);
	}
	(void)decode_ike(&doc, &v);
}

static void
show_nhrp(FILE *f, bool json, const struct dissect *d)
{
	struct nhrp_view v = { .src = d->src.addr, .dst = d->dst.addr };
	struct dissect_gre g;
	struct doc doc;

	if (dissect_gre(d->data, &g) < 0)
		return;
	v.packet = g.data;
	doc_init(&doc, f, json);
	(void)decode_nhrp(&doc, &v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const unsigned links[] = { 0, 1, 101, 108, 113, 228, 276 };
	static struct frag_table *frags;
	static struct sk_reader *reader;
	static struct keys keys;
	static FILE *f;
	static uint8_t room[DECODE_ESP_MAX];
	struct rbuf in = rbuf_of(p, n);
	uint8_t how = rbuf_u8(&in);
	struct dissect d, inner;
	uint32_t spi;

	if (f == NULL) {
		f = fopen("/dev/null", "w");
		frags = frag_new(NULL);
		reader = sk_reader_new(NULL);
		if (keys_add_ike(&keys, key_line, NULL) < 0)
			return -1;
	}
	if (dissect_frame(links[how % 7], in, &d) < 0)
		return 0;
	if (d.kind == DISSECT_FRAGMENT && !frag_take(frags, &d))
		return 0;
	if (d.kind == DISSECT_IKE)
		show_ike(f, how & 0x80, reader, &keys, &d, how & 0x40);
	else if (d.kind == DISSECT_GRE)
		show_nhrp(f, how & 0x80, &d);
	else if (d.kind == DISSECT_ESP)
		(void)decode_esp(&keys, &d, room, sizeof(room), &spi, &inner);
	return 0;
}
