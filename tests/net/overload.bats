# tests/run: alone
# Floods at port 4500, and members that send too much.

# shellcheck disable=SC2016,SC2154
bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
	T=$BATS_TEST_TMPDIR
	FLOOD=${O:-build}/${MODE:-release}/bench/flood
	[ -x "$FLOOD" ] || FLOOD=$BATS_TEST_DIRNAME/../../$FLOOD
	[ -x "$FLOOD" ] || skip "the flood is not built: make unit"
	umask 077
}

teardown() {
	net_teardown
}

gre() {
	on "$1" "$B/dmvpn-gre" "${@:2}"
}

ike() {
	on "$1" "$B/dmvpn-ike" "${@:2}"
}

# hub b; x can only send to it.
stranger() {
	ns_new x
	link x:eth0=203.0.113.1/24 b:eth1=203.0.113.2/24
}

# flood KIND MS RATE [PORT], from x, in the background: $flood
flood() {
	on x "$FLOOD" "$1" 203.0.113.2 "${4:-4500}" "$2" "$3" >"$T/sent" 3>&- &
	flood=$!
}

random_hex() {
	od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'
}

# member NAME NUMBER [OPTIONS OF ITS PEERS]: a site with static keys,
# 10.0.0.NUMBER; peer NUMBER of b
member() {
	local x y
	ns_new "$1"
	link "$1:eth0=192.0.$2.2/24" "b:to-$1=192.0.$2.1/24"
	x=$(random_hex 20) y=$(random_hex 20)
	printf 'in %s\nout %s\n' "$x" "$y" >"$T/keys-$1"
	printf 'in %s\nout %s\n' "$y" "$x" >"$T/keys-b"
	start "$1" "gre-$1" "$B/dmvpn-gre" run
	gre "$1" interface set dmvpn0 -a "10.0.0.$2/24"
	gre "$1" peer set 1 --remote "192.0.$2.1" "${@:3}"
	gre "$1" map set dmvpn0 10.0.0.1 1
	gre "$1" sa add 1 --spi-in "0x10$2" --spi-out "0x20$2" -k "$T/keys-$1"
	gre b peer set "$2" --remote "192.0.$2.2" "${@:3}"
	gre b map set dmvpn0 "10.0.0.$2" "$2"
	gre b sa add "$2" --spi-in "0x20$2" --spi-out "0x10$2" -k "$T/keys-b"
}

hub() {
	ns_new b
	start b gre-b "$B/dmvpn-gre" run
	gre b interface set dmvpn0 -a 10.0.0.1/24
}

# CPU of b's packet half so far, in us
cpu() {
	sed 's/.*) //' "/proc/$(pgrep -P "$(pid_of gre-b)")/stat" |
		awk -v hz="$(getconf CLK_TCK)" '{ print ($12 + $13) / hz * 1e6 }'
}

drops() {
	gre b status -j | jq "[.drops[] | select(.reason == \"$1\").count][0] // 0"
}

# From when the kernel drops it, a flood costs b little and a's pings nothing.
withstands() {
	local before after
	wait_for 3 eval '[ "$(drops guard)" -gt 0 ]'
	before=$(cpu)
	sent=$(drops guard)
	on a ping -q -i 0.01 -c 200 10.0.0.1 >"$T/ping" 3>&-
	after=$(cpu)
	sent=$(($(drops guard) - sent))
	cat "$T/ping"
	wait "$flood"
	echo "$(cat "$T/sent") sent; $sent dropped meanwhile;" \
		"CPU $before, then $after us"
	grep -q ' 0% packet loss' "$T/ping"
	[ "$sent" -gt 10000 ]
	# two microseconds a packet without the filter
	[ "${MODE:-release}" != release ] ||
		[ "$(echo "$before $after $sent" | awk '{
			print ($2 - $1) / $3 < 1 }')" = 1 ]
}

@test "ESP-03: unknown SPIs at 200,000 a second cost the hub next to nothing" {
	hub
	member a 3
	stranger
	flood esp 4000 200000
	withstands
}

@test "ESP-03: nor do they by protocol 50" {
	hub
	member a 3 --encap esp
	stranger
	flood raw 4500 200000 50
	withstands
}

@test "a flood of IKE at port 4500 does not delay an SA that is up" {
	local n p
	ns_new a b
	link a:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	stranger
	printf 'correct horse' >"$T/psk"
	for n in a b; do
		start "$n" "gre-$n" "$B/dmvpn-gre" run
		start "$n" "pki-$n" "$B/dmvpn-pki" agent \
			--psk "me=$T/psk" --id "$n.example.org"
		start "$n" "ike-$n" "$B/dmvpn-ike" run
		gre "$n" interface set dmvpn0
	done
	ike b profile set p -i dmvpn0 --identity me --accept
	ike a profile set p -i dmvpn0 --identity me
	ike a connection set hub -p p --remote 192.0.2.2 --wait 15
	p=$(ike a peers -j | jq .peer)
	flood ike 5000 100000
	wait_for 3 eval '[ "$(drops ike-rate)" -gt 0 ]'
	for n in 1 2 3 4 5 6 7 8; do
		timeout 1 ip netns exec "$(ns_name a)" env \
			DMVPN_RUN="$T/run/a" "$B/dmvpn-ike" probe-peer "$p"
	done
	# A rekey, too, in less than its first retransmission.
	timeout 2 ip netns exec "$(ns_name a)" env DMVPN_RUN="$T/run/a" \
		"$B/dmvpn-ike" rekey "$p"
	kill -0 "$flood"
	wait "$flood"
	echo "$(cat "$T/sent") sent, $(drops ike-rate) cut, $(drops guard) kept out"
}

# A site with IKE: sockets, an agent with the key of all, daemons
ike_site() {
	start "$1" "gre-$1" "$B/dmvpn-gre" run
	start "$1" "pki-$1" "$B/dmvpn-pki" agent --psk "me=$T/psk" \
		--id "$1.example.org"
	start "$1" "ike-$1" "$B/dmvpn-ike" run
	gre "$1" interface set dmvpn0
}

# queue TEST: a socket of b at port 500 has so much in its queue and so many
# drops, as awk says it of q and d.
queue() {
	on b cat /proc/net/udp | awk '$2 ~ /:01F4$/ { split($5, v, ":")
		q = v[2] ~ /[1-9A-F]/; d = $NF; if ('"$1"') found = 1 }
		END { exit !found }'
}

@test "IKE-01: a flood of IKE_SA_INIT at port 500 leaves room for an SA that is up" {
	local n p
	ns_new a b
	link a:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	stranger
	printf 'correct horse' >"$T/psk"
	for n in a b; do
		ike_site "$n"
	done
	ike b profile set p -i dmvpn0 --identity me --accept --raw-esp
	ike a profile set p -i dmvpn0 --identity me --raw-esp
	ike a connection set hub -p p --remote 192.0.2.2 --wait 15
	ike a peers -j | jq -e '.remote == "192.0.2.2:500"'
	p=$(ike a peers -j | jq .peer)
	# As slow as can be: nothing is read.
	kill -STOP "$(pid_of ike-b)"
	on x "$FLOOD" ike500 203.0.113.2 500 200 100000 3>&-
	queue 'd > 0'
	on a timeout 10 "$B/dmvpn-ike" probe-peer "$p" 3>&- &
	n=$!
	wait_for 5 queue 'd == 0 && q'
	kill -CONT "$(pid_of ike-b)"
	wait "$n"
}

@test "much IKE of one member does not delay that of another" {
	local n p spi
	ns_new a b c
	link a:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	link c:e0=198.51.100.1/24 b:e2=198.51.100.2/24
	stranger
	printf 'correct horse' >"$T/psk"
	for n in a b c; do
		ike_site "$n"
	done
	ike b profile set p -i dmvpn0 --identity me --accept
	for n in a:192.0.2.2 c:198.51.100.2; do
		ike "${n%%:*}" profile set p -i dmvpn0 --identity me
		ike "${n%%:*}" connection set hub -p p --remote "${n#*:}" \
			--wait 15
	done
	p=$(ike c peers -j | jq .peer)
	spi=$(ike a sas -j | jq -r '."spi-i" + " " + ."spi-r"')
	# shellcheck disable=SC2046,SC2086
	on x "$FLOOD" known 203.0.113.2 4500 4000 100000 \
		$spi >"$T/sent" 3>&- &
	flood=$!
	wait_for 3 eval '[ "$(drops rate)" -gt 0 ]'
	for n in 1 2 3 4 5 6 7 8; do
		timeout 1 ip netns exec "$(ns_name c)" env \
			DMVPN_RUN="$T/run/c" "$B/dmvpn-ike" probe-peer "$p"
	done
	timeout 2 ip netns exec "$(ns_name c)" env DMVPN_RUN="$T/run/c" \
		"$B/dmvpn-ike" rekey "$p"
	kill -0 "$flood"
	wait "$flood"
	echo "$(cat "$T/sent") sent, $(drops rate) cut"
}

# b's packet threads get a quarter of a core at most, since somebody wants the rest.
slow_hub() {
	local t
	for t in "/proc/$(pgrep -P "$(pid_of gre-b)")"/task/*; do
		case $(cat "$t/comm") in
		path*)
			taskset -p -c 0 "${t##*/}"
			renice -n 5 -p "${t##*/}"
		esac
	done
	taskset -c 0 timeout 8 sh -c 'while :; do :; done' 3>&- &
}

@test "a member that floods takes no more than its share of a slow hub" {
	local cut lost
	command -v taskset >/dev/null || skip "taskset is not installed"
	hub
	member a 3
	stop gre-a
	member c 4
	slow_hub >/dev/null
	sed -n 's/^out //p' "$T/keys-a" | on a "$FLOOD" member 192.0.3.1 \
		4500 4000 3000000 0x203 10.0.0.3 10.0.0.1 >"$T/sent" 3>&- &
	flood=$!
	on c ping -q -i 0.01 -c 200 -W 1 10.0.0.1 >"$T/ping" 3>&- || true
	cat "$T/ping"
	wait "$flood"
	cut=$(drops fair-share)
	lost=$(awk '/transmitted/ { print $1 - $4 }' "$T/ping")
	echo "$(cat "$T/sent") sent, $cut cut, $(drops socket-full) no room"
	# Half of them without; nothing is to be cut where the hub keeps up.
	[ "$lost" -le 20 ]
	[ "$cut" -gt 0 ] || [ "$(drops socket-full)" -lt 1000 ]
}

@test "ESP-17: fragments that no sender makes have no effect" {
	local before
	command -v python3 >/dev/null || skip "python3 is not installed"
	hub
	member a 3
	stranger
	before=$(pgrep -P "$(pid_of gre-b)")
	on x python3 "$BATS_TEST_DIRNAME/fragments.py" 203.0.113.1 203.0.113.2
	on a ping -q -c 20 -i 0.01 10.0.0.1 3>&-
	[ "$(pgrep -P "$(pid_of gre-b)")" = "$before" ]
	[ "$(drops forged) $(drops esp-short) $(drops invalid-spi)" = "0 0 0" ]
}
