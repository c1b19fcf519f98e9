#include "path_lab.h"

/*
 * Every single allocation of control's side fails once: the call says so,
 * nothing is half done, nothing is lost.  The C library's allocator is
 * replaced for that, which sanitizers and other libraries do not like.
 */
#if defined(__GLIBC__) && !defined(DMVPN_SANITIZED) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CAN_FAIL 1

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void __libc_free(void *p);

static long left = -1;		/* allocations until one fails; -1: none */
static long live;

static bool
fails(void)
{
	return left >= 0 && left-- == 0;
}

void *
malloc(size_t n)
{
	void *p = fails() ? NULL : __libc_malloc(n);

	live += p != NULL;
	return p;
}

void *
calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __libc_calloc(n, size);

	live += p != NULL;
	return p;
}

void
free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}
#endif

#ifdef CAN_FAIL
/* All that control can ask for; true: all went well. */
static bool
everything(struct path *p, uint32_t round)
{
	static const struct path_interface mgre = { .id = 1,
	    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC };
	struct path_peer c = { .number = 2, .encap = GRE_ENCAP_UDP,
	    .remote = lab_at(4500) };
	struct gre_sa_add m = lab_sa_message(2,
	    ESP_CIPHER_AES256_CBC_SHA256, 0x1000, 0x2000, true);
	struct addr hop = addr_of((uint8_t[]){ 10, 0, 0, 1 }, 4);
	uint16_t list[] = { 2 };
	uint8_t id[16] = { 0 };
	struct err e;
	bool ok = true;

	store32(id, round);
	m.install = rbuf_of(id, sizeof(id));
	m.n_local_ts = m.n_remote_ts = 1;
	m.local_ts[0].first = m.local_ts[0].last = hop;
	m.remote_ts[0] = m.local_ts[0];
	ok = path_interface_set(p, &mgre, &e) == 0 && ok;
	ok = path_peer_set(p, &c, &e) == 0 && ok;
	ok = path_sa_add(p, &m, 0, &e) == 0 && ok;
	ok = path_multicast_set(p, 1, list, 1, &e) == 0 && ok;
	path_peer_address(p, 1, 2, &hop);
	ok = path_ike_spi_add(p, 0x1234, &e) == 0 && ok;
	if (path_peer_find(p, 2) != NULL)
		ok = path_sa_delete(p, 0x1000, 5, NULL) == 0 && ok;
	path_tick(p);
	path_peer_delete(p, 2);
	path_ike_spi_delete(p, 0x1234);
	path_interface_delete(p, 1);
	return ok;
}

static bool
whole_life(long fail_at, uint32_t round)
{
	struct path_conf conf = { .threads = 2, .now = lab_clock };
	struct path *p;
	struct err e;
	bool ok = true;

	left = fail_at;
	p = path_new(&conf, &e);
	if (p != NULL)
		ok = everything(p, round);
	left = -1;
	path_free(p);
	return p != NULL && ok;
}
#endif

static void
every_allocation_fails_once(void **state)
{
	(void)state;
#ifdef CAN_FAIL
	{
		long before, i;

		assert_true(whole_life(-1, 0));	/* OpenSSL warms up */
		before = live;
		assert_true(whole_life(-1, 0));
		assert_int_equal(live, before);
		for (i = 0; i < 5000; i++) {
			bool ok = whole_life(i, (uint32_t)i);

			assert_int_equal(live, before);
			if (ok && i > 150)
				break;
		}
		assert_in_range(i, 150, 4999);
	}
#else
	skip();
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "OPS-11: every single allocation fails once, nothing leaks",
		    every_allocation_fails_once, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
