#include "sys/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sys/ask.h"
#include "sys/command.h"

struct list {
	const struct list_kind	*kind;
	enum out_format		 format;
	struct table		*table;
	FILE			*f;	/* in memory: it may have to be redone */
	char			*text;
	size_t			 len;
};

struct each {
	const struct list_kind	*kind;
	void (*begin)(void *arg);
	void (*fn)(void *arg, const void *item);
	void			*arg;
};

static void
each_begin(void *arg)
{
	const struct each *each = arg;

	if (each->begin != NULL)
		each->begin(each->arg);
}

static int
each_take(void *arg, const void *page, struct err *e)
{
	const struct each *each = arg;
	const uint8_t *b = page;
	size_t i, n;

	(void)e;
	memcpy(&n, b + each->kind->count_at, sizeof(n));
	for (i = 0; i < n; i++)
		each->fn(each->arg, b + each->kind->items_at +
		    i * each->kind->item->size);
	return 0;
}

static int
pages(struct each *each, const struct page *from)
{
	const struct ask_pages ask = { .reply = each->kind->page,
	    .from = *from, .arg = each, .begin = each_begin,
	    .take = each_take };

	return command_pages(each->kind->sock_name, &ask);
}

int
list_each(const struct list_kind *k, void (*begin)(void *arg),
    void (*fn)(void *arg, const void *item), void *arg)
{
	struct each each = { k, begin, fn, arg };
	const struct page from = { .after = 0 };

	return pages(&each, &from);
}

static void
list_begin(void *arg)
{
	struct list *l = arg;

	table_free(l->table);
	l->table = table_new(l->kind->headers);
	rewind(l->f);
}

static void
list_item(void *arg, const void *item)
{
	struct list *l = arg;
	struct err e;

	if (l->format != OUT_TEXT)
		(void)out_record(l->f, l->format, l->kind->item, item, &e);
	else if (l->table != NULL)
		l->kind->row(l->table, item);
}

static int
list_finish(struct list *l)
{
	struct table *t = l->table;
	struct err e;

	l->table = NULL;
	if (l->format == OUT_TEXT) {
		if (t == NULL)
			err_set(&e, ENOMEM, "out of memory");
		if (t == NULL || table_print(t, stdout, &e) < 0)
			return command_fail(EXIT_SYSTEM, &e);
		return EXIT_OK;
	}
	table_free(t);
	l->len = (size_t)ftell(l->f);
	fflush(l->f);
	fwrite(l->text, 1, l->len, stdout);
	return EXIT_OK;
}

static int
list_run(struct list *l, const struct page *from)
{
	struct each each = { l->kind, list_begin, list_item, l };
	struct err e;
	int status;

	if ((l->f = open_memstream(&l->text, &l->len)) == NULL) {
		err_sys(&e, "memory");
		return command_fail(EXIT_SYSTEM, &e);
	}
	if ((status = pages(&each, from)) == EXIT_OK)
		status = list_finish(l);
	table_free(l->table);
	fclose(l->f);
	free(l->text);
	return status;
}

/* -1: usage was printed. */
static int
filter(char *to, size_t len, const char *from, const char *what)
{
	if (from == NULL || (from[0] != '\0' && text_copy(to, len, from,
	    NULL) == 0))
		return 0;
	(void)command_usage("%s \"%s\": 1 to %zu characters", what, from,
	    len - 1);
	return -1;
}

int
list_main(const struct list_kind *k, int argc, char **argv)
{
	struct list l = { .kind = k };
	struct page from = { .after = 0 };
	const char *owner = NULL, *interface = NULL;
	bool json = false, cbor = false;
	struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		  &json, 0, 0 },
		{ 0, "cbor", NULL, "a CBOR sequence", OPT_FLAG, &cbor, 0, 0 },
		{ 'i', "interface", "NAME", "only of this interface",
		  OPT_TEXT, &interface, 0, 0 },
		{ 0, "owner", "NAME", "only what this owner stated",
		  OPT_TEXT, &owner, 0, 0 },
		OPT_END
	};
	int status;

	if (!k->owned)
		opts[3] = (struct opt)OPT_END;
	if (opt_parse(&argc, &argv, opts, k->args, 0, 0, &status) < 0)
		return status;
	if (filter(from.owner, sizeof(from.owner), owner, "owner") < 0 ||
	    filter(from.interface, sizeof(from.interface), interface,
	    "interface") < 0)
		return EXIT_USAGE;
	l.format = out_format(json, cbor);
	return list_run(&l, &from);
}
