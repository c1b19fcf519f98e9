#include "cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/name.h"
#include "msg/msg.h"
#include "sys/command.h"
#include "sys/loop.h"

static const char *const headers[] = { "TUNNEL", "HEADEND", "STATE", "IN USE",
    ">PEER", "ADDRESS", ">SINCE", "WHY", NULL };

static void
add_row(struct table *t, const struct dpd_headend_status *h)
{
	struct name_buf nb;
	struct addr_buf ab;
	char since[16], why[512];
	uint64_t now = clock_ms();

	table_cell(t, "%s", h->tunnel);
	table_cell(t, "%s", h->name);
	table_cell(t, "%s", name_text(dpd_headend_state_names, h->state, &nb));
	table_cell(t, "%s", h->in_use ? "yes" : "-");
	if (h->peer != 0)
		table_cell(t, "%u", h->peer);
	else
		table_cell(t, "-");
	table_cell(t, "%s", h->remote.port != 0 ?
	    endpoint_text(&h->remote, &ab) : "-");
	table_cell(t, "%s", h->since != 0 && now >= h->since ?
	    human_time((now - h->since) / 1000, since) : "-");
	table_cell(t, "%s", h->reason.code[0] != '\0' ?
	    reason_text(&h->reason, why, sizeof(why)) : "-");
}

/* All pages: rows into t, or objects on stdout. */
static int
read_pages(bool json, struct table *t, struct dpd_status_reply *last)
{
	struct dpd_status m = { .after = 0 };
	struct err e = { 0 };
	int status;

	do {
		status = cmd_call(&dpd_status_type, &m,
		    &dpd_status_reply_type, last);
		if (status != EXIT_OK)
			return status;
		for (size_t i = 0; i < last->n_headends; i++)
			if (!json)
				add_row(t, &last->headends[i]);
			else if (out_json(stdout, &dpd_headend_status_type,
			    &last->headends[i], &e) < 0)
				return command_fail(EXIT_SYSTEM, &e);
		m.after = last->next;
	} while (last->next != 0);
	return EXIT_OK;
}

static int
show(bool json, bool counts)
{
	struct dpd_status_reply *r = calloc(1, sizeof(*r));
	struct table *t = table_new(headers);
	struct err e = { 0 };
	int status;

	if (r == NULL || t == NULL) {
		free(r);
		table_free(t);
		err_sys(&e, "status");
		return command_fail(EXIT_SYSTEM, &e);
	}
	status = read_pages(json, t, r);
	if (status != EXIT_OK || json)
		table_free(t);
	else if (table_print(t, stdout, &e) < 0)
		status = command_fail(EXIT_SYSTEM, &e);
	r->n_headends = 0;
	if (status == EXIT_OK && counts && json &&
	    out_json(stdout, &dpd_status_reply_type, r, &e) < 0)
		status = command_fail(EXIT_SYSTEM, &e);
	if (status == EXIT_OK && counts && !json)
		printf("%" PRIu64 " peers watched, %" PRIu64 " probes sent, %"
		    PRIu64 " found dead\n", r->peers, r->probes, r->deaths);
	free(r);
	return status;
}

static int
parse_and_show(int argc, char **argv, bool counts)
{
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		    &json, 0, 0 },
		OPT_END,
	};
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j]", 0, 0, &status) < 0)
		return status;
	return show(json, counts);
}

int
cmd_status(int argc, char **argv)
{
	return parse_and_show(argc, argv, true);
}

int
cmd_list(int argc, char **argv)
{
	return parse_and_show(argc, argv, false);
}
