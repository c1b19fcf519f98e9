#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd_decode.h"
#include "decode_ike.h"
#include "decode_keys.h"
#include "decode_sk.h"
#include "sys/command.h"
#include "sys/pcapng.h"

struct ike_run {
	struct keys		 keys;
	struct sk_reader	*reader;
	FILE			*key_file;	/* beside --write, or NULL */
	const char		*copy;
	struct addr		 peer;
	bool			 any_spi, any_exchange;
	uint64_t		 spi;
	uint32_t		 exchange;
};

static bool
wanted(const struct ike_run *n, const struct ike_view *v)
{
	struct rbuf in = v->message;
	struct ike_header h = { 0 };

	if (n->peer.len > 0 && !addr_equal(&n->peer, &v->src.addr) &&
	    !addr_equal(&n->peer, &v->dst.addr))
		return false;
	if (n->any_spi && n->any_exchange)
		return true;
	(void)ike_header_parse(&in, &h, NULL);
	return (n->any_spi || n->spi == h.spi_i || n->spi == h.spi_r) &&
	    (n->any_exchange || n->exchange == h.exchange);
}

static void
show(struct cmd_run *r, const struct ike_view *v)
{
	if (!wanted(r->arg, v))
		return;
	r->shown++;
	if (decode_ike(&r->doc, v) < 0)
		r->malformed++;
	if (r->copy != NULL)
		(void)pcapng_udp(r->copy, v->ns, &v->src, &v->dst,
		    &v->message, v->drop, NULL);
}

static void
packet(struct cmd_run *r, uint64_t ns, const struct dissect *d)
{
	struct ike_run *n = r->arg;
	struct ike_view v = { .ns = ns, .src = d->src, .dst = d->dst,
	    .message = d->data };

	if (d->kind != DISSECT_IKE)
		return;
	sk_read(n->reader, &n->keys, &v);
	show(r, &v);
}

/* ---- live ---- */

/* The table is made when the first key comes, FILE.keys beside FILE. */
static void
save_key(struct ike_run *n, const char *line)
{
	char path[4096];
	int fd;

	if (n->copy == NULL)
		return;
	if (n->key_file == NULL) {
		snprintf(path, sizeof(path), "%s.keys", n->copy);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0600);
		n->key_file = fd < 0 ? NULL : fdopen(fd, "w");
	}
	if (n->key_file == NULL)
		return;
	fprintf(n->key_file, "%s\n", line);
	fflush(n->key_file);
}

static void
packet_event(struct cmd_run *r, uint64_t ns, const struct ike_packet *p)
{
	bool in = p->direction == DIRECTION_IN;
	struct ike_view v = { .ns = ns, .message = p->data };

	v.src = in ? p->remote : p->local;
	v.dst = in ? p->local : p->remote;
	v.direction = in ? "in" : "out";
	v.clear = p->clear;
	v.have_clear = rbuf_left(&p->clear) > 0;
	v.first = rbuf_u8(&v.clear);
	v.drop = p->drop[0] != '\0' ? p->drop : NULL;
	show(r, &v);
}

static void
event(struct cmd_run *r, uint64_t ns, const struct msg *m)
{
	static struct ike_packet p;
	static struct ike_keys k;

	if (strcmp(m->name, ike_packet_type.name) == 0 &&
	    msg_get(m->body, &ike_packet_type, &p, NULL) == 0)
		packet_event(r, ns, &p);
	if (strcmp(m->name, ike_keys_type.name) == 0 &&
	    msg_get(m->body, &ike_keys_type, &k, NULL) == 0)
		save_key(r->arg, k.line);
}

/* ---- the command ---- */

static int
read_keys(struct ike_run *n, const struct opt_list *files, struct err *e)
{
	size_t i;

	for (i = 0; i < files->n; i++)
		if (keys_read_ike(&n->keys, files->v[i], e) < 0)
			return -1;
	return 0;
}

static int
spi_option(struct ike_run *n, const char *text, struct err *e)
{
	uint8_t room[8];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct rbuf r;

	n->any_spi = text == NULL;
	if (text == NULL)
		return 0;
	if (text_unhex(text, &w, e) < 0)
		return err_in(e, "--spi");
	if (w.len != sizeof(room))
		return err_set(e, 0, "--spi: 16 hexadecimal digits wanted");
	r = wbuf_rbuf(&w);
	n->spi = rbuf_be64(&r);
	return 0;
}

static int
run(struct cmd_run *r, bool live, int argc, char **argv)
{
	struct ike_run *n = r->arg;
	struct err e;
	int rc;

	n->reader = sk_reader_new(&e);
	if (n->reader == NULL || cmd_copy_open(r, n->copy, &e) < 0 ||
	    cmd_confine(n->copy, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	rc = live ? cmd_live(r) : cmd_files(r, argc, argv);
	if (n->key_file != NULL)
		fclose(n->key_file);
	if (cmd_copy_close(r, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	return rc;
}

int
cmd_ike(int argc, char **argv)
{
	struct ike_run n = { .reader = NULL };
	struct cmd_run r = { .arg = &n, .packet = packet, .event = event };
	struct opt_list keys = { 0 };
	const char *spi = NULL, *exchange = NULL;
	bool json = false, live = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a message", OPT_FLAG,
		  &json, 0, 0 },
		{ 'k', "keys", "FILE", "Wireshark's ikev2_decryption_table",
		  OPT_LIST, &keys, 0, 0 },
		{ 0, "peer", "ADDR", "only messages from or to ADDR",
		  OPT_ADDR, &n.peer, 0, 0 },
		{ 0, "spi", "HEX", "only the IKE SA with this SPI",
		  OPT_TEXT, &spi, 0, 0 },
		{ 0, "exchange", "NAME", "only this exchange, as ike-auth",
		  OPT_TEXT, &exchange, 0, 0 },
		{ 'c', "count", "N", "stop after N messages", OPT_NUM,
		  &r.limit, 1, UINT32_MAX },
		{ 0, "live", NULL, "read events of dmvpn-ike from standard "
		  "input", OPT_FLAG, &live, 0, 0 },
		{ 'w', "write", "FILE", "also write them as pcapng",
		  OPT_TEXT, &n.copy, 0, 0 },
		OPT_END
	};
	struct err e;
	int rc;

	if (opt_parse(&argc, &argv, opts, "[OPTION...] FILE...", 0, 1000,
	    &rc) < 0)
		return rc;
	if ((argc == 0) != live)
		return command_usage("name captures, or --live alone");
	n.any_exchange = exchange == NULL;
	if (exchange != NULL && name_value(ike_exchange_names, exchange,
	    &n.exchange) < 0)
		return command_usage("\"%s\" is no IKE exchange", exchange);
	if (spi_option(&n, spi, &e) < 0 || read_keys(&n, &keys, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	doc_init(&r.doc, stdout, json);
	rc = run(&r, live, argc, argv);
	sk_reader_free(n.reader);
	keys_fini(&n.keys);
	return rc;
}
