#include "sys/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sys/command.h"
#include "sys/serve.h"

#define PAGES_AGAIN 3		/* how often a set may change under us */

struct conn *
ask_open(const char *sock_name, struct err *e)
{
	char path[108];

	if (run_path(path, sizeof(path), sock_name, e) < 0)
		return NULL;
	return conn_open(path, e);
}

/* Codes that another try may change. */
static bool
may_change(const char *code)
{
	return code[0] == '\0' || strcmp(code, "busy") == 0 ||
	    strcmp(code, "system") == 0 || strcmp(code, "timeout") == 0;
}

int
command_refused(const struct reason *r, const struct err *e)
{
	return command_fail(may_change(r->code) ? EXIT_SYSTEM : EXIT_NO, e);
}

int
command_call(const char *sock_name, const struct msg_type *t,
    const void *m, const struct msg_type *reply, void *out)
{
	struct err e = { 0 };
	struct reason r = { .code = "" };
	struct conn *c = ask_open(sock_name, &e);
	int rc;

	if (c == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	rc = conn_call(c, t, m, reply, out, &r, &e);
	conn_close(c);
	return rc < 0 ? command_refused(&r, &e) : EXIT_OK;
}

/* Every page begins with these two (checked by page_fits). */
struct page_head {
	uint64_t	generation;
	uint64_t	next;
};

static bool
page_fits(const struct msg_type *t)
{
	bool generation = false, next = false;
	size_t i;

	for (i = 0; i < t->n_fields; i++) {
		const struct msg_field *f = &t->fields[i];

		if (strcmp(f->key, "generation") == 0)
			generation = f->offset == 0 && f->size == 8;
		if (strcmp(f->key, "next") == 0)
			next = f->offset == 8 && f->size == 8;
	}
	return generation && next;
}

/* All pages of one generation: 0 done, 1 it changed meanwhile, -1. */
static int
pages_once(struct conn *c, const struct ask_pages *p, void *page,
    struct reason *r, struct err *e)
{
	struct page from = p->from;
	uint64_t generation = 0;
	struct page_head head;

	if (from.of[0] == '\0' && text_copy(from.of, sizeof(from.of),
	    p->reply->name, e) < 0)
		return -1;
	for (;;) {
		if (conn_call(c, &page_type, &from, p->reply, page, r, e) < 0)
			return -1;
		memcpy(&head, page, sizeof(head));
		if (from.after != p->from.after &&
		    head.generation != generation)
			return 1;
		generation = head.generation;
		if (p->take(p->arg, page, e) < 0)
			return -1;
		if (head.next == 0)
			return 0;
		if (head.next <= from.after)
			return err_set(e, EBADMSG, "%s: page %llu follows "
			    "%llu", from.of, (unsigned long long)head.next,
			    (unsigned long long)from.after);
		from.after = head.next;
	}
}

int
conn_pages(struct conn *c, const struct ask_pages *p, struct reason *r,
    struct err *e)
{
	struct reason unused;
	void *page;
	int i, rc = 1;

	if (!page_fits(p->reply))
		return err_set(e, EINVAL, "%s has no generation and next",
		    p->reply->name);
	if ((page = malloc(p->reply->size)) == NULL)
		return err_set(e, ENOMEM, "out of memory");
	for (i = 0; rc == 1 && i < PAGES_AGAIN; i++) {
		if (p->begin != NULL)
			p->begin(p->arg);
		rc = pages_once(c, p, page, r != NULL ? r : &unused, e);
	}
	free(page);
	return rc == 1 ? err_set(e, EAGAIN, "%s changes too fast to be read",
	    p->reply->name) : rc;
}

int
command_pages(const char *sock_name, const struct ask_pages *p)
{
	struct err e = { 0 };
	struct reason r = { .code = "" };
	struct conn *c = ask_open(sock_name, &e);
	int rc;

	if (c == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	rc = conn_pages(c, p, &r, &e);
	conn_close(c);
	return rc < 0 ? command_refused(&r, &e) : EXIT_OK;
}

/* One event: 1 go on, 0 the end, -1. */
static int
show_event(struct conn *c, enum out_format format, struct err *e)
{
	bool closed;
	struct msg m;
	int rc = conn_event(c, &m, -1, &closed, e);

	if (rc <= 0)
		return rc;
	if (out_event_now(stdout, format, &m, e) < 0) {
		if (e->code != ENOTSUP)
			return -1;
		fprintf(stderr, "%s: %s\n", command_program(), e->msg);
	}
	return fflush(stdout) == 0 ? 1 : err_sys(e, "write");
}

int
command_events(const char *sock_name, const char *const *prefixes,
    enum out_format format, uint64_t n)
{
	struct err e = { 0 };
	struct conn *c = ask_open(sock_name, &e);
	uint64_t seen = 0;
	int rc;

	if (c == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	rc = conn_subscribe(c, prefixes, &e);
	if (rc == 0)
		rc = 1;
	while (rc == 1 && (n == 0 || seen++ < n))
		rc = show_event(c, format, &e);
	conn_close(c);
	if (rc < 0 && e.code == EPIPE)
		return EXIT_OK;		/* "events | head" */
	return rc < 0 ? command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
}

int
command_events_main(int argc, char **argv, const char *sock_name,
    const char *const *prefixes)
{
	bool json = false, cbor = false;
	uint64_t n = 0;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		  &json, 0, 0 },
		{ 0, "cbor", NULL, "a CBOR sequence, as the daemon sent it",
		  OPT_FLAG, &cbor, 0, 0 },
		{ 'n', "number", "N", "end after N events", OPT_NUM, &n, 1,
		  UINT64_MAX },
		OPT_END
	};
	const char *wanted[33] = { NULL };
	int i, status;

	if (opt_parse(&argc, &argv, opts, "[-j | --cbor] [-n N] [PREFIX ...]",
	    0, 32, &status) < 0)
		return status;
	for (i = 0; i < argc; i++)
		wanted[i] = argv[i];
	return command_events(sock_name, argc > 0 ? wanted : prefixes,
	    out_format(json, cbor), n);
}

/* Read until the other side closes; events may come, if subscribed. */
static int
wait_end(struct conn *c, struct err *e)
{
	bool closed = false;
	struct msg m;
	int rc;

	do
		rc = conn_event(c, &m, -1, &closed, e);
	while (rc == 1);
	return rc;
}

int
command_wait(const char *sock_name)
{
	struct err e = { 0 };
	struct conn *c = ask_open(sock_name, &e);
	int rc;

	if (c == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	rc = wait_end(c, &e);
	conn_close(c);
	return rc < 0 ? command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
}

int
command_wait_main(int argc, char **argv, const char *sock_name)
{
	static const struct opt opts[] = { OPT_END };
	int status;

	if (opt_parse(&argc, &argv, opts, "", 0, 0, &status) < 0)
		return status;
	return command_wait(sock_name);
}

int
command_stop_main(int argc, char **argv, const char *sock_name)
{
	struct stop m = { .keep = false };
	const struct opt opts[] = {
		{ 'k', "keep", NULL, "leave persistent state behind",
		  OPT_FLAG, &m.keep, 0, 0 },
		OPT_END
	};
	struct reason r = { .code = "" };
	struct err e = { 0 };
	struct conn *c;
	int rc, status;

	if (opt_parse(&argc, &argv, opts, "[--keep]", 0, 0, &status) < 0)
		return status;
	if ((c = ask_open(sock_name, &e)) == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	rc = conn_call(c, &stop_type, &m, NULL, NULL, &r, &e);
	if (rc == 0)
		rc = wait_end(c, &e);
	conn_close(c);
	return rc < 0 ? command_refused(&r, &e) : EXIT_OK;
}
