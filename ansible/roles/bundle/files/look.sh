# Says in lines what of the host the role `bundle` decides by.
# BUNDLES: folder of bundles; BUNDLE: its id; APT: folder of apt's configuration; CURRENT: link; PACKAGES: wanted ones.
. /etc/os-release
echo "release $VERSION_CODENAME"
manifest=$BUNDLES/$BUNDLE/manifest.json
if [ -f "$manifest" ]; then sha256sum "$manifest" | sed 's/^\([0-9a-f]*\).*/manifest \1/'; fi
if [ -e "$BUNDLES/$BUNDLE/packages/$VERSION_CODENAME/Packages" ]; then echo packages; fi
if [ -e "$APT/lists/lock" ]; then echo lists; fi
if [ -n "$PACKAGES" ]; then dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' $PACKAGES 2>/dev/null; fi
# What services run and read: no hand but root's may change it.
if [ -n "$(find "$BUNDLES" \( ! -user root -o ! -group root -o ! -type l -perm /022 -o -type d ! -perm -055 \) -print -quit 2>/dev/null)" ]; then echo loose; fi
if [ -L "$CURRENT" ]; then echo "current $(readlink "$CURRENT")"; fi
# The youngest first.
ls -1t "$BUNDLES" 2>/dev/null | while read -r name; do
    if [ "$name" != "$BUNDLE" ] && [ -d "$BUNDLES/$name" ]; then echo "other $name"; fi
done
