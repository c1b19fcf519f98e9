#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/replay.h"

static struct replay *
make(uint32_t window)
{
	struct replay *r = malloc(replay_size(window));

	assert_non_null(r);
	replay_init(r, window);
	return r;
}

/* A plain model: the numbers that were seen, each whole, at its place in a
 * table many times wider than any window. */
#define PLACES 65536
struct model {
	uint64_t	 seen[PLACES];
	uint64_t	 base, top;
	uint32_t	 window;
};

static bool
model_accept(struct model *m, uint64_t seq)
{
	if (seq == 0 || (seq <= m->top && m->top - seq >= m->window))
		return false;
	if (m->seen[seq % PLACES] == seq)
		return false;
	m->seen[seq % PLACES] = seq;
	if (seq > m->top)
		m->top = seq;
	return true;
}

static uint64_t
draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Numbers around the top: mostly near, at times a jump ahead, at times far
 * behind. */
static uint64_t
next(uint64_t *s, const struct model *m)
{
	uint64_t r = draw(s), span = m->window + 70, at;

	switch (r & 15) {
	case 0:
		at = m->top + (r >> 8) % (2 * span);
		break;
	case 1:
		at = m->top + m->window - 2 + (r >> 8) % 5;
		break;
	case 2:
		at = m->top - m->window + 2 - (r >> 8) % 5;
		break;
	case 3:
	case 4:
	case 5:
		at = m->top - (r >> 8) % span;
		break;
	default:
		at = m->top + (r >> 8) % 3;
	}
	if (at < m->base || at > UINT64_MAX - 1000000)
		at = m->base;
	return at;
}

static void
compare(uint32_t window, uint64_t base, bool esn, unsigned rounds)
{
	static struct model m;
	struct replay *r = make(window);
	uint64_t s = window * 77u + base + esn + 1, seq, num;
	unsigned i;
	bool want, got;

	memset(&m, 0, sizeof(m));
	m.base = base;
	m.window = window;
	if (base != 0)
		assert_true(replay_accept(r, base + 9000) &&
		    model_accept(&m, base + 9000));
	for (i = 0; i < rounds; i++) {
		seq = next(&s, &m);
		want = model_accept(&m, seq);
		/* A number too old is taken for one of the next subspace:
		 * the ICV, made over another, would not verify. */
		num = replay_number(r, (uint32_t)seq, esn);
		got = num == seq && replay_check(r, num);
		if (want)
			got = got && replay_accept(r, seq);
		if (want != got)
			fail_msg("window %u, number %llu, top %llu: %d, "
			    "the model says %d", window,
			    (unsigned long long)seq,
			    (unsigned long long)m.top, got, want);
		assert_int_equal(r->top, m.top);
	}
	free(r);
}

static void
ten_million_numbers_as_the_model_ESP_08(void **state)
{
	static const uint32_t windows[] = { 32, 33, 64, 100, 128, 1000, 1024,
	    2048, 4095, 4096 };
	const char *times = getenv("REPLAY_TIMES");	/* make soak */
	unsigned i, n = times == NULL ? 1 : (unsigned)atoi(times);

	(void)state;
	for (i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		compare(windows[i], 0, false, 400000 * n);
		compare(windows[i], 0, true, 200000 * n);
		/* across the subspaces of ESN */
		compare(windows[i], (3ULL << 32) - 60000, true, 400000 * n);
	}
}

static void
edges_of_the_window_exactly(void **state)
{
	static const uint32_t windows[] = { 32, 64, 1024, 4096 };
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		uint32_t w = windows[i];
		struct replay *r = make(w);

		assert_true(replay_accept(r, 10 * w));
		assert_true(replay_check(r, 10 * w - (w - 1)));
		assert_false(replay_check(r, 10 * w - w));
		assert_false(replay_check(r, 10 * w - w - 1));
		assert_true(replay_accept(r, 10 * w - (w - 1)));
		assert_false(replay_accept(r, 10 * w - (w - 1)));
		assert_false(replay_check(r, 10 * w));
		free(r);
	}
}

static void
number_zero_never(void **state)
{
	struct replay *r = make(64);

	(void)state;
	assert_false(replay_check(r, 0));
	assert_false(replay_accept(r, 0));
	assert_true(replay_accept(r, 1));
	assert_false(replay_check(r, 0));
	free(r);
}

static void
windows_are_clamped(void **state)
{
	struct replay *r = make(1);

	(void)state;
	assert_int_equal(r->window, REPLAY_MIN);
	free(r);
	r = make(100000);
	assert_int_equal(r->window, REPLAY_MAX);
	free(r);
}

/* ESP-11 */
static void
esn_goes_on_over_two_to_the_32(void **state)
{
	struct replay *r = make(1024);
	uint64_t edge = 1ULL << 32, seq;

	(void)state;
	assert_true(replay_accept(r, edge - 500));
	/* The upper half is told from the lower number alone. */
	assert_int_equal(replay_number(r, 3, true), edge + 3);
	assert_int_equal(replay_number(r, UINT32_MAX - 600, true),
	    edge - 601);
	assert_true(replay_accept(r, edge + 3));
	assert_int_equal(replay_number(r, UINT32_MAX - 10, true), edge - 11);
	assert_true(replay_accept(r, edge - 11));
	assert_false(replay_accept(r, edge - 11));
	/* A million lost at once. */
	seq = edge + 1000004;
	assert_int_equal(replay_number(r, (uint32_t)seq, true), seq);
	assert_true(replay_accept(r, seq));
	/* The old half is not taken for new: it is 2^32 further on, and the
	 * ICV over the wrong upper half fails. */
	assert_int_equal(replay_number(r, 3, true), 2 * edge + 3);
	free(r);
}

static void
before_the_first_subspace_is_nothing(void **state)
{
	struct replay *r = make(1024);

	(void)state;
	assert_true(replay_accept(r, 5));
	assert_int_equal(replay_number(r, UINT32_MAX, true), 0);
	assert_int_equal(replay_number(r, 7, true), 7);
	free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "ESP-06: ten million numbers, each window as the model",
		    ten_million_numbers_as_the_model_ESP_08, NULL, NULL, NULL },
		{ "ESP-06: the window's edges are exact",
		    edges_of_the_window_exactly, NULL, NULL, NULL },
		{ "ESP-09: number zero is never accepted",
		    number_zero_never, NULL, NULL, NULL },
		{ "a window is 32 to 4096", windows_are_clamped, NULL, NULL,
		    NULL },
		{ "ESP-11: ESN goes on over 2^32, with a million lost",
		    esn_goes_on_over_two_to_the_32, NULL, NULL, NULL },
		{ "ESN: numbers from before the first subspace are nothing",
		    before_the_first_subspace_is_nothing, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
