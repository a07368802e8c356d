# Says in lines which key exchanges the host's OpenSSH knows, and what else the role `ssh` decides by.
set -e
ssh -Q kex
if systemctl --quiet is-active ssh.socket; then echo socket listens; fi
stat --format='settings %a %U %G' /etc/ssh/sshd_config
