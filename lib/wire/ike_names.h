#ifndef WIRE_IKE_NAMES_H
#define WIRE_IKE_NAMES_H

#include "base/name.h"

/*
 * The IANA registries "Internet Key Exchange Version 2 (IKEv2) Parameters"
 * as far as they are of use here: numbers, and names for people.
 */

/* Exchange types */
#define IKE_EXCHANGES(X)						\
	X(IKE_SA_INIT, 34, "ike-sa-init")				\
	X(IKE_AUTH, 35, "ike-auth")					\
	X(IKE_CREATE_CHILD_SA, 36, "create-child-sa")			\
	X(IKE_INFORMATIONAL, 37, "informational")			\
	X(IKE_SESSION_RESUME, 38, "ike-session-resume")			\
	X(IKE_GSA_AUTH, 39, "gsa-auth")					\
	X(IKE_GSA_REGISTRATION, 40, "gsa-registration")			\
	X(IKE_GSA_REKEY, 41, "gsa-rekey")				\
	X(IKE_INTERMEDIATE, 43, "ike-intermediate")			\
	X(IKE_FOLLOWUP_KE, 44, "ike-followup-ke")
enum ike_exchange { IKE_EXCHANGES(NAME_ENUM) };
extern const struct name ike_exchange_names[];

/* Payload types */
#define IKE_PAYLOADS(X)							\
	X(IKE_P_NONE, 0, "none")					\
	X(IKE_P_SA, 33, "sa")						\
	X(IKE_P_KE, 34, "ke")						\
	X(IKE_P_IDI, 35, "id-i")					\
	X(IKE_P_IDR, 36, "id-r")					\
	X(IKE_P_CERT, 37, "cert")					\
	X(IKE_P_CERTREQ, 38, "certreq")					\
	X(IKE_P_AUTH, 39, "auth")					\
	X(IKE_P_NONCE, 40, "nonce")					\
	X(IKE_P_NOTIFY, 41, "notify")					\
	X(IKE_P_DELETE, 42, "delete")					\
	X(IKE_P_VENDOR, 43, "vendor-id")				\
	X(IKE_P_TSI, 44, "ts-i")					\
	X(IKE_P_TSR, 45, "ts-r")					\
	X(IKE_P_SK, 46, "sk")						\
	X(IKE_P_CP, 47, "cp")						\
	X(IKE_P_EAP, 48, "eap")						\
	X(IKE_P_GSPM, 49, "gspm")					\
	X(IKE_P_SKF, 53, "skf")						\
	X(IKE_P_PS, 54, "ps")
enum ike_payload_type { IKE_PAYLOADS(NAME_ENUM) };
extern const struct name ike_payload_names[];

/* Security protocol identifiers */
#define IKE_PROTOCOLS(X)						\
	X(IKE_PROTO_NONE, 0, "none")					\
	X(IKE_PROTO_IKE, 1, "ike")					\
	X(IKE_PROTO_AH, 2, "ah")					\
	X(IKE_PROTO_ESP, 3, "esp")
enum ike_protocol { IKE_PROTOCOLS(NAME_ENUM) };
extern const struct name ike_protocol_names[];

/* Transform types */
#define IKE_TRANSFORM_TYPES(X)						\
	X(IKE_T_ENCR, 1, "encr")					\
	X(IKE_T_PRF, 2, "prf")						\
	X(IKE_T_INTEG, 3, "integ")					\
	X(IKE_T_KE, 4, "ke")						\
	X(IKE_T_ESN, 5, "esn")						\
	X(IKE_T_AKE1, 6, "ake1")					\
	X(IKE_T_AKE2, 7, "ake2")					\
	X(IKE_T_AKE3, 8, "ake3")					\
	X(IKE_T_AKE4, 9, "ake4")					\
	X(IKE_T_AKE5, 10, "ake5")					\
	X(IKE_T_AKE6, 11, "ake6")					\
	X(IKE_T_AKE7, 12, "ake7")
enum ike_transform_type { IKE_TRANSFORM_TYPES(NAME_ENUM) };
extern const struct name ike_transform_type_names[];

/* Transform type 1: encryption */
#define IKE_ENCRS(X)							\
	X(IKE_ENCR_DES, 2, "des")					\
	X(IKE_ENCR_3DES, 3, "3des")					\
	X(IKE_ENCR_CAST, 6, "cast")					\
	X(IKE_ENCR_BLOWFISH, 7, "blowfish")				\
	X(IKE_ENCR_NULL, 11, "null")					\
	X(IKE_ENCR_AES_CBC, 12, "aes-cbc")				\
	X(IKE_ENCR_AES_CTR, 13, "aes-ctr")				\
	X(IKE_ENCR_AES_CCM_8, 14, "aes-ccm-8")				\
	X(IKE_ENCR_AES_CCM_12, 15, "aes-ccm-12")			\
	X(IKE_ENCR_AES_CCM_16, 16, "aes-ccm-16")			\
	X(IKE_ENCR_AES_GCM_8, 18, "aes-gcm-8")				\
	X(IKE_ENCR_AES_GCM_12, 19, "aes-gcm-12")			\
	X(IKE_ENCR_AES_GCM_16, 20, "aes-gcm-16")			\
	X(IKE_ENCR_NULL_GMAC, 21, "null-aes-gmac")			\
	X(IKE_ENCR_CAMELLIA_CBC, 23, "camellia-cbc")			\
	X(IKE_ENCR_CAMELLIA_CTR, 24, "camellia-ctr")			\
	X(IKE_ENCR_CAMELLIA_CCM_8, 25, "camellia-ccm-8")		\
	X(IKE_ENCR_CAMELLIA_CCM_12, 26, "camellia-ccm-12")		\
	X(IKE_ENCR_CAMELLIA_CCM_16, 27, "camellia-ccm-16")		\
	X(IKE_ENCR_CHACHA20_POLY1305, 28, "chacha20-poly1305")
enum ike_encr { IKE_ENCRS(NAME_ENUM) };
extern const struct name ike_encr_names[];

/* Transform type 2: pseudorandom function */
#define IKE_PRFS(X)							\
	X(IKE_PRF_HMAC_MD5, 1, "hmac-md5")				\
	X(IKE_PRF_HMAC_SHA1, 2, "hmac-sha1")				\
	X(IKE_PRF_AES128_XCBC, 4, "aes128-xcbc")			\
	X(IKE_PRF_HMAC_SHA256, 5, "hmac-sha2-256")			\
	X(IKE_PRF_HMAC_SHA384, 6, "hmac-sha2-384")			\
	X(IKE_PRF_HMAC_SHA512, 7, "hmac-sha2-512")			\
	X(IKE_PRF_AES128_CMAC, 8, "aes128-cmac")
enum ike_prf { IKE_PRFS(NAME_ENUM) };
extern const struct name ike_prf_names[];

/* Transform type 3: integrity */
#define IKE_INTEGS(X)							\
	X(IKE_INTEG_NONE, 0, "none")					\
	X(IKE_INTEG_HMAC_MD5_96, 1, "hmac-md5-96")			\
	X(IKE_INTEG_HMAC_SHA1_96, 2, "hmac-sha1-96")			\
	X(IKE_INTEG_AES_XCBC_96, 5, "aes-xcbc-96")			\
	X(IKE_INTEG_AES_CMAC_96, 8, "aes-cmac-96")			\
	X(IKE_INTEG_HMAC_SHA256_128, 12, "hmac-sha2-256-128")		\
	X(IKE_INTEG_HMAC_SHA384_192, 13, "hmac-sha2-384-192")		\
	X(IKE_INTEG_HMAC_SHA512_256, 14, "hmac-sha2-512-256")
enum ike_integ { IKE_INTEGS(NAME_ENUM) };
extern const struct name ike_integ_names[];

/* Transform type 4: key exchange method (Diffie-Hellman group) */
#define IKE_GROUPS(X)							\
	X(IKE_GROUP_NONE, 0, "none")					\
	X(IKE_GROUP_MODP768, 1, "modp768")				\
	X(IKE_GROUP_MODP1024, 2, "modp1024")				\
	X(IKE_GROUP_MODP1536, 5, "modp1536")				\
	X(IKE_GROUP_MODP2048, 14, "modp2048")				\
	X(IKE_GROUP_MODP3072, 15, "modp3072")				\
	X(IKE_GROUP_MODP4096, 16, "modp4096")				\
	X(IKE_GROUP_MODP6144, 17, "modp6144")				\
	X(IKE_GROUP_MODP8192, 18, "modp8192")				\
	X(IKE_GROUP_ECP256, 19, "ecp256")				\
	X(IKE_GROUP_ECP384, 20, "ecp384")				\
	X(IKE_GROUP_ECP521, 21, "ecp521")				\
	X(IKE_GROUP_MODP1024S160, 22, "modp1024s160")			\
	X(IKE_GROUP_MODP2048S224, 23, "modp2048s224")			\
	X(IKE_GROUP_MODP2048S256, 24, "modp2048s256")			\
	X(IKE_GROUP_ECP192, 25, "ecp192")				\
	X(IKE_GROUP_ECP224, 26, "ecp224")				\
	X(IKE_GROUP_ECP224BP, 27, "ecp224bp")				\
	X(IKE_GROUP_ECP256BP, 28, "ecp256bp")				\
	X(IKE_GROUP_ECP384BP, 29, "ecp384bp")				\
	X(IKE_GROUP_ECP512BP, 30, "ecp512bp")				\
	X(IKE_GROUP_X25519, 31, "x25519")				\
	X(IKE_GROUP_X448, 32, "x448")					\
	X(IKE_GROUP_ML_KEM_512, 35, "mlkem512")				\
	X(IKE_GROUP_ML_KEM_768, 36, "mlkem768")				\
	X(IKE_GROUP_ML_KEM_1024, 37, "mlkem1024")
enum ike_group { IKE_GROUPS(NAME_ENUM) };
extern const struct name ike_group_names[];

/* Transform type 5: extended sequence numbers */
#define IKE_ESN_CHOICES(X)							\
	X(IKE_ESN_NO, 0, "noesn")					\
	X(IKE_ESN_YES, 1, "esn")
enum ike_esn_choice { IKE_ESN_CHOICES(NAME_ENUM) };
extern const struct name ike_esn_choice_names[];

/* The registry of a transform type, NULL for one we know none of. */
const struct name *ike_transform_names(uint8_t type);

/* Identification payload ID types (RFC 7296, 3.5) */
#define IKE_IDS(X)							\
	X(IKE_ID_IPV4, 1, "ipv4")					\
	X(IKE_ID_FQDN, 2, "fqdn")					\
	X(IKE_ID_RFC822, 3, "rfc822")					\
	X(IKE_ID_IPV6, 5, "ipv6")					\
	X(IKE_ID_DN, 9, "dn")						\
	X(IKE_ID_GN, 10, "gn")						\
	X(IKE_ID_KEY, 11, "key-id")					\
	X(IKE_ID_FC_NAME, 12, "fc-name")				\
	X(IKE_ID_NULL, 13, "null")
enum ike_id_type { IKE_IDS(NAME_ENUM) };
extern const struct name ike_id_names[];

/* Certificate encodings (RFC 7296, 3.6) */
#define IKE_CERTS(X)							\
	X(IKE_CERT_PKCS7, 1, "pkcs7")					\
	X(IKE_CERT_PGP, 2, "pgp")					\
	X(IKE_CERT_DNS_KEY, 3, "dns-key")				\
	X(IKE_CERT_X509, 4, "x509")					\
	X(IKE_CERT_KERBEROS, 6, "kerberos")				\
	X(IKE_CERT_CRL, 7, "crl")					\
	X(IKE_CERT_ARL, 8, "arl")					\
	X(IKE_CERT_SPKI, 9, "spki")					\
	X(IKE_CERT_X509_ATTRIBUTE, 10, "x509-attribute")		\
	X(IKE_CERT_RAW_RSA, 11, "raw-rsa")				\
	X(IKE_CERT_HASH_URL, 12, "hash-url")				\
	X(IKE_CERT_HASH_URL_BUNDLE, 13, "hash-url-bundle")		\
	X(IKE_CERT_OCSP, 14, "ocsp")					\
	X(IKE_CERT_RAW_KEY, 15, "raw-key")
enum ike_cert_encoding { IKE_CERTS(NAME_ENUM) };
extern const struct name ike_cert_names[];

/* Authentication methods */
#define IKE_AUTHS(X)							\
	X(IKE_AUTH_RSA, 1, "rsa")					\
	X(IKE_AUTH_PSK, 2, "psk")					\
	X(IKE_AUTH_DSS, 3, "dss")					\
	X(IKE_AUTH_ECDSA256, 9, "ecdsa-256")				\
	X(IKE_AUTH_ECDSA384, 10, "ecdsa-384")				\
	X(IKE_AUTH_ECDSA521, 11, "ecdsa-521")				\
	X(IKE_AUTH_GSPM, 12, "gspm")					\
	X(IKE_AUTH_NULL, 13, "null")					\
	X(IKE_AUTH_SIGNATURE, 14, "signature")
enum ike_auth_method { IKE_AUTHS(NAME_ENUM) };
extern const struct name ike_auth_names[];

/* Hash algorithms of RFC 7427 */
#define IKE_HASHES(X)							\
	X(IKE_HASH_SHA1, 1, "sha1")					\
	X(IKE_HASH_SHA256, 2, "sha2-256")				\
	X(IKE_HASH_SHA384, 3, "sha2-384")				\
	X(IKE_HASH_SHA512, 4, "sha2-512")				\
	X(IKE_HASH_IDENTITY, 5, "identity")
enum ike_hash { IKE_HASHES(NAME_ENUM) };
extern const struct name ike_hash_names[];

/* Traffic selector types */
#define IKE_TS_TYPES(X)							\
	X(IKE_TS_IPV4, 7, "ipv4-range")					\
	X(IKE_TS_IPV6, 8, "ipv6-range")					\
	X(IKE_TS_FC, 9, "fc-range")					\
	X(IKE_TS_SECLABEL, 10, "security-label")
enum ike_ts_type { IKE_TS_TYPES(NAME_ENUM) };
extern const struct name ike_ts_names[];

/* Configuration payload types */
#define IKE_CPS(X)							\
	X(IKE_CP_REQUEST, 1, "request")					\
	X(IKE_CP_REPLY, 2, "reply")					\
	X(IKE_CP_SET, 3, "set")						\
	X(IKE_CP_ACK, 4, "ack")
enum ike_cp_type { IKE_CPS(NAME_ENUM) };
extern const struct name ike_cp_names[];

#define IKE_CP_ATTRIBUTES(X)						\
	X(IKE_CP_IP4_ADDRESS, 1, "ip4-address")				\
	X(IKE_CP_IP4_NETMASK, 2, "ip4-netmask")				\
	X(IKE_CP_IP4_DNS, 3, "ip4-dns")					\
	X(IKE_CP_IP4_NBNS, 4, "ip4-nbns")				\
	X(IKE_CP_IP4_DHCP, 6, "ip4-dhcp")				\
	X(IKE_CP_APPLICATION_VERSION, 7, "application-version")		\
	X(IKE_CP_IP6_ADDRESS, 8, "ip6-address")				\
	X(IKE_CP_IP6_DNS, 10, "ip6-dns")				\
	X(IKE_CP_IP6_DHCP, 12, "ip6-dhcp")				\
	X(IKE_CP_IP4_SUBNET, 13, "ip4-subnet")				\
	X(IKE_CP_SUPPORTED, 14, "supported-attributes")			\
	X(IKE_CP_IP6_SUBNET, 15, "ip6-subnet")				\
	X(IKE_CP_DNS_DOMAIN, 25, "dns-domain")				\
	X(IKE_CP_UNITY_BANNER, 28672, "unity-banner")			\
	X(IKE_CP_UNITY_DEF_DOMAIN, 28674, "unity-def-domain")		\
	X(IKE_CP_UNITY_SPLIT_INCLUDE, 28676, "unity-split-include")
enum ike_cp_attribute { IKE_CP_ATTRIBUTES(NAME_ENUM) };
extern const struct name ike_cp_attribute_names[];

/* Notify message types: up to 16383 errors, from 16384 status */
#define IKE_NOTIFIES(X)							\
	X(IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD, 1,			\
	    "unsupported-critical")					\
	X(IKE_N_INVALID_IKE_SPI, 4, "invalid-ike-spi")			\
	X(IKE_N_INVALID_MAJOR_VERSION, 5, "invalid-major-version")	\
	X(IKE_N_INVALID_SYNTAX, 7, "invalid-syntax")			\
	X(IKE_N_INVALID_MESSAGE_ID, 9, "invalid-message-id")		\
	X(IKE_N_INVALID_SPI, 11, "invalid-spi")				\
	X(IKE_N_NO_PROPOSAL_CHOSEN, 14, "no-proposal-chosen")		\
	X(IKE_N_INVALID_KE_PAYLOAD, 17, "invalid-ke-payload")		\
	X(IKE_N_AUTHENTICATION_FAILED, 24, "authentication-failed")	\
	X(IKE_N_SINGLE_PAIR_REQUIRED, 34, "single-pair-required")	\
	X(IKE_N_NO_ADDITIONAL_SAS, 35, "no-additional-sas")		\
	X(IKE_N_INTERNAL_ADDRESS_FAILURE, 36,				\
	    "internal-address-failure")					\
	X(IKE_N_FAILED_CP_REQUIRED, 37, "failed-cp-required")		\
	X(IKE_N_TS_UNACCEPTABLE, 38, "ts-unacceptable")			\
	X(IKE_N_INVALID_SELECTORS, 39, "invalid-selectors")		\
	X(IKE_N_UNACCEPTABLE_ADDRESSES, 40, "unacceptable-addresses")	\
	X(IKE_N_UNEXPECTED_NAT_DETECTED, 41, "unexpected-nat-detected")	\
	X(IKE_N_USE_ASSIGNED_HOA, 42, "use-assigned-hoa")		\
	X(IKE_N_TEMPORARY_FAILURE, 43, "temporary-failure")		\
	X(IKE_N_CHILD_SA_NOT_FOUND, 44, "child-sa-not-found")		\
	X(IKE_N_INVALID_GROUP_ID, 45, "invalid-group-id")		\
	X(IKE_N_AUTHORIZATION_FAILED, 46, "authorization-failed")	\
	X(IKE_N_STATE_NOT_FOUND, 47, "state-not-found")			\
	X(IKE_N_TS_MAX_QUEUE, 48, "ts-max-queue")			\
	X(IKE_N_INITIAL_CONTACT, 16384, "initial-contact")		\
	X(IKE_N_SET_WINDOW_SIZE, 16385, "set-window-size")		\
	X(IKE_N_ADDITIONAL_TS_POSSIBLE, 16386, "additional-ts-possible") \
	X(IKE_N_IPCOMP_SUPPORTED, 16387, "ipcomp-supported")		\
	X(IKE_N_NAT_DETECTION_SOURCE_IP, 16388,				\
	    "nat-detection-source-ip")					\
	X(IKE_N_NAT_DETECTION_DESTINATION_IP, 16389,			\
	    "nat-detection-destination-ip")				\
	X(IKE_N_COOKIE, 16390, "cookie")				\
	X(IKE_N_USE_TRANSPORT_MODE, 16391, "use-transport-mode")	\
	X(IKE_N_HTTP_CERT_LOOKUP_SUPPORTED, 16392,			\
	    "http-cert-lookup-supported")				\
	X(IKE_N_REKEY_SA, 16393, "rekey-sa")				\
	X(IKE_N_ESP_TFC_PADDING_NOT_SUPPORTED, 16394,			\
	    "esp-tfc-padding-not-supported")				\
	X(IKE_N_NON_FIRST_FRAGMENTS_ALSO, 16395,			\
	    "non-first-fragments-also")					\
	X(IKE_N_MOBIKE_SUPPORTED, 16396, "mobike-supported")		\
	X(IKE_N_ADDITIONAL_IP4_ADDRESS, 16397, "additional-ip4-address") \
	X(IKE_N_ADDITIONAL_IP6_ADDRESS, 16398, "additional-ip6-address") \
	X(IKE_N_NO_ADDITIONAL_ADDRESSES, 16399, "no-additional-addresses") \
	X(IKE_N_UPDATE_SA_ADDRESSES, 16400, "update-sa-addresses")	\
	X(IKE_N_COOKIE2, 16401, "cookie2")				\
	X(IKE_N_NO_NATS_ALLOWED, 16402, "no-nats-allowed")		\
	X(IKE_N_AUTH_LIFETIME, 16403, "auth-lifetime")			\
	X(IKE_N_MULTIPLE_AUTH_SUPPORTED, 16404,				\
	    "multiple-auth-supported")					\
	X(IKE_N_ANOTHER_AUTH_FOLLOWS, 16405, "another-auth-follows")	\
	X(IKE_N_REDIRECT_SUPPORTED, 16406, "redirect-supported")	\
	X(IKE_N_REDIRECT, 16407, "redirect")				\
	X(IKE_N_REDIRECTED_FROM, 16408, "redirected-from")		\
	X(IKE_N_TICKET_LT_OPAQUE, 16409, "ticket-lt-opaque")		\
	X(IKE_N_TICKET_REQUEST, 16410, "ticket-request")		\
	X(IKE_N_TICKET_ACK, 16411, "ticket-ack")			\
	X(IKE_N_TICKET_NACK, 16412, "ticket-nack")			\
	X(IKE_N_TICKET_OPAQUE, 16413, "ticket-opaque")			\
	X(IKE_N_LINK_ID, 16414, "link-id")				\
	X(IKE_N_USE_WESP_MODE, 16415, "use-wesp-mode")			\
	X(IKE_N_ROHC_SUPPORTED, 16416, "rohc-supported")		\
	X(IKE_N_EAP_ONLY, 16417, "eap-only-authentication")		\
	X(IKE_N_CHILDLESS_SUPPORTED, 16418, "childless-ikev2-supported") \
	X(IKE_N_QUICK_CRASH_DETECTION, 16419, "quick-crash-detection")	\
	X(IKE_N_MESSAGE_ID_SYNC_SUPPORTED, 16420,			\
	    "message-id-sync-supported")				\
	X(IKE_N_REPLAY_SYNC_SUPPORTED, 16421,				\
	    "replay-counter-sync-supported")				\
	X(IKE_N_MESSAGE_ID_SYNC, 16422, "message-id-sync")		\
	X(IKE_N_REPLAY_SYNC, 16423, "replay-counter-sync")		\
	X(IKE_N_SECURE_PASSWORD_METHODS, 16424,				\
	    "secure-password-methods")					\
	X(IKE_N_ERX_SUPPORTED, 16427, "erx-supported")			\
	X(IKE_N_IFOM_CAPABILITY, 16428, "ifom-capability")		\
	X(IKE_N_FRAGMENTATION_SUPPORTED, 16430,				\
	    "fragmentation-supported")					\
	X(IKE_N_SIGNATURE_HASH_ALGORITHMS, 16431,			\
	    "signature-hash-algorithms")				\
	X(IKE_N_CLONE_SA_SUPPORTED, 16432, "clone-ike-sa-supported")	\
	X(IKE_N_CLONE_SA, 16433, "clone-ike-sa")			\
	X(IKE_N_PUZZLE, 16434, "puzzle")				\
	X(IKE_N_USE_PPK, 16435, "use-ppk")				\
	X(IKE_N_PPK_IDENTITY, 16436, "ppk-identity")			\
	X(IKE_N_NO_PPK_AUTH, 16437, "no-ppk-auth")			\
	X(IKE_N_INTERMEDIATE_SUPPORTED, 16438,				\
	    "intermediate-supported")					\
	X(IKE_N_IP4_ALLOWED, 16439, "ip4-allowed")			\
	X(IKE_N_IP6_ALLOWED, 16440, "ip6-allowed")			\
	X(IKE_N_ADDITIONAL_KEY_EXCHANGE, 16441,				\
	    "additional-key-exchange")					\
	X(IKE_N_USE_AGGFRAG, 16442, "use-aggfrag")			\
	X(IKE_N_SUPPORTED_AUTH_METHODS, 16443,				\
	    "supported-auth-methods")					\
	X(IKE_N_SA_RESOURCE_INFO, 16444, "sa-resource-info")
enum ike_notify_type { IKE_NOTIFIES(NAME_ENUM) };
extern const struct name ike_notify_names[];

#endif
