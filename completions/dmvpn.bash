# bash completion for dmvpn and its programs.  Commands and options are asked
# from --help, so that they are those of the installed version.

_dmvpn_commands() {
	"$@" --help 2>/dev/null </dev/null |
		sed -n '/^commands:/,/^$/s/^  \([a-z][a-z0-9-]*\)  .*/\1/p'
}

_dmvpn_options() {
	"$@" --help 2>/dev/null </dev/null |
		grep -oE '(^|[ ,])--?[a-zA-Z][a-z0-9-]*' | tr -d ' ,'
}

# Those of a key in the JSON of PROGRAM COMMAND...; a colon ends words here.
_dmvpn_json() {	# KEY PROGRAM COMMAND...
	local key=$1
	shift
	"$@" -j 2>/dev/null </dev/null |
		grep -o "\"$key\":\"[^\"]*\"" |
		sed 's/^"[^"]*":"//; s/"$//; s/\/32$//; /:/d' | sort -u
}

# What may stand there, from what runs: peers, interfaces, tunnels, names.
_dmvpn_values() {	# PREVIOUS-WORD PROGRAM COMMAND...
	local previous=$1 program=$2
	shift 2
	case ${previous##--interface}:${program##*/}:$* in
	:* | [!-]*:dmvpn-gre:interface\ * | [!-]*:dmvpn-gre:route\ set | \
	[!-]*:dmvpn-gre:route\ delete | [!-]*:dmvpn-gre:map\ * | \
	[!-]*:dmvpn-nhrp:interface\ *)
		_dmvpn_json interface dmvpn-gre interface list
		;;
	*:dmvpn-gre:sa\ use | *:dmvpn-gre:sa\ delete)
		_dmvpn_json spi-in "$program" sa list
		;;
	*:dmvpn:down) ls "${DMVPN_RUN:-/run/dmvpn}/tunnels" 2>/dev/null ;;
	*:dmvpn:logs) printf '%s\n' pki gre ike nhrp dpd dmvpn hooks ;;
	*:dmvpn-ike:why | *:dmvpn-ike:rekey | *:dmvpn-ike:close | *:dmvpn-ike:probe-peer)
		_dmvpn_json identity "$program" sas
		_dmvpn_json connection "$program" sas
		;;
	*:dmvpn-nhrp:why | *:dmvpn-nhrp:purge) _dmvpn_json prefix "$program" cache ;;
	*:dmvpn-dpd:headends\ delete) _dmvpn_json tunnel "$program" headends list ;;
	*:dmvpn-pki:unload) _dmvpn_json identity "$program" identities ;;
	*:dmvpn-pki:revoke | *:dmvpn-pki:release | *:dmvpn-pki:renew)
		_dmvpn_json name "$program" list
		;;
	esac
}

_dmvpn() {
	local program=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]}
	local -a words=("$program")
	local i commands w
	COMPREPLY=()
	# the command, and the second word of commands like "interface set"
	for ((i = 1; i < COMP_CWORD && i < 3; i++)); do
		w=${COMP_WORDS[i]}
		[[ $w == -* ]] && break
		commands=$(_dmvpn_commands "${words[@]}")
		grep -qxF -- "$w" <<<"$commands" || break
		words+=("$w")
	done
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_dmvpn_options "${words[@]}")" -- "$cur")
		return
	fi
	if ((${#words[@]} == COMP_CWORD)); then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_dmvpn_commands "${words[@]}")" -- "$cur")
	fi
	mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W \
		"$(_dmvpn_values "${COMP_WORDS[COMP_CWORD - 1]}" \
		    "${words[@]}")" -- "$cur")
	((${#COMPREPLY[@]})) || compopt -o default 2>/dev/null
}

complete -F _dmvpn dmvpn dmvpn-dpd dmvpn-gre dmvpn-ike dmvpn-nhrp dmvpn-pki
