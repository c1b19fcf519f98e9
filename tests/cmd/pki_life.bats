# dmvpn-pki: certificates and stores over the years.

bats_require_minimum_version 1.5.0

setup() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	export DMVPN_RUN=$BATS_TEST_TMPDIR/run
	unset DMVPN_STORE
}

pki() {
	"$B/dmvpn-pki" "$@"
}

need_strace() {
	type -P strace >/dev/null || skip "strace is not installed"
	strace -f -qq -o /dev/null true || skip "strace may not trace here"
}

# The public key of a PEM file's certificate.
pubkey() {
	openssl x509 -in "$1" -noout -pubkey
}

sound() {
	python3 -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
assert c.execute("PRAGMA integrity_check").fetchone()[0] == "ok"' "$1"
}

@test "renew makes a new key for the same names and blocks; the old one stays valid (PKI-14)" {
	pki init
	for k in p256 p384 ed25519 rsa2048; do
		pki issue -k $k -p hub -T 10.0.0.1 -T fd00::1 -S 192.168.1.0/24 -d 90 \
		    -D "a.$k" -D b.example -I 192.0.2.7 -E me@example.org -o old.pem "h.$k"
		pki renew -o new.pem "h.$k"
		[ "$(stat -c %a new.pem)" = 600 ]
		[ "$(pubkey old.pem)" != "$(pubkey new.pem)" ]
		for f in old.pem new.pem; do
			run -0 pki verify --need-blocks --for "a.$k" "$f"
			pki show -j "$f" | head -n 1 | jq -cS '{identities, blocks, usage,
			    "extended-usage", key, subject}' >"$f.what"
		done
		cmp old.pem.what new.pem.what
		rm old.pem new.pem
	done
	end() { date -ud "$(pki list -j "$1" | jq -r '."not-after"' | tail -n 1)" +%s; }
	left=$((($(end h.p256) - $(date +%s)) / 86400))
	[ "$left" -ge 89 ] && [ "$left" -le 91 ]
	pki renew -d 10 -o short.pem h.p256
	[ "$(pki list -j h.p256 | wc -l)" -eq 3 ]
}

@test "renew keeps the key when told: of the store's certificate, or with its file" {
	pki init
	pki issue -T 10.0.0.2 -o old.pem x
	pki renew --same-key -o cert.pem x
	[ "$(pubkey old.pem)" = "$(pubkey cert.pem)" ]
	run -1 grep -c PRIVATE cert.pem
	pki renew --key old.pem -o new.pem x
	[ "$(pubkey old.pem)" = "$(pubkey new.pem)" ]
	cmp <(openssl pkey -in old.pem) <(openssl pkey -in new.pem)
	pki issue -o other.pem other
	run -100 --separate-stderr pki renew --key other.pem -o z.pem x
	[[ $stderr == *"not that of"* && ! -e z.pem ]]
	run -100 --separate-stderr pki renew --same-key -k p384 x
	run -1 --separate-stderr pki renew -o new.pem x
	[[ $stderr == *"already there"* ]]
	[ "$(pki list -j x | wc -l)" -eq 3 ]
}

@test "who is revoked or unknown is not renewed" {
	pki init
	pki issue -o x.pem x
	pki revoke x
	run -1 --separate-stderr pki renew x
	[[ -z $output && $stderr == *"all certificates of x are revoked"* ]]
	run -1 --separate-stderr pki renew nobody
	[[ $stderr == *"no certificate of nobody"* ]]
	[ "$(pki list -j | wc -l)" -eq 1 ]
}

@test "expiring: exit status 0 none, 1 some; a successor ends the alarm" {
	pki init
	pki issue -d 20 -o a.pem a
	pki issue -d 400 -o b.pem b
	run -0 pki expiring --within 10d
	[ -z "$output" ]
	run -1 pki expiring
	[[ $output == NAME*a*valid* && $output != *$'\n'b* ]]
	run -1 pki expiring --json
	[ "$(jq -r .name <<<"$output")" = a ]
	pki renew -d 300 -o a2.pem a
	run -0 pki expiring
	pki renew -d 5 -o b2.pem b
	run -0 pki expiring
	pki revoke a
	run -0 pki expiring
	run -1 pki expiring -w 9000d -j
	[ "$(head -n 1 <<<"$output" | jq -r .profile)" = ca ]
	run -100 --separate-stderr pki expiring --within soon
	# of files, wherever they come from
	run -0 pki expiring -w 10d -s none a.pem b.pem
	run -1 pki expiring -j -s none b.pem a.pem b2.pem
	[ "$(jq -r .name <<<"$output" | tr '\n' ' ')" = 'a b2 ' ]
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout k -out other.pem -days 3 -subj /CN=Other 2>/dev/null
	run -1 pki expiring -s none other.pem
	[[ $output == *other*valid* ]]
	run -100 --separate-stderr pki expiring nothing.pem
}

@test "backup and restore: whole, 0600, and never over something newer" {
	umask 000
	pki init
	pki issue -o a.pem a
	pki backup one.db
	[ "$(stat -c %a one.db)" = 600 ]
	sound one.db
	run -1 --separate-stderr pki backup one.db
	[[ $stderr == *"already there"* ]]
	run -100 --separate-stderr pki backup -
	pki issue -o b.pem b
	run -1 --separate-stderr pki restore one.db
	[[ $stderr == *"newer than the backup"* ]]
	[ "$(pki list -j | wc -l)" -eq 2 ]
	pki restore --force one.db
	[ "$(pki list -j | wc -l)" -eq 1 ]
	pki verify a.pem
	# the same state again is no loss; another CA is
	pki restore one.db
	pki init -s other.db --name Other
	run -1 --separate-stderr pki restore -s other.db one.db
	[[ $stderr == *"another CA"* ]]
	# to where nothing is
	pki restore -s new/x.db one.db || mkdir new
	pki restore -s new/x.db one.db
	[ "$(stat -c %a new/x.db)" = 600 ]
	[ "$(pki list -s new/x.db -j | wc -l)" -eq 1 ]
	chmod 644 one.db
	run -100 --separate-stderr pki restore one.db
	[[ $stderr == *"chmod 600"* ]]
}

@test "a damaged store comes back from its backup; a damaged backup is refused (PKI-08)" {
	pki init
	pki issue -o a.pem a
	pki backup good.db
	cp good.db bad.db
	for f in dmvpn-ca.db bad.db; do
		printf '\377\377\377\377\377\377\377\377' |
		    dd of="$f" bs=1 seek=4096 conv=notrunc 2>/dev/null
	done
	: >dmvpn-ca.db-journal
	run -1 --separate-stderr pki list
	[[ $stderr == *damaged* ]]
	run -1 --separate-stderr pki restore good.db
	run -1 --separate-stderr pki restore --force bad.db
	[[ $stderr == *damaged* ]]
	pki restore --force good.db
	[ "$(pki list -j | jq -r .name)" = a ]
	[ ! -e dmvpn-ca.db-journal ]
}

@test "renew, backup, restore: a fault leaves all as it was (PKI-06)" {
	need_strace
	pki init
	pki issue -o x.pem x
	pki backup b.db
	pki issue -o y.pem y
	for fault in fsync:error=EIO write:error=ENOSPC renameat2:error=EROFS; do
		for c in "renew -o n.pem x" "backup c.db"; do
			# shellcheck disable=SC2086
			run strace -f -qq -o /dev/null -e trace="${fault%%:*}" \
			    -e inject="$fault" "$B/dmvpn-pki" $c
			[ "$status" -ne 0 ]
			[ -z "$(ls n.pem c.db ./*.new 2>/dev/null)" ]
			[ "$(pki list -j | wc -l)" -eq 2 ]
		done
	done
	for fault in pwrite64:error=ENOSPC pwrite64:error=EIO fdatasync:error=EIO; do
		run strace -f -qq -o /dev/null -e trace="${fault%%:*}" \
		    -e inject="$fault" "$B/dmvpn-pki" restore -f b.db
		[ "$status" -ne 0 ]
		[ "$(pki list -j | wc -l)" -eq 2 ]
	done
}

@test "export makes PKCS#7 that others read" {
	pki init --name "Test CA"
	pki issue -o x.pem x
	pki export -F pkcs7 x | openssl pkcs7 -print_certs -noout >out
	[ "$(grep -c '^subject=' out)" -eq 2 ]
	grep -q 'CN = x' out
	grep -q 'Test CA' out
	pki export -F pkcs7 x.pem | openssl pkcs7 -print_certs -noout | grep -q 'CN = x'
}

@test "a batch: a file for each line, what is wrong is told by its line" {
	pki init -R 10.0.0.0/8 -d 400
	mkdir sub
	cat >list <<-'EOF'
	# two spokes and a hub
	-T 10.0.0.2 spoke1
	-T 10.0.0.3 -S 10.3.0.0/16 -o sub/two.pem spoke2
	-p hub -k p384 -d 10 -T 10.0.0.1 hub

	-T 192.168.0.1 outside
	../../x
	--help
	-o absent/x.pem y
	-o - z
	-s other.db z
	spoke1
	EOF
	run -1 --separate-stderr pki issue -d 20 --batch list
	[[ -z $output || $output == usage:* ]]
	for n in 6 7 8 9 10 11 12; do
		[[ $stderr == *"list:$n: "* ]]
	done
	[[ $stderr == *"3 issued, 7 refused, in "* ]]
	[ "$(pki list -j | wc -l)" -eq 3 ]
	for f in spoke1.pem sub/two.pem hub.pem; do
		[ "$(stat -c %a "$f")" = 600 ]
		pki verify "$f" >/dev/null
	done
	[ "$(pki show -j hub.pem | head -n 1 | jq -r .key)" = p384 ]
	[ -z "$(ls ./*.new sub/*.new 2>/dev/null)" ]
	run -100 --separate-stderr pki issue --batch list name
	run -100 --separate-stderr pki issue --batch absent
	run -100 --separate-stderr pki issue
	printf 'a\0b\n' >zero
	run -100 --separate-stderr pki issue --batch zero
}

@test "a batch over more than one transaction: as many files as rows, unique serials" {
	pki init
	seq 2100 | sed 's/.*/s&/' >list
	run -0 --separate-stderr pki issue --batch list
	[[ $stderr == "2100 issued, 0 refused, in "* ]]
	[ "$(find . -name 's*.pem' | wc -l)" -eq 2100 ]
	[ "$(pki list -j | jq -r .serial | sort -u | wc -l)" -eq 2100 ]
	pki verify s2100.pem >/dev/null
}

@test "a batch that is killed or fails leaves no file that the store does not know (F10, PKI-06)" {
	need_strace
	pki init
	seq 5 | sed 's/.*/s&/' >list
	for call in openat pwrite64 write fsync fdatasync syncfs renameat2 unlink; do
		for n in 1 2 3 5 8 13 21; do
			rm -f s*.pem ./*.new
			strace -f -qq -o /dev/null -e trace="$call" \
			    -e inject="$call:signal=KILL:when=$n" \
			    "$B/dmvpn-pki" issue --batch list >/dev/null 2>&1 && break
			for f in s*.pem; do
				[ ! -e "$f" ] || pki verify "$f" >/dev/null
			done
			pki list >/dev/null
		done
	done
	rm -f s*.pem ./*.new
	before=$(pki list -j | wc -l)
	for fault in syncfs:error=EIO write:error=ENOSPC pwrite64:error=ENOSPC \
	    renameat2:error=EROFS; do
		run strace -f -qq -o /dev/null -e trace="${fault%%:*}" \
		    -e inject="$fault" "$B/dmvpn-pki" issue --batch list
		[ "$status" -ne 0 ]
		[ -z "$(ls s*.pem ./*.new 2>/dev/null)" ]
		[ "$(pki list -j | wc -l)" -eq "$before" ]
	done
	sound dmvpn-ca.db
}

@test "init takes a CA that there is already, with its key as it was locked" {
	umask 077
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout ca.key -out ca.crt -subj "/O=Old/CN=Old CA" -days 900 2>/dev/null
	cat ca.key ca.crt >old.pem
	pki init --from old.pem
	pki issue -o x.pem x
	openssl verify -CAfile ca.crt x.pem
	pki verify -t ca.crt x.pem >/dev/null
	run -1 --separate-stderr pki issue -T 10.0.0.1 y
	echo right >pass
	openssl pkcs8 -topk8 -in ca.key -passout file:pass -out locked.key
	cat locked.key ca.crt >locked.pem
	pki init -s locked.db --from locked.pem -P pass
	run -1 grep -ac "BEGIN PRIVATE KEY" locked.db
	pki issue -s locked.db -P pass -o z.pem z
	cat ca.key >mix.pem
	openssl x509 -in x.pem >>mix.pem
	run --separate-stderr pki init -s no.db --from mix.pem
	[ "$status" -eq 100 ]
	run --separate-stderr pki init -s no.db --from x.pem
	[[ $status -eq 100 && $stderr == *"not that of a CA"* ]]
	[ ! -e no.db ]
}
