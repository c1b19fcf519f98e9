# Instructions in a file of callgrind: all of them, and those of our own
# program (-v own=path_bench).  Prints both.

function object(line) {
	if (match(line, /\([0-9]+\)/)) {
		id = substr(line, RSTART, RLENGTH)
		if (length(line) > RSTART + RLENGTH)
			name[id] = substr(line, RSTART + RLENGTH + 1)
		return id
	}
}
/^ob=/ { now = object($0); next }
/^cob=/ { object($0); next }
/^calls=/ { skip = 1; next }	# what was called has its own lines
/^[0-9+*-]/ {
	if (!skip) {
		all += $2
		cost[now] += $2
	}
	skip = 0
}
END {
	for (id in cost)
		if (name[id] ~ own "$")
			mine += cost[id]
	printf "%d %d\n", all, mine
}
