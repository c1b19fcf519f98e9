#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Foreign octets for a person: printable ASCII stays, '\\', '"' and all else
 * become \\, \" and \xNN.  Always ends in NUL; cut to fit, "..." marks the
 * cut.  Returns out.
 */
const char *text_escape(const void *octets, size_t len, char *out,
    size_t out_len);

/* Lower-case hexadecimal; out needs 2 * len + 1.  Returns out. */
const char *text_hex(const void *octets, size_t len, char *out,
    size_t out_len);

/* From hexadecimal (an optional 0x before it); returns the octets written. */
int text_unhex(const char *text, struct wbuf *w, struct err *e);

/* Is it well-formed UTF-8 (RFC 3629)? 1 or 0. */
int text_is_utf8(const void *octets, size_t len);

/* Copy NUL-ended text that must fit; ENAMETOOLONG otherwise. */
int text_copy(char *to, size_t to_len, const char *from, struct err *e);

#endif
