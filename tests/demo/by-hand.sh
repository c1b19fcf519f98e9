#!/bin/sh
# A site of the demonstration by hand, without the orchestrator: each program
# is started when the one before serves, then told its part.
# dmvpn-by-hand(7) explains it.
#	by-hand.sh hub|spoke1|spoke2	until it is interrupted
set -eu
run=${DMVPN_RUN:-/run/dmvpn}
mkdir -p "$run"
chmod 711 "$run"

# daemon PROGRAM COMMAND: start it, go on when it serves.
daemon() {
	rm -f "$run/$1.ready"
	mkfifo "$run/$1.ready"
	"$@" -r 3 3>"$run/$1.ready" &
	pids="$! ${pids:-}"
	read -r _ <"$run/$1.ready"
}
finish() {
	trap - EXIT
	for pid in ${pids:-}; do
		kill "$pid"
		wait "$pid" || :
	done
}
trap finish EXIT
trap 'exit 0' INT TERM

daemon dmvpn-pki agent
daemon dmvpn-gre run
daemon dmvpn-ike run
daemon dmvpn-nhrp run
daemon dmvpn-dpd run

dmvpn-pki load --trust ca.pem "me=$1.pem"
case $1 in
hub)
	dmvpn-gre interface set dmvpn0 --hub --key 1 --address 10.0.0.1/24
	dmvpn-ike profile set dmvpn --interface dmvpn0 --identity me --accept
	dmvpn-nhrp interface set dmvpn0 --role hub --address 10.0.0.1/24 \
	    --subnet 192.168.0.0/24 --profile dmvpn --redirect --routes
	;;
spoke[12])
	n=${1#spoke}
	ours=10.0.0.$((n + 1))/24
	dmvpn-gre interface set dmvpn0 --key 1 --address "$ours"
	dmvpn-gre route set --via 10.0.0.1 dmvpn0 192.168.0.0/16
	dmvpn-ike profile set dmvpn --interface dmvpn0 --identity me --accept
	dmvpn-nhrp interface set dmvpn0 --role spoke --address "$ours" \
	    --subnet "192.168.$n.0/24" --nhs 10.0.0.1=hub --profile dmvpn \
	    --shortcut
	dmvpn-dpd headends set --tunnel dmvpn0 --profile dmvpn --policy all \
	    hub=198.51.100.2
	;;
esac
echo ready
wait
