#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"

int
cmd_page(struct conn *c, const char *of, uint64_t after,
    const struct msg_type *t, void *out, struct err *e)
{
	struct page p = { .after = after };

	if (text_copy(p.of, sizeof(p.of), of, e) < 0)
		return -1;
	return conn_call(c, &page_type, &p, t, out, NULL, e);
}

int
cmd_each_sa(struct conn *c, int (*fn)(void *arg, const struct ike_sa *s),
    void *arg, struct err *e)
{
	static struct ike_sas page;
	uint64_t after = 0;
	size_t i;
	int rc;

	do {
		if (cmd_page(c, "ike-sas", after, &ike_sas_type, &page, e) < 0)
			return -1;
		for (i = 0; i < page.n_items; i++)
			if ((rc = fn(arg, &page.items[i])) != 0)
				return rc;
		after = page.next;
	} while (after != 0);
	return 0;
}

int
cmd_each_failure(struct conn *c,
    int (*fn)(void *arg, const struct ike_failed *f), void *arg,
    struct err *e)
{
	static struct ike_failures page;
	uint64_t after = 0;
	size_t i;
	int rc;

	do {
		if (cmd_page(c, "ike-failures", after, &ike_failures_type,
		    &page, e) < 0)
			return -1;
		for (i = 0; i < page.n_items; i++)
			if ((rc = fn(arg, &page.items[i])) != 0)
				return rc;
		after = page.next;
	} while (after != 0);
	return 0;
}

bool
cmd_sa_is(const struct ike_sa *s, const char *what)
{
	struct addr_buf b;
	uint64_t n;

	if (num_parse(what, 1, UINT16_MAX, &n, NULL) == 0)
		return s->peer == n;
	return strcmp(s->connection, what) == 0 ||
	    strcmp(s->identity, what) == 0 ||
	    strcmp(addr_text(&s->remote.addr, &b), what) == 0 ||
	    strcmp(endpoint_text(&s->remote, &b), what) == 0;
}

struct wanted_peer {
	const char	*what;
	uint16_t	 peer;
};

static int
match_peer(void *arg, const struct ike_sa *s)
{
	struct wanted_peer *w = arg;

	if (s->peer == 0 || !cmd_sa_is(s, w->what))
		return 0;
	w->peer = s->peer;
	return 1;
}

int
cmd_find_peer(const char *what, struct err *e)
{
	struct wanted_peer w = { .what = what };
	struct conn *c = ask_open(CMD_SOCK, e);
	int rc;

	if (c == NULL)
		return -1;
	rc = cmd_each_sa(c, match_peer, &w, e);
	conn_close(c);
	if (rc == 0)
		err_set(e, ENOENT, "no peer \"%s\"; \"dmvpn-ike peers\" lists "
		    "them", what);
	return rc < 0 ? -1 : w.peer;
}

int
cmd_text(char *to, size_t len, const char *option, const char *from,
    struct err *e)
{
	if (from == NULL || text_copy(to, len, from, e) == 0)
		return 0;
	return err_in(e, "--%s", option);
}
