#ifndef DMVPN_GRE_CMD_H
#define DMVPN_GRE_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"

/* The commands of dmvpn-gre; each returns its exit status. */
int cmd_run(int argc, char **argv);
int cmd_with(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_interface(int argc, char **argv);
int cmd_peer(int argc, char **argv);
int cmd_sa(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_route(int argc, char **argv);
int cmd_lookup(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_check(int argc, char **argv);

#define GRE_SOCK "gre.sock"
#define GRE_OWNER "static"	/* of what is stated by hand */

/* Arguments into members of a message.  -1: usage was printed. */
int cmd_text(char *to, size_t len, const char *from, const char *what);
int cmd_name(const struct name *names, const char *text, const char *what,
    uint32_t *v);
int cmd_number(const char *text, uint64_t min, uint64_t max,
    const char *what, uint64_t *v);
/* 8 hexadecimal digits, as tables and JSON show it, else a number. */
int cmd_spi(const char *text, const char *what, uint32_t *spi);

struct addr;
struct prefix;
int cmd_addr(const char *text, const char *what, struct addr *a);
int cmd_prefix(const char *text, const char *what, struct prefix *p);
/* Who states something, of which interface. */
int cmd_whose(char owner[64], const char *from, char interface[16],
    const char *name);

/* What "status" shows. */
struct gre_status_reply;
int cmd_ask_status(struct gre_status_reply *r);
void cmd_print_features(const struct gre_status_reply *r);
void cmd_print_drops(const struct gre_status_reply *r);

/* A row of a table of options. */
#define CMD_OWNER_OPT(to) { 0, "owner", "NAME",			\
	"whose it is (default " GRE_OWNER ")", OPT_TEXT, &(to), 0, 0 }

/* Options of "interface set" and "with", which make the same. */
struct gre_interface_set;
struct iface_opts {
	const char		*mode, *protect, *owner, *local;
	const char		*key_text;
	uint64_t		 mtu;
	bool			 checksum, hub;
	const void		*addresses;	/* struct opt_list */
};
int cmd_interface_fill(struct gre_interface_set *m, const char *name,
    const struct iface_opts *o);

#endif
