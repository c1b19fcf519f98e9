#include "wire/ike_names.h"

#define TABLE(table, LIST) \
	const struct name table[] = { LIST(NAME_ROW) NAME_END }

TABLE(ike_exchange_names, IKE_EXCHANGES);
TABLE(ike_payload_names, IKE_PAYLOADS);
TABLE(ike_protocol_names, IKE_PROTOCOLS);
TABLE(ike_transform_type_names, IKE_TRANSFORM_TYPES);
TABLE(ike_encr_names, IKE_ENCRS);
TABLE(ike_prf_names, IKE_PRFS);
TABLE(ike_integ_names, IKE_INTEGS);
TABLE(ike_group_names, IKE_GROUPS);
TABLE(ike_esn_choice_names, IKE_ESN_CHOICES);
TABLE(ike_id_names, IKE_IDS);
TABLE(ike_cert_names, IKE_CERTS);
TABLE(ike_auth_names, IKE_AUTHS);
TABLE(ike_hash_names, IKE_HASHES);
TABLE(ike_ts_names, IKE_TS_TYPES);
TABLE(ike_cp_names, IKE_CPS);
TABLE(ike_cp_attribute_names, IKE_CP_ATTRIBUTES);
TABLE(ike_notify_names, IKE_NOTIFIES);

const struct name *
ike_transform_names(uint8_t type)
{
	switch (type) {
	case IKE_T_ENCR:
		return ike_encr_names;
	case IKE_T_PRF:
		return ike_prf_names;
	case IKE_T_INTEG:
		return ike_integ_names;
	case IKE_T_ESN:
		return ike_esn_choice_names;
	}
	if (type == IKE_T_KE || (type >= IKE_T_AKE1 && type <= IKE_T_AKE7))
		return ike_group_names;
	return NULL;
}
