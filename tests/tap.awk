# Counts a TAP stream: "passed failed skipped".  A plan that was not kept, no
# plan at all, or an exit status that no failed test explains is a failure.
/^1\.\.[0-9]+/ { split($1, a, /\.\./); plan = a[2] + 0; planned = 1; next }
/^(not )?ok([ \t]|$)/ {
	seen++
	low = tolower($0)
	if (low ~ /# *skip/) skipped++
	else if (low ~ /^not/ && low !~ /# *todo/) failed++
	else passed++
}
END {
	if (!planned) failed++
	else if (seen < plan) failed += plan - seen
	if (status != 0 && failed == 0 && skipped == 0) failed++
	print passed + 0, failed + 0, skipped + 0
}
