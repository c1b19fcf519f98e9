#include "cmd_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
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

/* ---------------------------------------------------------------- rows */

static const char *
ago(uint64_t at, char b[16])
{
	uint64_t now = clock_ms();

	if (at == 0)
		return "never";
	return human_time(now > at ? (now - at) / 1000 : 0, b);
}

static const char *const interface_heads[] = { "interface", "owner", "mode",
    "protect", "addresses", ">key", ">mtu", "state", ">rx packets",
    ">tx packets", NULL };

static void
interface_row(struct table *t, const void *item)
{
	const struct gre_interface *m = item;
	char list[120] = "";
	struct addr_buf b;
	size_t i, n;

	for (i = 0; i < m->n_addresses; i++) {
		n = strlen(list);
		(void)snprintf(list + n, sizeof(list) - n, "%s%s",
		    i > 0 ? " " : "", prefix_text(&m->addresses[i], &b));
	}
	table_cell(t, "%s", m->interface);
	table_cell(t, "%s", m->owner);
	table_cell(t, "%s", name_find(gre_mode_names, m->mode));
	table_cell(t, "%s", name_find(gre_protect_names, m->protect));
	table_cell(t, "%s", list[0] == '\0' ? "-" : list);
	if (m->keyed)
		table_cell(t, "%u", m->key);
	else
		table_cell(t, "-");
	table_cell(t, "%u", m->mtu);
	table_cell(t, "%s", m->index == 0 ? "gone" : m->up ? "up" : "down");
	table_cell(t, "%llu", (unsigned long long)m->rx_packets);
	table_cell(t, "%llu", (unsigned long long)m->tx_packets);
}

static const char *const peer_heads[] = { ">peer", "owner", "encap",
    "remote", "name", ">sas", ">last in", ">rx packets", ">tx packets",
    ">drops", NULL };

static void
peer_row(struct table *t, const void *item)
{
	const struct gre_peer *m = item;
	struct addr_buf b;
	char time[16];

	table_cell(t, "%u", m->peer);
	table_cell(t, "%s", m->owner);
	table_cell(t, "%s", name_find(gre_encap_names, m->encap));
	table_cell(t, "%s", m->remote.port == 0 ?
	    addr_text(&m->remote.addr, &b) : endpoint_text(&m->remote, &b));
	table_cell(t, "%s", m->name[0] == '\0' ? "-" : m->name);
	table_cell(t, "%u", m->sas);
	table_cell(t, "%s", ago(m->last_in, time));
	table_cell(t, "%llu", (unsigned long long)m->rx_packets);
	table_cell(t, "%llu", (unsigned long long)m->tx_packets);
	table_cell(t, "%llu", (unsigned long long)m->drops);
}

static const char *const sa_heads[] = { "spi in", "spi out", ">peer",
    "owner", "mode", "cipher", "state", ">age", ">rx packets",
    ">tx packets", ">replayed", ">forged", NULL };

static void
sa_row(struct table *t, const void *item)
{
	const struct gre_sa *m = item;
	char time[16];

	table_cell(t, "%08x", m->spi_in);
	table_cell(t, "%08x", m->spi_out);
	table_cell(t, "%u", m->peer);
	table_cell(t, "%s", m->owner);
	table_cell(t, "%s", name_find(sa_mode_names, m->mode));
	table_cell(t, "%s", name_find(esp_cipher_names, m->cipher));
	table_cell(t, "%s", m->dying ? "dying" : m->standby ? "standby" :
	    m->active ? "active" : "old");
	table_cell(t, "%s", human_time(m->age, time));
	table_cell(t, "%llu", (unsigned long long)m->rx_packets);
	table_cell(t, "%llu", (unsigned long long)m->tx_packets);
	table_cell(t, "%llu", (unsigned long long)m->replayed);
	table_cell(t, "%llu", (unsigned long long)m->forged);
}

static const char *const map_heads[] = { "address", ">peer", "interface",
    "owner", "multicast", ">hold", NULL };

static void
map_row(struct table *t, const void *item)
{
	const struct gre_map_row *m = item;
	struct addr_buf b;
	char time[16];

	table_cell(t, "%s", addr_text(&m->address, &b));
	table_cell(t, "%u", m->peer);
	table_cell(t, "%s", m->interface);
	table_cell(t, "%s", m->owner);
	table_cell(t, "%s", m->multicast ? "yes" : "no");
	table_cell(t, "%s", m->hold == 0 ? "-" : human_time(m->hold, time));
}

static const char *const route_heads[] = { "prefix", "via", ">peer",
    "interface", "owner", ">metric", NULL };

static void
route_row(struct table *t, const void *item)
{
	const struct gre_route_row *m = item;
	struct addr_buf b;

	table_cell(t, "%s", prefix_text(&m->prefix, &b));
	table_cell(t, "%s", addr_text(&m->via, &b));
	if (m->peer != 0)
		table_cell(t, "%u", m->peer);
	else
		table_cell(t, "-");
	table_cell(t, "%s", m->interface);
	table_cell(t, "%s", m->owner);
	table_cell(t, "%u", m->metric);
}

const struct list_kind list_interfaces = LIST_KIND(gre_interfaces,
    gre_interface, interface_heads, interface_row);
const struct list_kind list_peers = LIST_KIND(gre_peers, gre_peer,
    peer_heads, peer_row);
const struct list_kind list_sas = LIST_KIND(gre_sas, gre_sa, sa_heads,
    sa_row);
const struct list_kind list_maps = LIST_KIND(gre_maps, gre_map_row,
    map_heads, map_row);
const struct list_kind list_routes = LIST_KIND(gre_routes, gre_route_row,
    route_heads, route_row);

/* -------------------------------------------------------------- running */

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

	return command_pages(GRE_SOCK, &ask);
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

int
list_main(const struct list_kind *k, int argc, char **argv)
{
	struct list l = { .kind = k };
	struct each each = { k, list_begin, list_item, &l };
	struct page from = { .after = 0 };
	const char *owner = NULL, *interface = NULL;
	bool json = false, cbor = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		    &json, 0, 0 },
		{ 0, "cbor", NULL, "a CBOR sequence", OPT_FLAG, &cbor, 0, 0 },
		{ 0, "owner", "NAME", "only what this owner stated",
		    OPT_TEXT, &owner, 0, 0 },
		{ 'i', "interface", "NAME", "only of this interface",
		    OPT_TEXT, &interface, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "", 0, 0, &status) < 0)
		return status;
	if ((owner != NULL && cmd_text(from.owner, sizeof(from.owner), owner,
	    "owner") < 0) || (interface != NULL && cmd_text(from.interface,
	    sizeof(from.interface), interface, "interface") < 0))
		return EXIT_USAGE;
	l.format = json ? OUT_JSON : cbor ? OUT_CBOR : OUT_TEXT;
	if ((l.f = open_memstream(&l.text, &l.len)) == NULL) {
		err_sys(&e, "memory");
		return command_fail(EXIT_SYSTEM, &e);
	}
	if ((status = pages(&each, &from)) == EXIT_OK)
		status = list_finish(&l);
	table_free(l.table);
	fclose(l.f);
	free(l.text);
	return status;
}
