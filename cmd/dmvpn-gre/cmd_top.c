#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_list.h"
#include "gre_hash.h"
#include "sys/ask.h"
#include "sys/command.h"

/* Peers with their rates since the last look, the busiest first. */

struct row {
	uint16_t	 number;
	struct gre_peer	 now;
	uint64_t	 rx_bytes, tx_bytes, rx_packets, tx_packets;
	uint64_t	 rx_rate, tx_rate;	/* bit/s */
	uint64_t	 rx_pps, tx_pps;
	bool		 seen, fresh;
	UT_hash_handle	 hh;
};

struct top {
	struct row	*rows;
	uint64_t	 before;		/* ms, the last look */
	uint64_t	 elapsed;
	struct gre_status_reply	 now, was;
	bool		 terminal;
	struct termios	 saved;
};

static struct top top;

static void
look_begin(void *arg)
{
	struct top *t = arg;
	struct row *r;

	for (r = t->rows; r != NULL; r = r->hh.next)
		r->seen = false;
}

static uint64_t
per_second(uint64_t now, uint64_t before, uint64_t ms)
{
	return now < before || ms == 0 ? 0 : (now - before) * 1000 / ms;
}

static void
look_item(void *arg, const void *item)
{
	const struct gre_peer *m = item;
	struct top *t = arg;
	struct row *r;

	HASH_FIND(hh, t->rows, &m->peer, sizeof(m->peer), r);
	if (r == NULL) {
		if ((r = calloc(1, sizeof(*r))) == NULL)
			return;
		r->number = m->peer;
		r->fresh = true;
		HASH_ADD(hh, t->rows, number, sizeof(r->number), r);
		if (!hash_added(r)) {
			free(r);
			return;
		}
	}
	r->seen = true;
	r->now = *m;
}

/* After a whole snapshot: rates, and those that are gone. */
static void
look_end(struct top *t)
{
	struct row *r, *tmp;

	HASH_ITER(hh, t->rows, r, tmp) {
		if (!r->seen) {
			HASH_DEL(t->rows, r);
			free(r);
			continue;
		}
		if (!r->fresh) {
			r->rx_rate = 8 * per_second(r->now.rx_bytes,
			    r->rx_bytes, t->elapsed);
			r->tx_rate = 8 * per_second(r->now.tx_bytes,
			    r->tx_bytes, t->elapsed);
			r->rx_pps = per_second(r->now.rx_packets,
			    r->rx_packets, t->elapsed);
			r->tx_pps = per_second(r->now.tx_packets,
			    r->tx_packets, t->elapsed);
		}
		r->fresh = false;
		r->rx_bytes = r->now.rx_bytes;
		r->tx_bytes = r->now.tx_bytes;
		r->rx_packets = r->now.rx_packets;
		r->tx_packets = r->now.tx_packets;
	}
}

static int
busier(const struct row *a, const struct row *b)
{
	uint64_t x = a->rx_rate + a->tx_rate, y = b->rx_rate + b->tx_rate;

	if (x != y)
		return x < y ? 1 : -1;
	return (int)a->number - (int)b->number;
}

static const char *const heads[] = { ">peer", "name", "remote", ">in bit/s",
    ">in pps", ">out bit/s", ">out pps", ">mtu", ">drops", ">sas", NULL };

static void
print_row(struct table *t, const struct row *r)
{
	char in[16], out[16];
	struct addr_buf b;

	table_cell(t, "%u", r->number);
	table_cell(t, "%s", r->now.name[0] == '\0' ? "-" : r->now.name);
	table_cell(t, "%s", r->now.remote.port == 0 ?
	    addr_text(&r->now.remote.addr, &b) :
	    endpoint_text(&r->now.remote, &b));
	table_cell(t, "%s", human_bytes(r->rx_rate, in));
	table_cell(t, "%llu", (unsigned long long)r->rx_pps);
	table_cell(t, "%s", human_bytes(r->tx_rate, out));
	table_cell(t, "%llu", (unsigned long long)r->tx_pps);
	table_cell(t, "%u", r->now.inner_mtu);
	table_cell(t, "%llu", (unsigned long long)r->now.drops);
	table_cell(t, "%u", r->now.sas);
}

static size_t
lines_free(const struct top *t)
{
	struct winsize w;

	if (!t->terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 ||
	    w.ws_row < 10)
		return t->terminal ? 20 : SIZE_MAX;
	return w.ws_row - 6u;
}

static uint64_t
drops_before(const struct gre_status_reply *was, const char *reason)
{
	size_t i;

	for (i = 0; i < was->n_drops; i++)
		if (strcmp(was->drops[i].reason, reason) == 0)
			return was->drops[i].count;
	return 0;
}

/* What is dropped just now, for which reason. */
static void
print_drops(const struct top *t)
{
	const char *before = " ";
	uint64_t n;
	size_t i;

	printf("dropped a second:");
	for (i = 0; i < t->now.n_drops; i++) {
		n = per_second(t->now.drops[i].count, drops_before(&t->was,
		    t->now.drops[i].reason), t->elapsed);
		if (n == 0)
			continue;
		printf("%s%s %llu", before, t->now.drops[i].reason,
		    (unsigned long long)n);
		before = ", ";
	}
	printf("%s\n", before[0] == ' ' ? " nothing" : "");
}

/* What all peers do together. */
static void
print_sums(const struct top *t)
{
	uint64_t in = 0, out = 0, in_pps = 0, out_pps = 0;
	char a[16], b[16];
	const struct row *r;

	for (r = t->rows; r != NULL; r = r->hh.next) {
		in += r->rx_rate;
		out += r->tx_rate;
		in_pps += r->rx_pps;
		out_pps += r->tx_pps;
	}
	/* Before printf: nobody says which argument is computed first. */
	human_bytes(in, a);
	human_bytes(out, b);
	printf("in %s%sbit/s, %llu packets/s; out %s%sbit/s, %llu packets/s\n",
	    a, strchr(a, ' ') == NULL ? " " : "",
	    (unsigned long long)in_pps, b,
	    strchr(b, ' ') == NULL ? " " : "", (unsigned long long)out_pps);
}

static int
draw(struct top *t)
{
	struct table *table = table_new(heads);
	size_t left = lines_free(t);
	struct row *r;
	struct err e;

	HASH_SORT(t->rows, busier);
	for (r = t->rows; table != NULL && r != NULL && left > 0;
	    r = r->hh.next, left--)
		print_row(table, r);
	if (t->terminal)
		printf("\033[H\033[J");
	printf("dmvpn-gre: %u peers, %llu SAs%s\n", HASH_COUNT(t->rows),
	    (unsigned long long)t->now.sas,
	    t->terminal ? "  (q quits)" : "");
	print_sums(t);
	print_drops(t);
	if (table == NULL || table_print(table, stdout, &e) < 0)
		return EXIT_SYSTEM;
	if (!t->terminal)
		printf("\n");
	fflush(stdout);
	return EXIT_OK;
}

static void
terminal_restore(void)
{
	if (top.terminal)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &top.saved);
}

/* Keys come at once and are not shown. */
static void
terminal_open(struct top *t)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &t->saved) < 0)
		return;
	raw = t->saved;
	raw.c_lflag &= (tcflag_t)~(ICANON | ECHO);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0)
		t->terminal = true;
	(void)atexit(terminal_restore);
}

/* Until the next look; true: the user wants to go. */
static bool
pause_for(const struct top *t, int ms)
{
	struct pollfd w = { .fd = STDIN_FILENO, .events = POLLIN };
	char key = 0;

	if (!t->terminal)
		return poll(NULL, 0, ms) < 0;
	if (poll(&w, 1, ms) <= 0)
		return false;
	return read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q';
}

static int
look(struct top *t)
{
	uint64_t now = clock_ms();
	int status;

	status = list_each(&list_peers, look_begin, look_item, t);
	if (status != EXIT_OK)
		return status;
	t->was = t->now;
	if ((status = cmd_ask_status(&t->now)) != EXIT_OK)
		return status;
	t->elapsed = t->before == 0 ? 0 : now - t->before;
	t->before = now;
	look_end(t);
	return draw(t);
}

int
cmd_top(int argc, char **argv)
{
	uint64_t count = 0, interval = 1, i;
	const struct opt opts[] = {
		{ 'n', "count", "N", "look so many times, 0: until q",
		    OPT_NUM, &count, 0, UINT32_MAX },
		{ 'i', "interval", "SECONDS", "between two looks (default "
		    "1)", OPT_TIME, &interval, 1, 3600 },
		OPT_END
	};
	struct row *r, *tmp;
	int status;

	if (opt_parse(&argc, &argv, opts, "", 0, 0, &status) < 0)
		return status;
	terminal_open(&top);
	status = EXIT_OK;
	for (i = 0; status == EXIT_OK && (count == 0 || i < count); i++) {
		if (i > 0 && pause_for(&top, (int)interval * 1000))
			break;
		status = look(&top);
	}
	HASH_ITER(hh, top.rows, r, tmp) {
		HASH_DEL(top.rows, r);
		free(r);
	}
	return status;
}
