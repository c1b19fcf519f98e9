#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* RFC 4648, section 4 (with padding) and section 5 (URL-safe, without). */
enum base64_kind { BASE64_PLAIN, BASE64_URL };

/* Octets that base64_write makes of len, no NUL among them. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* The text, without a NUL. */
void base64_write(struct wbuf *w, enum base64_kind kind, const void *octets,
    size_t len);

/*
 * The octets of a text.  Plain: blanks and line ends are stepped over, padding
 * may be missing.  EBADMSG tells at which letter the text is wrong; bits that
 * mean nothing must be zero, so that no two texts mean the same.
 */
int base64_read(struct wbuf *w, enum base64_kind kind, const char *text,
    size_t len, struct err *e);

#endif
