#include "cmd_list.h"

#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "sys/loop.h"

static const char *
ago(uint64_t at, char b[16])
{
	uint64_t now = clock_ms();

	if (at == 0)
		return "never";
	return human_time(now > at ? (now - at) / 1000 : 0, b);
}

static const char *const interface_heads[] = { "INTERFACE", "OWNER", "MODE",
    "PROTECT", "ADDRESSES", ">KEY", ">MTU", "STATE", ">RX PACKETS",
    ">TX PACKETS", NULL };

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

static const char *const peer_heads[] = { ">PEER", "OWNER", "ENCAP",
    "REMOTE", "NAME", ">SAS", ">MTU", "HOW", ">INSIDE", ">LAST IN",
    ">RX PACKETS", ">TX PACKETS", ">DROPS",
    ">RATE", NULL };

static void
peer_row(struct table *t, const void *item)
{
	const struct gre_peer *m = item;
	struct addr_buf b;
	char time[16], rate[16];

	table_cell(t, "%u", m->peer);
	table_cell(t, "%s", m->owner);
	table_cell(t, "%s", name_find(gre_encap_names, m->encap));
	table_cell(t, "%s", m->remote.port == 0 ?
	    addr_text(&m->remote.addr, &b) : endpoint_text(&m->remote, &b));
	table_cell(t, "%s", m->name[0] == '\0' ? "-" : m->name);
	table_cell(t, "%u", m->sas);
	table_cell(t, "%u", m->mtu);
	table_cell(t, "%s", m->searching ? "searching" :
	    name_find(mtu_how_names, m->mtu_how));
	table_cell(t, "%u", m->inner_mtu);
	table_cell(t, "%s", ago(m->last_in, time));
	table_cell(t, "%llu", (unsigned long long)m->rx_packets);
	table_cell(t, "%llu", (unsigned long long)m->tx_packets);
	table_cell(t, "%llu", (unsigned long long)m->drops);
	table_cell(t, "%s", m->rate == 0 ? "-" : human_bytes(m->rate, rate));
}

static const char *const sa_heads[] = { "SPI IN", "SPI OUT", ">PEER",
    "OWNER", "MODE", "CIPHER", "STATE", ">AGE", ">RX PACKETS",
    ">TX PACKETS", ">REPLAYED", ">FORGED", NULL };

static void
sa_row(struct table *t, const void *item)
{
	const struct gre_sa *m = item;
	const char *state;
	char time[16];

	table_cell(t, "%08x", m->spi_in);
	table_cell(t, "%08x", m->spi_out);
	table_cell(t, "%u", m->peer);
	table_cell(t, "%s", m->owner);
	table_cell(t, "%s", name_find(sa_mode_names, m->mode));
	table_cell(t, "%s", name_find(esp_cipher_names, m->cipher));
	state = m->dying ? "dying" : m->standby ? "standby" :
	    m->active ? "active" : "old";
	if (m->queue != 0)
		table_cell(t, "%s, queue %u", state, m->queue);
	else
		table_cell(t, "%s", state);
	table_cell(t, "%s", human_time(m->age, time));
	table_cell(t, "%llu", (unsigned long long)m->rx_packets);
	table_cell(t, "%llu", (unsigned long long)m->tx_packets);
	table_cell(t, "%llu", (unsigned long long)m->replayed);
	table_cell(t, "%llu", (unsigned long long)m->forged);
}

static const char *const map_heads[] = { "ADDRESS", ">PEER", "INTERFACE",
    "OWNER", "MULTICAST", ">HOLD", NULL };

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

static const char *const route_heads[] = { "PREFIX", "VIA", ">PEER",
    "INTERFACE", "OWNER", ">METRIC", NULL };

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

#define GRE_LIST(type, of, heads, fn) LIST_KIND(GRE_SOCK, "", true,	\
	type, of, heads, fn)

const struct list_kind list_interfaces = GRE_LIST(gre_interfaces,
    gre_interface, interface_heads, interface_row);
const struct list_kind list_peers = GRE_LIST(gre_peers, gre_peer,
    peer_heads, peer_row);
const struct list_kind list_sas = GRE_LIST(gre_sas, gre_sa, sa_heads,
    sa_row);
const struct list_kind list_maps = GRE_LIST(gre_maps, gre_map_row,
    map_heads, map_row);
const struct list_kind list_routes = GRE_LIST(gre_routes, gre_route_row,
    route_heads, route_row);
