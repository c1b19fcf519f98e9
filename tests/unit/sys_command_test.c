#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"
#include "sys/command.h"
#include "sys_help.h"

/* What a command parsed, kept for the tests. */
static struct {
	bool		 json;
	const char	*name;
	uint64_t	 count, hold;
	struct addr	 addr;
	struct prefix	 prefix;
	struct endpoint	 end;
	struct opt_list	 list;
	int		 argc;
	const char	*first;
} got;

static const struct opt opts[] = {
	{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG, &got.json,
	  0, 0 },
	{ 0, "name", "NAME", "how it is called", OPT_TEXT, &got.name, 0, 0 },
	{ 'n', "number", "N", "how many", OPT_NUM, &got.count, 1, 10 },
	{ 0, "hold", "TIME", "holding time", OPT_TIME, &got.hold, 1, 86400 },
	{ 0, "address", "ADDR", "an address", OPT_ADDR, &got.addr, 0, 0 },
	{ 0, "prefix", "PREFIX", "a prefix", OPT_PREFIX, &got.prefix, 0, 0 },
	{ 0, "remote", "ADDR[:PORT]", "an endpoint", OPT_ENDPOINT, &got.end,
	  500, 0 },
	{ 'x', "extra", "TEXT", "may be given again", OPT_LIST, &got.list, 0,
	  0 },
	OPT_END
};

static int
cmd_set(int argc, char **argv)
{
	int status;

	memset(&got, 0, sizeof(got));
	if (opt_parse(&argc, &argv, opts, "[-j] NAME [MORE]", 1, 2,
	    &status) < 0)
		return status;
	got.argc = argc;
	got.first = argv[0];
	return EXIT_NO;
}

static const struct command group[] = {
	{ "set", cmd_set, "[-j] NAME [MORE]", "set it" },
	{ NULL, NULL, NULL, NULL },
};

static int
cmd_interface(int argc, char **argv)
{
	return command_group(argc, argv, group);
}

static const struct command commands[] = {
	{ "set", cmd_set, "[-j] NAME [MORE]", "set it" },
	{ "interface", cmd_interface, "set", "tunnel interfaces" },
	{ NULL, NULL, NULL, NULL },
};

static char output[4096], errors[4096];

static void
slurp(const char *path, char *to, size_t len)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(to, 1, len - 1, f);
	to[n] = '\0';
	fclose(f);
}

/* Run with these words; stdout and stderr are kept. */
static int
run(char *words)
{
	char name[] = "test", *argv[20] = { name }, *save = NULL, *w;
	char out[] = "/tmp/dmvpn-out.XXXXXX", err[] = "/tmp/dmvpn-err.XXXXXX";
	int argc = 1, status, o = mkstemp(out), e = mkstemp(err);
	int old_o = dup(1), old_e = dup(2);

	for (w = strtok_r(words, " ", &save); w != NULL && argc < 19;
	    w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	fflush(stdout);
	fflush(stderr);
	dup2(o, 1);
	dup2(e, 2);
	status = command_main(argc, argv, "dmvpn-test", "tests", commands);
	fflush(stdout);
	fflush(stderr);
	dup2(old_o, 1);
	dup2(old_e, 2);
	close(old_o);
	close(old_e);
	close(o);
	close(e);
	slurp(out, output, sizeof(output));
	slurp(err, errors, sizeof(errors));
	unlink(out);
	unlink(err);
	return status;
}

#define RUN(text) run((char[]){ text })

static void
options_of_every_kind_are_parsed(void **state)
{
	struct addr_buf b;

	(void)state;
	assert_int_equal(RUN("set -j --name=foo -n 7 --hold 2m --address "
	    "10.0.0.1 --prefix 10.0.0.1/8 --remote 192.0.2.1 -x a me "
	    "--extra=b"), EXIT_NO);
	assert_true(got.json);
	assert_string_equal(got.name, "foo");
	assert_int_equal(got.count, 7);
	assert_int_equal(got.hold, 120);
	assert_string_equal(addr_text(&got.addr, &b), "10.0.0.1");
	assert_string_equal(prefix_text(&got.prefix, &b), "10.0.0.1/8");
	assert_string_equal(endpoint_text(&got.end, &b), "192.0.2.1:500");
	assert_int_equal(got.list.n, 2);
	assert_string_equal(got.list.v[1], "b");
	assert_int_equal(got.argc, 1);
	assert_string_equal(got.first, "me");
	assert_string_equal(errors, "");
}

static void
wrong_usage_is_100_with_a_sentence(void **state)
{
	static const struct { const char *words, *why; } cases[] = {
		{ "set", "an argument is missing" },
		{ "set a b c", "unexpected argument \"c\"" },
		{ "set -n 11 a", "--number: " },
		{ "set -n x a", "--number: " },
		{ "set --hold 3y a", "--hold: " },
		{ "set --address 1.2.3 a", "--address: " },
		{ "set --prefix 1.2.3.4/33 a", "--prefix: " },
		{ "set --remote x a", "--remote: " },
		{ "set --name", "option --name needs a value" },
		{ "set -n", "option -n needs a value" },
		{ "set --nonsense a", "no option --nonsense" },
		{ "set -q a", "no option -q" },
		{ "set --json=yes a", "takes no value" },
		{ "nonsense", "no command \"nonsense\"" },
		{ "interface nonsense", "no command \"interface nonsense\"" },
		{ "interface", "usage: dmvpn-test interface COMMAND" },
		{ "", "usage: dmvpn-test COMMAND" },
	};
	char words[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(words, sizeof(words), "%s", cases[i].words);
		assert_int_equal(run(words), EXIT_USAGE);
		assert_string_equal(output, "");
		if (strstr(errors, cases[i].why) == NULL)
			fail_msg("\"%s\": \"%s\" does not say \"%s\"",
			    cases[i].words, errors, cases[i].why);
	}
}

static void
help_goes_to_stdout_and_is_0(void **state)
{
	static const char *const forms[] = { "help", "--help", "-h" };
	char words[32];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		snprintf(words, sizeof(words), "%s", forms[i]);
		assert_int_equal(run(words), EXIT_OK);
		assert_string_equal(errors, "");
		assert_int_equal(strncmp(output, "usage: dmvpn-test ", 18), 0);
		assert_non_null(strstr(output, "\n  set        set it\n"));
	}
	assert_int_equal(RUN("set --help"), EXIT_OK);
	assert_non_null(strstr(output,
	    "usage: dmvpn-test set [-j] NAME [MORE]\n"));
	assert_non_null(strstr(output, "  -j, --json "));
	assert_non_null(strstr(output, "      --name NAME "));
	assert_int_equal(RUN("interface set -h"), EXIT_OK);
	assert_non_null(strstr(output, "usage: dmvpn-test interface set "));
	assert_int_equal(RUN("--version"), EXIT_OK);
	assert_int_equal(strncmp(output, "dmvpn-test ", 11), 0);
}

static void
a_list_has_an_end(void **state)
{
	char words[1024] = "set";
	int i;

	(void)state;
	for (i = 0; i < 8; i++)
		strncat(words, " -x a", sizeof(words) - strlen(words) - 1);
	strncat(words, " me", sizeof(words) - strlen(words) - 1);
	assert_int_equal(run(words), EXIT_NO);
	assert_int_equal(got.list.n, 8);
}

static void
readiness_is_one_line_and_the_end(void **state)
{
	char b[4];
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	ready_say(p[1]);
	assert_int_equal(read(p[0], b, sizeof(b)), 1);
	assert_int_equal(b[0], '\n');
	assert_int_equal(read(p[0], b, sizeof(b)), 0);
	close(p[0]);
	ready_say(-1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_of_every_kind_are_parsed),
		cmocka_unit_test(wrong_usage_is_100_with_a_sentence),
		cmocka_unit_test(help_goes_to_stdout_and_is_0),
		cmocka_unit_test(a_list_has_an_end),
		cmocka_unit_test(readiness_is_one_line_and_the_end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
