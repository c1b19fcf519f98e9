/* The NHRP codec: vectors, real captures, and packets made wrong. */
#include <dirent.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "wire/nhrp.h"

#define VECTORS "tests/vectors/nhrp"
#define CAPTURES "../shared/captures"

struct packet {
	uint8_t	b[NHRP_MAX];
	size_t	len;
};

/* Build again from what was parsed; the bytes must be the same. */
static void
rebuild(const struct packet *p, const char *name)
{
	uint8_t out[NHRP_MAX];
	struct nhrp_cie cie;
	struct nhrp_ext ext;
	struct nhrp_out o;
	struct rbuf in;
	struct nhrp n;
	struct err e = { 0 };

	if (nhrp_parse(rbuf_of(p->b, p->len), &n, &e) < 0)
		fail_msg("%s: %s", name, e.msg);
	nhrp_begin(&o, out, sizeof(out), &n);
	for (in = n.cies; nhrp_cie_next(&n, &in, &cie, &e) > 0;)
		nhrp_put_cie(&o, &cie);
	nhrp_put(&o, &n.payload);
	for (in = n.exts; nhrp_ext_next(&in, &ext, &e) > 0;) {
		struct rbuf v = ext.value;

		nhrp_ext_open(&o, ext.type, ext.compulsory);
		if (!nhrp_ext_has_cies(&ext))
			nhrp_put(&o, &v);
		else while (nhrp_cie_next(&n, &v, &cie, &e) > 0)
			nhrp_put_cie(&o, &cie);
		nhrp_ext_close(&o);
	}
	assert_int_equal(nhrp_end(&o, &e), 0);
	if (o.w.len != p->len || memcmp(out, p->b, p->len) != 0)
		fail_msg("%s: was built differently", name);
}

static void
load(const char *name, struct packet *p)
{
	char path[300], line[128];
	struct wbuf w = wbuf_of(p->b, sizeof(p->b));
	FILE *f;

	snprintf(path, sizeof(path), VECTORS "/%s.hex", name);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		assert_true(text_unhex(line, &w, NULL) >= 0);
	}
	fclose(f);
	p->len = w.len;
}

/* Names of all vectors; returns how many. */
static size_t
vectors(char names[][64], size_t max)
{
	DIR *d = opendir(VECTORS);
	struct dirent *de;
	size_t n = 0;

	assert_non_null(d);
	while ((de = readdir(d)) != NULL && n < max) {
		size_t len = strlen(de->d_name);

		if (len > 4 && len < 64 &&
		    strcmp(de->d_name + len - 4, ".hex") == 0)
			snprintf(names[n++], 64, "%.*s", (int)len - 4,
			    de->d_name);
	}
	closedir(d);
	return n;
}

static void
repair(struct packet *p)
{
	uint16_t c;

	p->b[12] = p->b[13] = 0;
	c = nhrp_checksum(rbuf_of(p->b, p->len));
	p->b[12] = (uint8_t)(c >> 8);
	p->b[13] = (uint8_t)c;
}

static int
parse(const struct packet *p, struct nhrp *n)
{
	struct err e = { 0 };
	/* a copy of exactly this size, so that sanitizers see a step over */
	uint8_t *b = malloc(p->len + 1);
	int rc;

	assert_non_null(b);
	memcpy(b, p->b, p->len);
	rc = nhrp_parse(rbuf_of(b, p->len), n, &e);
	if (rc < 0)
		assert_true(e.code == EBADMSG || e.code == EPROTONOSUPPORT);
	free(b);
	return rc;
}

static void
test_vectors(void **state)
{
	char names[64][64];
	size_t i, n = vectors(names, 64);
	struct packet p;

	(void)state;
	assert_true(n >= 14);
	for (i = 0; i < n; i++) {
		load(names[i], &p);
		rebuild(&p, names[i]);
	}
}

/* The NHRP packet in an Ethernet frame with or without a VLAN tag. */
static bool
from_frame(struct rbuf in, struct packet *p)
{
	uint16_t type, bits;
	uint8_t first;

	rbuf_skip(&in, 12);
	while ((type = rbuf_be16(&in)) == 0x8100)
		rbuf_skip(&in, 2);
	first = rbuf_u8(&in);
	rbuf_skip(&in, 1);
	in = rbuf_sub(&in, (size_t)rbuf_be16(&in) - 4);
	if (type != 0x0800 || !rbuf_ok(&in))
		return false;
	rbuf_skip(&in, 5);
	if (rbuf_u8(&in) != 47)
		return false;
	rbuf_skip(&in, (size_t)(first & 15) * 4 - 10);
	bits = rbuf_be16(&in);
	if (rbuf_be16(&in) != 0x2001)
		return false;
	rbuf_skip(&in, ((bits & 0x8000) ? 4 : 0) + ((bits & 0x2000) ? 4 : 0));
	p->len = rbuf_left(&in);
	rbuf_copy(&in, p->b, p->len);
	return rbuf_ok(&in);
}

static size_t
capture(const char *name)
{
	char path[200], err[PCAP_ERRBUF_SIZE], what[240];
	struct pcap_pkthdr *h;
	const u_char *data;
	struct packet p;
	size_t n = 0, at = 0;
	pcap_t *c;

	snprintf(path, sizeof(path), CAPTURES "/%s", name);
	if ((c = pcap_open_offline(path, err)) == NULL)
		return 0;
	while (pcap_next_ex(c, &h, &data) == 1) {
		at++;
		if (!from_frame(rbuf_of(data, h->caplen), &p))
			continue;
		snprintf(what, sizeof(what), "%s, packet %zu", path, at);
		rebuild(&p, what);
		n++;
	}
	pcap_close(c);
	return n;
}

static void
test_captures(void **state)
{
	DIR *d = opendir(CAPTURES);

	(void)state;
	if (d == NULL)
		skip();
	closedir(d);
	assert_int_equal(capture("NHRP_registration.pcap"), 4);
	assert_int_equal(capture("nhrp-trace.pcap"), 4);
	assert_int_equal(capture("frr-none-bgp.pcap"), 14);
}

static void
test_cut(void **state)
{
	char names[64][64];
	size_t i, len, n = vectors(names, 64);
	struct packet p;
	struct nhrp pkt;

	(void)state;
	for (i = 0; i < n; i++) {
		load(names[i], &p);
		for (len = p.len; len-- > 0;) {
			struct packet q = p;

			q.len = len;
			assert_int_equal(parse(&q, &pkt), -1);
			if (len < NHRP_HEADER)
				continue;
			/* size and checksum made right again */
			q.b[10] = (uint8_t)(len >> 8);
			q.b[11] = (uint8_t)len;
			repair(&q);
			(void)parse(&q, &pkt);
			nhrp_parse_lax(rbuf_of(q.b, len), &pkt, NULL);
		}
	}
}

static const struct wrong {
	const char	*what;
	size_t		 at;
	int		 len;		/* 1 or 2 octets */
	unsigned	 value;
} wrongs[] = {
	{ "afn 0", 0, 2, 0 }, { "afn 3", 0, 2, 3 },
	{ "afn 65535", 0, 2, 65535 }, { "protocol", 2, 2, 0x0806 },
	{ "size larger", 10, 2, 500 }, { "size smaller", 10, 2, 60 },
	{ "size below the header", 10, 2, 19 }, { "size 0", 10, 2, 0 },
	{ "extension offset inside the header", 14, 2, 19 },
	{ "extension offset odd", 14, 2, 51 },
	{ "extension offset past the end", 14, 2, 4000 },
	{ "version 0", 16, 1, 0 }, { "version 2", 16, 1, 2 },
};

static void
test_header(void **state)
{
	struct packet good, p;
	struct nhrp n;
	size_t i;

	(void)state;
	load("registration-request", &good);
	assert_int_equal(parse(&good, &n), 0);
	for (i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const struct wrong *w = &wrongs[i];

		p = good;
		if (w->len == 2)
			p.b[w->at] = (uint8_t)(w->value >> 8);
		p.b[w->at + (size_t)w->len - 1] = (uint8_t)w->value;
		repair(&p);
		if (parse(&p, &n) == 0)
			fail_msg("%s was taken", w->what);
	}
}

static void
test_checksum(void **state)
{
	struct packet p;
	struct nhrp n;
	size_t i;

	(void)state;
	load("registration-request", &p);
	assert_int_equal(p.len % 2, 1);
	assert_int_equal(parse(&p, &n), 0);
	for (i = 0; i < p.len; i++) {
		p.b[i] ^= 0x10;
		assert_int_equal(parse(&p, &n), -1);
		p.b[i] ^= 0x10;
	}
}

static void
test_lengths(void **state)
{
	/* source NBMA, source, destination; NBMA and protocol of the CIE */
	static const size_t at[] = { 18, 20, 21, 48, 50 };
	struct packet good, p;
	struct nhrp n;
	unsigned v;
	size_t i;

	(void)state;
	load("registration-request", &good);
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		for (v = 0; v < 256; v++) {
			p = good;
			p.b[at[i]] = (uint8_t)v;
			repair(&p);
			if (parse(&p, &n) == 0 && v != 4 && v != 0)
				fail_msg("length 0x%02x at %zu was taken", v,
				    at[i]);
		}
	for (v = 0; v < 256; v++) {
		p = good;
		p.b[19] = (uint8_t)v;
		repair(&p);
		(void)parse(&p, &n);
	}
}

static void
build_cies(struct packet *p, unsigned cies, uint8_t prefix)
{
	struct nhrp_cie cie = { .prefix = prefix, .hold = 600 };
	struct nhrp n = { .afn = NHRP_AFN_IP4, .protocol = NHRP_PROTO_IP4,
	    .hops = 255, .type = NHRP_REGISTRATION_REQUEST };
	struct nhrp_out o;

	nhrp_begin(&o, p->b, sizeof(p->b), &n);
	while (cies-- > 0)
		nhrp_put_cie(&o, &cie);
	assert_int_equal(nhrp_end(&o, NULL), 0);
	p->len = o.w.len;
}

static void
test_cies(void **state)
{
	struct packet p;
	struct nhrp n;

	(void)state;
	build_cies(&p, 0, 0);
	assert_int_equal(parse(&p, &n), 0);
	assert_int_equal(n.n_cies, 0);
	build_cies(&p, NHRP_MAX_CIES, 255);
	assert_int_equal(parse(&p, &n), 0);
	build_cies(&p, NHRP_MAX_CIES + 1, 255);
	assert_int_equal(parse(&p, &n), -1);
	build_cies(&p, 100, 255);
	assert_int_equal(parse(&p, &n), -1);
	build_cies(&p, 1, 0);
	p.b[28 + 9] = 63;	/* subaddress past the end */
	repair(&p);
	assert_int_equal(parse(&p, &n), -1);
}

/* A registration whose extension part is these octets. */
static int
with_exts(const char *hex)
{
	struct nhrp n = { .afn = NHRP_AFN_IP4, .protocol = NHRP_PROTO_IP4,
	    .hops = 255, .type = NHRP_REGISTRATION_REQUEST };
	struct packet p;
	struct nhrp_out o;
	size_t at;

	nhrp_begin(&o, p.b, sizeof(p.b), &n);
	at = o.w.len;
	assert_true(text_unhex(hex, &o.w, NULL) >= 0);
	assert_int_equal(nhrp_end(&o, NULL), 0);
	p.len = o.w.len;
	p.b[14] = 0;
	p.b[15] = (uint8_t)at;
	repair(&p);
	return parse(&p, &n);
}

static void
test_extensions(void **state)
{
	char many[500 * 8 + 1] = "";
	size_t i;

	(void)state;
	assert_int_equal(with_exts(""), 0);
	assert_int_equal(with_exts("80000000"), 0);
	assert_int_equal(with_exts("800300008004000080050000"), 0);
	assert_int_equal(with_exts("8003000180000000"), -1);
	assert_int_equal(with_exts("800700100000000180000000"), -1);
	assert_int_equal(with_exts("80000000ff"), -1);
	assert_int_equal(with_exts("8007000480000001"), 0);
	assert_int_equal(with_exts("80070004000000018007000400000001"), -1);
	assert_int_equal(with_exts("0009000000090000"), -1);
	assert_int_equal(with_exts("00080003aabbcc80080003ddeeff80000000"), 0);
	assert_int_equal(with_exts("000900080000000100000000"), 0);
	assert_int_equal(with_exts("00090007000000010000ff"), -1);
	assert_int_equal(with_exts("8011000080000000"), 0);
	for (i = 0; i < 500; i++)
		memcpy(many + i * 8, "00080000", 9);
	assert_int_equal(with_exts(many), -1);
}

static void
test_types(void **state)
{
	struct packet good, p;
	struct nhrp n;
	unsigned t;

	(void)state;
	load("traffic-indication", &good);
	for (t = 0; t < 256; t++) {
		p = good;
		p.b[17] = (uint8_t)t;
		repair(&p);
		if (t == 0 || t > 8)
			assert_int_equal(parse(&p, &n), -1);
	}
	assert_int_equal(parse(&good, &n), 0);
	assert_int_equal(rbuf_left(&n.payload), 28);
}

static void
test_seen(void **state)
{
	struct packet p;
	struct nhrp_seen s;
	struct nhrp_ext ext;
	struct addr_buf b;
	struct nhrp n;

	(void)state;
	load("observed-endpoints", &p);
	assert_int_equal(parse(&p, &n), 0);
	assert_int_equal(nhrp_parse(rbuf_of(p.b, p.len), &n, NULL), 0);
	assert_true(nhrp_ext_find(&n, NHRP_EXT_VENDOR, &ext));
	assert_true(nhrp_seen_parse(&ext, &s));
	assert_string_equal(endpoint_text(&s.requester, &b),
	    "198.51.100.77:23863");
	assert_string_equal(endpoint_text(&s.responder, &b),
	    "203.0.113.3:4500");
	ext.value = rbuf_of("\x00\x00\x0c\x01\x00", 5);
	assert_false(nhrp_seen_parse(&ext, &s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "vectors parse and are rebuilt byte-equal", test_vectors,
		    NULL, NULL, NULL },
		{ "every NHRP packet of the captures is rebuilt byte-equal",
		    test_captures, NULL, NULL, NULL },
		{ "NHRP-01 packets cut at each octet are refused", test_cut,
		    NULL, NULL, NULL },
		{ "NHRP-01 wrong headers are refused", test_header, NULL,
		    NULL, NULL },
		{ "NHRP-02 a wrong checksum is refused, an odd length is not",
		    test_checksum, NULL, NULL, NULL },
		{ "NHRP-03 address lengths are those of IP or zero",
		    test_lengths, NULL, NULL, NULL },
		{ "NHRP-04 entries past the end and too many are refused",
		    test_cies, NULL, NULL, NULL },
		{ "NHRP-05 extensions: bounded, once, within the packet",
		    test_extensions, NULL, NULL, NULL },
		{ "NHRP-23 types 0 and 9 to 255 are refused", test_types,
		    NULL, NULL, NULL },
		{ "observed endpoints come in a private extension",
		    test_seen, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
