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
	if [[ $program == *dmvpn && ${words[1]:-} == down ]]; then
		mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W \
			"$(ls "${DMVPN_RUN:-/run/dmvpn}/tunnels" 2>/dev/null)" \
			-- "$cur")
	fi
	((${#COMPREPLY[@]})) || compopt -o default 2>/dev/null
}

complete -F _dmvpn dmvpn dmvpn-dpd dmvpn-gre dmvpn-ike dmvpn-nhrp dmvpn-pki
