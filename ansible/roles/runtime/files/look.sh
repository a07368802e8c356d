# Says in lines what of the host the role `runtime` decides by.
# PYTHON: the interpreter; UV: the program that makes environments; BUNDLE: folder; FOLDER: of environments; NAMES: theirs.
version=$("$PYTHON" -I -c "import sys; print('%d.%d' % sys.version_info[:2])") || exit 1
echo "python $version"
if [ -x "$UV" ]; then echo uv; fi
# Code that services run: no hand but root's may change it, and every service may read it.
if [ -n "$(find "$FOLDER" \( ! -user root -o ! -group root -o ! -type l -perm /022 -o -type d ! -perm -055 \) -print -quit 2>/dev/null)" ]; then echo loose; fi
for name in $NAMES; do
    requirements=$BUNDLE/wheels/$name/requirements.txt
    if [ ! -f "$requirements" ]; then continue; fi
    digest=$(sha256sum "$requirements" | cut -c 1-16)-$version
    home=$FOLDER/$name
    echo "wanted $name $digest"
    if [ -e "$home/$digest/.whole" ]; then echo "whole $name"; fi
    if [ "$(readlink "$home/current")" = "$home/$digest" ]; then echo "current $name"; fi
    # The youngest first.
    ls -1t "$home" 2>/dev/null | while read -r other; do
        if [ "$other" != "$digest" ] && [ -d "$home/$other" ] && [ ! -L "$home/$other" ]; then echo "other $home/$other"; fi
    done
done
