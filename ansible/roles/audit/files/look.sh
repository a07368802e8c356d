# Says in lines whether the audit daemon is installed, and whether it runs now and at every start.
dpkg-query --show --showformat='${db:Status-Status}\n' auditd 2>/dev/null
if systemctl --quiet is-enabled auditd 2>/dev/null && systemctl --quiet is-active auditd; then echo runs; fi
