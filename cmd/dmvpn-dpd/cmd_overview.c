#include "cmd_overview.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/text.h"
#include "cmd.h"
#include "sys/command.h"

#define ROWS_SHOWN	20
#define FOLD		6	/* of what a terminal has no room for */

static const char *
paint(const char *how)
{
	return isatty(STDOUT_FILENO) ? how : "";
}

#define GREEN	paint("\033[32m")
#define RED	paint("\033[31m")
#define BOLD	paint("\033[1m")
#define PLAIN	paint("\033[m")

/* "840 B", "1.3 kB" */
static const char *
octets(uint64_t n, char b[20])
{
	char number[16];

	(void)human_bytes(n, number);
	snprintf(b, 20, "%s%sB", number, n < 1000 ? " " : "");
	return b;
}

static void
show_head(const struct overview *o)
{
	const struct dpd_overview *t = &o->tunnel;
	struct addr_buf ab;
	char in[20], out[20];

	printf("tunnel %s%s%s  %s  %s%s%s", BOLD, t->tunnel, PLAIN, t->role,
	    t->up ? GREEN : RED, t->up ? "up" : "down", PLAIN);
	for (size_t i = 0; i < t->n_addresses; i++)
		printf("  %s", prefix_text(&t->addresses[i], &ab));
	if (t->key != 0)
		printf("  key %u", t->key);
	if (t->mtu != 0)
		printf("  mtu %u", t->mtu);
	printf("  in %s, out %s\n", octets(t->rx_bytes, in),
	    octets(t->tx_bytes, out));
}

/* A headend that nobody has needed yet. */
static bool
in_reserve(const struct dpd_neighbour *r)
{
	return strcmp(r->kind, "headend") == 0 && !r->up &&
	    r->why[0] == '\0';
}

static void
put_mark(FILE *f, const struct dpd_neighbour *r)
{
	if (in_reserve(r))
		fputs("  .", f);
	else
		fprintf(f, "  %s%s%s", r->up ? GREEN : RED, r->up ? "+" : "-",
		    PLAIN);
}

/* "spoke a.example has 10.0.0.2/32 at 198.51.100.1:4500 for 2 min" */
static void
put_row(FILE *f, const struct dpd_neighbour *r)
{
	struct addr_buf ab;
	char age[16];

	put_mark(f, r);
	fprintf(f, " %s %s", r->kind, strcmp(r->kind, "shortcut") == 0 ||
	    r->name[0] == '\0' ? prefix_text(&r->address, &ab) : r->name);
	if (strcmp(r->kind, "spoke") == 0 && r->name[0] != '\0')
		fprintf(f, " has %s", prefix_text(&r->address, &ab));
	if (r->via.len != 0)
		fprintf(f, " via %s", addr_text(&r->via, &ab));
	if (r->remote.addr.len != 0)
		fprintf(f, " at %s", endpoint_text(&r->remote, &ab));
	if (r->seen_as.addr.len != 0)
		fprintf(f, ", sees us as %s", r->seen_as.port == 0 ?
		    addr_text(&r->seen_as.addr, &ab) :
		    endpoint_text(&r->seen_as, &ab));
	if (r->in_use)
		fprintf(f, ", in use");
	else if (strcmp(r->kind, "headend") == 0 && r->up)
		fprintf(f, ", standby");
	else if (in_reserve(r))
		fprintf(f, ", in reserve");
	if (r->up && r->age != 0)
		fprintf(f, " for %s", human_time(r->age, age));
	if (!r->up && r->why[0] != '\0')
		fprintf(f, ": %s", r->why);
}

static void
show_row(const struct dpd_neighbour *r)
{
	char line[2048];
	FILE *f = fmemopen(line, sizeof(line), "w");

	if (f == NULL)
		return;
	put_row(f, r);
	fclose(f);
	out_fold(stdout, line, FOLD);
}

/* What a row says already is no news. */
static bool
is_told(const struct overview *o)
{
	for (size_t i = 0; i < o->n; i++)
		if (!o->rows[i].up && o->rows[i].why[0] != '\0' &&
		    strstr(o->tunnel.last, o->rows[i].why) != NULL)
			return true;
	return false;
}

static void
show_last(const struct overview *o)
{
	char line[sizeof(o->tunnel.last) + 64], age[16];

	if (o->last_at == 0 || is_told(o))
		return;
	snprintf(line, sizeof(line), "  last failure %s ago: %s",
	    human_time(o->tunnel.last_age, age), o->tunnel.last);
	out_fold(stdout, line, FOLD);
}

static void
show(const struct overview *o)
{
	show_head(o);
	for (size_t i = 0; i < o->n && i < ROWS_SHOWN; i++)
		show_row(&o->rows[i]);
	if (o->n > ROWS_SHOWN)
		printf("    and %zu more\n", o->n - ROWS_SHOWN);
	if (o->n == 0)
		printf("  nobody is here yet\n");
	show_last(o);
}

static int
show_json(const struct overview *o, struct err *e)
{
	if (out_json(stdout, &dpd_overview_type, &o->tunnel, e) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (out_json(stdout, &dpd_neighbour_type, &o->rows[i], e) < 0)
			return -1;
	return 0;
}

static int
overview(struct overview *o, bool json, bool quiet)
{
	struct err e = { 0 };
	int rc = overview_collect(o, &e);

	if (rc == 0 && json)
		rc = show_json(o, &e);
	else if (rc == 0 && !quiet)
		show(o);
	overview_fini(o);
	if (rc < 0)
		return command_fail(EXIT_SYSTEM, &e);
	return quiet && !o->tunnel.up ? EXIT_NO : EXIT_OK;
}

static bool
is_a_role(const char *role)
{
	static const char *const roles[] = { "hub", "spoke", "headend",
	    "remote" };

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i], role) == 0)
			return true;
	return false;
}

int
cmd_overview(int argc, char **argv)
{
	struct overview o = { .n = 0 };
	const char *role = NULL;
	bool json = false, quiet = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		    &json, 0, 0 },
		{ 0, "role", "ROLE", "hub, spoke, headend or remote",
		    OPT_TEXT, &role, 0, 0 },
		{ 'q', "quiet", NULL, "no output: exit 0 when it is up, "
		    "else 1", OPT_FLAG, &quiet, 0, 0 },
		OPT_END,
	};
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j] [-q] --role ROLE TUNNEL", 1,
	    1, &status) < 0)
		return status;
	if (role == NULL || !is_a_role(role))
		return command_usage("--role is wanted: hub, spoke, headend "
		    "or remote");
	if (argv[0][0] == '\0' || text_copy(o.tunnel.tunnel,
	    sizeof(o.tunnel.tunnel), argv[0], &e) < 0 ||
	    text_copy(o.tunnel.role, sizeof(o.tunnel.role), role, &e) < 0)
		return command_usage("%s: not the name of a tunnel or role",
		    argv[0]);
	return overview(&o, json, quiet);
}
