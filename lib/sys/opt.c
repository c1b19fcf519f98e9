#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/num.h"
#include "sys/command_int.h"

#define OPTS_MAX	64
#define LONG_ONLY	256	/* getopt's value of row i is LONG_ONLY + i */
#define HELP		(LONG_ONLY - 1)

static size_t
opts_count(const struct opt *o)
{
	size_t n = 0;

	while (o != NULL && o[n].name != NULL && n < OPTS_MAX)
		n++;
	return n;
}

/* The tables of getopt_long, made of ours. */
static void
make_tables(const struct opt *o, size_t n, char *letters,
    struct option *longs)
{
	char *p = letters;
	size_t i;

	*p++ = ':';
	for (i = 0; i < n; i++) {
		longs[i] = (struct option){ o[i].name, o[i].arg != NULL ?
		    required_argument : no_argument, NULL,
		    (int)(LONG_ONLY + i) };
		if (o[i].letter == 0)
			continue;
		*p++ = o[i].letter;
		if (o[i].arg != NULL)
			*p++ = ':';
	}
	*p++ = 'h';
	*p = '\0';
	longs[n] = (struct option){ "help", no_argument, NULL, HELP };
	longs[n + 1] = (struct option){ NULL, 0, NULL, 0 };
}

static const struct opt *
opt_of(const struct opt *o, size_t n, int c)
{
	size_t i;

	if (c >= LONG_ONLY)
		return &o[c - LONG_ONLY];
	for (i = 0; i < n; i++)
		if (o[i].letter != 0 && o[i].letter == (char)c)
			return &o[i];
	return NULL;
}

static int
list_add(struct opt_list *l, const char *text, struct err *e)
{
	if (l->n == OPT_LIST_MAX)
		return err_set(e, E2BIG, "more than %d times", OPT_LIST_MAX);
	l->v[l->n++] = text;
	return 0;
}

static int
opt_take(const struct opt *o, const char *text, struct err *e)
{
	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)o->to = true;
		return 0;
	case OPT_TEXT:
		*(const char **)o->to = text;
		return 0;
	case OPT_NUM:
		return num_parse(text, o->min, o->max, (uint64_t *)o->to, e);
	case OPT_TIME:
		return num_duration(text, o->min, o->max, (uint64_t *)o->to,
		    e);
	case OPT_ADDR:
		return addr_parse(text, (struct addr *)o->to, e);
	case OPT_PREFIX:
		return prefix_parse_host(text, (struct prefix *)o->to, e);
	case OPT_ENDPOINT:
		return endpoint_parse(text, (uint16_t)o->min,
		    (struct endpoint *)o->to, e);
	case OPT_LIST:
		return list_add((struct opt_list *)o->to, text, e);
	}
	return err_set(e, EINVAL, "unknown kind of option");
}

static void
print_row(char letter, const char *name, const char *arg, const char *help)
{
	char left[80], head[8] = "    ";

	if (letter != 0)
		snprintf(head, sizeof(head), "-%c, ", letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", head, name,
	    arg != NULL ? " " : "", arg != NULL ? arg : "");
	if (strlen(left) > 27)
		printf("  %s\n  %-27s  %s\n", left, "", help);
	else
		printf("  %-27s  %s\n", left, help);
}

static void
print_help(const struct opt *o, size_t n, const char *args)
{
	const struct command *c = command_current();
	size_t i;

	printf("usage: %s%s%s%s\n", command_program(), command_words(),
	    args != NULL && args[0] != '\0' ? " " : "",
	    args != NULL ? args : "");
	if (c != NULL && c->help != NULL)
		printf("%s\n", c->help);
	printf("\noptions:\n");
	for (i = 0; i < n; i++)
		print_row(o[i].letter, o[i].name, o[i].arg, o[i].help);
	print_row('h', "help", NULL, "this text");
}

/* What getopt_long did not like about argv[optind - 1]. */
static int
complain(int c, int argc, char **argv)
{
	const char *word = optind > 0 && optind <= argc ? argv[optind - 1] :
	    "?";

	if (c == ':')
		return command_usage("option %s needs a value", word);
	if (optopt > 0 && optopt < HELP && strncmp(word, "--", 2) != 0)
		return command_usage("no option -%c", optopt);
	if (optopt >= HELP)
		return command_usage("option %s takes no value", word);
	return command_usage("no option %s, or not only one that begins so",
	    word);
}

static int
parse_all(int argc, char **argv, const struct opt *opts, size_t n,
    const char *args)
{
	char letters[2 * OPTS_MAX + 4];
	struct option longs[OPTS_MAX + 2];
	const struct opt *o;
	struct err e;
	int c;

	make_tables(opts, n, letters, longs);
	optind = 0;		/* start afresh (glibc and musl) */
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (c == 'h' || c == HELP) {
			print_help(opts, n, args);
			return EXIT_OK;
		}
		if (c == ':' || c == '?')
			return complain(c, argc, argv);
		if ((o = opt_of(opts, n, c)) == NULL)
			return command_usage("no option -%c", c);
		if (opt_take(o, optarg, &e) < 0)
			return command_usage("--%s: %s", o->name, e.msg);
	}
	return -1;
}

int
opt_parse(int *argc, char ***argv, const struct opt *opts,
    const char *args, int min_args, int max_args, int *status)
{
	int rc = parse_all(*argc, *argv, opts, opts_count(opts), args), left;

	if (rc >= 0) {
		*status = rc;
		return -1;
	}
	left = *argc - optind;
	if (left < min_args || left > max_args) {
		*status = left < min_args ?
		    command_usage("an argument is missing") :
		    command_usage("unexpected argument \"%s\"",
		    (*argv)[optind + max_args]);
		return -1;
	}
	*argc = left;
	*argv += optind;
	return 0;
}
