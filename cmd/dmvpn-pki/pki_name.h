#ifndef PKI_NAME_H
#define PKI_NAME_H

#include "base/err.h"

#define PKI_NAME_MAX	63

/*
 * Names of store entries and of the agent's identities: letters, digits and
 * ". _ -", beginning with a letter or digit, 1 to 63 octets, no "..".
 * They become file names and rows, so all else is refused.
 */
int pki_name_check(const char *name, struct err *e);

/* Names that people read (a CA's, an organisation's): blanks too. */
int pki_name_check_title(const char *name, struct err *e);

/* "dir/spoke1.pem" -> "spoke1"; refused when that is no name. */
int pki_name_of_file(const char *path, char out[PKI_NAME_MAX + 1],
    struct err *e);

#endif
