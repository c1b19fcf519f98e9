#ifndef PKI_INDEX_H
#define PKI_INDEX_H

#include <stdint.h>

#include "base/err.h"

/*
 * The text database of `openssl ca` (and so of easy-rsa): a line for each
 * certificate, six fields between tabs: V, R or E; its end; when and why it was
 * revoked; serial number; name of a file; subject.
 */
struct pki_index_row {
	char	name[64];	/* of the subject, fit for a name of ours */
	char	serial[48];	/* hexadecimal, lower case, whole octets */
	char	number[48];	/* as it stands: names of files have it */
	int64_t	to;
	int64_t	revoked;	/* 0: not */
	char	why[32];	/* one of PKI_REASONS, or "" */
};

/* One line without its newline; text is changed.  EBADMSG: it is none. */
int pki_index_parse(char *text, struct pki_index_row *row, struct err *e);

/* Any text as a name: what is not allowed becomes "_"; the serial number when
 * nothing is left. */
void pki_index_name(const char *text, const char *serial, char out[64]);

#endif
