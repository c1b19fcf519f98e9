#include "path_lab.h"

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400, .n_addresses = 1,
    .addresses = { { 4, { 192, 168, 2, 9 } } } };

#define GCM ESP_CIPHER_AES128_GCM

static struct lab_end A;

static int
setup(void **state)
{
	struct gre_sa_add m;

	(void)state;
	lab_open(&A, 1, &mgre);
	lab_peer(&A, 2, GRE_ENCAP_UDP, 7777);
	m = lab_sa_message(2, GCM, 0x1000, 0x2000, false);
	/* what lab_seal seals with is what this end opens with */
	m.key_in = rbuf_of(lab_keys[1], 20);
	m.key_out = rbuf_of(lab_keys[0], 20);
	assert_int_equal(path_sa_add(A.p, &m, 0, NULL), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	lab_close(&A);
	return 0;
}

/* Packets that reached the TAP. */
static unsigned
arrived(void)
{
	uint8_t b[2048];
	unsigned n = 0;

	while (lab_read(&A, b, sizeof(b)) > 0)
		n++;
	return n;
}

static size_t
esp(uint8_t *p, uint64_t seq)
{
	uint8_t gre[512];
	size_t n = lab_gre(gre, 40);

	return lab_seal(1, 0x1000, seq, gre, n, 0, IP_GRE, p);
}

static void
inject_gre(uint64_t seq, const uint8_t *gre, size_t n)
{
	uint8_t p[2048];

	lab_inject(&A, 7777, p, lab_seal(1, 0x1000, seq, gre, n, 0,
	    IP_GRE, p));
}

static void
short_datagrams_and_keepalives(void **state)
{
	uint8_t p[64] = { 0xff };
	size_t n;

	(void)state;
	lab_inject(&A, 7777, p, 1);
	assert_int_equal(lab_drops(&A, DROP_UDP_SHORT), 0);
	p[0] = 0;
	for (n = 0; n <= 4; n++)
		lab_inject(&A, 7777, p, n);
	assert_int_equal(lab_drops(&A, DROP_UDP_SHORT), 5);
	memset(p, 0xa5, sizeof(p));
	memset(p, 0, 4);
	for (n = 5; n < 32; n++)
		lab_inject(&A, 7777, p, n);
	assert_int_equal(lab_drops(&A, DROP_UDP_SHORT), 32);
	for (n = 1; n < 256; n++) {
		store32(p, (uint32_t)n);
		lab_inject(&A, 7777, p, 64);
	}
	assert_int_equal(lab_drops(&A, DROP_SPI), 255);
	store32(p, 0x1000);
	for (n = 5; n < 8; n++)
		lab_inject(&A, 7777, p, n);
	assert_int_equal(lab_drops(&A, DROP_ESP_SHORT), 3);
	assert_int_equal(arrived(), 0);
	assert_int_equal(counted(&path_peer_find(A.p, 2)->last_in), 0);
}

/* Its SPI's first half reads as an SPI of ESP. */
static void
ike_without_a_marker(void **state)
{
	struct path_event ev;
	uint8_t p[128] = { 0 };

	(void)state;
	assert_int_equal(path_ike_spi_add(A.p, 0x1234567800000001, NULL), 0);
	store32(p, 0x12345678);
	store32(p + 4, 1);
	p[17] = 0x20;
	p[18] = 37;
	lab_inject(&A, 7777, p, sizeof(p));
	assert_int_equal(lab_drops(&A, DROP_SPI), 1);
	assert_false(lab_event(&A, PATH_IKE, &ev));
	/* Nor does one whose half is an SA's. */
	assert_int_equal(path_ike_spi_add(A.p, 0x1000ull << 32 | 1, NULL), 0);
	store32(p, 0x1000);
	lab_inject(&A, 7777, p, sizeof(p));
	assert_int_equal(lab_drops(&A, DROP_FORGED), 1);
	assert_false(lab_event(&A, PATH_IKE, &ev));
	assert_int_equal(arrived(), 0);
}

/* Numbers of a window in disorder, each up to W - 1 behind the newest, and
 * every fifth once more. */
static void
disorder_within_the_window(void **state)
{
	enum { BLOCK = REPLAY_WINDOW, ALL = 4 * BLOCK };
	static uint8_t p[512];
	unsigned i, k, n = 0, twice = 0;
	uint64_t seq;

	(void)state;
	for (i = 0; i < ALL; i += BLOCK)
		for (k = 0; k < BLOCK; k++) {
			/* 389 is prime to the window's size. */
			seq = i + (k * 389) % BLOCK + 1;
			lab_inject(&A, 7777, p, esp(p, seq));
			n += arrived();
			if (k % 5 != 0)
				continue;
			lab_inject(&A, 7777, p, esp(p, seq));
			n += arrived();
			twice++;
		}
	assert_int_equal(n, ALL);
	assert_int_equal(lab_drops(&A, DROP_REPLAY), twice);
}

static void
esp_of_wrong_length(void **state)
{
	uint8_t p[512], q[512];
	size_t n, len = esp(p, 1), whole = 0;

	(void)state;
	for (n = 8; n < len; n++) {
		memcpy(q, p, n);
		lab_inject(&A, 7777, q, n);
		whole += n >= 8 + 8 + 4 + 16 && (n - 32) % 4 == 0;
	}
	assert_int_equal(arrived(), 0);
	assert_int_equal(lab_drops(&A, DROP_ESP_SHORT), len - 8 - whole);
	assert_int_equal(lab_drops(&A, DROP_FORGED), whole);
	lab_inject(&A, 7777, p, len);
	assert_int_equal(arrived(), 1);
}

static void
one_wrong_bit(void **state)
{
	uint8_t p[512], q[512];
	size_t i, len = esp(p, 1);
	struct path_sa_stat s;

	(void)state;
	for (i = 4; i < len; i++) {
		memcpy(q, p, len);
		q[i] ^= 0x20;
		lab_inject(&A, 7777, q, len);
	}
	assert_int_equal(arrived(), 0);
	assert_int_equal(path_sa_stat(A.p, 0x1000, &s), 0);
	assert_int_equal(s.forged, len - 4);
	assert_int_equal(s.rx_packets, 0);
	assert_int_equal(lab_drops(&A, DROP_FORGED), len - 4);
	/* None of them moved the window. */
	lab_inject(&A, 7777, p, len);
	assert_int_equal(arrived(), 1);
}

static void
duplicates_are_dropped(void **state)
{
	uint8_t p[512], q[512];
	struct path_sa_stat s;
	uint64_t seq;
	size_t len;

	(void)state;
	for (seq = 2000; seq > 2000 - 1030; seq--) {
		len = esp(p, seq);
		memcpy(q, p, len);
		lab_inject(&A, 7777, p, len);
		lab_inject(&A, 7777, q, len);
	}
	assert_int_equal(arrived(), 1024);
	path_sa_stat(A.p, 0x1000, &s);
	assert_int_equal(s.rx_packets, 1024);
	assert_int_equal(s.replayed, 1024 + 2 * 6);
	len = esp(p, 0);
	lab_inject(&A, 7777, p, len);
	assert_int_equal(lab_drops(&A, DROP_REPLAY), 1024 + 13);
}

static void
padding_and_dummies(void **state)
{
	uint8_t gre[512], p[1024];
	const struct esp_suite *s = esp_suite(ESP_AES128_GCM);
	struct esp_key *k;
	struct esp_job j = { .p = p, .sequence = 5 };
	size_t n = lab_gre(gre, 40);

	(void)state;
	/* TFC padding behind the inner packet (RFC 4303, 2.7). */
	memset(gre + n, 0xee, 100);
	lab_inject(&A, 7777, p, lab_seal(1, 0x1000, 1, gre, n + 100,
	    0, IP_GRE, p));
	assert_int_equal(arrived(), 1);
	/* A dummy packet. */
	lab_inject(&A, 7777, p, lab_seal(1, 0x1000, 2, gre, n, 0,
	    IP_NONE, p));
	assert_int_equal(lab_drops(&A, DROP_DUMMY), 1);
	lab_inject(&A, 7777, p, lab_seal(1, 0x1000, 3, gre, n, 0,
	    IP_UDP, p));
	assert_int_equal(lab_drops(&A, DROP_NEXT_HEADER), 1);
	/* Long padding is fine, wrong padding is not. */
	lab_inject(&A, 7777, p, lab_seal(1, 0x1000, 4, gre, n, 300,
	    IP_GRE, p));
	assert_int_equal(arrived(), 1);
	k = esp_key_new(ESP_AES128_GCM, true, lab_keys[1], s->key_len, 1,
	    NULL);
	store32(p, 0x1000);
	store32(p + 4, 5);
	memset(p + 16, 7, 100);
	j.text = 100;
	assert_int_equal(esp_seal(k, 0, false, &j, 1), 0);
	esp_key_free(k);
	lab_inject(&A, 7777, p, 16 + 100 + 16);
	assert_int_equal(lab_drops(&A, DROP_PADDING), 1);
	assert_int_equal(arrived(), 0);
}

static void
another_sa_s_packet(void **state)
{
	uint8_t gre[512], p[1024];
	struct gre_sa_add m = lab_sa_message(3, GCM, 0x3000, 0x4000, true);
	size_t n = lab_gre(gre, 40), len;

	(void)state;
	lab_peer(&A, 3, GRE_ENCAP_UDP, 8888);
	assert_int_equal(path_sa_add(A.p, &m, 0, NULL), 0);
	len = lab_seal(1, 0x1000, 1, gre, n, 0, IP_GRE, p);
	store32(p, 0x3000);
	lab_inject(&A, 7777, p, len);
	assert_int_equal(lab_drops(&A, DROP_FORGED), 1);
	assert_int_equal(arrived(), 0);
}

static void
gre_keys(void **state)
{
	uint8_t gre[512], other[512];
	struct gre_head g = { .protocol = GRE_IPV4 };
	size_t n = lab_gre(gre, 40);

	(void)state;
	gre[7]++;
	inject_gre(1, gre, n);
	assert_int_equal(lab_drops(&A, DROP_GRE_KEY), 1);
	gre[7]--;
	memcpy(other + 4, gre + 8, n - 8);
	gre_write(other, &g, n - 8);
	inject_gre(2, other, n - 4);
	assert_int_equal(lab_drops(&A, DROP_GRE_KEY), 2);
	inject_gre(3, gre, n);
	assert_int_equal(arrived(), 1);
	/* Present, when none is configured. */
	{
		struct path_interface i = mgre;

		i.keyed = false;
		assert_int_equal(path_interface_set(A.p, &i, NULL), 0);
	}
	inject_gre(4, gre, n);
	assert_int_equal(lab_drops(&A, DROP_GRE_KEY), 3);
	inject_gre(5, other, n - 4);
	assert_int_equal(arrived(), 1);
}

/* A good SA and the right key, but another tunnel's peer. */
static void
gre_of_a_denied_peer(void **state)
{
	struct path_peer c = { .number = 2, .encap = GRE_ENCAP_UDP,
	    .remote = lab_at(7777), .denied = UINT64_C(1) << mgre.id };
	uint8_t gre[512];
	size_t n = lab_gre(gre, 40);

	(void)state;
	assert_int_equal(path_peer_set(A.p, &c, NULL), 0);
	inject_gre(1, gre, n);
	assert_int_equal(lab_drops(&A, DROP_GRE_KEY), 1);
	assert_int_equal(arrived(), 0);
	c.denied = UINT64_C(1) << (mgre.id + 1);
	assert_int_equal(path_peer_set(A.p, &c, NULL), 0);
	inject_gre(2, gre, n);
	assert_int_equal(arrived(), 1);
}

static void
gre_that_is_malformed(void **state)
{
	uint8_t gre[512];
	size_t i, n = lab_gre(gre, 40);
	static const uint16_t types[] = { 0, 0x0806, 0x6558, 0x880b, 0x8847,
	    0x88be, 0x22eb };
	uint64_t seq = 1;

	(void)state;
	gre[1] = 1;
	inject_gre(seq++, gre, n);
	assert_int_equal(lab_drops(&A, DROP_GRE_VERSION), 1);
	gre[1] = 0;
	gre[0] |= 0x40;
	inject_gre(seq++, gre, n);
	assert_int_equal(lab_drops(&A, DROP_GRE_FLAGS), 1);
	gre[0] = 0xa0;
	inject_gre(seq++, gre, n);
	assert_int_equal(lab_drops(&A, DROP_GRE_CHECKSUM), 1);
	gre[0] = 0x20;
	for (i = 0; i < 8; i++)
		inject_gre(seq++, gre, i);
	assert_int_equal(lab_drops(&A, DROP_GRE_SHORT), 8);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		store16(gre + 2, types[i]);
		inject_gre(seq++, gre, n);
	}
	assert_int_equal(lab_drops(&A, DROP_GRE_PROTOCOL), 7);
	/* IPv6 by type, IPv4 by version. */
	store16(gre + 2, GRE_IPV6);
	inject_gre(seq++, gre, n);
	assert_int_equal(lab_drops(&A, DROP_IP), 1);
	assert_int_equal(arrived(), 0);
}

static void
inner_sources(void **state)
{
	static const uint8_t bad[][4] = { { 127, 0, 0, 1 }, { 224, 0, 0, 1 },
	    { 255, 255, 255, 255 }, { 0, 0, 0, 0 }, { 192, 168, 2, 9 } };
	uint8_t gre[512];
	size_t i, n = lab_gre(gre, 40);

	(void)state;
	for (i = 0; i < 5; i++) {
		memcpy(gre + 8 + 12, bad[i], 4);
		ip4_checksum(gre + 8);
		inject_gre(i + 1, gre, n);
	}
	assert_int_equal(lab_drops(&A, DROP_SOURCE), 5);
	/* A loose source route. */
	n = lab_gre(gre, 40);
	gre[8] = 0x46;
	memcpy(gre + 8 + 20, (uint8_t[]){ 131, 4, 4, 0 }, 4);
	ip4_checksum(gre + 8);
	inject_gre(7, gre, n);
	assert_int_equal(lab_drops(&A, DROP_IP_OPTION), 1);
	/* A wrong IP checksum. */
	n = lab_gre(gre, 40);
	gre[8 + 10] ^= 1;
	inject_gre(8, gre, n);
	assert_int_equal(lab_drops(&A, DROP_IP), 1);
	assert_int_equal(arrived(), 0);
}

static void
congestion_marks(void **state)
{
	uint8_t gre[512], p[1024], got[1024];
	size_t n;
	unsigned in, out;
	uint64_t seq = 1;

	(void)state;
	for (in = 0; in < 4; in++)
		for (out = 0; out < 4; out++) {
			int want = ecn_decap((uint8_t)in, (uint8_t)out);
			ssize_t r;

			n = lab_gre(gre, 40);
			ip_set_tos(gre + 8, (uint8_t)(0xb8 | in));
			n = lab_seal(1, 0x1000, seq++, gre, n, 0,
			    IP_GRE, p);
			lab_inject_tos(&A, 7777, p, n, (uint8_t)(0x40 | out));
			r = lab_read(&A, got, sizeof(got));
			if (want < 0) {
				assert_int_equal(r, -1);
				continue;
			}
			assert_true(r > 0);
			assert_int_equal(got[VNET_HEAD + ETH_HEAD + 1],
			    0xb8 | want);
			assert_true(ip4_checksum_ok(got + VNET_HEAD +
			    ETH_HEAD));
		}
	assert_int_equal(lab_drops(&A, DROP_ECN), 1);
}

static void
endpoint_moves(void **state)
{
	uint8_t p[512], old[512];
	struct path_event ev;
	struct path_peer_stat s;
	size_t len, old_len = esp(old, 9);

	(void)state;
	len = esp(p, 10);
	lab_inject(&A, 7777, p, len);
	assert_false(lab_event(&A, PATH_MOVED, &ev));
	/* Reordered from elsewhere: authentic, but not the newest. */
	lab_inject(&A, 9999, old, old_len);
	assert_false(lab_event(&A, PATH_MOVED, &ev));
	/* Replayed from elsewhere. */
	len = esp(p, 10);
	lab_inject(&A, 9999, p, len);
	/* Forged from elsewhere. */
	len = esp(p, 11);
	p[20] ^= 1;
	lab_inject(&A, 9999, p, len);
	assert_false(lab_event(&A, PATH_MOVED, &ev));
	/* Fresh. */
	len = esp(p, 12);
	lab_inject(&A, 9999, p, len);
	assert_true(lab_event(&A, PATH_MOVED, &ev));
	assert_int_equal(ev.remote.port, 9999);
	path_peer_stat(A.p, 2, &s);
	assert_int_equal(s.remote.port, 9999);
	assert_int_equal(arrived(), 3);
}

static void
fixed_endpoint_stays(void **state)
{
	struct path_peer c = { .number = 2, .encap = GRE_ENCAP_UDP,
	    .remote = lab_at(7777), .fixed = true };
	uint8_t p[512];
	struct path_event ev;
	size_t len;

	(void)state;
	assert_int_equal(path_peer_set(A.p, &c, NULL), 0);
	len = esp(p, 1);
	lab_inject(&A, 9999, p, len);
	assert_false(lab_event(&A, PATH_MOVED, &ev));
	assert_int_equal(arrived(), 1);
}

static void
ike_in_two_queues(void **state)
{
	uint8_t p[200];
	struct path_event ev;
	unsigned i, known = 0, strangers = 0;

	(void)state;
	assert_int_equal(path_ike_spi_add(A.p, 0x1122334455667788, NULL), 0);
	memset(p, 0, sizeof(p));
	store32(p + 4, 0xdead0000);
	for (i = 0; i < 3000; i++) {
		store32(p + 8, i);
		lab_inject(&A, 7777, p, 104);
	}
	store32(p + 4, 0x11223344);
	store32(p + 8, 0x55667788);
	p[103] = 0x77;
	lab_inject(&A, 7777, p, 104);
	/* The known one comes first, though it came last. */
	assert_int_equal(path_event(A.p, &ev), 1);
	assert_int_equal(ev.type, PATH_IKE);
	assert_int_equal(rbuf_left(&ev.data), 100);
	assert_int_equal(ev.data.p[99], 0x77);
	assert_int_equal(ev.remote.port, 7777);
	while (path_event(A.p, &ev) == 1) {
		known += ev.data.p[99] == 0x77;
		strangers++;
	}
	assert_int_equal(known, 0);
	assert_true(strangers <= 500 && strangers > 100);
	assert_int_equal(lab_drops(&A, DROP_IKE_RATE) +
	    lab_drops(&A, DROP_RING), 3000 - strangers);
	path_ike_spi_delete(A.p, 0x1122334455667788);
	assert_int_equal(path_ike_spi_add(A.p, 0, NULL), -1);
}

static void
unknown_spis_are_told_seldom(void **state)
{
	uint8_t p[100];
	struct path_event ev;
	unsigned i, said = 0;

	(void)state;
	memset(p, 0xa5, sizeof(p));
	for (i = 0; i < 20000; i++) {
		store32(p, 0x70000000 + i);
		lab_inject(&A, 7777, p, sizeof(p));
	}
	while (path_event(A.p, &ev) == 1) {
		assert_int_equal(ev.type, PATH_INVALID_SPI);
		said++;
	}
	assert_in_range(said, 1, 10);
	assert_int_equal(lab_drops(&A, DROP_SPI), 20000);
}

static void
nhrp_goes_to_control(void **state)
{
	uint8_t gre[256];
	struct path_event ev;
	size_t n = lab_gre(gre, 40);

	(void)state;
	store16(gre + 2, GRE_NHRP);
	inject_gre(1, gre, n);
	assert_true(lab_event(&A, PATH_NHRP, &ev));
	assert_int_equal(ev.interface, 1);
	assert_int_equal(ev.peer, 2);
	assert_int_equal(rbuf_left(&ev.data), n - 8);
	assert_memory_equal(ev.data.p, gre + 8, n - 8);
	assert_int_equal(arrived(), 0);
}

static void
bare(const uint8_t *gre, size_t n, uint8_t last)
{
	struct path_thread *t = &A.p->thread[0];
	uint8_t room[TAP_HEAD + 512], *copy = room + TAP_HEAD;
	struct in_meta m = { .remote = lab_at(0), .local = lab_at(0) };

	m.remote.addr.b[3] = last;
	memcpy(copy, gre, n);
	t->now = lab_now;
	in_bare_gre(t, &m, copy, n);
	gro_flush(t);
}

static void
bare_gre_only_where_declared(void **state)
{
	struct path_interface i = mgre;
	struct path_peer c = { .number = 5, .encap = GRE_ENCAP_NONE,
	    .remote = lab_at(0) };
	struct lab_end other;
	struct path_event ev;
	uint8_t gre[512];
	size_t n = lab_gre(gre, 40);

	(void)state;
	c.remote.addr.b[3] = 9;
	assert_int_equal(path_peer_set(A.p, &c, NULL), 0);
	bare(gre, n, 9);
	assert_int_equal(lab_drops(&A, DROP_GRE_KEY), 1);
	assert_int_equal(arrived(), 0);
	other = A;
	i.id = 2;
	i.protect = GRE_PROTECT_NONE;
	i.n_addresses = 0;
	lab_tap(&other, &i);
	bare(gre, n, 9);
	assert_int_equal(arrived(), 0);
	assert_true(lab_read(&other, gre + 256, 256) > 0);
	/* Its sender is the key: nobody else's comes in, but for NHRP. */
	bare(gre, n, 10);
	assert_int_equal(lab_drops(&A, DROP_NO_PEER), 1);
	store16(gre + 2, GRE_NHRP);
	bare(gre, n, 10);
	assert_true(lab_event(&A, PATH_NHRP, &ev));
	assert_int_equal(ev.peer, 0);
	assert_int_equal(ev.interface, 2);
	assert_int_equal(ev.remote.addr.b[3], 10);
	/* And what comes out of an SA is not for a clear tunnel. */
	i = mgre;
	i.key = 43;
	assert_int_equal(path_interface_set(A.p, &i, NULL), 0);
	n = lab_gre(gre, 40);
	inject_gre(1, gre, n);
	assert_int_equal(lab_drops(&A, DROP_GRE_KEY), 2);
	close(other.tap);
}

#define CASE(name, f) { name, f, setup, teardown, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE("ESP-01: keepalives are absorbed, short ones dropped",
		    short_datagrams_and_keepalives),
		CASE("ESP-02: IKE without a marker is not IKE",
		    ike_without_a_marker),
		CASE("ESP-08: disorder within the window loses nothing",
		    disorder_within_the_window),
		CASE("ESP-04: ESP of a wrong length is dropped",
		    esp_of_wrong_length),
		CASE("ESP-05: one wrong bit is counted as forged",
		    one_wrong_bit),
		CASE("ESP-06, ESP-09: each number once, zero never",
		    duplicates_are_dropped),
		CASE("ESP-14: TFC padding is taken, wrong padding is not",
		    padding_and_dummies),
		CASE("ESP-19: a packet under another SA's SPI is dropped",
		    another_sa_s_packet),
		CASE("GRE-01: a key missing, wrong, or not configured",
		    gre_keys),
		CASE("GRE-01: the key of a tunnel that the peer is not of",
		    gre_of_a_denied_peer),
		CASE("GRE-02..05, GRE-07: malformed GRE is dropped",
		    gre_that_is_malformed),
		CASE("GRE-08: inner sources that can not be",
		    inner_sources),
		CASE("ESP-20: congestion marks as RFC 6040 wants",
		    congestion_marks),
		CASE("an endpoint moves by a fresh authentic packet only",
		    endpoint_moves),
		CASE("a fixed endpoint never moves", fixed_endpoint_stays),
		CASE("IKE of known SPIs never waits behind strangers",
		    ike_in_two_queues),
		CASE("ESP-03: unknown SPIs are counted, told seldom",
		    unknown_spis_are_told_seldom),
		CASE("NHRP goes to the control thread",
		    nhrp_goes_to_control),
		CASE("bare GRE comes in only where it is declared",
		    bare_gre_only_where_declared),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
