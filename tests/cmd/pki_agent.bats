# dmvpn-pki agent: the process that holds the keys.

bats_require_minimum_version 1.5.0
load lib

setup() {
	pki_dir
	(umask 077; echo a-psk-of-24-octets-here >psk; : >empty)
}

teardown() {
	daemons_end
	[ -z "${REACHABLE-}" ] || rm -rf "$REACHABLE"
}

# start NAME OPTION...: an agent that is ready.
start() {
	local fifo=$BATS_TEST_TMPDIR/$1.ready log=$BATS_TEST_TMPDIR/$1.log
	shift
	mkfifo "$fifo"
	"$B/dmvpn-pki" agent -r 4 "$@" 4>"$fifo" 3>&- </dev/null >"$log" 2>&1 &
	agent=$!
	PIDS+=("$agent")
	IFS= read -r -t 30 _ <"$fifo" || { cat "$log" >&2; false; }
}

@test "without an agent a command says so and exits 111" {
	for c in identities "unload x" events wait stop "load --psk psk"; do
		run -111 --separate-stderr pki $c
		[[ -z $output && -n $stderr ]]
	done
}

@test "loads, lists, forgets" {
	pki init
	pki issue -p hub -T 10.0.0.1 -o hub.pem hub.example.org
	start a --load hub.pem --psk site=psk
	run -0 pki identities
	[[ $output == NAME*hub*certificate*hub.example.org*p256*site*psk* ]]
	pki load --psk --id site.example.org site=psk
	[ "$(pki identities -j | jq -r 'select(.identity == "site") | .id')" = \
	    site.example.org ]
	pki unload hub
	[ "$(pki identities -j | jq -r .identity)" = site ]
}

@test "an identity comes from the certificate; --id must be in it" {
	pki init
	pki issue -T 10.0.0.1 -E me@example.org -o x.pem x
	start a
	pki load x.pem
	[ "$(pki identities -j | jq -r .id)" = me@example.org ]
	pki load --id CN=x y=x.pem
	[ "$(pki identities -j | jq -r 'select(.identity == "y") | .id')" = CN=x ]
	run -1 --separate-stderr pki load --id other.example.org z=x.pem
	[[ $stderr == *"does not name other.example.org"* ]]
	pki unload y
	[ "$(pki identities -j | wc -l)" -eq 1 ]
	run -1 --separate-stderr pki unload y
}

@test "no capability, no new privileges, seccomp, no core, not dumpable" {
	start a --psk psk
	grep -qx 'CapEff:	0000000000000000' "/proc/$agent/status"
	grep -qx 'CapPrm:	0000000000000000' "/proc/$agent/status"
	grep -qx 'NoNewPrivs:	1' "/proc/$agent/status"
	grep -qx 'Seccomp:	2' "/proc/$agent/status"
	# A sanitizer's run time wants its own limits.
	grep -aq __asan_init "$B/dmvpn-pki" ||
	    grep -qE '^Max core file size +0 +0 ' "/proc/$agent/limits"
	[ "$(stat -c %U "/proc/$agent/environ")" = root ]
}

@test "only Unix sockets are open, and no file (P4)" {
	start a --psk psk
	readlink "/proc/$agent/fd/0" >/dev/null || skip "may not look"
	for fd in /proc/"$agent"/fd/*; do
		to=$(readlink "$fd") || continue	# closed meanwhile
		case $to in
		socket:* | anon_inode:* | pipe:* | /dev/null) ;;
		"$BATS_TEST_TMPDIR"/*.log | "$BATS_TEST_TMPDIR"/run/*) ;;
		/dev/urandom | /dev/random) ;;
		*) echo "open: $to" >&2; false ;;
		esac
	done
}

@test "an empty PSK is refused at load (IKE-26)" {
	start a
	run -100 --separate-stderr pki load --psk empty
	[[ $stderr == *"PSK is empty"* ]]
	printf '\n\n' >empty
	run -100 --separate-stderr pki load --psk empty
	printf '0xzz' >empty
	run -100 --separate-stderr pki load --psk empty
	run -100 --separate-stderr pki agent --psk empty
	[ -z "$(pki identities -j)" ]
}

@test "key files that others may read, links and strangers are refused (PKI-03)" {
	pki init
	pki issue -o x.pem x
	start a
	ln -s x.pem link.pem
	run -100 --separate-stderr pki load link.pem
	[[ $stderr == *"symbolic link"* ]]
	chmod 640 x.pem
	run -100 --separate-stderr pki load x.pem
	[[ $stderr == *"chmod 600"* ]]
	chmod 644 psk
	run -100 --separate-stderr pki load --psk psk
	run -100 --separate-stderr pki load absent.pem
	[[ $stderr == *absent.pem* ]]
}

@test "damaged and mismatched files are refused with a reason (PKI-08)" {
	pki init
	pki issue -o x.pem x
	pki issue -o y.pem y
	start a
	umask 077
	for n in 0 50 400; do
		head -c "$n" x.pem >cut.pem
		run -100 --separate-stderr pki load cut.pem
		[ -n "$stderr" ]
	done
	{ openssl pkey -in x.pem; openssl x509 -in y.pem; pki export; } >mix.pem
	run -1 --separate-stderr pki load mix.pem
	[[ $stderr == *"not that of the certificate"* ]]
	{ openssl pkey -in x.pem; openssl x509 -in x.pem; } >alone.pem
	run -1 --separate-stderr pki load alone.pem
	[[ $stderr == *"no CA certificate"* ]]
	pki export -o ca.pem
	pki load --trust ca.pem alone.pem
}

@test "an encrypted key opens with its passphrase only" {
	(umask 077; echo right >pass; echo wrong >bad)
	pki init
	pki issue --key-passphrase-file pass -o x.pem x
	grep -q 'BEGIN ENCRYPTED PRIVATE KEY' x.pem
	start a
	run -100 --separate-stderr pki load -P bad x.pem
	[[ $stderr == *"passphrase does not open"* ]]
	pki load -P pass x.pem
}

@test "no secret in log, arguments or environment (IPC-14)" {
	pki init
	pki issue -o x.pem x
	start a --load x.pem --psk psk --log-level debug
	pki load --psk again=psk
	pki load y=x.pem
	key=$(openssl pkey -in x.pem -outform DER | od -An -tx1 | tr -d ' \n')
	for f in "$BATS_TEST_TMPDIR/a.log" "/proc/$agent/cmdline" \
	    "/proc/$agent/environ"; do
		run ! grep -aq a-psk-of-24 "$f"
		run ! grep -aq "${key:80:32}" "$f"
	done
}

# The private octets of a P-256 key file, in either order.
scalar() {
	openssl pkey -in "$1" -noout -text | awk '/^priv:/ { on = 1; next }
		/^pub:/ { on = 0 } on' | tr -d ' :\n'
}
backwards() {
	fold -w2 | tac | tr -d '\n'
}

@test "a key or PSK stands in memory once: locked, in no core; unloaded, it is gone" {
	command -v python3 >/dev/null || skip "python3 is not installed"
	! grep -aq __asan_init "$B/dmvpn-pki" || skip "a sanitizer keeps copies"
	pki init
	pki issue -k p256 -o x.pem x
	pki issue -k p256 -o y.pem y
	(umask 077; echo another-psk-that-is-loaded >later)
	start a --load x.pem --psk psk
	pki load y.pem
	pki load --psk later=later
	look=$BATS_TEST_DIRNAME/../lib/memory.py
	x=$(scalar x.pem) y=$(scalar y.pem)
	finds() {
		python3 "$look" "$agent" "x=$x" "x=$(backwards <<<"$x")" \
			"y=$y" "y=$(backwards <<<"$y")" \
			"psk=$(xxd -p psk | sed s/0a$//)" \
			"later=$(xxd -p later | tr -d '\n' | sed s/0a$//)"
	}
	run finds
	[ "$status" -ne 3 ] || skip "may not look into its memory"
	[ "$(sort <<<"$output")" = "later safe
psk safe
x safe
y safe" ]
	for n in x y psk later; do
		pki unload "$n"
	done
	run -0 finds
	[ -z "$output" ]
}

@test "revocation lists come and stay; an older one is not taken" {
	pki init
	pki issue -o x.pem x
	pki issue -o y.pem y
	pki crl -o one.pem
	pki revoke y
	pki crl --der -o two.der
	start a --load x.pem --psk psk --crl one.pem
	crls() { pki identities -j | jq -r "select(.identity == \"$1\") | .crls"; }
	[ "$(crls x)" = 1 ]
	pki load --crl two.der --only x
	run -0 --separate-stderr pki load --crl one.pem
	[[ $stderr == *"newer CRL"* ]]
	pki load --crl two.der y=y.pem
	[ "$(crls x) $(crls y)" = "1 1" ]
	# who is loaded later has what the others have, and a new key keeps it
	pki load z=x.pem
	pki load x.pem
	[ "$(crls z) $(crls x)" = "1 1" ]
	pki crl --install
	run -1 --separate-stderr pki load --crl two.der --only nobody
	[[ $stderr == *"no identity"* ]]
	run -1 --separate-stderr pki load --crl two.der --only psk
	run -100 --separate-stderr pki load --crl x.pem
	run -100 --separate-stderr pki load
	run -100 --separate-stderr pki load --psk --crl two.der p=psk
}

@test "a list of another CA, a forged one and a damaged one are refused (PKI-08)" {
	pki init
	pki issue -o x.pem x
	pki crl -o good.pem
	start a --load x.pem
	DMVPN_STORE=other.db pki init --name Other
	DMVPN_STORE=other.db pki crl -o other.pem
	run -1 --separate-stderr pki load --crl other.pem
	[[ $stderr == *"no identity knows"* ]]
	openssl crl -in good.pem -outform DER -out bad.der
	printf 'x' | dd of=bad.der bs=1 conv=notrunc \
	    seek=$(($(stat -c %s bad.der) - 5)) 2>/dev/null
	run -1 --separate-stderr pki load --crl bad.der
	[[ $stderr == *"does not verify"* ]]
	head -c 80 bad.der >cut.der
	run -100 --separate-stderr pki load --crl cut.der
	: >none.pem
	run -100 --separate-stderr pki load --crl none.pem
	[ "$(pki identities -j | jq -r '.crls // 0')" = 0 ]
}

@test "a list of 20,000 certificates is handed over in pieces" {
	command -v python3 >/dev/null || skip "python3 is not installed"
	pki init
	pki issue -o x.pem x
	python3 - <<-'EOF'
	import sqlite3, time
	c = sqlite3.connect("dmvpn-ca.db")
	now = int(time.time())
	c.executemany("INSERT INTO certificate(serial, name, profile, not_before,"
	    " not_after, revoked, why, der, generation) VALUES(?, 'gone', 'spoke',"
	    " ?, ?, ?, '', ?, 1)",
	    (("4%031x" % i, now, now + 1000000, now, b"%d" % i)
	    for i in range(20000)))
	c.commit()
	EOF
	pki crl --der -o big.der
	[ "$(stat -c %s big.der)" -gt 500000 ]
	start a --load x.pem
	pki load --crl big.der
	[ "$(pki identities -j | jq -r .crls)" = 1 ]
}

@test "events tell what changed" {
	start a
	"$B/dmvpn-pki" events -j -n 2 >out 3>&- </dev/null &
	PIDS+=($!)
	wait_for waits $!
	pki load --psk e=psk
	pki unload e
	wait "${PIDS[-1]}"
	run -0 jq -r .event out
	[[ ${lines[0]} == pki-changed && ${lines[1]} == pki-changed ]]
}

@test "wait and stop: the agent ends, its socket goes" {
	start a
	"$B/dmvpn-pki" wait 3>&- &
	w=$!
	wait_for waits "$w"
	pki stop
	wait "$w"
	wait "$agent"
	[ ! -S "$DMVPN_RUN/pki.sock" ]
}

@test "killed, it is replaced at once; a second one beside it is refused" {
	start a --psk psk
	run -111 --separate-stderr pki agent --psk psk
	kill -9 "$agent"
	wait "$agent" || true
	start b --psk psk
	[ "$(pki identities -j | jq -r .identity)" = psk ]
}

@test "on a given descriptor it serves one client and ends with it" {
	command -v python3 >/dev/null || skip "python3 is not installed"
	run -0 python3 - "$B/dmvpn-pki" <<-'EOF'
	import socket, subprocess, sys
	a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	p = subprocess.Popen([sys.argv[1], "agent", "--fd", str(b.fileno()),
	    "--psk", "k=psk"], pass_fds=[b.fileno()], stderr=subprocess.DEVNULL)
	b.close()
	# {"id": 1, "call": "pki-identities", "with": {"items": []}}
	a.send(bytes.fromhex("a3626964016463616c6c") + b"\x6epki-identities" +
	    bytes.fromhex("6477697468a1656974656d7380"))
	r = a.recv(4096)
	assert b"items" in r and b"\x61k" in r, r
	assert p.poll() is None
	a.close()
	assert p.wait(10) == 0
	EOF
	[ ! -e "$DMVPN_RUN/pki.sock" ]
}

@test "options that make no sense exit 100" {
	run -100 --separate-stderr pki agent --allow 1000
	[[ $stderr == *UID=IDENTITY* ]]
	run -100 --separate-stderr pki agent --allow x=y
	run -100 --separate-stderr pki agent --fd 2
	run -100 --separate-stderr pki agent --rate 0
	run -100 --separate-stderr pki agent --group no-such-group
	run -100 --separate-stderr pki agent --load absent.pem
	run -100 --separate-stderr pki agent operand
}

@test "another uid may not load, and uses only what it may" {
	[ "$(id -u)" = 0 ] || skip "needs root to be somebody else"
	id nobody >/dev/null || skip "there is no nobody"
	DMVPN_RUN=$(mktemp -d /tmp/dmvpn-pki-run.XXXXXX)
	REACHABLE=$DMVPN_RUN
	group=$(id -gn nobody)
	cp "$B/dmvpn-pki" "$DMVPN_RUN/prog"
	chmod 711 "$DMVPN_RUN"
	chmod 755 "$DMVPN_RUN/prog"
	start a --psk psk --psk other=psk --allow 0=psk --group "$group"
	as_nobody() { setpriv --reuid nobody --regid "$group" --clear-groups "$@"; }
	as_nobody true || skip "may not change the uid"
	run as_nobody "$DMVPN_RUN/prog" unload other
	[[ $status -eq 1 && $output == *"only for root and the user of"* ]]
	[ "$(pki identities -j | wc -l)" -eq 2 ]
	run as_nobody "$DMVPN_RUN/prog" identities
	[[ $output == *"may not use identity psk"* ]]
}
