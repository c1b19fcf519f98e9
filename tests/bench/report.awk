# Rows "tunnel what value round" become a table, JSON or a plot.
# -v form=text|json|svg -v about=FILE

{
	if (!($1 in seen)) {
		seen[$1] = 1
		order[++tunnels] = $1
	}
	if (!(($1, $2) in n))
		cases[++all] = $1 SUBSEP $2
	value[$1, $2, ++n[$1, $2]] = $3
}

function median(t, c,    i, k, m, v, x) {
	m = n[t, c]
	if (m == 0)
		return ""
	for (i = 1; i <= m; i++) {
		x = value[t, c, i]
		for (k = i - 1; k > 0 && v[k] > x; k--)
			v[k + 1] = v[k]
		v[k + 1] = x
	}
	return m % 2 ? v[(m + 1) / 2] : (v[m / 2] + v[m / 2 + 1]) / 2
}

function most(t, c,    i, best) {
	best = ""
	for (i = 1; i <= n[t, c]; i++)
		if (best == "" || value[t, c, i] + 0 > best + 0)
			best = value[t, c, i]
	return best
}

function least(t, c,    i, best) {
	best = ""
	for (i = 1; i <= n[t, c]; i++)
		if (best == "" || value[t, c, i] + 0 < best + 0)
			best = value[t, c, i]
	return best
}

# Rates of which several were tried: the best; all else: the median.
function figure(t, c) {
	if (c ~ /-(pps|clean)$/)
		return most(t, c)
	return c ~ /^udp.*-us$/ ? least(t, c) : median(t, c)
}

function cell(form, v, width) {
	if (v == "")
		return sprintf("%" width "s", "-")
	return sprintf("%" width form, v)
}

function text(    i, t, line, mine, v, input, inputs, k) {
	while ((getline line < about) > 0)
		print line
	print ""
	print "               Gbit/s  dmvpn/   CPU-s/GiB  with  4 streams" \
	    "   64-byte packets, k/s (us CPU)    ping, us   RSS"
	print "               1 TCP     this     daemons iperf3    Gbit/s" \
	    "      1 flow          64 flows      p50   p99   MB"
	mine = median("dmvpn", "tcp1-gbits")
	for (i = 1; i <= tunnels; i++) {
		t = order[i]
		if (n[t, "absent"] || n[t, "failed"]) {
			v = n[t, "absent"] ? "not installed" : "did not come up"
			printf "%-12s   %s\n", t, v
			continue
		}
		if ((v = median(t, "tcp1-gbits")) == "")
			continue
		printf "%-12s %s %s %s %s %s  %s (%s) %s (%s) %s %s %s\n", t,
		    cell(".2f", v, 8),
		    cell(".2f", v > 0 && mine != "" ? mine / v : "", 7),
		    cell(".2f", median(t, "tcp1-cpu"), 11),
		    cell(".2f", median(t, "tcp1-all"), 6),
		    cell(".2f", median(t, "tcp4-gbits"), 9),
		    cell("d", thousands(t, "udp1"), 7),
		    cell(".2f", figure(t, "udp1-us"), 5),
		    cell("d", thousands(t, "udp64"), 7),
		    cell(".2f", figure(t, "udp64-us"), 5),
		    cell("d", median(t, "ping-p50"), 6),
		    cell("d", median(t, "ping-p99"), 5),
		    cell(".1f", n[t, "rss"] ? median(t, "rss") / 1024 : "", 5)
	}
	others()
	clean()
	print ""
	print "The packet path alone, a packet: instructions (callgrind)," \
	    " without libraries      ns of CPU"
	print "                                  ipsec-mb     OpenSSL     " \
	    "      our own    ipsec-mb  OpenSSL"
	k = split("out-tcp4 in-tcp4 out-tcp6 in-tcp6 out-udp64 in-udp64",
	    inputs, " ")
	for (i = 1; i <= k; i++) {
		input = inputs[i]
		printf "  %-28s %s %s %s %s %s\n", input,
		    cell("d", median("default", "ir-" input), 11),
		    cell("d", median("openssl", "ir-" input), 11),
		    cell("d", median("default", "own-" input), 18),
		    cell("d", median("default", "ns-" input), 12),
		    cell("d", median("openssl", "ns-" input), 8)
	}
}

# One core an end, many peers.
function others(    i, t, v, mine, k) {
	mine = median("dmvpn", "pin-gbits")
	for (i = 1; i <= tunnels; i++) {
		t = order[i]
		if ((v = median(t, "pin-gbits")) == "")
			continue
		if (!k++)
			print "\nOne core an end, one TCP stream: Gbit/s," \
			    " dmvpn/this, CPU-s/GiB of the daemons"
		printf "  %-12s %s %s %s\n", t, cell(".2f", v, 7),
		    cell(".2f", mine != "" ? mine / v : "", 7),
		    cell(".2f", median(t, "pin-cpu"), 7)
	}
	if ((v = median("many", "bulk1-cpu")) == "")
		return
	printf "\n1,000 peers with SAs, 1 Gbit/s of UDP: to one %.2f" \
	    " CPU-s/GiB, over all in turn %.2f (%.2f times)\n", v,
	    median("many", "bulk1000-cpu"), median("many", "bulk1000-cpu") / v
}

# The highest rate tried without loss, beside what the generator can do.
function clean(    i, t, v, limit, k) {
	if (n["veth", "udp64-pps"] > 1)
		limit = figure("veth", "udp64-pps")
	for (i = 1; i <= tunnels; i++) {
		t = order[i]
		if ((v = figure(t, "udp64-clean")) == "" || limit == "")
			continue
		if (!k++)
			print "\n64 flows, less than 1 in 100 lost up to:" \
			    " k/s, of the generator\047s limit"
		printf "  %-12s %s %s %%\n", t, cell("d", v / 1000, 7),
		    cell("d", 100 * v / limit, 7)
	}
}

function thousands(t, c,    v) {
	v = figure(t, c "-pps")
	return v == "" ? "" : v / 1000
}

function json(    i, k, key, line, sep) {
	printf "{\"about\":["
	sep = ""
	while ((getline line < about) > 0) {
		gsub(/["\\]/, " ", line)
		printf "%s\"%s\"", sep, line
		sep = ","
	}
	printf "],\n\"figures\":["
	sep = "\n"
	for (i = 1; i <= all; i++) {
		split(cases[i], key, SUBSEP)
		printf "%s{\"tunnel\":\"%s\",\"case\":\"%s\",\"value\":%g," \
		    "\"runs\":[", sep, key[1], key[2], figure(key[1], key[2])
		for (k = 1; k <= n[key[1], key[2]]; k++)
			printf "%s%g", (k > 1 ? "," : ""),
			    value[key[1], key[2], k]
		printf "]}"
		sep = ",\n"
	}
	print "\n]}"
}

function bars(title, c, y,    i, t, v, top, w, color) {
	printf "<text x=\"10\" y=\"%d\" font-weight=\"bold\">%s</text>\n",
	    y, title
	for (i = 1; i <= tunnels; i++)
		if (n[order[i], c] && figure(order[i], c) + 0 > top)
			top = figure(order[i], c) + 0
	for (i = 1; i <= tunnels && top > 0; i++) {
		t = order[i]
		if (!n[t, c])
			continue
		v = figure(t, c)
		y += 20
		w = v / top * 420
		color = t ~ /^(dmvpn(9000)?|openssl|thread1|esp|ipv6|many)$/ ? "#2563ab" : "#d0833a"
		if (t ~ /^(veth|floor)$/)
			color = "#bbbbbb"
		printf "<text x=\"100\" y=\"%d\" text-anchor=\"end\">%s" \
		    "</text><rect x=\"108\" y=\"%d\" width=\"%.1f\" " \
		    "height=\"14\" fill=\"%s\"/><text x=\"%.1f\" y=\"%d\">" \
		    "%.4g</text>\n", y, t, y - 11, w, color, 114 + w, y, v
	}
	return y + 36
}

function svg(    y, line) {
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" " \
	    "height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n" \
	    "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
	    5 * 36 + 5 * 20 * (tunnels + 1) + 80
	y = bars("One TCP stream, Gbit/s", "tcp1-gbits", 24)
	y = bars("CPU-seconds per GiB, both daemons", "tcp1-cpu", y)
	y = bars("64-byte packets, 64 flows, per second", "udp64-pps", y)
	y = bars("Round trip, median, microseconds", "ping-p50", y)
	y = bars("Resident memory of one end, KB", "rss", y)
	while ((getline line < about) > 0) {
		gsub(/[<&]/, " ", line)
		printf "<text x=\"10\" y=\"%d\" font-size=\"10\">%s</text>\n",
		    y, line
		y += 13
	}
	print "</svg>"
}

END {
	if (form == "json")
		json()
	else if (form == "svg")
		svg()
	else
		text()
}
