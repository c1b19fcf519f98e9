#ifndef CRYPTO_SCEP_INT_H
#define CRYPTO_SCEP_INT_H

#include <openssl/cms.h>

#include "crypto/scep.h"

/* Inside lib/crypto/scep*.c only. */

struct secret *scep_cms_der(CMS_ContentInfo *cms);
/* Exactly one ContentInfo of this type. */
CMS_ContentInfo *scep_cms_parse(struct rbuf der, int nid, struct err *e);

#endif
