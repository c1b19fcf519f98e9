#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "cmd_list.h"
#include "sys/ask.h"
#include "sys/command.h"

/* Everything at one glance: a table of each kind, or one JSON object. */

struct section {
	const struct list_kind	*kind;
	const char		*title, *key;
};

static const struct section sections[] = {
	{ &list_interfaces, "interfaces", "interfaces" },
	{ &list_peers, "peers", "peers" },
	{ &list_sas, "security associations", "sas" },
	{ &list_maps, "tunnel addresses", "maps" },
	{ &list_routes, "routes", "routes" },
};
#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

/* A snapshot while it is read; it may have to be read anew. */
struct shown {
	const struct section	*of;
	struct table		*table;
	FILE			*f;	/* JSON, in memory; NULL: a table */
	char			*text;
	size_t			 len, n;
};

static void
shown_begin(void *arg)
{
	struct shown *s = arg;

	s->n = 0;
	if (s->f != NULL) {
		rewind(s->f);
		return;
	}
	table_free(s->table);
	s->table = table_new(s->of->kind->headers);
}

static void
shown_item(void *arg, const void *item)
{
	struct shown *s = arg;
	struct err e;

	if (s->f != NULL) {
		fputs(s->n > 0 ? "," : "", s->f);
		(void)out_json(s->f, s->of->kind->item, item, &e);
	} else if (s->table != NULL) {
		s->of->kind->row(s->table, item);
	}
	s->n++;
}

static int
show_table(const struct section *of)
{
	struct shown s = { .of = of };
	struct err e;
	int status = list_each(of->kind, shown_begin, shown_item, &s);

	if (status != EXIT_OK || s.n == 0 || s.table == NULL) {
		table_free(s.table);
		if (status == EXIT_OK)
			printf("%s: none\n\n", of->title);
		return status;
	}
	printf("%s:\n", of->title);
	if (table_print(s.table, stdout, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	printf("\n");
	return EXIT_OK;
}

/* "key":[item,...], */
static int
show_json(const struct section *of, FILE *to)
{
	struct shown s = { .of = of };
	size_t len;
	int status;
	struct err e;

	if ((s.f = open_memstream(&s.text, &s.len)) == NULL) {
		err_sys(&e, "memory");
		return command_fail(EXIT_SYSTEM, &e);
	}
	status = list_each(of->kind, shown_begin, shown_item, &s);
	len = (size_t)ftell(s.f);
	if (fclose(s.f) != 0 && status == EXIT_OK)
		status = EXIT_SYSTEM;
	if (status == EXIT_OK) {
		fprintf(to, "\"%s\":[", of->key);
		fwrite(s.text, 1, s.n > 0 ? len : 0, to);
		fprintf(to, "],");
	}
	free(s.text);
	return status;
}

/* One line: line ends between the items are blanks to JSON, but not to
 * whoever reads line by line. */
static void
print_line(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] != '\n')
			putchar(text[i]);
	putchar('\n');
}

static int
show_all_json(void)
{
	static struct gre_status_reply r;
	char *text = NULL;
	size_t len = 0, i;
	int status = EXIT_OK;
	struct err e;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL) {
		err_sys(&e, "memory");
		return command_fail(EXIT_SYSTEM, &e);
	}
	putc('{', f);
	for (i = 0; status == EXIT_OK && i < N_SECTIONS; i++)
		status = show_json(&sections[i], f);
	if (status == EXIT_OK && (status = cmd_ask_status(&r)) == EXIT_OK) {
		fprintf(f, "\"status\":");
		if (out_json(f, &gre_status_reply_type, &r, &e) < 0)
			status = command_fail(EXIT_SYSTEM, &e);
		putc('}', f);
	}
	fclose(f);
	if (status == EXIT_OK)
		print_line(text, len);
	free(text);
	return status;
}

int
cmd_show(int argc, char **argv)
{
	static struct gre_status_reply r;
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object", OPT_FLAG, &json, 0,
		    0 },
		OPT_END
	};
	int status;
	size_t i;

	if (opt_parse(&argc, &argv, opts, "", 0, 0, &status) < 0)
		return status;
	if (json)
		return show_all_json();
	for (i = 0; i < N_SECTIONS; i++)
		if ((status = show_table(&sections[i])) != EXIT_OK)
			return status;
	if ((status = cmd_ask_status(&r)) != EXIT_OK)
		return status;
	cmd_print_features(&r);
	cmd_print_drops(&r);
	return EXIT_OK;
}
