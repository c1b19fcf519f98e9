#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "path_lab.h"

/*
 * What control changes while packet threads read: for ThreadSanitizer, and
 * with AddressSanitizer a freed object that is read would show.
 */
static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400 };

#define GCM ESP_CIPHER_AES128_GCM

/* ------------------------------------------------------------- rings */

#define RECORDS 20000

static void *
ring_writer(void *arg)
{
	struct path_ring *r = arg;
	uint32_t i, a[40], n;

	for (i = 1; i <= RECORDS; i++) {
		n = i % 37;
		for (uint32_t k = 0; k < n; k++)
			a[k] = i;
		while (!path_ring_put(r, &i, sizeof(i), a, n * 4))
			sched_yield();
	}
	return NULL;
}

static void
ring_keeps_order_and_content(void **state)
{
	struct path_ring r;
	uint32_t got[64], i, k;
	pthread_t w;
	size_t n;

	(void)state;
	assert_int_equal(path_ring_init(&r, 1024), 0);
	assert_int_equal(pthread_create(&w, NULL, ring_writer, &r), 0);
	for (i = 1; i <= RECORDS; i++) {
		while ((n = path_ring_get(&r, got, sizeof(got))) == 0)
			sched_yield();
		assert_int_equal(n, 4 + 4 * (i % 37));
		for (k = 0; k < n / 4; k++)
			assert_int_equal(got[k], i);
	}
	pthread_join(w, NULL);
	assert_true(path_ring_empty(&r));
	assert_false(path_ring_put(&r, got, 600, NULL, 0));
	path_ring_fini(&r);
}

/* ------------------------------------------------------ tables, epochs */

struct thing {
	struct path_retire	retire;
	struct path_node	node;
	uint64_t		value;		/* key * 3 while it lives */
};

static struct path_epoch epoch;
static struct path_hash hash;
static _Atomic(bool) done;
static _Atomic(uint64_t) hits;
static unsigned freed;

static void
thing_free(struct path_retire *r)
{
	struct thing *t = path_entry(r, struct thing, retire);

	t->value = 0;
	freed++;
	free(t);
}

static void *
table_reader(void *arg)
{
	_Atomic(uint64_t) *quiet = arg;
	const struct path_node *n;
	uint64_t key = 1;

	while (!atomic_load(&done)) {
		unsigned i;

		path_epoch_online(&epoch, quiet);
		for (i = 0; i < 100; i++, key = key % 97 + 1)
			for (n = path_hash_first(&hash, key); n != NULL;
			    n = path_hash_next(n)) {
				const struct thing *t = path_entry(n,
				    struct thing, node);

				if (t->value != key * 3)
					fail();
				atomic_fetch_add(&hits, 1);
			}
		if (key & 1)
			path_epoch_offline(quiet);
	}
	path_epoch_offline(quiet);
	return NULL;
}

static void
tables_change_under_readers(void **state)
{
	static _Atomic(uint64_t) quiet[3];
	struct thing *have[98] = { NULL };
	pthread_t r[3];
	unsigned i, made = 0;
	uint64_t s = 88172645463325252u;

	(void)state;
	path_epoch_init(&epoch);
	assert_int_equal(path_hash_init(&hash, 16, 7), 0);
	for (i = 0; i < 3; i++) {
		path_epoch_reader(&epoch, &quiet[i]);
		assert_int_equal(pthread_create(&r[i], NULL, table_reader,
		    &quiet[i]), 0);
	}
	/* At least so often, and until the readers have seen a good deal. */
	for (i = 0; i < 60000 || (atomic_load(&hits) < 100000 &&
	    i < 50000000); i++) {
		unsigned k = (unsigned)((s ^= s << 13, s ^= s >> 7,
		    s ^= s << 17) % 97) + 1;

		if (have[k] != NULL) {
			path_hash_remove(&hash, &have[k]->node);
			path_epoch_retire(&epoch, &have[k]->retire,
			    thing_free);
			have[k] = NULL;
		} else {
			have[k] = calloc(1, sizeof(*have[k]));
			assert_non_null(have[k]);
			have[k]->node.key = k;
			have[k]->value = 3 * k;
			path_hash_add(&hash, &have[k]->node);
			made++;
		}
		path_epoch_collect(&epoch);
	}
	for (i = 0; i < 98; i++)
		if (have[i] != NULL) {
			path_hash_remove(&hash, &have[i]->node);
			path_epoch_retire(&epoch, &have[i]->retire,
			    thing_free);
		}
	assert_true(path_epoch_wait(&epoch, 60000));
	assert_int_equal(freed, made);
	atomic_store(&done, true);
	for (i = 0; i < 3; i++)
		pthread_join(r[i], NULL);
	assert_true(atomic_load(&hits) >= 100000);
	path_hash_fini(&hash);
}

/* ------------------------------------------------ the whole, under churn */

static void
nap(void)
{
	struct timespec ts = { 0, 1000000 };

	nanosleep(&ts, NULL);
}

struct traffic {
	struct lab_end	*from;
	uint16_t	 peer;
};

static void *
sender(void *arg)
{
	struct traffic *t = arg;
	uint8_t f[1500];
	unsigned i;

	for (i = 0; !atomic_load(&done); i++) {
		size_t n = lab_udp_frame(f, i % 7 == 6 ? 3 : t->peer,
		    i % 1200);

		if (i % 11 == 0)
			f[VNET_HEAD] |= 1;	/* multicast MAC */
		(void)!send(t->from->tap, f, n, MSG_DONTWAIT);
		if (i % 32 == 0)
			nap();
	}
	return NULL;
}

struct arrival {
	struct lab_end	*at;
	_Atomic uint64_t n;
};

static void *
receiver(void *arg)
{
	struct arrival *a = arg;
	static _Thread_local uint8_t f[70000];

	while (!atomic_load(&done)) {
		if (lab_read(a->at, f, sizeof(f)) > 0)
			atomic_fetch_add(&a->n, 1);
		else
			nap();
	}
	return NULL;
}

/* Change everything that can be changed. */
static void
churn(struct lab_end *e, uint16_t peer, uint16_t port, unsigned round)
{
	static uint32_t last = 0x10000;
	uint32_t next = ++last;
	struct path_peer c = { .number = 3, .encap = GRE_ENCAP_UDP,
	    .remote = lab_at(port) };
	struct path_interface i = mgre;
	uint16_t list[] = { peer, 3 };
	struct addr hop = addr_of((uint8_t[]){ 10, 0, 0,
	    (uint8_t)round }, 4);
	struct gre_sa_add m = lab_sa_message(3, GCM, next, next, true);
	uint8_t id[16] = { 0 };
	struct path_event ev;
	struct path_peer_stat s;
	uint64_t drops[PATH_DROP_N];

	store32(id, next);
	m.install = rbuf_of(id, 16);
	assert_int_equal(path_peer_set(e->p, &c, NULL), 0);
	assert_int_equal(path_sa_add(e->p, &m, 0, NULL), 0);
	assert_int_equal(path_multicast_set(e->p, 1, list, round % 3,
	    NULL), 0);
	path_peer_address(e->p, 1, peer, &hop);
	i.mtu = (uint16_t)(1300 + round % 100);
	assert_int_equal(path_interface_set(e->p, &i, NULL), 0);
	assert_int_equal(path_ike_spi_add(e->p, next, NULL), 0);
	path_nhrp_send(e->p, 1, peer, rbuf_of(id, 16), NULL);
	while (path_event(e->p, &ev) == 1)
		continue;
	path_peer_stat(e->p, peer, &s);
	path_drops(e->p, drops);
	path_tick(e->p);
	path_ike_spi_delete(e->p, next);
	if (e->p->n_threads > 1)
		share_want(e->p, e->p->n_in, round % 3 ? e->p->n_in : 0);
	if (round % 2)
		path_sa_delete(e->p, next, round % 4, NULL);
	if (round % 5 == 4)
		path_peer_delete(e->p, 3);
}

static void
traffic_under_churn(unsigned threads)
{
	struct path_interface second = mgre;
	struct lab_end e[2], extra;
	struct traffic t[2] = { { &e[0], 2 }, { &e[1], 1 } };
	struct arrival a[2] = { { &e[0], 0 }, { &e[1], 0 } };
	pthread_t tx[2], rx[2];
	unsigned i, round;

	second.id = 2;
	second.key = 77;
	atomic_store(&done, false);
	lab_open(&e[0], threads, &mgre);
	lab_open(&e[1], threads, &mgre);
	lab_pair(&e[0], &e[1], GCM, true);
	for (i = 0; i < 2; i++) {
		assert_int_equal(path_start(e[i].p, NULL), 0);
		pthread_create(&tx[i], NULL, sender, &t[i]);
		pthread_create(&rx[i], NULL, receiver, &a[i]);
	}
	/* longer on a machine that is busy with others */
	for (round = 0; round < 60 || (round < 10000 && (a[0].n <= 10 ||
	    a[1].n <= 10)); round++) {
		churn(&e[0], 2, e[1].port, round);
		churn(&e[1], 1, e[0].port, round);
		if (round % 10 == 0) {
			extra = e[0];
			lab_tap(&extra, &second);
			path_interface_delete(e[0].p, 2);
			close(extra.tap);
		}
		nap();
	}
	atomic_store(&done, true);
	for (i = 0; i < 2; i++) {
		pthread_join(tx[i], NULL);
		pthread_join(rx[i], NULL);
		assert_true(a[i].n > 10);
	}
	lab_close(&e[0]);
	lab_close(&e[1]);
}

static void
everything_changes_under_traffic(void **state)
{
	(void)state;
	traffic_under_churn(1);
	traffic_under_churn(2);
	traffic_under_churn(4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "a ring keeps order and content between two threads",
		    ring_keeps_order_and_content, NULL, NULL, NULL },
		{ "tables change under readers, nothing is freed early",
		    tables_change_under_readers, NULL, NULL, NULL },
		{ "everything changes under traffic",
		    everything_changes_under_traffic, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
