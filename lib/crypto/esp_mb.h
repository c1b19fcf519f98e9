#ifndef CRYPTO_ESP_MB_H
#define CRYPTO_ESP_MB_H

#include "crypto/esp.h"

/*
 * The AEADs of ESP by Intel's ipsec-mb: less work a packet than OpenSSL's
 * EVP, on any x86 with AES-NI.  NULL when the library was not there at build
 * time or does not fit this CPU; then *why says so (a constant text).  Not
 * for several threads at once.
 */
const struct esp_engine *esp_mb(const char **why);

#endif
