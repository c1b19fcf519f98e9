# dmvpn-gre without privilege and, but for one test, without a daemon.

# shellcheck disable=SC2016,SC2154
bats_require_minimum_version 1.5.0

setup() {
	B=${B:-build/bin}
	case $B in
	/*) ;;
	*) B=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/$B ;;
	esac
	G=$B/dmvpn-gre
	export DMVPN_RUN=$BATS_TEST_TMPDIR/run
	mkdir -p "$DMVPN_RUN"
}

# In a user and network namespace of our own: root there, nobody outside.
contained() {
	unshare -Urn true 2>/dev/null ||
		skip "user namespaces are not allowed here"
	unshare -Urn "$@"
}

@test "without a command usage goes to stderr, exit 100" {
	run -100 --separate-stderr "$G"
	[[ $output == "" && $stderr == usage:* ]]
	run -100 --separate-stderr "$G" nonsense
	[[ $output == "" && $stderr == *'no command "nonsense"'* ]]
}

@test "every command has --help on stdout" {
	local c
	for c in run with lookup show status top events check wait stop \
	    "interface set" "interface delete" "interface list" "peer set" \
	    "peer delete" "peer list" "map set" "map delete" "map list" \
	    "route set" "route delete" "route list" "sa add" "sa use" \
	    "sa delete" "sa list"; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr "$G" $c --help
		[[ $output == "usage: dmvpn-gre $c"* && $stderr == "" ]]
	done
}

@test "the packet half is no command of its own" {
	run -0 "$G" --help
	[[ $output != *packet-half* ]]
	run -100 --separate-stderr "$G" packet-half
	[[ $stderr == *"started by run"* ]]
}

@test "each wrong argument is named, exit 100, nothing is asked" {
	refused() {
		local want=$1
		shift
		run -100 --separate-stderr "$G" "$@"
		[[ $stderr == *"$want"* ]] || {
			echo "wanted \"$want\", got: $stderr"
			return 1
		}
	}
	refused missing interface set
	refused '--mode "gre": one of mgre, direct' interface set t --mode gre
	refused '--protect' interface set t --protect maybe
	refused --address interface set t -a 10.0.0.0.1/8
	refused --key interface set t -k 4294967296
	refused --mtu interface set t -m 65536
	refused interface interface set sixteen-letters-x
	refused '--remote is missing' peer set
	refused --remote peer set -r example
	refused peer peer set 65534 -r 192.0.2.1
	refused --encap peer set -e gre -r 192.0.2.1
	refused missing map set t 10.0.0.1
	refused address map set t 10.0.0 5
	refused prefix route set t 10.0.0.1/8
	refused --spi-in sa add 5
	refused --spi-in sa add 5 --spi-in 255 --spi-out 256
	# eight digits are as tables show them
	refused "--spi-in: \"0x000000ff\"" sa add 5 --spi-in 000000ff --spi-out 256
	refused --cipher sa add 5 --spi-in 256 --spi-out 256 -c des
	refused address lookup nowhere
}

@test "without a daemon each question ends in 111 and one sentence" {
	local c
	for c in show status "interface list" "peer list" "sa list" \
	    "map list" "route list" "lookup 10.0.0.1" "top -n 1" wait \
	    "peer delete 5" "interface set t"; do
		# shellcheck disable=SC2086
		run -111 --separate-stderr "$G" $c
		[[ $output == "" ]]
		[[ $stderr == "dmvpn-gre: "*"gre.sock"* ]]
		[ "$(wc -l <<<"$stderr")" = 1 ]
	done
}

@test "IPC-14: keys that others can read are refused before anything else" {
	printf 'in %040d\nout %040d\n' 1 2 >"$BATS_TEST_TMPDIR/keys"
	chmod 640 "$BATS_TEST_TMPDIR/keys"
	run -100 --separate-stderr "$G" sa add 5 --spi-in 256 --spi-out 257 \
		-k "$BATS_TEST_TMPDIR/keys"
	[[ $stderr == *"can be read by others: chmod 600 it"* ]]
	chmod 600 "$BATS_TEST_TMPDIR/keys"
	run -111 --separate-stderr "$G" sa add 5 --spi-in 256 --spi-out 257 \
		-k "$BATS_TEST_TMPDIR/keys"
	echo 'in zz' >"$BATS_TEST_TMPDIR/keys"
	run -100 --separate-stderr "$G" sa add 5 --spi-in 256 --spi-out 257 \
		-k "$BATS_TEST_TMPDIR/keys"
	[[ $stderr == *hexadecimal* && $stderr != *zz* ]]
	run -100 --separate-stderr "$G" sa add 5 --spi-in 256 --spi-out 257 \
		</dev/null
	[[ $stderr == *"two lines"* ]]
}

@test "check tells what is missing, with what to do, also as JSON" {
	run "$G" check
	[ "$status" -le 1 ]
	[[ $output == *tun* && $output == *net-admin* ]]
	[[ $output == *port-4500* ]]
	run "$G" check -j
	while read -r line; do
		[[ $line == '{"check":"'*'"verdict":"'*'"text":"'*'}' ]]
	done <<<"$output"
}

@test "OPS-16: in a container with its own root it runs, or says what it lacks" {
	contained "$G" run -r 4 4>"$BATS_TEST_TMPDIR/ready" 3>&- \
		>"$BATS_TEST_TMPDIR/log" 2>&1 &
	local pid=$! i
	for ((i = 0; i < 600; i++)); do
		[ ! -s "$BATS_TEST_TMPDIR/ready" ] || break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	if [ ! -s "$BATS_TEST_TMPDIR/ready" ]; then
		cat "$BATS_TEST_TMPDIR/log"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/log")" = 1 ]
		grep -q '^dmvpn-gre: ' "$BATS_TEST_TMPDIR/log"
		return 0
	fi
	run -0 "$G" status
	[[ $output == "0 peers, 0 SAs"* ]]
	"$G" interface set t0 --protect none -a 10.0.0.1/24
	run -0 --separate-stderr "$G" interface list -j
	[[ $output == '{'*'"interface":"t0"'* ]]
	run -0 "$G" top -n 1
	[[ $output == *"0 peers"* ]]
	run -0 "$G" show
	[[ $output == *"10.0.0.1/24"*"features:"* ]]
	run -0 --separate-stderr "$G" show -j
	[ "$(echo "$output" | jq -c '[.interfaces[0].interface, .peers, .sas,
		.maps, .routes, (.status.features | length > 5)]')" = \
		'["t0",[],[],[],[],true]' ]
	[ "${#lines[@]}" = 1 ]
	run -1 --separate-stderr "$G" map set t0 10.0.0.2 5
	[[ $stderr == *"there is no peer 5"* ]]
	run -1 --separate-stderr "$G" interface set t0 --owner other
	[[ $stderr == *"interface t0 belongs to static"* ]]
	run -1 --separate-stderr "$G" interface delete t9
	[[ $stderr == *"there is no interface t9"* ]]
	run -0 "$G" stop
	wait "$pid"
}

@test "as nobody, run says which capability is missing" {
	[ "$(id -u)" = 0 ] || skip "this is what everybody else sees"
	command -v setpriv >/dev/null || skip "setpriv is not installed"
	local g=$BATS_TEST_TMPDIR/dmvpn-gre
	cp "$G" "$g"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$g"
	run -111 --separate-stderr setpriv --reuid 65534 --regid 65534 \
		--clear-groups --inh-caps=-all "$g" run
	[[ $stderr == *"CAP_NET_ADMIN is missing"* ]]
}
