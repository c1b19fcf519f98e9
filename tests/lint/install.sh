#!/bin/sh
# make install puts everything where it belongs, make uninstall takes it away.
. "$(dirname "$0")/tap.sh"
O=${O:-build}
dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT

installs() {
	make -s O="$O" MODE="${MODE:-release}" DESTDIR="$dest" \
	    install >"$dest.log" 2>&1 || tail -n 5 "$dest.log"
	rm -f "$dest.log"
	for p in "$O"/bin/dmvpn*; do
		n=$(basename "$p")
		case $n in
		*.new) continue ;;
		dmvpn-decode) f=/usr/local/libexec/dmvpn/$n ;;
		*) f=/usr/local/bin/$n ;;
		esac
		[ -x "$dest$f" ] || echo "no $f"
	done
	for m in man/*.[1-8]; do
		f=/usr/local/share/man/man${m##*.}/$(basename "$m")
		[ -e "$dest$f" ] || echo "no $f"
	done
	[ -e "$dest/usr/local/share/dmvpn/dmvpn.cddl" ] || echo "no dmvpn.cddl"
}
runs() {
	for p in "$dest"/usr/local/bin/dmvpn*; do
		"$p" --help </dev/null 2>&1 | grep -q '^usage:' ||
		    echo "$p does not run"
	done
}
uninstalls() {
	make -s O="$O" MODE="${MODE:-release}" DESTDIR="$dest" \
	    uninstall 2>&1 | head -n 5
	find "$dest" ! -type d
}

plan 3
rule "make install installs programs, pages and the CDDL" installs
rule "what is installed runs" runs
rule "make uninstall leaves no file" uninstalls
