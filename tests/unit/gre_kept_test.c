#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dmvpn-gre/gre.h"

/* Texts of statements: one owner's are one, unless they say more. */

static struct gre_kept *
keep(const char *owner, const char *blob)
{
	struct err e = { 0 };
	struct gre_kept *k = gre_kept_new(owner, rbuf_of(blob, strlen(blob)),
	    &e);

	if (k == NULL)
		fail_msg("%s", e.msg);
	return k;
}

static void
says(const struct gre_kept *k, const char *owner, const char *blob)
{
	struct rbuf b = gre_blob(k), want = rbuf_of(blob, strlen(blob));

	assert_string_equal(gre_owner(k), owner);
	assert_string_equal(gre_name(k), "");
	assert_null(gre_denied(k, NULL));
	assert_true(rbuf_equal(&b, &want));
}

static void
test_an_owner_alone_is_kept_once(void **state)
{
	struct gre_kept *a = keep("ike", ""), *b = keep("ike", "");
	struct gre_kept *c = keep("nhrp", ""), *again;

	(void)state;
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	gre_kept_release(a);
	says(b, "ike", "");		/* b is one user more */
	says(c, "nhrp", "");
	again = keep("ike", "");
	assert_ptr_equal(again, b);
	gre_kept_release(b);
	gre_kept_release(again);
	/* Nobody had it: it is found no more, and made anew. */
	again = keep("ike", "");
	says(again, "ike", "");
	gre_kept_release(again);
	gre_kept_release(c);
	gre_kept_release(NULL);
}

static void
test_an_owner_with_a_blob_has_it_alone(void **state)
{
	struct gre_kept *bare = keep("nhrp", "");
	struct gre_kept *a = keep("nhrp", "spoke 7");
	struct gre_kept *b = keep("nhrp", "spoke 7");
	struct gre_kept *c = keep("nhrp", "spoke 19");
	struct gre_kept *late = keep("nhrp", "");

	(void)state;
	assert_ptr_equal(late, bare);
	assert_ptr_not_equal(a, bare);
	assert_ptr_not_equal(a, b);
	says(a, "nhrp", "spoke 7");
	gre_kept_release(a);
	says(b, "nhrp", "spoke 7");
	says(c, "nhrp", "spoke 19");
	says(bare, "nhrp", "");
	gre_kept_release(b);
	gre_kept_release(c);
	gre_kept_release(bare);
	says(late, "nhrp", "");
	gre_kept_release(late);
}

static void
test_the_longest_blob_comes_back_whole(void **state)
{
	struct gre_kept *k;
	char blob[256];

	(void)state;
	memset(blob, 'x', 255);
	blob[0] = '<';
	blob[254] = '>';
	blob[255] = '\0';
	k = keep("an-owner-of-15c", blob);
	says(k, "an-owner-of-15c", blob);
	gre_kept_release(k);
}

/* More owners than are shared: each has its own text, and none is lost. */
static void
test_many_owners_are_told_apart(void **state)
{
	struct gre_kept *k[40], *twice[40];
	char owner[16];
	unsigned i;

	(void)state;
	for (i = 0; i < 40; i++) {
		snprintf(owner, sizeof(owner), "user-%u", i);
		k[i] = keep(owner, "");
		twice[i] = keep(owner, "");
	}
	assert_ptr_equal(k[0], twice[0]);
	for (i = 0; i < 40; i++)
		gre_kept_release(k[i]);
	for (i = 0; i < 40; i++) {
		snprintf(owner, sizeof(owner), "user-%u", i);
		says(twice[i], owner, "");
		gre_kept_release(twice[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_owner_alone_is_kept_once),
		cmocka_unit_test(test_an_owner_with_a_blob_has_it_alone),
		cmocka_unit_test(test_the_longest_blob_comes_back_whole),
		cmocka_unit_test(test_many_owners_are_told_apart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
