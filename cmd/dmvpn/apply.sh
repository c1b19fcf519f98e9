
# ---- from the tunnel file to the programs
#
# $RUN/tunnels/NAME is what parse_file made.  Each apply_LAYER states the
# part of one tunnel that belongs to one program; stating it again is
# harmless, so a restarted daemon is simply told everything once more.

# Those whose names begin with a dot are being written.
tunnels() (
	set +f
	for tunnel_path in "$RUN"/tunnels/*; do
		[ ! -f "$tunnel_path" ] || say "${tunnel_path##*/}"
	done
)

# Work on this tunnel from now on.
select_tunnel() {
	T=$1
	CONF=$RUN/tunnels/$1
	ROLE=$(conf role)
}

conf() {	# KEY: the values, a line each
	sed -n "s/^$1 //p" "$CONF" 2>/dev/null || :	# it may go meanwhile
}

is_yes() {	# KEY DEFAULT
	answer=$(conf "$1")
	[ "${answer:-$2}" = yes ]
}

is_ipsec() {
	[ "$(conf protect)" != none ]
}

is_direct() {
	[ "$ROLE" = headend ] || [ "$ROLE" = remote ]
}

# ARGS collects arguments, a line each; run_args hands them to a program.
args() {
	ARGS=
	for one; do
		ARGS=$ARGS$one$NL
	done
}

arg() {
	for one; do
		ARGS=$ARGS$one$NL
	done
}

arg_if() {	# KEY OPTION: once, when the key was given
	one=$(conf "$1")
	[ -z "$one" ] || arg "$2" "$one"
}

arg_each() {	# KEY OPTION: for each value
	while IFS= read -r one; do
		[ -z "$one" ] || ARGS=$ARGS$2$NL$one$NL
	done <<-END
	$(conf "$1")
	END
}

arg_words() {	# KEY OPTION: for each word
	for word in $(conf "$1"); do
		ARGS=$ARGS$2$NL$word$NL
	done
}

arg_time() {	# KEY OPTION
	one=$(conf "$1")
	[ -z "$one" ] || arg "$2" "$(seconds_of "$one")"
}

run_args() {	# LAYER
	layer_name=$1
	IFS=$NL
	# shellcheck disable=SC2086
	set -- $ARGS
	IFS=" $TAB$NL"
	call "$layer_name" "$@"
}

# An address stays; an interface gives its first one.
local_address() {
	where=$(conf local)
	[ -n "$where" ] || return 0
	if is_address "$where"; then
		say "$where"
		return 0
	fi
	ip -o address show dev "$where" scope global 2>/dev/null |
		awk '{ sub("/.*", "", $4); print $4; exit }'
}

# Lists that are files; those of URLs are fetched (fetch.sh).
arg_crl_files() {
	while IFS= read -r one; do
		[ -z "$one" ] || is_url "$one" || arg --crl "$one"
	done <<-END
	$(conf crl)
	END
}

apply_pki() {
	is_ipsec || return 0
	if [ -n "$(conf psk)" ]; then
		args load --psk --id "$(conf id)" "$T=$(conf psk)"
	else
		args load --trust "$(conf trust)" "$T=$(conf identity)"
		arg_if id --id
		arg_crl_files
	fi
	run_args pki
}

apply_gre() {
	args interface set "$T" --owner dmvpn
	if is_direct; then
		arg --mode direct
	else
		arg --mode mgre
	fi
	is_ipsec || arg --protect none
	[ "$ROLE" != hub ] || arg --hub
	arg_each address --address
	arg_if key --key
	arg_if mtu --mtu
	where=$(local_address)
	[ -z "$where" ] || arg --local "$where"
	run_args gre || return 1
	note "$SUP/$T.local" "$where"
	apply_routes
}

# "local" names an interface.
is_local_interface() {
	where=$(conf local)
	[ -n "$where" ] && ! is_address "$where"
}

# It has no address now: packets leave as the kernel's routes say.
local_missing() {
	is_local_interface && [ -z "$(local_address)" ] &&
		say "local $where: there is no such interface with an address"
}

# Its address is another one than it was: all who know it are told.
follow_local() {
	for tunnel in $(tunnels); do
		select_tunnel "$tunnel"
		is_local_interface || continue
		now_local=$(local_address)
		was_local=$(cat "$SUP/$T.local" 2>/dev/null) || continue
		case $now_local in
		'' | "$was_local") continue ;;
		esac
		warn "tunnel $T: $where has the address $now_local now"
		apply_tunnel "$T" || :
	done
}

# A route must not take our own packets to a hub into the tunnel.
swallows() {	# NETWORK
	for public in $({ conf hub; conf headend; } | sed 's/ .*//'); do
		public=$(host_of "$public")
		is_address "$public" || continue
		holds "$1" "$public" || continue
		way=$(call gre lookup -j "$public" 2>/dev/null </dev/null) ||
			continue
		length=$(field "$way" prefix)
		[ "${length#*/}" -le "${1#*/}" ] || continue
		via=$(field "$way" via)
		say "route $1 would take our own packets to $public into the tunnel; give $public a route of its own, such as \"ip route add $public${via:+ via $via} dev $(field "$way" interface)\""
		return 0
	done
	return 1
}

# The first hub of the file that took our registration, else the first.
best_hub() {
	ups=$(call dpd overview -j --role spoke "$T" 2>/dev/null </dev/null |
		sed -n '/"kind":"hub"/{/"in-use":true/s/.*"name":"\([^"]*\)".*/\1/p;}')
	for hub in $(conf hub | sed 's/.* //'); do
		for one in $ups; do
			[ "$one" != "$hub" ] || {
				say "$hub"
				return 0
			}
		done
	done
	conf hub | sed -n '1s/.* //p'
}

# A spoke's routes lead to a hub; shortcuts are more specific.  Without GRE
# the routes come and go with the SA; what stays is one that leads into the
# tunnel and to nobody, so that nothing takes the default route in the clear.
apply_routes() {
	[ -n "$(conf route)" ] || return 0
	case $ROLE in
	spoke) args --via "$(best_hub)" ;;
	hub) return 0 ;;
	*) args --metric "$GUARD_METRIC" ;;
	esac
	how=$ARGS
	while IFS= read -r network; do
		! swallows "$network" || return 1
		args route set --owner "dmvpn.$T"
		ARGS=$ARGS$how
		arg "$T" "$network"
		run_args gre || return 1
	done <<-END
	$(conf route)
	END
}

apply_ike() {
	is_ipsec || return 0
	profile_args "$T"
	run_args ike || return 1
	[ "$ROLE" = remote ] || return 0
	profile_args "$T.standby"
	run_args ike
}

profile_args() {	# PROFILE
	args profile set "$1" --owner dmvpn --interface "$T" --identity "$T"
	case $ROLE in
	hub | spoke) arg --mode transport --accept ;;
	headend) arg --mode tunnel --accept --routes ;;
	remote)
		arg --mode tunnel
		[ "$1" != "$T" ] || arg --routes
		arg_each route --remote-ts
		;;
	esac
	if is_direct; then
		arg_each lan --local-ts
	fi
	if [ "$ROLE" = headend ] && [ -n "$(conf psk)" ]; then
		arg_each route --remote-ts	# no certificate names them
	fi
	arg_words proposals --proposal
	arg_words esp --esp-proposal
	arg_each peer-id --peer-id
	! is_yes need-blocks no || arg --need-blocks
	! is_yes need-crl no || arg --need-crl
	arg_if ocsp --ocsp
	arg_if queues --queues
	! is_yes raw-esp no || arg --raw-esp
	rate=$(conf qos)
	[ -z "$rate" ] || arg --rate "$(bits_of "$rate")"
	where=$(local_address)
	[ -z "$where" ] || arg --local "$where"
}

apply_nhrp() {
	! is_direct || return 0
	args interface set "$T" --owner dmvpn --role "$ROLE"
	arg_each address --address
	arg_each lan --subnet
	arg_if network-id --network-id
	arg_if authentication --authentication-file
	arg_time hold --hold
	arg_time idle --idle
	! is_yes need-blocks no || arg --need-blocks
	if is_ipsec; then
		arg --profile "$T"
	else
		where=$(local_address)
		[ -z "$where" ] || arg --nbma "$where"
	fi
	if [ "$ROLE" = hub ]; then
		! is_yes redirect yes || arg --redirect
		arg --routes
	else
		! is_yes shortcut yes || arg --shortcut
		nhs_args
	fi
	run_args nhrp
}

nhs_args() {
	number=0
	while read -r public inner; do
		number=$((number + 1))
		if is_ipsec; then
			arg --nhs "$inner=$T.$number"
		else
			arg --nhs "$inner@$(host_of "$public")"
		fi
	done <<-END
	$(conf hub)
	END
}

apply_dpd() {
	is_ipsec || return 0
	case $ROLE in
	spoke) set -- hub all ;;
	remote) set -- headend first ;;
	*) return 0 ;;
	esac
	args headends set --owner dmvpn --tunnel "$T" --profile "$T" \
		--policy "$2"
	[ "$ROLE" != remote ] || arg --standby-profile "$T.standby"
	arg_time probe-after --interval
	arg_time failback --failback
	headend_args "$1"
	run_args dpd
}

headend_args() {	# KEY
	number=0
	names=
	while read -r public second; do
		number=$((number + 1))
		names=$names$T.$number=$public$NL
		if [ "$1" = headend ] && [ -n "$second" ]; then
			arg --peer-id "$T.$number=$second"
		fi
	done <<-END
	$(conf "$1")
	END
	ARGS=$ARGS$names
}

ABSENT='its daemon is not up'	# begins a refusal that will pass

# apply LAYER: every tunnel's part of it.  What is refused is said once, and
# kept for the status.
apply_layer() {
	rc=0
	for tunnel in $(tunnels); do
		apply_one "$1" "$tunnel" || rc=1
	done
	return "$rc"
}

# A daemon that is not there: what it died of says more.
absence() {	# LAYER
	read -r _ _ _ died 2>/dev/null <"$SUP/$1.state" || died=
	say "$ABSENT${died:+: $died}"
}

apply_one() {	# LAYER TUNNEL
	select_tunnel "$2"
	if why=$("apply_$1" 2>&1 </dev/null); then
		rm -f "$RUN/refused/$2.$1"
		return 0
	fi
	why=${why%%"$NL"*}
	why=${why#dmvpn-"$1": }
	why=${why#"$1": }
	case $why in
	*'nobody serves '*) why=$(absence "$1") ;;
	esac
	# "up" says it itself, and each time
	[ -z "$STAMP" ] ||
		[ "$(cat "$RUN/refused/$2.$1" 2>/dev/null)" = "$why" ] ||
		warn "tunnel $2: $1: $why"
	note "$RUN/refused/$2.$1" "$why"
	return 1
}

# The first refusal of a tunnel.
refusal() {
	for layer in $LAYERS; do
		[ ! -f "$RUN/refused/$1.$layer" ] || {
			say "$layer: $(cat "$RUN/refused/$1.$layer")"
			return 0
		}
	done
}

# All layers, from below.  One that can not now, because its daemon is being
# started again, is told later by its watcher; the others are not kept waiting.
apply_tunnel() {	# TUNNEL
	applied=0
	for layer in $LAYERS; do
		apply_one "$layer" "$1" || applied=1
	done
	return "$applied"
}

# Take one tunnel back, from above.  What is not there is no mistake.
withdraw_tunnel() {
	select_tunnel "$1"
	{
		call dpd headends delete "$T" || :
		is_direct || call nhrp interface delete "$T" || :
		call ike profile delete "$T" || :
		[ "$ROLE" != remote ] || call ike profile delete "$T.standby" || :
		call gre interface delete "$T" || :
		call pki unload "$T" || :
	} >/dev/null 2>&1 </dev/null
	rm -f "$SUP/$1.local"
	for layer in $LAYERS; do
		rm -f "$RUN/refused/$1.$layer"
	done
}
