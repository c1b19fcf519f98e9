# dmvpn, the orchestrator: what needs no privilege.

bats_require_minimum_version 1.5.0

setup() {
	B=$(cd "${B:-build/bin}" && pwd)
	T=$BATS_TEST_TMPDIR
	export DMVPN_RUN=$T/run
	(umask 077; echo psk >"$T/psk"; pem 'PRIVATE KEY' >"$T/id.pem")
	pem CERTIFICATE | tee "$T/ca.pem" >>"$T/id.pem"
}

pem() {	# WHAT
	printf -- '-----BEGIN %s-----\nAAAA\n-----END %s-----\n' "$1" "$1"
}

# Only when a test failed and something came up.
teardown() {
	[ ! -d "$T/run/supervisor" ] || "$B/dmvpn" down dmvpn0 || true
}

good_spoke() {
	cat <<-END
	# a spoke
	tunnel dmvpn0
	role spoke
	address 10.0.0.2/24	# ours
	key 1
	identity id.pem
	trust ca.pem
	hub 198.51.100.1 10.0.0.1
	lan 192.168.2.0/24
	route 192.168.0.0/16
	END
}

# refused LINE PATTERN [FILE...]: the tunnel file on standard input is refused
# for it, after the others.
refused() {
	cat >"$T/t"
	run -100 --separate-stderr "$B/dmvpn" up "${@:3}" "$T/t"
	[ -z "$output" ]
	if ! grep -qE "^$T/t:$1: .*$2" <<<"$stderr"; then
		echo "wanted $1: $2" >&2
		echo "$stderr" >&2
		return 1
	fi
	[ ! -e "$T/run" ] || return 1		# nothing was started or made
}

# with KEY VALUE...: the good spoke and one line more, which is line 11.
with() {
	good_spoke
	echo "$*"
}

@test "help and version exit 0, no command and unknown ones exit 100" {
	run -0 "$B/dmvpn" help
	[[ $output == usage:* ]]
	run -0 "$B/dmvpn" --version
	[[ $output == dmvpn\ * ]]
	run -0 "$B/dmvpn" up --help
	[[ $output == *--wait* ]]
	run -100 --separate-stderr "$B/dmvpn"
	[[ $output == "" && $stderr == usage:* ]]
	run -100 --separate-stderr "$B/dmvpn" frobnicate
	[[ $stderr == *'no command "frobnicate"' ]]
}

@test "status of nothing says how to begin and exits 1" {
	run -1 "$B/dmvpn" status
	[[ $output == *'dmvpn up FILE'* ]]
}

@test "a health check of nothing is 1 and says nothing" {
	run -1 "$B/dmvpn" status --quiet
	[ -z "$output" ]
}

@test "down of what is not there exits 1" {
	run -1 "$B/dmvpn" down dmvpn7
	[[ $output == *'no such tunnel'* ]]
}

@test "OPS-13: a good file passes, a bad value of each key is refused with its line" {
	good_spoke >"$T/t"
	while IFS='|' read -r line pattern; do
		[ -n "$line" ] || continue
		with "$line" | refused 11 "$pattern"
	done <<-'END'
	mtu 100|expected a number of 576 to 65535
	mtu 1400x|expected a number
	mtu 08|expected a number
	hold soon|expected a time
	hold 0|expected a time
	hold 65536|expected a time of 1 s to 18 h
	idle 19h|expected a time of 1 s to 18 h
	probe-after 3601|expected a time of 1 h at most
	hold -5|expected a time
	network-id 4294967296|expected a number
	lan 192.168.2.1/24|host bits
	lan 192.168.2.0/33|expected a network
	lan 192.168.2.0|expected a network
	lan fd00::1/64|host bits
	lan fd00::/129|expected a network
	lan fd00:::/64|expected a network
	route 10.0.0.0/8 via|one network a line
	hub 198.51.100.1|its public address
	hub 198.51.100.256 10.0.0.1|hub "198.51.100.256"
	hub hub.example:0 10.0.0.1|an address or a host name
	hub hub.example:65536 10.0.0.1|an address or a host name
	hub hub_ex^ample 10.0.0.1|an address or a host name
	hub 198.51.100.1 10.0.0.1/24|without a length
	address 10.0.0.2|with its length
	local 10.0.0|expected an address or the name
	protect maybe|ipsec or none
	crl ftp://ca.example/crl|is not there
	crl http://ca.example/c rl|is not there
	crl-every 0|a time of 1 s to 7 d
	crl-every 8d|a time of 1 s to 7 d
	need-crl maybe|yes or no
	ocsp perhaps|off, ask or need
	queues many|auto, off or a number
	queues 65|auto, off or a number
	renew ldap https://ca.example|scep, est or cmp
	renew est|est, then the URL
	renew scep ca.example|scep, then the URL
	renew est https://ca.example --out x|"--out", expected --legacy
	renew scep http://ca.example --legacy --ra|--ra without its value
	staple id.pem|the URL of an OCSP responder, or auto
	shortcut perhaps|yes or no
	qos fast|a rate
	esp aes;rm|words such as
	authentication nowhere|is not there
	authentication .|can not be read
	on-up id.pem|a program that can be run
	headend 198.51.100.1|headend is not for a spoke
	redirect yes|redirect is not for a spoke
	key 2|key is given twice
	proposals aes256gcm16-x448|"x448" is not an algorithm for IKE
	proposals aes256-sha256-modp1024|is weak
	esp aes192-sha256|ESP has
	tunnel dmvpn1|tunnel is given twice
	psk psk|psk beside identity
	mtu|mtu has no value
	END
}

@test "OPS-13: an unknown key names the nearest one" {
	with adress 10.0.0.3/24 | refused 11 'unknown key "adress", expected "address"'
	with identiti x | refused 11 'expected "identity"'
	with frobnicate 1 | refused 11 'expected a key of dmvpn'
	with cat 1 | refused 11 'expected a key of dmvpn'
	with Mtu 1400 | refused 11 'unknown key "Mtu", expected "mtu"'
	with mtu=1400 | refused 11 'expected "mtu VALUE", with a blank'
	with 'mtu = 1400' | refused 11 '"=" after mtu, expected the value alone: "mtu 1400"'
	with $'mtu\302\2401400' | refused 11 'expected blanks and letters of ASCII'
	with subnet 10.1.0.0/16 | refused 11 'unknown key "subnet", expected "lan"'
	with nhs 10.0.0.1 | refused 11 'unknown key "nhs", expected "hub"'
	# what was meant is not said to be missing besides
	good_spoke | sed 's/^role/Role/' | refused 3 'expected "role"'
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
}

@test "OPS-13: a hub is another one, on our tunnel, and given once" {
	good_spoke | sed 's/^hub .*/hub 10.0.0.1 198.51.100.1/' |
		refused 8 '"198.51.100.1" is in none of our networks, expected one in 10.0.0.2/24: its public address comes first'
	with hub 198.51.100.2 10.9.0.1 | refused 11 'in none of our networks'
	with hub 198.51.100.2 10.0.0.2 | refused 11 'is our own'
	with hub 198.51.100.1 10.0.0.1 | refused 11 'is given twice'
	with lan 192.168.2.0/24 | refused 11 'is given twice'
	with hub 198.51.100.2 fd00::1 | refused 11 'in none of our networks'
	# these are right: what is wrong comes after
	{ with hub 198.51.100.2 10.0.0.254; echo mtu 5; } | refused 12 mtu
	{ good_spoke | sed 's,^address .*,address 10.0.0.2/32,
		/^hub/s,10.0.0.1,10.7.7.1,'; echo mtu 5; } | refused 11 mtu
	{ with address fd00:0::2/63; echo hub hub.test fd00:0:0:1::1; echo mtu 5; } |
		refused 13 mtu
}

@test "OPS-13: files that hold something else, or are open to others" {
	chmod 640 "$T/id.pem"
	good_spoke | refused 6 'id.pem" can be read by others, expected mode 600'
	chmod 600 "$T/id.pem"
	good_spoke | sed 's/^identity.*/identity ca.pem/' >"$T/u"
	chmod 600 "$T/ca.pem"
	refused 6 'holds no private key, expected PEM with a private key' <"$T/u"
	echo hello >"$T/ca.pem"
	good_spoke | refused 7 'holds no certificates, expected PEM'
	good_spoke | sed 's/^trust.*/trust "ca.pem"/' |
		refused 7 'the name without quotes'
	with route 10.1.0.0/16 10.2.0.0/16 |
		refused 11 'one network a line: "route 10.1.0.0/16"'
	with esp aes128gcm16,aes256gcm16 | refused 11 'with blanks between them'
}

@test "OPS-13: what is missing is named" {
	good_spoke | grep -v ^role | refused 9 'there is no "role"'
	good_spoke | grep -v ^tunnel | refused 9 'there is no "tunnel"'
	good_spoke | grep -v ^hub | refused 9 'there is no "hub"'
	good_spoke | grep -v ^address | refused 9 'there is no "address"'
	good_spoke | grep -v ^trust | refused 9 'there is no "trust"'
	good_spoke | grep -v ^identity | refused 9 'no credential'
	good_spoke | sed 's/^identity.*/psk psk/' | refused 10 'there is no "id"'
}

@test "OPS-13: a name of an interface that can not be one is refused" {
	for name in sixteen_letters_ a/b .x -x 'a b' '$(id)' a.standby; do
		good_spoke | sed "s|^tunnel .*|tunnel $name|" | refused 2 tunnel
	done
}

@test "OPS-13: without IPsec a hub is named by its address" {
	clear() { good_spoke | sed "s/^identity.*/protect none/; /^trust/d
		s/^hub.*/hub $1 10.0.0.1/"; }
	clear hub.example | refused 7 'hub "hub.example" with protect none'
	clear hub.example:500 | refused 7 'expected an address'
	for public in 198.51.100.1 198.51.100.1:500 2001:db8::1 '[2001:db8::1]:500'; do
		{ clear "$public"; echo mtu 5; } >"$T/t"
		run -100 "$B/dmvpn" up "$T/t"
		[[ $output == "$T/t:10: mtu"* ]]
	done
}

@test "check says what the certificate does not allow" {
	export DMVPN_STORE=$T/ca.db PATH=$B:$PATH
	rm "$T/id.pem" "$T/ca.pem"
	dmvpn-pki init >/dev/null
	dmvpn-pki export -o "$T/ca.pem"
	dmvpn-pki issue -T 10.0.0.2 -S 192.168.2.0/24 -o "$T/id.pem" \
		spoke >/dev/null
	good_spoke >"$T/t"
	run dmvpn check "$T/t"
	[[ $output == *"+ the certificate of $T/id.pem verifies"* ]]
	sed -i 's/^lan .*/lan 192.168.3.0\/24/' "$T/t"
	run -1 dmvpn check "$T/t"
	[[ $output == *"- the certificate of $T/id.pem: 192.168.3.0/24 is not in its address blocks; issue it with"* ]]
}

@test "OPS-13: two files of one tunnel: the second one is refused and nothing started" {
	good_spoke >"$T/first"
	good_spoke | refused 2 'tunnel "dmvpn0" is that of a file before it' \
		"$T/first"
}

@test "OPS-13: several mistakes are told at once" {
	with mtu 1 >"$T/u"
	echo 'mtuu 1' >>"$T/u"
	refused 12 'unknown key' <"$T/u"
	grep -q '^.*:11: mtu' <<<"$stderr"
}

@test "OPS-13: carriage returns, control characters, 10 MiB, an empty file and a directory" {
	good_spoke | sed 's/$/\r/' | refused 1 'carriage return.*sed -i'
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	{ printf '\357\273\277'; good_spoke; } | refused 1 'byte order mark'
	{ good_spoke; printf 'mtu 14\00100\n'; } | refused 1 'control characters'
	{ good_spoke; printf 'mtu 14\000\n'; } | refused 1 'control characters'
	head -c 10485760 /dev/zero | tr '\0' '#' | refused 1 'octets'
	refused 1 'there is no "tunnel"' </dev/null
	run -100 "$B/dmvpn" up "$T"
	[[ $output == *'expected a tunnel file'* ]]
	run -100 "$B/dmvpn" up "$T/nowhere"
	[[ $output == *'expected a tunnel file'* ]]
}

@test "OPS-13: a file cut inside of a line is judged as it stands" {
	good_spoke | head -c 130 | refused '[0-9]+' expected
}

@test "logs are one log by time, the older copies and undated lines in place" {
	mkdir -p "$T/run/log"
	cat >"$T/run/log/ike.log.1" <<-END
	2026-11-23T18:00:01.000Z dmvpn-ike: info first
	END
	cat >"$T/run/log/ike.log" <<-END
	2026-11-23T18:00:03.500Z dmvpn-ike: info third
	  a line of a library
	END
	cat >"$T/run/log/gre.log" <<-END
	2026-11-23T18:00:02.000Z dmvpn-gre: info second
	2026-11-23T18:00:04.000Z dmvpn-gre: info fifth
	END
	run -0 "$B/dmvpn" logs
	[ "$(sed 's/.* //' <<<"$output" | paste -sd' ')" = \
		'first second third library fifth' ]
	run -0 "$B/dmvpn" logs gre ike
	[ "${#lines[@]}" -eq 5 ]
	run -0 "$B/dmvpn" logs gre
	[ "${#lines[@]}" -eq 2 ]
	run -1 --separate-stderr "$B/dmvpn" logs nobody
	[[ $stderr == *"no such log"* ]]
}

# The words that bash offers for the last one.
offered() {
	PATH=$B:$PATH bash -c 'source "$0"; COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1)); _dmvpn; echo "${COMPREPLY[*]}"' \
		"$BATS_TEST_DIRNAME/../../completions/dmvpn.bash" "$@"
}

@test "completion offers commands, options, and names that there are" {
	[ "$(offered dmvpn st)" = status ]
	[ "$(offered dmvpn up --wait-)" = --wait-for ]
	[ "$(offered dmvpn logs n)" = nhrp ]
	export DMVPN_STORE=$T/ca.db
	"$B/dmvpn-pki" init --name 'Test CA' >/dev/null
	"$B/dmvpn-pki" issue --dns one.test --out "$T/one.pem" one >/dev/null
	[ "$(offered dmvpn-pki revoke o)" = one ]
	# programs that run, as far as it is seen from here
	mkdir "$T/bin"
	cat >"$T/bin/dmvpn-gre" <<-'END'
	#!/bin/sh
	case $* in
	'sa list -j') echo '{"spi-in":"8a2ed3b6","spi-out":"5dd300db"}' ;;
	'interface list -j') echo '{"interface":"dmvpn7"}' ;;
	--help) printf 'commands:\n  sa  x\n  route  x\n' ;;
	'sa --help' | 'route --help') printf 'commands:\n  set  x\n  delete  x\n' ;;
	esac
	END
	chmod +x "$T/bin/dmvpn-gre"
	(
		B=$T/bin
		[ "$(offered dmvpn-gre sa delete '')" = 8a2ed3b6 ]
		[ "$(offered dmvpn-gre route set '')" = dmvpn7 ]
		[ -z "$(offered dmvpn-gre route set --via '')" ]
	)
	mkdir -p "$T/run/tunnels"
	: >"$T/run/tunnels/dmvpn7"
	[ "$(offered dmvpn down '')" = dmvpn7 ]
}

@test "nothing in a file is run" {
	for text in "\$(touch $T/owned)" "\`touch $T/owned\`" ";touch $T/owned" \
	    "| touch $T/owned" "'; touch $T/owned; '"; do
		good_spoke | sed "s#^lan .*#lan $text#" >"$T/t"
		run -100 "$B/dmvpn" up "$T/t"
		good_spoke | sed "s#^identity .*#identity $text#" >"$T/t"
		run -100 "$B/dmvpn" up "$T/t"
		[ ! -e "$T/owned" ]
	done
}

@test "names of files may hold blanks, and are relative to the tunnel file" {
	mkdir -p "$T/a b"
	cp "$T/id.pem" "$T/a b/my id.pem"
	good_spoke | sed 's/^identity.*/identity my id.pem   # mine/
		s/^trust.*/trust \.\.\/ca.pem/' >"$T/a b/t"
	echo 'mtu 5' >>"$T/a b/t"
	run -100 "$B/dmvpn" up "$T/a b/t"
	[[ $output != *"is not there"* && $output == *":11: mtu"* ]]
}

@test "OPS-24: a hostile environment changes nothing" {
	good_spoke >"$T/t"
	echo 'mtu 5' >>"$T/t"
	mkdir -p "$T/bin"
	for evil in sed awk grep cat wc tr printf ip; do
		printf '#!/bin/sh\ntouch %s/owned\n' "$T" >"$T/bin/$evil"
		chmod +x "$T/bin/$evil"
	done
	echo "touch $T/owned" >"$T/env.sh"
	run -100 env -i IFS=/. PATH="$T/bin" ENV="$T/env.sh" \
	    BASH_ENV="$T/env.sh" CDPATH=/tmp GREP_OPTIONS=-v \
	    LD_LIBRARY_PATH="$T" DMVPN_RUN="$T/run" "$B/dmvpn" up "$T/t"
	[[ $output == "$T/t:11: mtu"* ]]
	[ ! -e "$T/owned" ]
}

@test "a file of 60,000 octets of comments is read in seconds" {
	good_spoke >"$T/t"
	yes '# a line of a comment that says nothing at all' |
	    head -n 1200 >>"$T/t"
	echo 'mtu 5' >>"$T/t"
	SECONDS=0
	run -100 "$B/dmvpn" up "$T/t"
	[[ $output == *":1211: mtu"* ]]
	[ "$SECONDS" -lt 10 ]
}
