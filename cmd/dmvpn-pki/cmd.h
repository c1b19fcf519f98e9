#ifndef CMD_H
#define CMD_H

#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "msg/types.h"
#include "pki_bundle.h"
#include "sys/command.h"
#include "sys/out.h"

int cmd_init(int argc, char **argv);
int cmd_issue(int argc, char **argv);
int cmd_sign(int argc, char **argv);
int cmd_renew(int argc, char **argv);
int cmd_expiring(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_revoke(int argc, char **argv);
int cmd_release(int argc, char **argv);
int cmd_crl(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_rollover(int argc, char **argv);
int cmd_settings(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_enroll(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_serving(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_join(int argc, char **argv);
int cmd_fetch(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_ocsp(int argc, char **argv);
int cmd_agent(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_unload(int argc, char **argv);
int cmd_identities(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_wait(int argc, char **argv);

/* Exit status when what the command line names can not be taken: 100, or 111
 * when the system has failed. */
int cmd_input_status(const struct err *e);

/* The first line of a file ("-": of standard input); NULL with e on error. */
struct secret *cmd_passphrase(const char *file, struct err *e);
/* Ask on the terminal, twice when it is a new one; NULL without terminal, and
 * the sentence names the option that would help. */
struct secret *cmd_passphrase_ask(const char *what, const char *option,
    bool twice, struct err *e);

/* Read a PEM file with a key; asks for a passphrase when it is encrypted.
 * *used (may be NULL): what came from pass_file or opened the key, for the caller
 * to free; NULL: nothing. */
int cmd_bundle(struct pki_bundle *b, const char *path, const char *pass_file,
    struct secret **used, struct err *e);

/* "NAME=FILE" or "FILE": the name goes to name, the file is returned. */
const char *cmd_name_file(const char *text, char name[64], struct err *e);

/* One load: from a PEM file, or from a PSK file. */
struct load_what {
	const char		*name;		/* "": from the file's name */
	const char		*file;
	bool			 psk;
	const char		*id;		/* or NULL */
	const char		*peer_id;	/* or NULL */
	bool			 pss;
	const struct opt_list	*trust;		/* or NULL */
	const char		*pass_file;	/* or NULL */
};
/* m borrows from b; both are the caller's to end. */
int cmd_load_make(const struct load_what *what, struct pki_bundle *b,
    struct pki_load *m, struct err *e);

/* 2026-11-23T12:00:00Z; also "now", and a date alone. */
int cmd_time_parse(const char *text, int64_t *t, struct err *e);

/* A name on the command line is that of a file, if there is one that is no
 * directory. */
bool cmd_is_file(const char *name);

/* All certificates of a file, PEM or one in DER, added to s. */
struct cert_set;
int cmd_certs_read(struct cert_set *s, const char *path, struct err *e);

#endif
